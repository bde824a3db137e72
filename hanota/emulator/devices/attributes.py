"""Read Attributes, as far as a hub asks: what a device says of itself (ZCL 2.5.1, 2.5.2)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from hanota.zcl import ClusterId, Direction, GeneralCommand, Status, ZclFrame

if TYPE_CHECKING:
    from collections.abc import Mapping

_UINT16: Final = 0x21
_UINT32: Final = 0x23
_ENUM8: Final = 0x30
_STRING: Final = 0x42


def character_string(text: str) -> bytes:
    """Return an attribute value of type character string, its type first."""
    octets = text.encode()
    return bytes((_STRING, len(octets))) + octets


def uint32(value: int) -> bytes:
    """Return an attribute value of type uint32, its type first."""
    return struct.pack("<BI", _UINT32, value)


def uint16(value: int) -> bytes:
    """Return an attribute value of type uint16, its type first."""
    return struct.pack("<BH", _UINT16, value)


def enum8(value: int) -> bytes:
    """Return an attribute value of type enum8, its type first."""
    return bytes((_ENUM8, value))


def read_attributes_response(
    request: ZclFrame, cluster: ClusterId | int, table: Mapping[tuple[int, int], bytes]
) -> ZclFrame:
    """Answer a Read Attributes frame out of `table`: (cluster, attribute) to type and value octets."""
    payload = b""
    for (attribute,) in struct.iter_unpack("<H", request.payload[: len(request.payload) // 2 * 2]):
        value = table.get((cluster, attribute))
        if value is None:
            payload += struct.pack("<HB", attribute, Status.UNSUPPORTED_ATTRIBUTE)
        else:
            payload += struct.pack("<HB", attribute, Status.SUCCESS) + value
    return ZclFrame(
        sequence=request.sequence,
        command=GeneralCommand.READ_ATTRIBUTES_RESPONSE,
        payload=payload,
        direction=Direction(1 - request.direction),
        cluster_specific=False,
    )
