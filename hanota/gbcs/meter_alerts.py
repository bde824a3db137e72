"""Alerts in DLMS and GBZ: where the Alert Code is, and the layouts that concern firmware (RTDS 4.5.0).

Those hanota's own use cases have are in DER. A device built on a meter's stack may raise the others, and they
are passed on as they come.

DLMS  0F ‖ long-invoke-id (4) ‖ 00 ‖ structure 02 nn { 12 Alert Code (2), 09 0C time stamp (12), ... }
GBZ   0109 ‖ number of components ‖ Alert Code (2) ‖ time stamp (UTCTime, 4) ‖ ...
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hanota.gbcs import cosem
from hanota.gbcs.octets import Reader
from hanota.timestamps import ZIGBEE_EPOCH, utc

if TYPE_CHECKING:
    from hanota.gbcs.message import Message

DLMS_RECEIPT_MESSAGE_CODE: Final = 0x00CE
GBZ_RECEIPT_MESSAGE_CODE: Final = 0x00CF
NOT_SUPPORTED_MESSAGE_CODE: Final = 0x0120

_DATA_NOTIFICATION: Final = b"\x0f"
_INVOKE_ID_SIZE: Final = 4
_NO_DATE_TIME: Final = b"\x00"
_STRUCTURE: Final = b"\x02"
_LONG_UNSIGNED: Final = b"\x12"
_OCTET_STRING: Final = b"\x09"
_GBZ_PROFILE: Final = b"\x01\x09"
_HASH_SIZE: Final = 32

_ALERT_CODE: Final = re.compile(
    rb"\x30(?:[\x00-\x7f]|\x81.|\x82..)\x02(?:\x02|\x03\x00)(..)"
    rb"|\x0f.{4}\x00\x02.\x12(..)"
    rb"|\x01\x09.(..)",
    re.DOTALL,
)
"""In DER the first INTEGER of the SEQUENCE, of 16 bits; in DLMS and GBZ as above."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FirmwareDistributionReceipt:
    """Firmware Distribution Receipt Alert of a device with a DLMS or GBZ stack: an image verified, or not."""

    alert_code: int
    """8F72 verified, 8F1C not."""
    time_stamp: str
    calculated_manufacturer_image_hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandNotSupported:
    """ECS100: the device does not support the command with this Message Code (GBCS 7.2.9.1)."""

    alert_code: int
    """8F85."""
    time_stamp: str
    message_code: int
    originator_counter: int
    """That of the command."""


def alert_code(message: Message) -> int | None:
    """Return the Alert Code of any alert, None where it is not to be found."""
    found = _ALERT_CODE.match(message.payload)
    return None if found is None else int.from_bytes(b"".join(code or b"" for code in found.groups()), "big")


def decode_dlms_receipt(payload: bytes) -> FirmwareDistributionReceipt:
    """Read a receipt alert in DLMS; raise RemoteProtocolError."""
    reader = Reader(payload)
    code, time_stamp = _dlms_head(reader)
    return _receipt(reader, code, time_stamp)


def decode_gbz_receipt(payload: bytes) -> FirmwareDistributionReceipt:
    """Read a receipt alert in GBZ; raise RemoteProtocolError."""
    reader = Reader(payload)
    reader.expect(_GBZ_PROFILE, "GBZ profile")
    reader.expect(b"\x01", "number of components")
    code = reader.integer(2, "Alert Code")
    moment = utc(reader.integer(4, "time stamp") + ZIGBEE_EPOCH)
    return _receipt(reader, code, f"{moment:%Y%m%d%H%M%SZ}")


def decode_not_supported(payload: bytes) -> CommandNotSupported | None:
    """Read ECS100; None where it is not in DLMS, no other form being known; raise RemoteProtocolError."""
    if not payload.startswith(_DATA_NOTIFICATION):
        return None
    reader = Reader(payload)
    code, time_stamp = _dlms_head(reader)
    reader.expect(_OCTET_STRING + b"\x0a", "command")
    alert = CommandNotSupported(
        alert_code=code,
        time_stamp=time_stamp,
        message_code=reader.integer(2, "Message Code"),
        originator_counter=reader.integer(8, "Originator Counter"),
    )
    reader.end("ECS100 alert")
    return alert


def _dlms_head(reader: Reader) -> tuple[int, str]:
    """Read up to the time stamp, of a structure of three; return Alert Code and time stamp."""
    reader.expect(_DATA_NOTIFICATION, "data-notification")
    reader.take(_INVOKE_ID_SIZE, "long-invoke-id")
    reader.expect(_NO_DATE_TIME, "date-time")
    reader.expect(_STRUCTURE + b"\x03", "alert")
    reader.expect(_LONG_UNSIGNED, "Alert Code")
    code = reader.integer(2, "Alert Code")
    reader.expect(_OCTET_STRING + bytes([cosem.DATE_TIME_SIZE]), "time stamp")
    return code, cosem.text(reader.take(cosem.DATE_TIME_SIZE, "time stamp"))


def _receipt(reader: Reader, code: int, time_stamp: str) -> FirmwareDistributionReceipt:
    reader.expect(_OCTET_STRING + bytes([_HASH_SIZE]), "Manufacturer Image Hash")
    image_hash = reader.take(_HASH_SIZE, "Manufacturer Image Hash")
    reader.end("receipt alert")
    return FirmwareDistributionReceipt(
        alert_code=code, time_stamp=time_stamp, calculated_manufacturer_image_hash=image_hash
    )
