"""The daemon's life: started in order, watched, drained when told to stop, stopped in the opposite order."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Self

from hanota import __version__
from hanota.clock import SystemClock
from hanota.daemon.build import Parts, build
from hanota.daemon.devices import add_devices, expect_devices
from hanota.daemon.emulated import emulation
from hanota.daemon.notify import READY, STOPPING, WATCHDOG, Notifier
from hanota.daemon.server import HttpServer, is_loopback
from hanota.daemon.token_file import token_file
from hanota.errors import ConfigError, StoreError
from hanota.hub.events import EventKind, Party

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from hanota.clock import Clock
    from hanota.config.settings import Settings
    from hanota.hub.events import Json

logger = logging.getLogger(__name__)


@asynccontextmanager
async def at_work(parts: Parts) -> AsyncIterator[Sequence[asyncio.Task[None]]]:
    """Have all but HTTP at work for the length of a `with` block; give the tasks that are to run for ever.

    Raise HanotaError where it cannot start.
    """
    async with AsyncExitStack() as stack:
        expect_devices(parts)
        await parts.hub.start(parts.dcc)
        stack.push_async_callback(parts.hub.stop)
        if parts.hub.eui64 != parts.keys.hub.eui64:
            raise ConfigError(
                f"the coordinator is {parts.hub.eui64}, the hub's keys are of {parts.keys.hub.eui64}",
                hint="set keys.hub, or give the dongle that EUI-64: `hanota radio write-eui64`",
            )
        parts.dcc.start()
        parts.inventory.configure(device.record for device in parts.settings.devices)
        parts.products.configure(parts.settings.products)
        tasks = []
        for work, name in (
            (parts.lag.run(), "event loop watch"),
            (parts.clock_watch.run(), "clock watch"),
            (parts.delivery.run(), "delivery"),
            (parts.pruning.run(), "pruning"),
        ):
            tasks.append(asyncio.create_task(work, name=name))
            stack.push_async_callback(_end, tasks[-1])
        yield tasks


class Daemon:
    """One hub with its DCC, HTTP beside it, on the running event loop.

    `async with Daemon(settings) as daemon: await daemon.run(stop)`. Raise HanotaError where it cannot start.
    """

    def __init__(
        self, settings: Settings, *, clock: Clock | None = None, notifier: Notifier | None = None
    ) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self._notifier = notifier or Notifier()
        self._stack = AsyncExitStack()
        self._tasks: list[asyncio.Task[None]] = []
        self._parts: Parts | None = None
        self._server: HttpServer | None = None

    @property
    def parts(self) -> Parts:
        """What it is made of; raise ConfigError before it was started."""
        if self._parts is None:
            raise ConfigError("the daemon has not been started")
        return self._parts

    @property
    def url(self) -> str:
        """Where its HTTP is."""
        if self._server is None:
            raise ConfigError("the daemon has not been started")
        return self._server.url

    async def __aenter__(self) -> Self:
        """Start everything; nothing is left where that fails."""
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Drain and stop everything."""
        self._notifier.tell(STOPPING)
        parts = self.parts
        logger.info("stopping: requests under way are answered first")
        parts.probe.draining.set()
        try:
            _note(parts, EventKind.DAEMON_STOPPING)
        except StoreError as error:
            logger.error("%s", error)  # noqa: TRY400  # what to do is in the message, not in a traceback
        await self._stack.aclose()
        logger.info("stopped")

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop`, or until a part that is to run for ever has ended: raise what it ended of."""
        stopped = asyncio.create_task(stop.wait(), name="stop")
        try:
            ended, _ = await asyncio.wait([stopped, *self._tasks], return_when=asyncio.FIRST_COMPLETED)
            for task in ended - {stopped}:
                logger.critical("%s has ended", task.get_name())
                await task
                raise ConfigError(f"{task.get_name()} has ended")
        finally:
            stopped.cancel()

    async def _start(self) -> None:
        settings, watchdog = self._settings, self._notifier.watchdog is not None
        parts = self._parts = build(
            settings,
            self._stack.enter_context(ExitStack()),
            clock=self._clock,
            alive=(lambda: self._notifier.tell(WATCHDOG)) if watchdog else (lambda: None),
        )
        if parts.emulated is not None:
            if parts.keys.lab is None:
                raise ConfigError(
                    f"the devices behind {settings.radio.url} have no keys",
                    hint='set keys.lab = "lab": keys are made in that folder',
                )
            await self._stack.enter_async_context(
                emulation(parts.emulated, settings.radio.url, settings.emulation, parts.keys.lab, self._clock)
            )
        self._tasks += await self._stack.enter_async_context(at_work(parts))
        server = HttpServer(parts.app, settings.api, drain=settings.daemon.drain_timeout)
        self._server = server
        await server.start()
        self._stack.push_async_callback(server.stop)
        self._tasks.append(asyncio.create_task(server.ended(), name="HTTP server"))
        await add_devices(parts)
        _note(parts, EventKind.DAEMON_STARTED, version=__version__, url=server.url)
        self._tell_where(server)
        self._notifier.tell(READY)

    def _tell_where(self, server: HttpServer) -> None:
        settings = self._settings
        logger.info("hanota %s serves %s", __version__, server.url)
        if not settings.api.tokens and not settings.api.client_certificates:
            logger.info("the token for REST is in %s", token_file(settings.store.path))
        if not is_loopback(settings.api.host) and settings.api.certificate is None:
            logger.warning(
                "everybody on the network reaches %s, and reads tokens on the way: set api.certificate",
                server.url,
            )


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _note(parts: Parts, kind: EventKind, **detail: Json) -> None:
    parts.journal.record(kind, Party.HUB, Party.HUB, detail=detail)
