"""The Time cluster server of the hub: UTC, and that it is the master (GBCS 9.1.3; ZCL 07-5123, 3.12)."""

from __future__ import annotations

import struct
from typing import Final

from hanota.timestamps import zigbee_time
from hanota.zcl import Direction, GeneralCommand, Status, ZclFrame

TIME: Final = 0x0000
TIME_STATUS: Final = 0x0001
TIME_STATUS_VALUE: Final = 0x09
"""Master (bit 0) and Superseding (bit 3)."""

_UTC_TIME: Final = 0xE2
_BITMAP8: Final = 0x18


def respond(frame: ZclFrame, now: float, limit: int) -> ZclFrame | None:
    """Return the answer to `frame`, of at most `limit` octets, or None where none is due.

    Attributes that do not fit any more are left out, as 2.5.2.3 has it; the client reads them again.
    """
    if frame.is_default_response or frame.direction is Direction.TO_CLIENT:
        return None
    if frame.manufacturer_code is not None:
        return frame.default_response(Status.UNSUP_MANUF_CLUSTER_COMMAND)
    if frame.cluster_specific:
        return frame.default_response(Status.UNSUP_CLUSTER_COMMAND)
    if frame.command != GeneralCommand.READ_ATTRIBUTES:
        return frame.default_response(Status.UNSUP_GENERAL_COMMAND)
    if len(frame.payload) % 2:
        return frame.default_response(Status.MALFORMED_COMMAND)
    payload = b""
    room = limit - len(ZclFrame(0, 0).encode())
    for (attribute,) in struct.iter_unpack("<H", frame.payload):
        record = _record(attribute, now)
        if len(payload) + len(record) > room:
            break
        payload += record
    return ZclFrame(
        sequence=frame.sequence,
        command=GeneralCommand.READ_ATTRIBUTES_RESPONSE,
        payload=payload,
        direction=Direction.TO_CLIENT,
        cluster_specific=False,
    )


def _record(attribute: int, now: float) -> bytes:
    match attribute:
        case 0x0000:
            return struct.pack("<HBBI", TIME, Status.SUCCESS, _UTC_TIME, zigbee_time(now))
        case 0x0001:
            return struct.pack("<HBBB", TIME_STATUS, Status.SUCCESS, _BITMAP8, TIME_STATUS_VALUE)
        case _:
            return struct.pack("<HB", attribute, Status.UNSUPPORTED_ATTRIBUTE)
