"""The power of a device under test, with the moment of a download at which it is cut."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from hanota.bench.errors import BenchError

if TYPE_CHECKING:
    from hanota.bench.power import Power
    from hanota.conformance.rig import Rig, RigDevice

_LOOK: Final = 0.02
"""Seconds between looks at a download: less than a block takes."""


class DevicePower:
    """Switches one device of a rig; every method raises BenchError where that cannot be."""

    def __init__(self, rig: Rig, device: RigDevice) -> None:
        if device.power is None:
            raise BenchError(
                f"the power of {device.name} cannot be switched", hint="give it `power` in the bench file"
            )
        self._rig, self._device = rig, device
        self._power: Power = device.power

    async def on(self) -> None:
        """Give power."""
        await self._power.on()

    async def off(self) -> None:
        """Cut it, until `on`."""
        await self._power.off()

    async def cycle(self, seconds: float | None = None) -> None:
        """Cut it for a while; None is as long as the rig's settings say."""
        await self._rig.cut_power(self._device, seconds)

    async def cut_at(self, percent: float, seconds: float | None = None, *, patience: float = 3600) -> int:
        """Cut it for a while when the device's download has reached so much; return its octets by then.

        Raise TimeoutError where the download does not get there within `patience` seconds.
        """
        octets = await self.reached(percent, patience=patience)
        await self.cycle(seconds)
        return octets

    async def reached(self, percent: float, *, patience: float = 3600) -> int:
        """Wait until the device's download has reached so much, and return the octets it had by then."""
        async with asyncio.timeout(patience):
            while True:
                for progress in self._rig.hub.progress():
                    if progress.device == self._device.eui64 and progress.percentage >= percent:
                        return progress.octets
                await asyncio.sleep(_LOOK)
