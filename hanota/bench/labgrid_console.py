"""A labgrid target's console as one of the bench's: its driver is read in the background."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from hanota.bench.console import Console
from hanota.bench.errors import BenchError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

READ_SECONDS: Final = 0.2
"""How long one read of the driver waits; the console is closed after this at the latest."""
_READ_OCTETS: Final = 4096
_SILENCE: Final = "TIMEOUT"
"""The name of the exception of pexpect by which its drivers tell that nothing came."""


@asynccontextmanager
async def labgrid_console(
    target: Any, name: str, *, log: Path | None = None, stamp: Callable[[], str] = lambda: ""
) -> AsyncIterator[Console]:
    """Read the target's console for the length of a `with` block; raise BenchError."""
    driver = target.get_driver("ConsoleProtocol")
    console = Console(name, log=log, stamp=stamp)
    console.attach(_Writer(driver))
    reading = asyncio.create_task(_read(driver, console))
    try:
        yield console
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        console.close()


async def _read(driver: Any, console: Console) -> None:
    loop = asyncio.get_running_loop()
    while True:
        try:
            console.feed(await loop.run_in_executor(None, _read_once, driver))
        except Exception as error:  # noqa: BLE001  # a driver of labgrid's raises whatever its hardware does
            console.lost(str(error))
            return


def _read_once(driver: Any) -> bytes:
    try:
        return bytes(driver.read(_READ_OCTETS, timeout=READ_SECONDS))
    except Exception as error:
        if type(error).__name__ == _SILENCE:
            return b""
        raise


class _Writer:
    """Types on a console driver."""

    def __init__(self, driver: Any) -> None:
        self._driver = driver

    async def write(self, data: bytes) -> None:
        """Write all of it; raise BenchError."""
        try:
            await asyncio.get_running_loop().run_in_executor(None, self._driver.write, data)
        except Exception as error:
            raise BenchError(f"labgrid could not write to the console: {error}") from error
