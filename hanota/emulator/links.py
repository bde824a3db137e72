"""Who hears whom, and how well: impairments by device, by pair of neighbours, partitions."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hanota.emulator.impairments import LinkFaults

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hanota.eui64 import Eui64


@dataclass(slots=True)
class Link(LinkFaults):
    """One pair of neighbours; what goes wrong on it comes on top of the faults of each of them."""

    in_range: bool = True
    """Whether the two hear each other at all; routers then find a way round, end devices another parent."""


class Links:
    """The links of every station; whatever was never named is in range and without fault."""

    def __init__(self) -> None:
        self.stations: defaultdict[Eui64, LinkFaults] = defaultdict(LinkFaults)
        """Impairments of all links of one station."""
        self._pairs: dict[frozenset[Eui64], Link] = {}
        self._partitions: list[frozenset[Eui64]] = []

    def between(self, one: Eui64, other: Eui64) -> Link:
        """Return the link of two stations, to be read or altered."""
        return self._pairs.setdefault(frozenset((one, other)), Link())

    def partition(self, stations: Iterable[Eui64]) -> None:
        """Cut `stations` off from all others; among each other they hear as before."""
        self._partitions.append(frozenset(stations))

    def heal(self) -> None:
        """End every partition."""
        self._partitions.clear()

    def in_range(self, one: Eui64, other: Eui64) -> bool:
        """Tell whether the two hear each other."""
        pair = self._pairs.get(frozenset((one, other)))
        if pair is not None and not pair.in_range:
            return False
        return all((one in cut) == (other in cut) for cut in self._partitions)

    def loss(self, one: Eui64, other: Eui64) -> float:
        """Return the chance that the link of the two itself loses a transmission."""
        pair = self._pairs.get(frozenset((one, other)))
        return 0.0 if pair is None else pair.loss

    def faults(self, one: Eui64 | None, other: Eui64 | None) -> list[LinkFaults]:
        """Return what impairs a transmission between the two; None is a station nobody knows."""
        ends = [end for end in (one, other) if end is not None]
        found = [self.stations[end] for end in ends if end in self.stations]
        pair = self._pairs.get(frozenset(ends))
        if pair is not None:
            found.append(pair)
        return found
