"""The daemon as a process: logs, signals, exit status."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING, Final

from hanota.bench.port_lock import port_locked
from hanota.daemon.daemon import Daemon
from hanota.daemon.logs import logging_to
from hanota.radio.url import EMULATED

if TYPE_CHECKING:
    from hanota.config.settings import Settings

logger = logging.getLogger(__name__)

_STOPPING: Final = (signal.SIGTERM, signal.SIGINT)


def run_daemon(settings: Settings) -> None:
    """Run until a signal says to stop; raise HanotaError where it cannot start or go on."""
    with logging_to(sys.stderr, settings.logging):
        asyncio.run(_run(settings))


async def _run(settings: Settings) -> None:
    stop = stop_by_signal()
    path = settings.radio.url.path
    own = nullcontext() if path.startswith(EMULATED) else port_locked(path)
    with own:
        async with Daemon(settings) as daemon:
            await daemon.run(stop)


def stop_by_signal() -> asyncio.Event:
    """Return what the first SIGTERM or SIGINT sets; the second one ends the process where it stands.

    Nothing is lost by that: what was answered is in the database.
    """
    loop, stop = asyncio.get_running_loop(), asyncio.Event()

    def first(number: signal.Signals) -> None:
        logger.info("%s: draining; a second one ends at once", number.name)
        for each in _STOPPING:
            loop.remove_signal_handler(each)
            signal.signal(each, signal.SIG_DFL)
        stop.set()

    for number in _STOPPING:
        loop.add_signal_handler(number, first, number)
    return stop
