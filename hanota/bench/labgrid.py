"""labgrid's targets on the bench: their power and consoles, every call of them made on one thread."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from hanota.bench.console import Console
from hanota.bench.errors import BenchError
from hanota.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

logger = logging.getLogger(__name__)

POWER: Final = "PowerProtocol"
CONSOLE: Final = "ConsoleProtocol"
READ_SECONDS: Final = 0.2
"""How long one read of a console waits: so long a power switch may wait too."""
PAUSE: Final = 0.05
"""Seconds between reads that brought nothing: not every driver waits."""
_READ_OCTETS: Final = 4096
# By name, as hanota does without labgrid: what says that a target has no such driver, or none that is the
# one meant; what says that a console has nothing to read (pexpect's); the driver that asks a person.
_NO_DRIVER: Final = "NoDriverFoundError"
_SILENCE: Final = "TIMEOUT"
_BY_HAND: Final = "ManualPowerDriver"


class LabgridWorker:
    """The one thread on which labgrid's drivers run.

    The steps that they report are one stack for the whole process: two threads would take each other's off.
    """

    def __init__(self, threads: ThreadPoolExecutor) -> None:
        self._threads = threads

    async def call(self, what: str, action: Callable[..., Any], *arguments: Any) -> Any:
        """Return what `action` returns; raise BenchError, which names `what` could not be done."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, action, *arguments)
        except BenchError:
            raise
        except Exception as error:  # a driver of labgrid's raises whatever its hardware does
            raise BenchError(f"labgrid could not {what}: {_words(error)}") from error


class LabgridTarget:
    """One of labgrid's targets, for as long as a rig is open."""

    def __init__(self, worker: LabgridWorker, target: Any, held: AsyncExitStack) -> None:
        self._worker, self._target, self._held = worker, target, held

    async def power(self, *, attended: bool) -> LabgridPower:
        """Return its power; raise BenchError, or ConfigError where it has none to switch.

        Not `attended`, nobody is there to be asked by its ManualPowerDriver.
        """
        driver = await self._driver(POWER)
        if not attended and type(driver).__name__ == _BY_HAND:
            raise ConfigError("it is switched by hand", hint="run it where somebody is at the terminal")
        return LabgridPower(self._worker, driver)

    async def console(
        self, name: str, *, log: Path | None = None, stamp: Callable[[], str] = lambda: ""
    ) -> Console:
        """Return its console, read from now on; raise BenchError, or ConfigError where it has none."""
        driver = await self._driver(CONSOLE)
        console = Console(name, log=log, stamp=stamp)
        console.attach(_Writer(self._worker, driver))
        reading = asyncio.create_task(_read(self._worker, driver, console), name=f"console {name}")

        async def end() -> None:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            console.close()

        self._held.push_async_callback(end)
        return console

    async def _driver(self, protocol: str) -> Any:
        """Return the driver of `protocol`, active; one that was not goes back to that at the end.

        So a console is opened anew by each rig: what the device says between two is nobody's.
        """
        try:
            driver = await self._worker.call(f"find {protocol}", self._find, protocol)
        except BenchError as error:
            if type(error.__cause__).__name__ == _NO_DRIVER:
                raise ConfigError(f"labgrid: {_words(error.__cause__)}") from None
            raise
        if driver.state.name != "active":
            await self._worker.call(f"activate {driver}", self._target.activate, driver)
            self._held.push_async_callback(self._deactivate, driver)
        return driver

    def _find(self, protocol: str) -> Any:
        return self._target.get_driver(protocol, activate=False)

    async def _deactivate(self, driver: Any) -> None:
        try:
            await self._worker.call(f"deactivate {driver}", self._target.deactivate, driver)
        except BenchError as error:
            logger.warning("%s", error)


class LabgridPower:
    """The PowerProtocol driver of a labgrid target."""

    def __init__(self, worker: LabgridWorker, driver: Any) -> None:
        self._worker, self._driver = worker, driver

    async def on(self) -> None:
        """Give power; raise BenchError."""
        await self._worker.call("switch the power on", self._driver.on)

    async def off(self) -> None:
        """Cut it; raise BenchError."""
        await self._worker.call("switch the power off", self._driver.off)


@asynccontextmanager
async def labgrid_targets(targets: dict[str, Any]) -> AsyncIterator[dict[str, LabgridTarget]]:
    """Hold labgrid's targets, by name, for the length of a `with` block.

    Nobody else may call their drivers meanwhile, see LabgridWorker.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="labgrid") as threads:
        worker = LabgridWorker(threads)
        async with AsyncExitStack() as held:
            yield {name: LabgridTarget(worker, target, held) for name, target in targets.items()}


async def _read(worker: LabgridWorker, driver: Any, console: Console) -> None:
    while True:
        try:
            octets = await worker.call("read the console", _read_once, driver)
        except BenchError as error:
            console.lost(str(error))
            return
        if octets:
            console.feed(octets)
        else:
            await asyncio.sleep(PAUSE)


def _read_once(driver: Any) -> bytes:
    try:
        return bytes(driver.read(_READ_OCTETS, timeout=READ_SECONDS))
    except Exception as error:
        if type(error).__name__ == _SILENCE:
            return b""
        raise


class _Writer:
    """Types on a console driver."""

    def __init__(self, worker: LabgridWorker, driver: Any) -> None:
        self._worker, self._driver = worker, driver

    async def write(self, data: bytes) -> None:
        """Write all of it; raise BenchError."""
        await self._worker.call("write to the console", self._driver.write, data)


def _words(error: BaseException | None) -> str:
    """Return what an error of labgrid's says; its own classes keep that in `msg`."""
    return str(getattr(error, "msg", "") or error or type(error).__name__)
