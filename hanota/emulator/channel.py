"""One IEEE 802.15.4 channel: one transmission at a time, CSMA-CA, repetitions of the MAC, loss."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

from hanota.emulator.airtime import AirStatistics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hanota.emulator.airtime import AirSettings
    from hanota.emulator.impairments import LinkFaults


class Channel:
    """Shared by everything within hearing, whatever network it belongs to; no hidden node."""

    def __init__(self, settings: AirSettings, *, seed: int) -> None:
        self.settings = settings
        self.statistics = AirStatistics()
        self._random = random.Random(seed)  # noqa: S311  # reproducible, not secret
        self._free_at = 0.0

    async def unicast(self, octets: int, faults: Sequence[LinkFaults], *, in_range: bool = True) -> bool:
        """Send one PSDU, again where it is not acknowledged; return whether it was."""
        for _ in range(1 + self.settings.frame_retries):
            await self._occupy(octets, acknowledged=True)
            if not in_range:
                self.statistics.lost += 1
            elif not self.loses(faults):
                return True
        return False

    async def broadcast(self, octets: int) -> None:
        """Send one PSDU that nobody acknowledges."""
        await self._occupy(octets, acknowledged=False)

    async def delay(self, faults: Sequence[LinkFaults]) -> None:
        """Let the latency of a link pass."""
        delay = sum(link.latency + self._random.random() * link.jitter for link in faults)
        if delay > 0:
            await asyncio.sleep(delay)

    def loses(self, faults: Sequence[LinkFaults]) -> bool:
        """Draw whether a transmission over a link is lost."""
        lost = any(self._happens(link.loss) for link in faults)
        self.statistics.lost += lost
        return lost

    def duplicates(self, faults: Sequence[LinkFaults]) -> bool:
        """Draw whether a frame that came over a link reaches the application twice."""
        return any(self._happens(link.duplicate) for link in faults)

    async def _occupy(self, octets: int, *, acknowledged: bool) -> None:
        """Wait for the channel, then hold it for one transmission; stations are served in order of asking."""
        periods = self._random.randrange(1 << self.settings.backoff_exponent)
        duration = self.settings.airtime(octets, periods, acknowledged=acknowledged)
        now = asyncio.get_running_loop().time()
        self._free_at = max(now, self._free_at) + duration
        self.statistics.frames += 1
        self.statistics.octets += octets
        self.statistics.airtime += duration
        await asyncio.sleep(self._free_at - now)

    def _happens(self, chance: float) -> bool:
        return chance > 0 and self._random.random() < chance
