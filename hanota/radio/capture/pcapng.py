"""Blocks of a pcapng file (draft-ietf-opsawg-pcapng): section header, one interface, packets."""

from __future__ import annotations

import struct
from typing import Final

LINKTYPE_IEEE802_15_4_TAP: Final = 283
"""IEEE 802.15.4 with a header of TLVs before each frame (link-layer header types of tcpdump.org)."""

_SECTION_HEADER: Final = 0x0A0D0D0A
_INTERFACE_DESCRIPTION: Final = 0x00000001
_ENHANCED_PACKET: Final = 0x00000006
_BYTE_ORDER: Final = 0x1A2B3C4D
_UNKNOWN_LENGTH: Final = -1

_END: Final = 0
_COMMENT: Final = 1
_HARDWARE: Final = 2
_APPLICATION: Final = 4
_INTERFACE_NAME: Final = 2
_TIMESTAMP_RESOLUTION: Final = 9
_FLAGS: Final = 2
_MICROSECONDS: Final = 6
"""Negative power of ten of a timestamp's unit."""
INBOUND: Final = 1
OUTBOUND: Final = 2


def section_header(application: str, comment: str) -> bytes:
    """Return the block a file begins with."""
    options = _option(_COMMENT, comment.encode()) + _option(_APPLICATION, application.encode())
    fixed = struct.pack("<IHHq", _BYTE_ORDER, 1, 0, _UNKNOWN_LENGTH)
    return _block(_SECTION_HEADER, fixed + options + _option(_END, b""))


def interface_description(link_type: int, name: str) -> bytes:
    """Return the block that describes the one interface; it has no limit on a packet's length."""
    options = _option(_INTERFACE_NAME, name.encode()) + _option(_TIMESTAMP_RESOLUTION, bytes([_MICROSECONDS]))
    return _block(_INTERFACE_DESCRIPTION, struct.pack("<HHI", link_type, 0, 0) + options + _option(_END, b""))


def enhanced_packet(at: float, data: bytes, *, direction: int, comment: str) -> bytes:
    """Return the block of one packet; `at` is Unix seconds, `direction` INBOUND or OUTBOUND."""
    microseconds = int(at * 10**_MICROSECONDS)
    fixed = struct.pack("<IIIII", 0, microseconds >> 32, microseconds & 0xFFFF_FFFF, len(data), len(data))
    options = _option(_COMMENT, comment.encode()) if comment else b""
    options += _option(_FLAGS, struct.pack("<I", direction)) + _option(_END, b"")
    return _block(_ENHANCED_PACKET, fixed + _padded(data) + options)


def _block(kind: int, body: bytes) -> bytes:
    length = len(body) + 12
    return struct.pack("<II", kind, length) + body + struct.pack("<I", length)


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + _padded(value)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
