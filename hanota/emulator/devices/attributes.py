"""Read Attributes: what a device says of itself, and what it reads of the hub (ZCL 2.5.1, 2.5.2)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from hanota.errors import RemoteProtocolError
from hanota.zcl import ClusterId, Direction, GeneralCommand, Status, ZclFrame

if TYPE_CHECKING:
    from collections.abc import Mapping

_ENUM8: Final = 0x30
_ENUM16: Final = 0x31
_STRING: Final = 0x42
_SIZES: Final = {0x18: 1, 0x19: 2, 0x20: 1, 0x21: 2, 0x23: 4, _ENUM8: 1, _ENUM16: 2, 0xE2: 4}
"""Octets of a value by its type, of the types a hub's attributes have (2.6.2); 0xE2 is UTCTime."""
_RECORD: Final = struct.Struct("<HB")


def character_string(text: str) -> bytes:
    """Return an attribute value of type character string, its type first."""
    octets = text.encode()
    return bytes((_STRING, len(octets))) + octets


def enum8(value: int) -> bytes:
    """Return an attribute value of type enum8, its type first."""
    return bytes((_ENUM8, value))


def enum16(value: int) -> bytes:
    """Return an attribute value of type enum16, its type first."""
    return struct.pack("<BH", _ENUM16, value)


def read_attributes(*attributes: int, sequence: int = 0) -> ZclFrame:
    """Return a Read Attributes frame for a server."""
    payload = struct.pack(f"<{len(attributes)}H", *attributes)
    return ZclFrame(sequence, GeneralCommand.READ_ATTRIBUTES, payload, cluster_specific=False)


def attribute_values(response: ZclFrame) -> dict[int, int]:
    """Return the numbers in a Read Attributes Response by attribute, without those it could not read.

    Raises RemoteProtocolError for another frame, one cut short, and a type no attribute here has.
    """
    if response.cluster_specific or response.command != GeneralCommand.READ_ATTRIBUTES_RESPONSE:
        raise RemoteProtocolError("not a Read Attributes Response")
    values: dict[int, int] = {}
    rest = response.payload
    while rest:
        if len(rest) < _RECORD.size:
            raise RemoteProtocolError("an attribute record is cut short")
        attribute, status = _RECORD.unpack_from(rest)
        rest = rest[_RECORD.size :]
        if status != Status.SUCCESS:
            continue
        size = _SIZES.get(rest[0]) if rest else None
        if size is None or len(rest) <= size:
            raise RemoteProtocolError("an attribute value is cut short or of an unexpected type")
        values[attribute] = int.from_bytes(rest[1 : 1 + size], "little")
        rest = rest[1 + size :]
    return values


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
