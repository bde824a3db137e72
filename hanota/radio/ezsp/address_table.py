"""Which device stands where in the address table of the coordinator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hanota.eui64 import Eui64


@dataclass(frozen=True, slots=True)
class _Entry:
    index: int
    nwk: int
    sleepy: bool


class AddressTable:
    """A table of fixed size; when it is full, the device that was placed longest ago gives way."""

    def __init__(self, size: int) -> None:
        self._free = list(range(size))
        self._entries: dict[Eui64, _Entry] = {}

    def place(self, device: Eui64, nwk: int, *, sleepy: bool) -> int | None:
        """Return the index at which `device` is to be written; None where it stands as it is, or no room."""
        entry = self._entries.pop(device, None)
        index = self._take_free() if entry is None else entry.index
        if index is None:
            return None
        placed = self._entries[device] = _Entry(index, nwk, sleepy)
        return None if placed == entry else index

    def others_at(self, device: Eui64, nwk: int) -> list[tuple[Eui64, int]]:
        """Take out every other device that stands at `nwk`; return each with the index to be cleared."""
        others = [
            (other, entry.index)
            for other, entry in self._entries.items()
            if other != device and entry.nwk == nwk
        ]
        for other, _ in others:
            self.forget(other)
        return others

    def forget(self, device: Eui64) -> None:
        """Take `device` out, as the coordinator did not take it."""
        if (entry := self._entries.pop(device, None)) is not None:
            self._free.append(entry.index)

    def _take_free(self) -> int | None:
        if self._free:
            return self._free.pop(0)
        if not self._entries:
            return None
        return self._entries.pop(next(iter(self._entries))).index
