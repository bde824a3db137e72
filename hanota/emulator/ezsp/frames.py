"""EZSP frames: the legacy and the extended header, and what differs between protocol versions (UG100 3)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from hanota.emulator.ezsp.status import EMBER_STATUS, EZSP_STATUS, EzspStatus, SlStatus
from hanota.errors import RemoteProtocolError

FIRMWARE: Final = {
    8: (6, 10, 3, 0),
    9: (7, 1, 0, 0),
    10: (7, 2, 0, 0),
    11: (7, 2, 2, 0),
    12: (7, 3, 1, 0),
    13: (7, 4, 4, 0),
    14: (8, 0, 2, 0),
    16: (8, 1, 1, 0),
    17: (8, 2, 0, 0),
    18: (8, 2, 2, 0),
}
"""EmberZNet release by EZSP version."""
SECURITY_MANAGER: Final = range(0x010C, 0x0117)
"""Its frames; EZSP 12 had the first of them in a form of its own, which is not emulated."""
SINCE: Final = {0x0077: 13, 0x00AC: 9, 0x0102: 9, 0x0103: 9, **dict.fromkeys(SECURITY_MANAGER, 13)}
"""The version that brought a frame; the others are as old as version 8."""
UNTIL: Final = dict.fromkeys((0x0066, 0x006A, 0x006D, 0x0071, 0x0072, 0x00AF, 0x00CE), 12)
"""The last version that has a frame."""

CONTROL_RESPONSE: Final = 0x80
CONTROL_ASYNCHRONOUS_CALLBACK: Final = 0x10
CONTROL_OVERFLOW: Final = 0x01
"""Callbacks were lost since the last response."""
CONTROL_NETWORK_INDEX: Final = 0x60
EXTENDED_FORMAT: Final = 0x01
"""Upper control octet: frame format version 1, no security."""

_EXTENDED: Final = struct.Struct("<BBBH")
_LEGACY_OCTETS: Final = 3


class FrameId(IntEnum):
    """Frames the co-processor sends of its own accord, and those the dispatcher itself must know."""

    VERSION = 0x0000
    STACK_STATUS_HANDLER = 0x0019
    NETWORK_FOUND_HANDLER = 0x001B
    SCAN_COMPLETE_HANDLER = 0x001C
    CHILD_JOIN_HANDLER = 0x0023
    TRUST_CENTER_JOIN_HANDLER = 0x0024
    MESSAGE_SENT_HANDLER = 0x003F
    INCOMING_MESSAGE_HANDLER = 0x0045
    ENERGY_SCAN_RESULT_HANDLER = 0x0048
    INVALID_COMMAND = 0x0058


class InvalidCommandError(RemoteProtocolError):
    """A command is answered by invalidCommand; `reason` says why."""

    def __init__(self, reason: EzspStatus) -> None:
        super().__init__(f"EZSP command refused: {reason.name}", status=reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Command:
    """A frame of the host's."""

    sequence: int
    frame_id: int
    parameters: bytes
    control: int = 0
    legacy: bool = False
    """It has the header of EZSP 4; only `version` is answered in that form."""
    supported: bool = True
    """Its control field asks for nothing unknown, such as security."""

    @classmethod
    def decode(cls, data: bytes) -> Command:
        """Read a frame of either form; raise RemoteProtocolError if it is too short for a header."""
        if len(data) < _LEGACY_OCTETS:
            raise RemoteProtocolError("EZSP frame too short")
        if data[2] == FrameId.VERSION:
            return cls(data[0], data[2], data[_LEGACY_OCTETS:], data[1], legacy=True)
        if len(data) < _EXTENDED.size:
            raise RemoteProtocolError("EZSP frame too short")
        sequence, control, upper, frame_id = _EXTENDED.unpack_from(data)
        return cls(
            sequence,
            frame_id,
            data[_EXTENDED.size :],
            control,
            supported=upper == EXTENDED_FORMAT and not control & CONTROL_RESPONSE,
        )

    def response(self, frame_id: int, parameters: bytes, *, overflow: bool = False) -> bytes:
        """Return the frame that answers this command."""
        control = CONTROL_RESPONSE | self.control & CONTROL_NETWORK_INDEX | CONTROL_OVERFLOW * overflow
        if self.legacy:
            return bytes((self.sequence, control, frame_id)) + parameters
        return _EXTENDED.pack(self.sequence, control, EXTENDED_FORMAT, frame_id) + parameters


def callback(sequence: int, frame_id: int, parameters: bytes) -> bytes:
    """Return an asynchronous callback; `sequence` is that of the last command answered."""
    control = CONTROL_RESPONSE | CONTROL_ASYNCHRONOUS_CALLBACK
    return _EXTENDED.pack(sequence, control, EXTENDED_FORMAT, frame_id) + parameters


class Layout:
    """What one protocol version has, and how it lays that out; version 14 changed most of it."""

    def __init__(self, version: int) -> None:
        self.version = version
        self.is_sl = version >= 14
        """Statuses are sl_status_t, and stand first in a response."""
        self.has_time_left = version >= 10
        """The child table tells how long a child may still be silent."""
        self.tag = struct.Struct("<H" if self.is_sl else "<B")
        """A message tag."""

    def has(self, frame_id: int) -> bool:
        """Tell whether this version has a frame."""
        return SINCE.get(frame_id, 0) <= self.version <= UNTIL.get(frame_id, self.version)

    def status(self, status: SlStatus) -> bytes:
        """Return the status of a stack command: EmberStatus, or sl_status_t from version 14."""
        return sl_status(status) if self.is_sl else bytes((EMBER_STATUS[status],))

    def ezsp_status(self, status: SlStatus) -> bytes:
        """Return the status of a command on the co-processor itself: EzspStatus, or sl_status_t."""
        return sl_status(status) if self.is_sl else bytes((EZSP_STATUS[status],))

    def status_since_14(self) -> bytes:
        """Return OK for a command that got a status only with version 14, and answers nothing before."""
        return sl_status(SlStatus.OK) if self.is_sl else b""

    def invalid_command(self, reason: EzspStatus) -> bytes:
        """Return the parameters of invalidCommand.

        Four octets from version 14: bellows reads an sl_status_t, zigbee-herdsman the first octet of it.
        """
        return reason.to_bytes(4 if self.is_sl else 1, "little")


def sl_status(status: SlStatus) -> bytes:
    """Return a status in four octets, as the security manager's commands have it in every version."""
    return status.to_bytes(4, "little")


def counted(data: bytes) -> bytes:
    """Return `data` behind its length in one octet."""
    return bytes((len(data),)) + data


def read_counted(data: bytes, offset: int = 0) -> bytes:
    """Return the octets that a length octet at `offset` announces; raise RemoteProtocolError if cut short."""
    length = data[offset]
    value = data[offset + 1 : offset + 1 + length]
    if len(value) != length:
        raise RemoteProtocolError(f"{length} octets announced, {len(value)} sent")
    return value
