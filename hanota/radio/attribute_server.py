"""The general commands on a cluster of the hub's: its attributes are read, never written, never reported.

Source: ZCL 07-5123, 2.5 (general commands), 2.6.2 (data types), 2.6.3 (statuses).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from hanota.errors import RemoteProtocolError
from hanota.zcl import Direction, GeneralCommand, Status, ZclFrame

if TYPE_CHECKING:
    from collections.abc import Mapping

BITMAP8: Final = 0x18
UINT8: Final = 0x20
UINT16: Final = 0x21
ENUM8: Final = 0x30
ENUM16: Final = 0x31
CHARACTER_STRING: Final = 0x42
UTC_TIME: Final = 0xE2

_SIZES: Final = {
    0x00: 0,
    **{kind: kind - 0x08 + 1 for kind in range(0x08, 0x10)},
    0x10: 1,
    **{kind: kind - 0x18 + 1 for kind in range(0x18, 0x20)},
    **{kind: kind - 0x20 + 1 for kind in range(0x20, 0x28)},
    **{kind: kind - 0x28 + 1 for kind in range(0x28, 0x30)},
    ENUM8: 1,
    ENUM16: 2,
    0x38: 2,
    0x39: 4,
    0x3A: 8,
    **dict.fromkeys((0xE0, 0xE1, UTC_TIME, 0xEA), 4),
    **dict.fromkeys((0xE8, 0xE9), 2),
    0xF0: 8,
    0xF1: 16,
}
"""Octets of a value by its type, of those whose size is fixed."""
_LENGTHS: Final = {0x41: 1, CHARACTER_STRING: 1, 0x43: 2, 0x44: 2}
"""Octets of the length before a string."""
_ANALOGUE: Final = frozenset((*range(0x20, 0x30), 0x38, 0x39, 0x3A, 0xE0, 0xE1, UTC_TIME))
"""Types for which Configure Reporting carries a reportable change (2.5.7.1.7)."""
_CLIENTS_OWN: Final = 0x01
"""Direction in an attribute reporting configuration record: reports that the sender will make."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute as it is now."""

    kind: int
    """ZCL data type."""
    value: int | str

    def encode(self) -> bytes:
        """Return type and value as a record carries them."""
        if isinstance(self.value, str):
            octets = self.value.encode()
            return bytes((self.kind, len(octets))) + octets
        return bytes((self.kind,)) + self.value.to_bytes(_SIZES[self.kind], "little")


Attributes: TypeAlias = "Mapping[int, Attribute]"
"""The attributes of one cluster by their id, ascending."""


def respond(frame: ZclFrame, attributes: Attributes, limit: int) -> ZclFrame | None:
    """Return the answer to `frame`, of at most `limit` octets, or None where none is due.

    Records that do not fit any more are left out, as 2.5.2.3 has it; the client asks for them again.
    """
    if frame.is_default_response or frame.direction is Direction.TO_CLIENT:
        return None
    if frame.manufacturer_code is not None:
        return frame.default_response(Status.UNSUP_MANUF_CLUSTER_COMMAND)
    if frame.cluster_specific:
        return frame.default_response(Status.UNSUP_CLUSTER_COMMAND)
    room = limit - len(ZclFrame(0, 0).encode())
    try:
        match frame.command:
            case GeneralCommand.READ_ATTRIBUTES:
                return _response(
                    frame, GeneralCommand.READ_ATTRIBUTES_RESPONSE, _read(frame.payload, attributes, room)
                )
            case GeneralCommand.DISCOVER_ATTRIBUTES:
                return _response(
                    frame,
                    GeneralCommand.DISCOVER_ATTRIBUTES_RESPONSE,
                    _discover(frame.payload, attributes, room),
                )
            case GeneralCommand.WRITE_ATTRIBUTES | GeneralCommand.WRITE_ATTRIBUTES_UNDIVIDED:
                return _response(
                    frame, GeneralCommand.WRITE_ATTRIBUTES_RESPONSE, _write(frame.payload, attributes, room)
                )
            case GeneralCommand.WRITE_ATTRIBUTES_NO_RESPONSE:
                return None
            case GeneralCommand.CONFIGURE_REPORTING:
                return _response(
                    frame,
                    GeneralCommand.CONFIGURE_REPORTING_RESPONSE,
                    _configure_reporting(frame.payload, attributes, room),
                )
            case _:
                return frame.default_response(Status.UNSUP_GENERAL_COMMAND)
    except RemoteProtocolError:
        return frame.default_response(Status.MALFORMED_COMMAND)


