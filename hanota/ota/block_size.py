"""How many octets a block has: what was asked, what fits the frame, and what the device's model has taken.

A block that is asked for again and again was lost, or was too long for the route or for the device: some
drop what is longer than 40, 48 or 62 octets without a word. The size is then reduced by steps. Once a
smaller one has carried many blocks the next larger one is tried again: if it is lost again its length is to
blame and the smaller one is remembered for the model; if not, the link was. If the smallest is lost as well
the device is out of reach, and the size was not to blame either.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hanota.ota.settings import OtaServerSettings

BLOCK_OVERHEAD: Final = 17
"""Octets of an Image Block Response beside its data: ZCL header 3, payload 14."""


@dataclass(frozen=True, slots=True)
class DeviceModel:
    """What devices of one make have in common, as their queries say it."""

    manufacturer_code: int
    image_type: int
    hardware_version: int | None


class BlockSizeBook:
    """The largest block that each model is known to take, where that is less than was tried; bounded.

    `entries` is what the owner may keep and give back after a restart.
    """

    def __init__(self, limit: int, entries: Iterable[tuple[DeviceModel, int]] = ()) -> None:
        self._limit = limit
        self._sizes: OrderedDict[DeviceModel, int] = OrderedDict()
        for model, size in entries:
            self.learn(model, size)

    def learn(self, model: DeviceModel, size: int) -> None:
        """Remember `size` for `model`; the model longest not learnt about gives way."""
        self._sizes[model] = size
        self._sizes.move_to_end(model)
        while len(self._sizes) > self._limit:
            self._sizes.popitem(last=False)

    def size(self, model: DeviceModel) -> int | None:
        """Return what `model` is known to take, None where nothing smaller was needed yet."""
        return self._sizes.get(model)

    def entries(self) -> tuple[tuple[DeviceModel, int], ...]:
        """Return what is known, the longest unchanged first."""
        return tuple(self._sizes.items())


class BlockSizer:
    """The block size of one session: never more than asked, reduced when blocks get lost."""

    __slots__ = (
        "_failures",
        "_known",
        "_learnt",
        "_lost",
        "_offset",
        "_proven",
        "_settings",
        "_successes",
        "_undelivered",
        "limit",
    )

    def __init__(self, settings: OtaServerSettings, limit: int | None) -> None:
        self._settings = settings
        self.limit = self._known = limit
        """Most octets, where that is known to be less than what fits a frame."""
        self._offset: int | None = None
        """Of the last request."""
        self._lost: int | None = None
        """The size that was lost first, while it is not known whether its length was to blame."""
        self._proven: int | None = None
        """The size that carries, while a larger one is tried again."""
        self._learnt: int | None = None
        self._failures = self._successes = 0
        self._undelivered = False

    def know(self, limit: int | None) -> None:
        """Begin with what the device's model is known to take."""
        if limit is not None and (self.limit is None or limit < self.limit):
            self.limit = self._known = limit

    def size(self, asked: int, room: int | None, multiple: int) -> int:
        """Return the octets of a block; `room` is what a ZCL frame may have, None if that is not known."""
        settings = self._settings
        fits = settings.block_size
        if room is not None:
            fits = max(room - BLOCK_OVERHEAD, settings.smallest_block)
        if self.limit is not None and self.limit < fits:
            fits = self.limit
        size = min(asked, fits)
        return size - size % multiple if size >= multiple else size

    def asked(self, offset: int, served: int | None) -> int | None:
        """Note a block request, `served` octets the last block; return a size to remember, once."""
        if offset == self._offset:
            if not self._undelivered:
                self._failed(served)
            self._undelivered = False
        else:
            self._offset = offset
            self._undelivered = False
            self._failures = 0
            self._successes += 1
            if self._lost is not None and self._successes >= self._settings.blocks_to_learn:
                self._try_larger(self._lost)
        learnt, self._learnt = self._learnt, None
        return learnt

    def undelivered(self, served: int | None) -> None:
        """Note that the radio could not deliver a block of `served` octets."""
        self._undelivered = True
        self._failed(served)

    def _failed(self, served: int | None) -> None:
        settings = self._settings
        self._failures += 1
        self._successes = 0
        if self._failures < settings.failures_to_shrink or served is None:
            return
        self._failures = 0
        if self._proven is not None:
            self.limit = self._known = self._learnt = self._proven
            self._proven = self._lost = None
            return
        smaller = [step for step in settings.block_steps if settings.smallest_block <= step < served]
        if smaller:
            self._lost = served if self._lost is None else self._lost
            self.limit = max(smaller)
        else:
            self.limit, self._lost = self._known, None

    def _try_larger(self, lost: int) -> None:
        """Go one step up from a size that carried many blocks."""
        self._successes = 0
        if self.limit is None or self.limit >= lost:
            self.limit, self._proven, self._lost = self._known, None, None
            return
        self._proven = self.limit
        self.limit = min(step for step in (*self._settings.block_steps, lost) if step > self._proven)
