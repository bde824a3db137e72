"""A running emulation: the HAN lives, its dongle's port is served, its memory is kept, commands are taken."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Final

from hanota.emulator.emulation.bench_ports import consoles, relay_board
from hanota.emulator.emulation.control import Control
from hanota.emulator.emulation.control_socket import control_socket
from hanota.emulator.emulation.state_file import write_state
from hanota.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from hanota.emulator.emulation.han import Han
    from hanota.emulator.emulation.ports import Port

STATE_INTERVAL: Final = 1.0
"""Seconds between looks at whether a memory has changed: what a killed emulation may lose."""


async def run_emulation(
    han: Han,
    port: AbstractAsyncContextManager[Port],
    *,
    control: Path | None,
    state: Path | None,
    started: Callable[[Control, Port], None],
    stop: asyncio.Event,
    relay: Path | None = None,
) -> None:
    """Run until `stop`; raise ConfigError where a port, a socket or the state file cannot be had.

    `started` is called once everything listens; `port` serves the line of the HAN's dongle, and `relay` names
    the terminal of a relay board that switches its devices.
    """
    async with AsyncExitStack() as stack:
        stack.callback(han.switch_off)
        open_port = await stack.enter_async_context(port)
        await stack.enter_async_context(consoles(han))
        if relay is not None:
            await stack.enter_async_context(relay_board(han, relay))
        commands = Control(han, open_port)
        if control is not None:
            await stack.enter_async_context(control_socket(commands, control))
        activities = [asyncio.create_task(stop.wait()), asyncio.create_task(han.run())]
        if state is not None:
            write_state(state, han.state())
            activities.append(asyncio.create_task(_keep_state(han, state)))
        started(commands, open_port)
        try:
            ended, _ = await asyncio.wait(activities, return_when=asyncio.FIRST_COMPLETED)
            for activity in ended:
                await activity
        finally:
            for activity in activities:
                activity.cancel()
            await asyncio.gather(*activities, return_exceptions=True)
        if state is not None:
            write_state(state, han.state())


async def _keep_state(han: Han, path: Path) -> None:
    written = han.state()
    while True:
        await asyncio.sleep(STATE_INTERVAL)
        state = han.state()
        if state != written:
            with suppress(ConfigError):  # a full disk may have room again; the last write tells
                write_state(path, state)
                written = state
