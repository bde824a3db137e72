"""The journal searched: which events are meant, from the beginning on or from the end back, within bounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hanota.errors import RemoteProtocolError
from hanota.hub.events import EventKind

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from hanota.eui64 import Eui64
    from hanota.hub.events import Event
    from hanota.hub.ports import Store

_BEYOND: Final = 2**62
"""More than any sequence number."""


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events are meant; an empty field means any."""

    kinds: frozenset[str] = frozenset()
    """Kinds such as `job.state`, or subsystems such as `job`."""
    device: Eui64 | None = None
    job: int | None = None

    def __call__(self, event: Event) -> bool:
        """Tell whether an event is meant."""
        kind = str(event.kind)
        return (
            (not self.kinds or kind in self.kinds or kind.partition(".")[0] in self.kinds)
            and self.device in (None, event.device)
            and self.job in (None, event.job)
        )


def search(
    store: Store, meant: Callable[[Event], bool], *, after: int, limit: int, scan: int, page: int
) -> tuple[Sequence[Event], int]:
    """Return at most `limit` of the events meant above `after`, and up to which number was looked.

    At most `scan` events are looked at, `page` at once; raise StoreError.
    """
    found: list[Event] = []
    looked = 0
    while looked < scan:
        events = store.events(after=after, limit=min(page, scan - looked))
        if not events:
            break
        looked += len(events)
        for event in events:
            after = event.seq
            if meant(event):
                found.append(event)
                if len(found) == limit:
                    return found, after
    return found, after


def search_back(
    store: Store, meant: Callable[[Event], bool], *, after: int, before: int, limit: int, scan: int, page: int
) -> tuple[Sequence[Event], int]:
    """Return the last, at most `limit`, of the events meant between two numbers, and how far was looked.

    They are in order. At most `scan` events are looked at, `page` at once; raise StoreError.
    """
    first = first_number(store)
    found: list[Event] = []
    lowest, stop = before, max(first, after + 1, before - scan)
    while lowest > stop and len(found) < limit:
        begin = max(stop, lowest - page)
        events = store.events(after=begin - 1, limit=lowest - begin)
        # Where events were pruned meanwhile, those that were asked for are others.
        found = [event for event in events if event.seq < lowest and meant(event)] + found
        lowest = begin
    if len(found) > limit:
        found = found[-limit:]
        lowest = found[0].seq
    return found, lowest


def first_number(store: Store) -> int:
    """Return the number of the oldest event that is kept, 1 where there was none; raise StoreError."""
    return next((event.seq for event in store.events(limit=1)), 1)


def last_number(store: Store) -> int:
    """Return the number of the newest event, 0 where there is none; raise StoreError.

    It is looked for by halves, since the store is asked for events in no other way.
    """
    known, beyond = 0, 1
    while beyond < _BEYOND and store.events(after=beyond - 1, limit=1):
        known, beyond = beyond, beyond * 2
    while known < beyond - 1:
        middle = (known + beyond) // 2
        if store.events(after=middle - 1, limit=1):
            known = middle
        else:
            beyond = middle
    return known


def kinds_of(kinds: Collection[str]) -> frozenset[str]:
    """Return kinds given one by one or parted by commas; raise RemoteProtocolError for one there is not.

    Whoever waits for a kind that never comes would take the silence for an answer.
    """
    asked = frozenset(kind.strip() for given in kinds for kind in given.split(",") if kind.strip())
    known = set(EventKind)
    subsystems = {kind.partition(".")[0] for kind in known}
    for kind in sorted(asked - known - subsystems):
        subsystem = kind.partition(".")[0]
        near = sorted({each for each in known if each.partition(".")[0] == subsystem} or subsystems)
        of = f" of {subsystem}" if subsystem in subsystems else ""
        raise RemoteProtocolError(
            f"there are no events of the kind {kind!r}",
            hint=f"the kinds{of} are {', '.join(near)}",
        )
    return asked
