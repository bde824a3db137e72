"""How fast a device may ask: a token bucket, and the times of WAIT_FOR_DATA and Upgrade End answers."""

from __future__ import annotations

from typing import Final

from hanota.ota.commands import NEVER
from hanota.timestamps import zigbee_time

_RELATIVE: Final = 0
"""A Current Time of 0: the other time counts seconds from now (ZCL 11.13)."""


class TokenBucket:
    """Lets `burst` requests through at once and `rate` a second in the long run."""

    __slots__ = ("_at", "_burst", "_rate", "_tokens")

    def __init__(self, rate: float, burst: int, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = float(burst)
        self._at = now

    def take(self, now: float) -> bool:
        """Take one token, if there is one."""
        self._tokens = min(self._burst, self._tokens + max(0.0, now - self._at) * self._rate)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


def times_after(now: float, seconds: int) -> tuple[int, int]:
    """Return Current Time and the time `seconds` later, never before it and never by accident NEVER."""
    current = zigbee_time(now)
    later = current + seconds
    return (current, later) if later < NEVER else (_RELATIVE, seconds)
