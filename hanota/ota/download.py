"""The octets of one download: those from the start on, and blocks of a page that came ahead of their turn."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hanota.ota.fields import ImageId


class Download:
    """What is here of an image of `size` octets; what came ahead is never more than one page."""

    __slots__ = ("_ahead", "image", "last_length", "page_end", "received", "size")

    def __init__(self, image: ImageId, size: int) -> None:
        self.image = image
        self.size = size
        self.received = bytearray()
        """The octets without a gap, from the start on."""
        self.last_length = 0
        """Octets of the block that came last."""
        self.page_end = 0
        """Where the page that was asked for last ends; up to there, what misses is asked by block."""
        self._ahead: dict[int, bytes] = {}

    @property
    def complete(self) -> bool:
        """Whether every octet is here."""
        return len(self.received) >= self.size

    def missing(self) -> tuple[int, int]:
        """Return offset and length of the first gap."""
        start = len(self.received)
        return start, min(self._ahead, default=self.size) - start

    def take(self, offset: int, data: bytes) -> None:
        """Keep the block at `offset`, unless it is here already."""
        start = len(self.received)
        self.last_length = len(data)
        if offset > start:
            self._ahead[offset] = data
            return
        self.received += data[start - offset :]
        while self._ahead and (first := min(self._ahead)) <= len(self.received):
            self.received += self._ahead.pop(first)[len(self.received) - first :]

    def cut(self, octets: int) -> None:
        """Forget what is beyond `octets`, and what came ahead."""
        del self.received[octets:]
        self._ahead.clear()
        self.page_end = 0
