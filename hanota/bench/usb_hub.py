"""Power by a port of a USB hub that can switch its ports, through the tool `uhubctl`."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from hanota.bench.errors import BenchError

_LONGEST_ANSWER: Final = 2000
"""Characters of uhubctl's own words that are worth showing."""


@dataclass(frozen=True, slots=True)
class UsbHubSettings:
    """How uhubctl is called."""

    program: str = "uhubctl"
    timeout: float = 15
    """Seconds; it repeats the request to slow hubs by itself."""


class UsbHubPower:
    """A device on `port` of the hub at `location`, as uhubctl names them (such as 1-1.4 and 2)."""

    def __init__(self, location: str, port: int, settings: UsbHubSettings | None = None) -> None:
        self._location, self._port = location, port
        self._settings = settings or UsbHubSettings()

    async def on(self) -> None:
        """Give power; raise BenchError."""
        await self._run("on")

    async def off(self) -> None:
        """Cut it; raise BenchError."""
        await self._run("off")

    async def _run(self, action: str) -> None:
        settings = self._settings
        arguments = ("-l", self._location, "-p", str(self._port), "-a", action)
        try:
            process = await asyncio.create_subprocess_exec(
                settings.program,
                *arguments,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
        except OSError as error:
            raise BenchError(
                f"cannot run {settings.program}: {error.strerror or error}",
                hint="install uhubctl, and let your user switch USB ports by its udev rule",
            ) from error
        try:
            output, _ = await asyncio.wait_for(process.communicate(), settings.timeout)
        except TimeoutError:
            process.kill()
            await process.wait()
            raise BenchError(f"{settings.program} did not end within {settings.timeout:.0f} s") from None
        if process.returncode:
            words = output.decode(errors="replace").strip()[:_LONGEST_ANSWER]
            raise BenchError(
                f"{settings.program}: port {self._port} of hub {self._location} {action}: {words}",
                hint="`uhubctl` alone lists the hubs and ports it can switch",
            )
