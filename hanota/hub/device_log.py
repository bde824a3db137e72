"""The CHF Device Log (CHTS): which devices may join and talk; each change is a row and an event together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hanota.hub.events import EventKind, Party

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hanota.eui64 import Eui64
    from hanota.hub.journal import Journal
    from hanota.hub.ports import DeviceLogEntry, Store


class DeviceLog:
    """What the store says of the Device Log, in memory: it is asked for every frame."""

    def __init__(self, store: Store, journal: Journal) -> None:
        self._store, self._journal = store, journal
        self._entries: dict[Eui64, DeviceLogEntry] = {}
        self._load()
        journal.on_rollback(self._load)

    def __contains__(self, device: Eui64) -> bool:
        return device in self._entries

    def __iter__(self) -> Iterator[Eui64]:
        return iter(tuple(self._entries))

    @property
    def entries(self) -> Sequence[DeviceLogEntry]:
        """Every entry."""
        return tuple(self._entries.values())

    def add(self, entry: DeviceLogEntry) -> None:
        """Add or replace an entry; raise StoreError."""
        with self._journal.transaction():
            self._store.put_device(entry)
            self._note(EventKind.DEVICE_ADDED, entry)  # told while it can still be seen that it is new
            self._entries[entry.device] = entry

    def remove(self, device: Eui64) -> None:
        """Remove an entry that is there, and with it what is remembered of its link key; raise StoreError."""
        with self._journal.transaction():
            self._store.remove_device(device)
            self._note(EventKind.DEVICE_REMOVED, self._entries.pop(device))

    def _note(self, kind: EventKind, entry: DeviceLogEntry) -> None:
        detail = {"device_type": entry.device_type.name}
        self._journal.record(kind, Party.HUB, Party.HUB, device=entry.device, detail=detail)

    def _load(self) -> None:
        self._entries = {entry.device: entry for entry in self._store.devices()}
