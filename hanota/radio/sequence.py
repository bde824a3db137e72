"""The packet tsn: the number by which a radio library tells its packets in flight apart."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from hanota.errors import LocalProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterator


class PacketSequence:
    """Numbers 0 to 255 in turn, never one that is in use.

    Taken in turn, a number that timed out comes back 255 packets later, when its late confirmation is gone.
    """

    def __init__(self) -> None:
        self._next = 0
        self._in_use: set[int] = set()

    @contextmanager
    def take(self) -> Iterator[int]:
        """Have a number for the life of a packet; raise LocalProtocolError when all 256 are in use."""
        for offset in range(0x100):
            number = (self._next + offset) & 0xFF
            if number not in self._in_use:
                break
        else:
            raise LocalProtocolError("256 packets are in flight")
        self._next = number + 1
        self._in_use.add(number)
        try:
            yield number
        finally:
            self._in_use.discard(number)
