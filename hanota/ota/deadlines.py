"""When a session is due, and which one next: found without a look at the others."""

from __future__ import annotations

import heapq
import itertools
from typing import TYPE_CHECKING, Final

from hanota.ota.session import SessionState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hanota.ota.session import Session
    from hanota.ota.settings import OtaServerSettings

_SPARE: Final = 64
"""Entries more than four a session before the outdated ones are thrown out."""


class Deadlines:
    """Sessions by the time `due_at` says, None for never.

    A time that moves later costs nothing until it is looked at, because each block moves one; a time that
    moves earlier is told by `moved`.
    """

    def __init__(self, due_at: Callable[[Session], float | None]) -> None:
        self._due_at = due_at
        self._heap: list[tuple[float, int, Session]] = []
        self._order = itertools.count()
        self._entered: dict[Session, float] = {}
        """The time of each session's one entry that counts."""

    def moved(self, session: Session) -> None:
        """Take in a session, or one whose time may be an earlier one now."""
        due = self._due_at(session)
        entered = self._entered.get(session)
        if due is None or (entered is not None and entered <= due):
            return
        if len(self._heap) > 4 * len(self._entered) + _SPARE:
            self._heap = [entry for entry in self._heap if self._entered.get(entry[2]) == entry[0]]
            heapq.heapify(self._heap)
        self._enter(session, due)

    def forget(self, session: Session) -> None:
        """Wait for `session` no longer."""
        self._entered.pop(session, None)

    def next(self) -> float | None:
        """Return the earliest time, if any session has one."""
        while self._heap:
            at, _, session = self._heap[0]
            due = self._due_at(session)
            if self._entered.get(session) == at:
                if due == at:
                    return at
                heapq.heappop(self._heap)
                del self._entered[session]
                if due is not None:
                    self._enter(session, due)
            else:
                heapq.heappop(self._heap)
        return None

    def due(self, now: float) -> Iterator[Session]:
        """Yield each session once whose time has come by `now`; what is yielded is taken in again."""
        ready = []
        while (at := self.next()) is not None and at <= now:
            session = heapq.heappop(self._heap)[2]
            del self._entered[session]
            ready.append(session)
        for session in ready:
            yield session
            self.moved(session)

    def _enter(self, session: Session, due: float) -> None:
        self._entered[session] = due
        heapq.heappush(self._heap, (due, next(self._order), session))


def due_at(session: Session, settings: OtaServerSettings) -> float | None:
    """Return when the session expires, is notified again or, if it is being heard, stalls; Unix seconds."""
    if not session.live:
        return None
    if session.notify_at is not None:
        return min(ends_at(session, settings), session.notify_at)
    heard_at = session.offered_at if session.heard_at is None else session.heard_at
    return min(ends_at(session, settings), heard_at + settings.stall_seconds)


def ends_at(session: Session, settings: OtaServerSettings) -> float:
    """Return when the session ends for want of requests; Unix seconds."""
    if session.heard_at is None:
        return session.expires_at  # never heard: it may be switched off for days
    silent = session.heard_at + settings.session_timeout
    if session.held and session.state is SessionState.HELD:
        return silent  # approval may take longer than any transfer
    return min(silent, session.expires_at)
