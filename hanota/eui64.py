"""EUI-64: the name of every party, in the octet order GBCS sends and people print (big-endian)."""

from __future__ import annotations

import re
from typing import Final, Self

from hanota.errors import RemoteProtocolError

_TEXT: Final = re.compile(r"[0-9A-Fa-f]{2}(?:[-:]?[0-9A-Fa-f]{2}){7}")


class Eui64(bytes):
    """Eight octets, most significant first; `str()` gives the DUIS form `00-DB-12-34-56-78-90-A4`.

    ZigBee sends the same identifier least significant first: use `from_zigbee` and `to_zigbee` there.
    """

    __slots__ = ()

    def __new__(cls, octets: bytes) -> Self:
        """Raise RemoteProtocolError unless `octets` are exactly eight."""
        if len(octets) != 8:
            raise RemoteProtocolError(f"an EUI-64 has 8 octets, got {len(octets)}")
        return super().__new__(cls, octets)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read 16 hex digits, plain or parted by `-` or `:`; raise RemoteProtocolError otherwise."""
        if not _TEXT.fullmatch(text.strip()):
            raise RemoteProtocolError(
                f"not an EUI-64: {text!r}", hint="write 16 hex digits, such as 00-DB-12-34-56-78-90-A4"
            )
        return cls(bytes.fromhex(text.strip().replace("-", "").replace(":", "")))

    @classmethod
    def from_zigbee(cls, octets: bytes) -> Self:
        """Take the little-endian octets of a ZigBee IEEE address."""
        return cls(bytes(octets)[::-1])

    def to_zigbee(self) -> bytes:
        """Return the little-endian octets of a ZigBee IEEE address."""
        return bytes(self)[::-1]

    def __str__(self) -> str:
        return self.hex("-").upper()  # a Service Request may name 50,000 devices

    def __repr__(self) -> str:
        return f"Eui64({self!s})"
