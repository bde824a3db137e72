"""The one place that reads time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import asyncio


class Clock(Protocol):
    """A source of the current time, in Unix seconds (UTC)."""

    def now(self) -> float:
        """Return Unix seconds; never runs backwards while the process lives."""
        ...


class SystemClock:
    """The machine's clock, read once and carried on by the monotonic clock.

    A step of the system clock (NTP, an operator) therefore neither fires nor starves a timer; a restarted
    daemon takes the new time.
    """

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()  # noqa: TID251  # this module is the reader

    def now(self) -> float:
        """Return Unix seconds."""
        return self._offset + time.monotonic()  # noqa: TID251  # this module is the reader

    def behind(self) -> float:
        """Return by how many seconds the machine's clock is ahead: it was set, or the machine has slept."""
        return time.time() - self.now()  # noqa: TID251  # this module is the reader


class LoopClock:
    """Unix seconds that follow an event loop's own time, so that virtual time is one thing everywhere."""

    def __init__(self, loop: asyncio.AbstractEventLoop, epoch: float) -> None:
        self._loop = loop
        self._offset = epoch - loop.time()

    def now(self) -> float:
        """Return Unix seconds."""
        return self._offset + self._loop.time()
