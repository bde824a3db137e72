"""The link keys made by key establishment: a row for each, and never the key itself."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from hanota.hub.events import EventKind, Party

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hanota.eui64 import Eui64
    from hanota.hub.journal import Journal
    from hanota.hub.ports import EstablishedKey, Store


class LinkKeys:
    """What the store says of every link key that is good; each change is a row and an event together."""

    def __init__(self, store: Store, journal: Journal) -> None:
        self._store, self._journal = store, journal
        self._established: dict[Eui64, EstablishedKey] = {}
        self._load()
        journal.on_rollback(self._load)

    @property
    def established(self) -> Mapping[Eui64, EstablishedKey]:
        """The keys that are stored, by device."""
        return MappingProxyType(self._established)

    def add(self, device: Eui64, key: EstablishedKey) -> None:
        """Remember the key of a device of the Device Log, in place of any other; raise StoreError."""
        with self._journal.transaction():
            self._store.put_link_key(device, key)
            self._established[device] = key
            self._journal.record(
                EventKind.KEY_ESTABLISHED,
                Party.DEVICE,
                Party.HUB,
                device=device,
                detail={"suite": key.suite},
            )

    def lose(self, device: Eui64, reason: str) -> None:
        """Forget the key of a device; raise StoreError."""
        with self._journal.transaction():
            self._store.remove_link_key(device)
            self._established.pop(device, None)
            self._journal.record(
                EventKind.LINK_KEY_LOST,
                Party.RADIO,
                Party.HUB,
                device=device,
                detail={"reason": reason},
            )

    def _load(self) -> None:
        self._established = dict(self._store.link_keys())
