"""Originator Counters the DCC has accepted, in the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hanota.gbcs.counters import CounterLog

if TYPE_CHECKING:
    from hanota.gbcs.message import Message
    from hanota.hub.ports import Store


def stored_counters(store: Store, name: str, message: Message) -> CounterLog:
    """Return what is known of the counters of `message`'s originator; a counter of 0 is never a new one."""
    originator = message.originator
    last = store.counter(name, originator)
    # The store has no 0: it stands for an originator never heard, whose first counter may be any other.
    return CounterLog({originator: last} if last or not message.originator_counter else None)
