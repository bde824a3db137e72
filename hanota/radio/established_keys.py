"""The link keys made by key establishment: in the coordinator, in the hub's store, and good.

The key is in the coordinator first, its row in the store second, the device hears of it last. Whatever is
killed in between, the check at the next start ends the difference.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hanota.hub.ports import EstablishedKey
from hanota.radio.link_keys import UNREADABLE, fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable

    from hanota.clock import Clock
    from hanota.eui64 import Eui64
    from hanota.hub.ports import RadioListener
    from hanota.radio.link_keys import LinkKeyTable


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that an exchange made."""

    device: Eui64
    nwk: int
    suite: int
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Former:
    """The good key that another replaced."""

    row: EstablishedKey
    key: bytes = field(repr=False)
    nwk: int


class EstablishedKeys:
    """Which devices have a good link key, and every change of them, one after the other."""

    def __init__(self, listener: RadioListener, clock: Clock, *, secret: Callable[[bytes], None]) -> None:
        """`secret` hears of each key before it goes anywhere."""
        self._listener, self._clock, self._secret = listener, clock, secret
        self._own: Eui64 | None = None
        self._good: set[Eui64] = set()
        self._former: dict[Eui64, _Former | None] = {}
        # Counts what made the keys of a device void, so that one under way is known for an old one.
        self._voided: Counter[Eui64] = Counter()
        self._one_change = asyncio.Lock()

    def __contains__(self, device: object) -> bool:
        """Tell whether the device has a good key."""
        return device in self._good

    @property
    def devices(self) -> frozenset[Eui64]:
        """The devices that have a good key."""
        return frozenset(self._good)

    async def check(self, table: LinkKeyTable, own: Eui64) -> dict[Eui64, str]:
        """Compare store and coordinator; return whose key is good no more, and why.

        Keys in the coordinator that no row names are erased.
        """
        async with self._one_change:
            self._own = own
            self._good.clear()
            self._former.clear()
            lost: dict[Eui64, str] = {}
            for device, row in tuple(self._listener.established_keys().items()):
                fault = await self._fault(table, device, row)
                if fault is None:
                    self._good.add(device)
                else:
                    lost[device] = fault
            for device in await table.holders() - self._good:
                await table.remove(device)
            return lost

    async def recheck(self, table: LinkKeyTable, device: Eui64) -> str | None:
        """Look again whether the coordinator has the key of a device; return why it is good no more."""
        async with self._one_change:
            row = self._listener.established_keys().get(device)
            if row is None:
                return None
            voided = self._voided[device]
            fault = await self._fault(table, device, row)
            if voided != self._voided[device]:
                return None
            if fault is None:
                self._good.add(device)
            return fault

    def suspend(self, device: Eui64) -> None:
        """Take the key for none until it is rechecked."""
        self._good.discard(device)

    async def install(self, table: LinkKeyTable, new: NewKey) -> str | None:
        """Put a key in the coordinator, then in the store; return why it could not be, leaving no trace."""
        async with self._one_change:
            voided = self._voided[new.device]
            former = await self._export_former(table, new)
            self._secret(new.key)
            if not await table.install(new.device, new.nwk, new.key):
                await self._restore(table, new.device, former)
                return "the coordinator has no room for its key"
            if voided != self._voided[new.device]:
                await table.remove(new.device)
                return "it joined afresh meanwhile"
            if not self._store(new):
                await self._restore(table, new.device, former)
                return "its key could not be stored"
            # Kept until the next, because a device may refuse a key for some time after it was told.
            self._former[new.device] = former
            self._good.add(new.device)
            return None

    async def withdraw(self, table: LinkKeyTable, device: Eui64) -> str | None:
        """Undo the last `install`, once: put the former key back, or return why the device has none."""
        async with self._one_change:
            if device not in self._former:
                return None
            return await self._restore(table, device, self._former.pop(device))

    def void(self, device: Eui64) -> None:
        """Trust no key of a device that is there or under way; `erase` is to follow."""
        self._voided[device] += 1
        self.drop(device)

    def drop(self, device: Eui64) -> None:
        """Trust the key of a device no more."""
        self._former.pop(device, None)
        self._good.discard(device)

    async def erase(self, table: LinkKeyTable, device: Eui64) -> None:
        """Take a void key out of the coordinator; never one that was established since."""
        async with self._one_change:
            if device not in self._good:
                await table.remove(device)

    # -- inside ------------------------------------------------------------------------------------------

    async def _fault(self, table: LinkKeyTable, device: Eui64, row: EstablishedKey) -> str | None:
        """Return what is wrong with a key that the store names."""
        if row.coordinator != self._own:
            return f"its key is in another coordinator, {row.coordinator}"
        key = await table.export(device)
        if key is None:
            return "the coordinator has lost its key"
        if key != UNREADABLE:
            self._secret(key)
            if fingerprint(device, key) != row.fingerprint:
                return "the coordinator has another key"
        return None

    async def _export_former(self, table: LinkKeyTable, new: NewKey) -> _Former | None:
        row = self._listener.established_keys().get(new.device)
        if new.device not in self._good or row is None:
            return None
        key = await table.export(new.device)
        return None if not key else _Former(row, key, new.nwk)

    async def _restore(self, table: LinkKeyTable, device: Eui64, former: _Former | None) -> str | None:
        """Put the former key back, or none; return why the device has no key then."""
        if former is not None and await table.install(device, former.nwk, former.key):
            self._listener.link_key_established(device, former.row)
            if self._listener.established_keys().get(device) == former.row:
                return None
        self._good.discard(device)
        await table.remove(device)
        return "key establishment was not completed"

    def _store(self, new: NewKey) -> bool:
        """Have the row stored; it is not where the store failed or the device is not admitted any more."""
        assert self._own is not None  # noqa: S101  # keys are installed after the check alone
        row = EstablishedKey(self._own, int(new.suite), fingerprint(new.device, new.key), self._clock.now())
        self._listener.link_key_established(new.device, row)
        return self._listener.established_keys().get(new.device) == row
