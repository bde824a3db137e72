"""Room for frames in a coordinator that has none just now: its refusal is back-pressure, not a failure.

Whoever was refused waits in a queue, and whoever comes then behind it. The first of the queue goes on as soon
as a frame is off the air; where none is under way it tries again by itself, at growing intervals.
"""

from __future__ import annotations

import asyncio
import heapq
from itertools import count


class Room:
    """Those who wait for room, the most urgent first and then in order."""

    def __init__(self, delay: float, patience: float) -> None:
        """`delay`: seconds before the first try; `patience`: how long the coordinator may take nothing."""
        self._first_delay = self._delay = delay
        self._patience = patience
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._number = count()
        self._freed_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def wanted(self) -> bool:
        """Tell whether somebody waits."""
        return bool(self._waiting)

    def exhausted(self, since: float) -> bool:
        """Tell whether the coordinator has got rid of no frame for too long, `since` (loop time) at least."""
        return asyncio.get_running_loop().time() - max(since, self._freed_at) >= self._patience

    def free(self) -> None:
        """Note that a frame is off the air, and let the first who waits go on."""
        self._freed_at = asyncio.get_running_loop().time()
        self._delay = self._first_delay
        if self._waiting:
            self._go_on()

    async def wait(self, priority: int) -> None:
        """Wait until there may be room; a higher `priority` goes first."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (-priority, next(self._number), waiter)
        heapq.heappush(self._waiting, entry)
        self._arm()
        try:
            await waiter
        except asyncio.CancelledError:
            if entry in self._waiting:
                self._waiting.remove(entry)
                heapq.heapify(self._waiting)
            else:
                self._go_on()  # its turn is another's
            raise

    def _go_on(self) -> None:
        while self._waiting:
            waiter = heapq.heappop(self._waiting)[2]
            if not waiter.done():
                waiter.set_result(None)
                break
        self._arm()

    def _arm(self) -> None:
        """Have the first of the queue try by itself after a while."""
        if self._timer is not None and self._waiting:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waiting:
            self._timer = asyncio.get_running_loop().call_later(self._delay, self._try_again)

    def _try_again(self) -> None:
        self._timer = None
        self._delay = min(2 * self._delay, self._patience)
        self._go_on()
