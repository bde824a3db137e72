"""Octets in order and A-XDR lengths, as GBCS messages and DLMS APDUs are built (IEC 61334-6)."""

from __future__ import annotations

from typing import Final

from hanota.errors import LocalProtocolError, RemoteProtocolError

MAXIMUM_LENGTH: Final = 0xFFFF
"""The longest length field written or read, `82 xxxx`: no GBCS message comes near 64 kB."""


def encode_length(length: int) -> bytes:
    """Return the shortest A-XDR length field of `length`; raise LocalProtocolError above MAXIMUM_LENGTH."""
    if length < 0x80:
        return bytes([length])
    if length <= 0xFF:
        return bytes([0x81, length])
    if length <= MAXIMUM_LENGTH:
        return b"\x82" + length.to_bytes(2, "big")
    raise LocalProtocolError(f"{length} octets are too many for a length field of GBCS")


class Reader:
    """A cursor over octets; every read that runs past the end raises RemoteProtocolError naming the field."""

    __slots__ = ("_data", "_offset")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._offset = 0

    @property
    def left(self) -> int:
        """Octets not yet read."""
        return len(self._data) - self._offset

    def take(self, count: int, field: str) -> bytes:
        """Return the next `count` octets."""
        if count > self.left:
            raise RemoteProtocolError(
                f"{field}: {count} octets wanted at offset {self._offset}, {self.left} are left"
            )
        start = self._offset
        self._offset += count
        return self._data[start : self._offset]

    def integer(self, size: int, field: str) -> int:
        """Return the next `size` octets as an unsigned big-endian integer."""
        return int.from_bytes(self.take(size, field), "big")

    def expect(self, octets: bytes, field: str) -> None:
        """Read octets that can only have one value."""
        found = self.take(len(octets), field)
        if found != octets:
            raise RemoteProtocolError(f"{field}: {octets.hex()} expected, found {found.hex()}")

    def length(self, field: str) -> int:
        """Read an A-XDR length; a longer form than needed is refused, as it could not be re-encoded."""
        first = self.integer(1, field)
        if first < 0x80:
            return first
        if first not in (0x81, 0x82):
            raise RemoteProtocolError(f"{field}: length form {first:02x} is not used by GBCS")
        length = self.integer(first - 0x80, field)
        if length < (0x80 if first == 0x81 else 0x100):
            raise RemoteProtocolError(f"{field}: length {length} is not in its shortest form")
        return length

    def octet_string(self, field: str) -> bytes:
        """Read a length and that many octets."""
        return self.take(self.length(field), field)

    def rest(self) -> bytes:
        """Return everything not yet read."""
        return self.take(self.left, "the rest")

    def end(self, field: str) -> None:
        """Raise RemoteProtocolError if octets are left over."""
        if self.left:
            raise RemoteProtocolError(f"{field}: {self.left} octets too many")
