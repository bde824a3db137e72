"""Image pages under way: whose next block is due when, and how many responses the air carries.

The blocks of a page go out at the client's response spacing, several under way at once, none acknowledged
at APS. A block that finds the window full waits for a place, and those after it with it. If it waits longer
than `page_lag_seconds` the air is others': it is skipped, and so are those whose time is past by as much.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hanota.eui64 import Eui64
    from hanota.ota.settings import OtaServerSettings


@dataclass(slots=True)
class Page:
    """What is left of one Image Page Request."""

    device: Eui64
    sequence: int
    offset: int
    """Of the next block."""
    end: int
    maximum_data_size: int
    spacing: float
    """Seconds from one block to the next."""
    due_at: float
    room: int | None
    in_flight: deque[float] = field(default_factory=deque)
    """When each response that is not confirmed was sent."""


class Pages:
    """At most one page for each device."""

    def __init__(self, settings: OtaServerSettings) -> None:
        self._settings = settings
        self._pages: dict[Eui64, Page] = {}
        self._heap: list[tuple[float, int, Page]] = []
        self._order = itertools.count()
        self._in_flight = 0

    def begin(self, page: Page) -> None:
        """Begin `page`; one under way to the same device gives way."""
        self.end(page.device)
        self._pages[page.device] = page
        self._push(page, page.due_at)

    def end(self, device: Eui64) -> None:
        """Send no more of the page of `device`, if there is one."""
        if page := self._pages.pop(device, None):
            self._in_flight -= len(page.in_flight)

    def confirmed(self, device: Eui64, now: float) -> None:
        """Note that one response to `device` is off the air; the place it had is free."""
        page = self._pages.get(device)
        if page is None or not page.in_flight:
            return
        page.in_flight.popleft()
        full = self._in_flight >= self._settings.pages_window
        self._in_flight -= 1
        if page.due_at <= now:
            self._push(page, now)
        if full and (waiting := min(self._pages.values(), key=lambda other: other.due_at, default=None)):
            self._push(waiting, max(now, waiting.due_at))

    def next(self) -> float | None:
        """Return when a block is due or a place falls free, if any page is under way."""
        while self._heap and self._pages.get(self._heap[0][2].device) is not self._heap[0][2]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def due(self, now: float) -> Page | None:
        """Return the page that may send its next block now, each in its turn; None if there is none."""
        while (at := self.next()) is not None and at <= now:
            page = heapq.heappop(self._heap)[2]
            self._expire_flights(page, now)
            if page.due_at > now:
                self._push(page, page.due_at)
            elif self._has_place(page):
                return page
            else:
                self._push(page, now + self._settings.page_confirm_seconds)
        return None

    def sent(self, page: Page, length: int, now: float) -> None:
        """Note that a block of `length` octets went out; the page goes on or has ended."""
        page.in_flight.append(now)
        self._in_flight += 1
        page.due_at = max(page.due_at, now - page.spacing)
        self._advance(page, length, now)

    def skip(self, page: Page, length: int, now: float) -> bool:
        """Leave out a block of `length` octets if its time is past; tell whether it was."""
        if now - page.due_at <= self._settings.page_lag_seconds:
            return False
        self._advance(page, length, now)
        return True

    def _advance(self, page: Page, length: int, now: float) -> None:
        page.offset += length
        page.due_at += page.spacing
        if page.offset >= page.end:
            self.end(page.device)
        else:
            self._push(page, max(now, page.due_at))

    def _has_place(self, page: Page) -> bool:
        settings = self._settings
        return len(page.in_flight) < settings.page_window and self._in_flight < settings.pages_window

    def _expire_flights(self, page: Page, now: float) -> None:
        while page.in_flight and now - page.in_flight[0] >= self._settings.page_confirm_seconds:
            page.in_flight.popleft()
            self._in_flight -= 1

    def _push(self, page: Page, at: float) -> None:
        heapq.heappush(self._heap, (at, next(self._order), page))
