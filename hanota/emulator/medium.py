"""The 2.4 GHz IEEE 802.15.4 medium: one channel, and the links on it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hanota.emulator.airtime import AirSettings
from hanota.emulator.channel import Channel
from hanota.emulator.links import Links

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hanota.emulator.airtime import AirStatistics
    from hanota.emulator.aps import ApsFrame, TxStatus
    from hanota.emulator.impairments import LinkFaults
    from hanota.emulator.links import Link
    from hanota.eui64 import Eui64


class Medium:
    """What all networks within hearing share."""

    def __init__(self, *, seed: int = 0, settings: AirSettings | None = None) -> None:
        self.settings = settings or AirSettings()
        self.channel = Channel(self.settings, seed=seed)
        self.links = Links()
        self.intercept: Callable[[ApsFrame], Iterable[ApsFrame]] | None = None
        """Called with each frame that arrives; what it returns is delivered instead."""
        self.observe: Callable[[float, ApsFrame, TxStatus], None] | None = None
        """Called with loop time, frame and outcome of each finished transmission."""

    @property
    def statistics(self) -> AirStatistics:
        """What the channel carried, of all networks."""
        return self.channel.statistics

    # -- links -------------------------------------------------------------------------------------------

    @property
    def faults(self) -> dict[Eui64, LinkFaults]:
        """Impairments by device: those of all of its links. A device never named has none."""
        return self.links.stations

    def link(self, one: Eui64, other: Eui64) -> Link:
        """Return the link of two neighbours, whose attributes may be assigned."""
        return self.links.between(one, other)

    def partition(self, devices: Iterable[Eui64]) -> None:
        """Cut `devices` off from everybody else until `heal`."""
        self.links.partition(devices)

    def heal(self) -> None:
        """End every partition."""
        self.links.heal()

    # -- frames ------------------------------------------------------------------------------------------

    def transmitted(self, frame: ApsFrame, status: TxStatus) -> None:
        """Tell the observer of a finished transmission."""
        if self.observe is not None:
            self.observe(asyncio.get_running_loop().time(), frame, status)

    def arriving(self, frame: ApsFrame) -> list[ApsFrame]:
        """Return what the interceptor lets arrive in place of a frame."""
        return [frame] if self.intercept is None else list(self.intercept(frame))

    async def mac_command(self, octets: int, eui64: Eui64) -> bool:
        """Exchange a MAC command of `octets` (PSDU) with whoever hears `eui64`; return whether one does."""
        return await self.channel.unicast(octets, self.links.faults(eui64, None))
