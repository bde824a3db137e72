"""Counters the DCC keeps in the store: Originator Counters it has accepted, and those of RequestIDs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hanota.gbcs.counters import CounterLog

if TYPE_CHECKING:
    from hanota.eui64 import Eui64
    from hanota.gbcs.message import Message
    from hanota.hub.ports import Store

REQUEST_COUNTER: Final = "request"
"""The highest RequestID counter of a service user so far."""


def stored_counters(store: Store, name: str, message: Message) -> CounterLog:
    """Return what is known of the counters of `message`'s originator; a counter of 0 is never a new one."""
    originator = message.originator
    last = store.counter(name, originator)
    # The store has no 0: it stands for an originator never heard, whose first counter may be any other.
    return CounterLog({originator: last} if last or not message.originator_counter else None)


def last_request_counter(store: Store, service_user: Eui64) -> int:
    """Return the highest RequestID counter of `service_user` so far, 0 where there was none."""
    return store.counter(REQUEST_COUNTER, service_user)


def next_counter(store: Store, name: str, party: Eui64) -> int:
    """Raise a counter of one's own by one and return it; raise StoreError."""
    counter = store.counter(name, party) + 1
    store.raise_counter(name, party, counter)
    return counter
