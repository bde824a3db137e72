"""How late the event loop is: everything hanota does to answer a device runs on it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class LagWatch:
    """Looks every `interval` seconds how much later than that it is called."""

    def __init__(self, interval: float, alive: Callable[[], None]) -> None:
        """`alive` is called at each look, by which somebody else may see that the loop runs."""
        self._interval, self._alive = interval, alive
        self.last = 0.0
        """Seconds, at the last look."""
        self.worst = 0.0
        """The most since `take_worst`."""

    def take_worst(self) -> float:
        """Return the most since this was asked last."""
        worst, self.worst = self.worst, 0.0
        return worst

    async def run(self) -> None:
        """Watch until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + self._interval
            await asyncio.sleep(self._interval)
            self.last = max(0.0, loop.time() - due)
            self.worst = max(self.worst, self.last)
            self._alive()
