"""Points in time: Unix seconds (UTC) inside hanota, other forms on the wire and in logs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

ZIGBEE_EPOCH: Final = 946_684_800
"""Unix seconds of 2000-01-01T00:00:00Z, the zero of ZCL UTCTime."""


def utc(now: float) -> datetime:
    """Return `now` (Unix seconds) as an aware UTC datetime."""
    return datetime.fromtimestamp(now, UTC)


def iso(now: float) -> str:
    """Return `now` (Unix seconds) as ISO 8601 with milliseconds, for logs and events."""
    return utc(now).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def zigbee_time(now: float) -> int:
    """Return `now` (Unix seconds) as ZCL UTCTime: seconds since 2000, 32 bits (ZCL 2.6.2.20)."""
    return int(now - ZIGBEE_EPOCH) & 0xFFFF_FFFF
