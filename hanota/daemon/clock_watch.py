"""Whether the machine's clock was set since the daemon read it: nothing the daemon does follows it."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)


class ClockWatch:
    """Tells when the hub's time is not the machine's any more: after NTP, somebody's hand, or sleep."""

    def __init__(self, behind: Callable[[], float], limit: float, interval: float) -> None:
        """`behind` tells how far the machine's clock is ahead of the hub's; `limit` what is no fault yet."""
        self._behind, self._limit, self._interval = behind, limit, interval

    @property
    def behind(self) -> float:
        """Seconds by which the machine's clock is ahead of the hub's, below 0 where it is behind."""
        return self._behind()

    def fault(self) -> str | None:
        """Return what is wrong and what to do, None where nothing is."""
        behind = self.behind
        if abs(behind) <= self._limit:
            return None
        where = "ahead of" if behind > 0 else "behind"
        return (
            f"the machine's clock is {abs(behind):.0f} s {where} the hub's, which goes on as it began:"
            " start hanota again for the new time"
        )

    async def run(self) -> None:
        """Log each new fault until cancelled."""
        told = 0.0
        while True:
            await asyncio.sleep(self._interval)
            behind = self.behind
            if abs(behind - told) <= self._limit:
                continue
            told = behind
            fault = self.fault()
            if fault is None:
                logger.info("the machine's clock is right again")
            else:
                logger.warning("%s", fault)
