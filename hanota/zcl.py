"""ZigBee Cluster Library: the frame header, Default Response and the numbers every cluster package shares.

Source: ZCL specification 07-5123, 2.4 (frame formats), 2.5 (general commands), 2.6.3 (statuses).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Self

from hanota.errors import LocalProtocolError, RemoteProtocolError

PROFILE_SMART_ENERGY: Final = 0x0109


class ClusterId(IntEnum):
    """Clusters hanota speaks or names."""

    BASIC = 0x0000
    POWER_CONFIGURATION = 0x0001
    IDENTIFY = 0x0003
    ALARMS = 0x0009
    TIME = 0x000A
    OTA_UPGRADE = 0x0019
    KEEP_ALIVE = 0x0025
    PRICE = 0x0700
    DEMAND_RESPONSE = 0x0701
    METERING = 0x0702
    MESSAGING = 0x0703
    TUNNELING = 0x0704
    PREPAYMENT = 0x0705
    KEY_ESTABLISHMENT = 0x0800


class Status(IntEnum):
    """ZCL status values (2.6.3), those of the OTA Upgrade cluster included."""

    SUCCESS = 0x00
    FAILURE = 0x01
    NOT_AUTHORIZED = 0x7E
    MALFORMED_COMMAND = 0x80
    UNSUP_CLUSTER_COMMAND = 0x81
    UNSUP_GENERAL_COMMAND = 0x82
    UNSUP_MANUF_CLUSTER_COMMAND = 0x83
    UNSUPPORTED_ATTRIBUTE = 0x86
    INVALID_VALUE = 0x87
    READ_ONLY = 0x88
    UNREPORTABLE_ATTRIBUTE = 0x8C
    INVALID_DATA_TYPE = 0x8D
    TIMEOUT = 0x94
    ABORT = 0x95
    INVALID_IMAGE = 0x96
    WAIT_FOR_DATA = 0x97
    NO_IMAGE_AVAILABLE = 0x98
    REQUIRE_MORE_IMAGE = 0x99


class GeneralCommand(IntEnum):
    """Commands that exist on every cluster (2.5)."""

    READ_ATTRIBUTES = 0x00
    READ_ATTRIBUTES_RESPONSE = 0x01
    WRITE_ATTRIBUTES = 0x02
    WRITE_ATTRIBUTES_UNDIVIDED = 0x03
    WRITE_ATTRIBUTES_RESPONSE = 0x04
    WRITE_ATTRIBUTES_NO_RESPONSE = 0x05
    CONFIGURE_REPORTING = 0x06
    CONFIGURE_REPORTING_RESPONSE = 0x07
    REPORT_ATTRIBUTES = 0x0A
    DEFAULT_RESPONSE = 0x0B
    DISCOVER_ATTRIBUTES = 0x0C
    DISCOVER_ATTRIBUTES_RESPONSE = 0x0D


class Direction(IntEnum):
    """The direction bit of the frame control field (2.4.1.1.3)."""

    TO_SERVER = 0
    TO_CLIENT = 1


_CLUSTER_SPECIFIC: Final = 0x01
_FRAME_TYPE: Final = 0x03
_MANUFACTURER_SPECIFIC: Final = 0x04
_DIRECTION: Final = 0x08
_DISABLE_DEFAULT_RESPONSE: Final = 0x10


@dataclass(frozen=True, slots=True)
class ZclFrame:
    """One ZCL frame: header and the command's payload octets."""

    sequence: int
    command: int
    payload: bytes = b""
    direction: Direction = Direction.TO_SERVER
    cluster_specific: bool = True
    disable_default_response: bool = True
    manufacturer_code: int | None = None

    def encode(self) -> bytes:
        """Return the frame's octets; raise LocalProtocolError for a field out of range."""
        if not (0 <= self.sequence <= 0xFF and 0 <= self.command <= 0xFF):
            raise LocalProtocolError(f"sequence {self.sequence} or command {self.command} is not one octet")
        control = _CLUSTER_SPECIFIC if self.cluster_specific else 0
        control |= _DIRECTION if self.direction is Direction.TO_CLIENT else 0
        control |= _DISABLE_DEFAULT_RESPONSE if self.disable_default_response else 0
        if self.manufacturer_code is None:
            return bytes((control, self.sequence, self.command)) + self.payload
        if not 0 <= self.manufacturer_code <= 0xFFFF:
            raise LocalProtocolError(f"manufacturer code {self.manufacturer_code:#x} is not two octets")
        head = struct.pack(
            "<BHBB", control | _MANUFACTURER_SPECIFIC, self.manufacturer_code, self.sequence, self.command
        )
        return head + self.payload

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Parse one frame; raise RemoteProtocolError (MALFORMED_COMMAND) for anything else."""
        manufacturer: int | None = None
        if len(data) < 3:
            raise _malformed(f"a ZCL frame has at least 3 octets, got {len(data)}")
        control, rest = data[0], data[1:]
        if control & _FRAME_TYPE > _CLUSTER_SPECIFIC:
            raise _malformed(f"reserved ZCL frame type in frame control {control:#04x}")
        if control & _MANUFACTURER_SPECIFIC:
            if len(rest) < 4:
                raise _malformed("a manufacturer specific ZCL frame has at least 5 octets")
            manufacturer, rest = int.from_bytes(rest[:2], "little"), rest[2:]
        return cls(
            sequence=rest[0],
            command=rest[1],
            payload=bytes(rest[2:]),
            direction=Direction.TO_CLIENT if control & _DIRECTION else Direction.TO_SERVER,
            cluster_specific=bool(control & _CLUSTER_SPECIFIC),
            disable_default_response=bool(control & _DISABLE_DEFAULT_RESPONSE),
            manufacturer_code=manufacturer,
        )

    @property
    def is_default_response(self) -> bool:
        """Tell whether this is a Default Response, which is never itself answered (2.5.12.2)."""
        return not self.cluster_specific and self.command == GeneralCommand.DEFAULT_RESPONSE

    def default_response(self, status: int) -> ZclFrame:
        """Return the Default Response to this frame, same sequence number, other direction (2.5.12)."""
        return ZclFrame(
            sequence=self.sequence,
            command=GeneralCommand.DEFAULT_RESPONSE,
            payload=bytes((self.command, status)),
            direction=Direction(1 - self.direction),
            cluster_specific=False,
            manufacturer_code=self.manufacturer_code,
        )


@dataclass(frozen=True, slots=True)
class DefaultResponse:
    """The payload of a Default Response: which command it answers, and how (2.5.12.1)."""

    command: int
    status: int

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        """Parse the payload; raise RemoteProtocolError unless it is two octets."""
        if len(payload) != 2:
            raise _malformed(f"a Default Response has 2 octets of payload, got {len(payload)}")
        return cls(payload[0], payload[1])


def _malformed(message: str) -> RemoteProtocolError:
    return RemoteProtocolError(message, status=Status.MALFORMED_COMMAND)
