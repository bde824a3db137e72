"""COSEM date-time, which the Grouping Header of some responses carries (DLMS Blue Book 4.1.6.1)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from hanota.timestamps import utc

DATE_TIME_SIZE: Final = 12
"""Octets of a date-time."""

_NO_DEVIATION: Final = b"\x80\x00"
_NO_STATUS: Final = b"\xff"
_NO_DAY_OF_WEEK: Final = 0xFF
_NO_HUNDREDTHS: Final = 0xFF

NOT_SPECIFIED: Final = b"\xff\xff\xff\xff\xff\xff\xff\xff\xff" + _NO_DEVIATION + _NO_STATUS
"""What a device without a clock sends: every field 'not specified'."""


def date_time(now: float) -> bytes:
    """Return Unix seconds as 12 octets, day of week, deviation and clock status not specified (RTDS)."""
    time = utc(now)
    return b"".join(
        (
            time.year.to_bytes(2, "big"),
            bytes([time.month, time.day, _NO_DAY_OF_WEEK, time.hour, time.minute, time.second, 0]),
            _NO_DEVIATION,
            _NO_STATUS,
        )
    )


def text(octets: bytes) -> str:
    """Return a date-time in the form of a GeneralizedTime, or in hex where it is no such instant in UTC.

    GBCS has all of them in UTC; wildcards, special days and a deviation have no such form.
    """
    try:
        moment = datetime(
            int.from_bytes(octets[:2], "big"),
            octets[2],
            octets[3],
            octets[5],
            octets[6],
            octets[7],
            tzinfo=UTC,
        )
    except ValueError:
        return octets.hex()
    if octets[8] not in (0, _NO_HUNDREDTHS) or octets[9:11] not in (_NO_DEVIATION, b"\x00\x00"):
        return octets.hex()
    return f"{moment.year:04}{moment:%m%d%H%M%S}Z"
