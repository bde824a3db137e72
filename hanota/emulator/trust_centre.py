"""What the trust centre of every emulated coordinator does alike: the join window, addresses, one key."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Collection

WELL_KNOWN_KEY: Final = b"ZigBeeAlliance09"
"""Default trust centre link key: what a device without an install code joins with."""
SHORT_ADDRESSES: Final = range(0x0001, 0xFFF8)


class JoinWindow:
    """Permit joining: open for a time, then closed again."""

    def __init__(self, expired: Callable[[], None]) -> None:
        self._expired = expired
        self._closing: asyncio.TimerHandle | None = None
        self.is_open = False
        """Beacons permit association."""

    def open(self, seconds: float | None) -> None:
        """Open for `seconds`, or until closed; a window open already gets the new time."""
        self.close()
        self.is_open = True
        if seconds is not None:
            self._closing = asyncio.get_running_loop().call_later(seconds, self._expire)

    def close(self) -> None:
        """Close without a word."""
        if self._closing is not None:
            self._closing.cancel()
        self._closing = None
        self.is_open = False

    def _expire(self) -> None:
        self.close()
        self._expired()


def new_short_address(chance: random.Random, used: Collection[int | None]) -> int:
    """Return a random short address that is not in `used` (stochastic addressing, ZigBee 3.6.1.7)."""
    while True:
        address = chance.choice(SHORT_ADDRESSES)
        if address not in used:
            return address
