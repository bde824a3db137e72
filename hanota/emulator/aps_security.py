"""APS security as a node's stack does it: one key with each partner, frame counters out and in, refusals.

Source: ZigBee specification 05-3474-21, 4.4.1 (security processing of APS frames), 4.5.1 (auxiliary header).
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Protocol, TypeGuard

from hanota.emulator.stations import Node

if TYPE_CHECKING:
    from hanota.emulator.aps import ApsFrame
    from hanota.eui64 import Eui64

MAXIMUM_PARTNERS: Final = 256
"""Partners whose counters are remembered, more than any key table here holds; the oldest goes first."""


class ApsRefusal(StrEnum):
    """Why a stack drops a frame with APS encryption."""

    NO_KEY = "no link key with the sender"
    WRONG_KEY = "not encrypted with the sender's link key"
    REPLAYED = "frame counter not above the last"


class SecuredNode(Node, Protocol):
    """A station whose stack counts the frames it encrypts and decrypts."""

    def next_frame_counter(self, peer: Eui64) -> int:
        """Return the frame counter of the next frame encrypted for `peer`."""
        ...

    def unsecure(self, frame: ApsFrame, sender: Eui64) -> ApsRefusal | None:
        """Take a frame's APS encryption off; say why not where it is refused, and count that."""
        ...


def counts_frames(node: Node | None) -> TypeGuard[SecuredNode]:
    """Tell whether a station's stack has frame counters; one that is scripted down to its frames has not."""
    return hasattr(node, "unsecure")


@dataclass(slots=True)
class _Incoming:
    key: bytes = field(repr=False)
    last: int


class IncomingCounters:
    """The last frame counter of each partner's key; a new key begins with 0."""

    def __init__(self) -> None:
        self._partners: OrderedDict[Eui64, _Incoming] = OrderedDict()

    def last(self, partner: Eui64, key: bytes) -> int:
        """Return the last counter taken under `key`, 0 where there is none."""
        known = self._partners.get(partner)
        return known.last if known is not None and known.key == key else 0

    def check(self, frame: ApsFrame, partner: Eui64, key: bytes | None) -> ApsRefusal | None:
        """Judge a frame of `partner` by the key shared with it, and note its counter if it is good.

        A frame without a counter is of a scripted sender that keeps none, and always fresh.
        """
        if key is None:
            return ApsRefusal.NO_KEY
        if frame.link_key != key:
            return ApsRefusal.WRONG_KEY
        if frame.frame_counter is None:
            return None
        if frame.frame_counter <= self.last(partner, key):
            return ApsRefusal.REPLAYED
        self.note(partner, key, frame.frame_counter)
        return None

    def note(self, partner: Eui64, key: bytes, counter: int) -> None:
        """Take `counter` for the last of the partner's `key`."""
        self._partners[partner] = _Incoming(key, counter)
        if len(self._partners) > MAXIMUM_PARTNERS:
            self._partners.popitem(last=False)

    def forget(self, partner: Eui64) -> None:
        """Begin with 0 again, as for a key that is written anew."""
        self._partners.pop(partner, None)

    def clear(self) -> None:
        """Begin with 0 for every partner."""
        self._partners.clear()
