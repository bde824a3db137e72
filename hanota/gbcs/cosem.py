"""COSEM date-time, which the Grouping Header of some responses carries (DLMS Blue Book 4.1.6.1)."""

from __future__ import annotations

from typing import Final

from hanota.timestamps import utc

_NO_DEVIATION: Final = b"\x80\x00"
_NO_STATUS: Final = b"\xff"
_NO_DAY_OF_WEEK: Final = 0xFF

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