def _response(request: ZclFrame, command: GeneralCommand, payload: bytes) -> ZclFrame:
    return ZclFrame(request.sequence, command, payload, direction=Direction.TO_CLIENT, cluster_specific=False)


def _read(payload: bytes, attributes: Attributes, room: int) -> bytes:
    fields = _Fields(payload)
    records = b""
    while fields.left:
        (number,) = fields.unpack("<H")
        attribute = attributes.get(number)
        record = struct.pack(
            "<HB", number, Status.UNSUPPORTED_ATTRIBUTE if attribute is None else Status.SUCCESS
        )
        record += b"" if attribute is None else attribute.encode()
        if len(records) + len(record) > room:
            break
        records += record
    return records


def _discover(payload: bytes, attributes: Attributes, room: int) -> bytes:
    first, most = _Fields(payload).unpack("<HB")
    record = struct.Struct("<HB")
    found = [(number, attribute.kind) for number, attribute in attributes.items() if number >= first]
    shown = found[: min(most, (room - 1) // record.size)]
    return bytes((len(shown) == len(found),)) + b"".join(record.pack(*one) for one in shown)


def _write(payload: bytes, attributes: Attributes, room: int) -> bytes:
    """Refuse every write: there is no attribute that a device may change."""
    fields = _Fields(payload)
    records = b""
    while fields.left:
        number, kind = fields.unpack("<HB")
        status = Status.READ_ONLY if number in attributes else Status.UNSUPPORTED_ATTRIBUTE
        if not fields.skip_value(kind):
            status = Status.INVALID_DATA_TYPE
        record = struct.pack("<BH", status, number)
        if len(records) + len(record) > room:
            break
        records += record
    return records


def _configure_reporting(payload: bytes, attributes: Attributes, room: int) -> bytes:
    """Refuse every report, and to wait for any."""
    fields = _Fields(payload)
    records = b""
    while fields.left:
        direction, number = fields.unpack("<BH")
        status = Status.UNREPORTABLE_ATTRIBUTE if number in attributes else Status.UNSUPPORTED_ATTRIBUTE
        if direction == _CLIENTS_OWN:
            fields.unpack("<H")
        else:
            (kind, _, _) = fields.unpack("<BHH")
            if kind in _ANALOGUE:
                fields.skip_value(kind)
        record = struct.pack("<BBH", status, direction, number)
        if len(records) + len(record) > room:
            break
        records += record
    return records


class _Fields:
    """A payload taken apart from its front; raise RemoteProtocolError where it ends too early."""

    def __init__(self, octets: bytes) -> None:
        self.left = octets

    def unpack(self, layout: str) -> tuple[int, ...]:
        return struct.unpack(layout, self._take(struct.calcsize(layout)))

    def skip_value(self, kind: int) -> bool:
        """Pass over a value; where its type is unknown, over everything, and return False."""
        if kind in _SIZES:
            self._take(_SIZES[kind])
        elif kind in _LENGTHS:
            length = int.from_bytes(self._take(_LENGTHS[kind]), "little")
            # All ones is an invalid string, which has no octets (2.6.2.12).
            self._take(0 if length == (1 << 8 * _LENGTHS[kind]) - 1 else length)
        else:
            self.left = b""
            return False
        return True

    def _take(self, octets: int) -> bytes:
        if len(self.left) < octets:
            raise RemoteProtocolError("a record is cut short", status=Status.MALFORMED_COMMAND)
        taken, self.left = self.left[:octets], self.left[octets:]
        return taken
