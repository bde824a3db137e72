"""The attributes of an OTA Upgrade client, typed: what a server reads and a client answers (ZCL 11.10).

UpgradeActivationPolicy and UpgradeTimeoutPolicy came with SE 1.2b. Every value is an int here, an IEEE
address too (as an unsigned number, FF..FF for none).
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from hanota.errors import LocalProtocolError, RemoteProtocolError
from hanota.zcl import Direction, GeneralCommand, Status, ZclFrame

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class AttributeId(IntEnum):
    """Attribute identifiers of the cluster, and the global one of its revision."""

    UPGRADE_SERVER_ID = 0x0000
    FILE_OFFSET = 0x0001
    CURRENT_FILE_VERSION = 0x0002
    CURRENT_STACK_VERSION = 0x0003
    DOWNLOADED_FILE_VERSION = 0x0004
    DOWNLOADED_STACK_VERSION = 0x0005
    IMAGE_UPGRADE_STATUS = 0x0006
    MANUFACTURER_ID = 0x0007
    IMAGE_TYPE_ID = 0x0008
    MINIMUM_BLOCK_PERIOD = 0x0009
    IMAGE_STAMP = 0x000A
    UPGRADE_ACTIVATION_POLICY = 0x000B
    UPGRADE_TIMEOUT_POLICY = 0x000C
    CLUSTER_REVISION = 0xFFFD


NO_FILE_OFFSET: Final = 0xFFFF_FFFF
"""FileOffset, and the versions of a downloaded image, where there is none."""
NO_FILE_VERSION: Final = 0xFFFF_FFFF
NO_STACK_VERSION: Final = 0xFFFF
NO_SERVER: Final = 0xFFFF_FFFF_FFFF_FFFF

_UINT16, _UINT32, _ENUM8, _EUI64 = 0x21, 0x23, 0x30, 0xF0
_LAYOUT: Final[dict[int, str]] = {_UINT16: "<H", _UINT32: "<I", _ENUM8: "<B", _EUI64: "<Q"}
_TYPE: Final[dict[AttributeId, int]] = {
    AttributeId.UPGRADE_SERVER_ID: _EUI64,
    AttributeId.FILE_OFFSET: _UINT32,
    AttributeId.CURRENT_FILE_VERSION: _UINT32,
    AttributeId.CURRENT_STACK_VERSION: _UINT16,
    AttributeId.DOWNLOADED_FILE_VERSION: _UINT32,
    AttributeId.DOWNLOADED_STACK_VERSION: _UINT16,
    AttributeId.IMAGE_UPGRADE_STATUS: _ENUM8,
    AttributeId.MANUFACTURER_ID: _UINT16,
    AttributeId.IMAGE_TYPE_ID: _UINT16,
    AttributeId.MINIMUM_BLOCK_PERIOD: _UINT16,
    AttributeId.IMAGE_STAMP: _UINT32,
    AttributeId.UPGRADE_ACTIVATION_POLICY: _ENUM8,
    AttributeId.UPGRADE_TIMEOUT_POLICY: _ENUM8,
    AttributeId.CLUSTER_REVISION: _UINT16,
}


def encode_value(attribute: AttributeId, value: int) -> bytes:
    """Return the type and the value as they stand in a record; raise LocalProtocolError if out of range."""
    kind = _TYPE[attribute]
    try:
        return bytes((kind,)) + struct.pack(_LAYOUT[kind], value)
    except struct.error as error:
        raise LocalProtocolError(f"{attribute.name} cannot be {value:#x}: {error}") from error


def read_attributes(attributes: Iterable[AttributeId], sequence: int) -> bytes:
    """Return the Read Attributes frame for `attributes`."""
    payload = b"".join(struct.pack("<H", attribute) for attribute in attributes)
    return _frame(GeneralCommand.READ_ATTRIBUTES, payload, sequence, Direction.TO_CLIENT)


def answer_read(request: ZclFrame, values: Mapping[AttributeId, int]) -> bytes:
    """Return the Read Attributes Response of a client that has `values`; an odd last octet is ignored."""
    payload = b""
    for (number,) in struct.iter_unpack("<H", request.payload[: len(request.payload) // 2 * 2]):
        attribute = _attribute(number)
        if attribute is None or attribute not in values:
            payload += struct.pack("<HB", number, Status.UNSUPPORTED_ATTRIBUTE)
        else:
            payload += struct.pack("<HB", number, Status.SUCCESS) + encode_value(attribute, values[attribute])
    return _frame(
        GeneralCommand.READ_ATTRIBUTES_RESPONSE, payload, request.sequence, Direction(1 - request.direction)
    )


def report_attributes(values: Mapping[AttributeId, int], sequence: int) -> bytes:
    """Return the Report Attributes frame of a client that has `values`."""
    payload = b"".join(struct.pack("<H", item) + encode_value(item, value) for item, value in values.items())
    return _frame(GeneralCommand.REPORT_ATTRIBUTES, payload, sequence, Direction.TO_SERVER)


def decode_values(frame: ZclFrame) -> dict[AttributeId, int]:
    """Return what a Read Attributes Response or Report Attributes frame says of the cluster's attributes.

    Reading ends at a record of a type that no attribute here has, since its length is not known; an
    attribute in another type than its own is left out. Raises RemoteProtocolError for a record cut short.
    """
    payload, values, at = frame.payload, dict[AttributeId, int](), 0
    with_status = frame.command == GeneralCommand.READ_ATTRIBUTES_RESPONSE
    while at < len(payload):
        try:
            (number,) = struct.unpack_from("<H", payload, at)
            at += 2
            if with_status:
                at += 1
                if payload[at - 1] != Status.SUCCESS:
                    continue
            layout = _LAYOUT.get(payload[at])
            if layout is None:
                return values
            (value,) = struct.unpack_from(layout, payload, at + 1)
        except (struct.error, IndexError) as error:
            raise RemoteProtocolError(
                f"an attribute record is cut short at {len(payload)} octets", status=Status.MALFORMED_COMMAND
            ) from error
        attribute = _attribute(number)
        if attribute is not None and _TYPE[attribute] == payload[at]:
            values[attribute] = value
        at += 1 + struct.calcsize(layout)
    return values


def _attribute(number: int) -> AttributeId | None:
    try:
        return AttributeId(number)
    except ValueError:
        return None


def _frame(command: GeneralCommand, payload: bytes, sequence: int, direction: Direction) -> bytes:
    return ZclFrame(sequence, command, payload, direction, cluster_specific=False).encode()
