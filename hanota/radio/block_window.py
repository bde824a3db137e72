"""How many image blocks a coordinator has at once: few, as whatever is urgent waits behind those.

A coordinator sends what it was given in order. One block on the air while the next one passes the line is all
that a rate needs; more of them would only make others wait.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType


class BlockWindow:
    """Places for blocks in the coordinator, given in the order in which they are asked for."""

    def __init__(self, places: int, patience: float) -> None:
        """A block under way for `patience` seconds gives its place up: its device sleeps or is gone."""
        self._free = asyncio.Semaphore(places)
        self._patience = patience

    def place(self) -> Place:
        """Return a place to be entered with `async with`."""
        return Place(self._free, self._patience)


class Place:
    """The place of one block."""

    __slots__ = ("_free", "_patience", "_timer")

    def __init__(self, free: asyncio.Semaphore, patience: float) -> None:
        self._free, self._patience = free, patience
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> None:
        """Wait for the place."""
        await self._free.acquire()
        self._timer = asyncio.get_running_loop().call_later(self._patience, self._leave)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave it to the next block."""
        self._leave()

    def _leave(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
            self._free.release()
