"""The link key table, of fixed size, and the transient keys that devices join with."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from hanota.emulator.aps_security import IncomingCounters
from hanota.emulator.ezsp.configuration import ConfigId
from hanota.emulator.ezsp.nvram import LinkKey
from hanota.emulator.ezsp.status import SlStatus
from hanota.eui64 import Eui64

if TYPE_CHECKING:
    from hanota.emulator.ezsp.configuration import Configuration
    from hanota.emulator.ezsp.ncp import EzspNcp

WILDCARD: Final = Eui64(b"\xff" * 8)
"""Partner of a transient key that any joining device may use."""


@dataclass(frozen=True, slots=True)
class TransientKey:
    """A key for joining, until it expires."""

    key: bytes = field(repr=False)
    expires: float
    """Loop time."""


class Keys:
    """The keys of one co-processor; link keys live in its non-volatile memory."""

    def __init__(self, ncp: EzspNcp, configuration: Configuration) -> None:
        self._ncp = ncp
        self._configuration = configuration
        self._transient: dict[Eui64, TransientKey] = {}
        self.incoming = IncomingCounters()
        """Last frame counters of the partners; EmberZNet keeps them over no restart."""

    def reset(self) -> None:
        """Forget the transient keys, and begin every incoming frame counter with 0."""
        self.clear_transient()
        self.incoming.clear()

    def clear_transient(self) -> None:
        """Forget the transient keys."""
        self._transient.clear()

    def key(self, eui64: Eui64) -> bytes | None:
        """Return the key of APS encryption to and from a device: its link key, else its transient key."""
        index = self.index(eui64)
        return self._ncp.nvram.link_keys[index].key if index is not None else self.transient_key(eui64)

    def transient_key(self, eui64: Eui64) -> bytes | None:
        """Return the key a device may join with."""
        entry = self.transient().get(eui64)
        return None if entry is None else entry.key

    def transient(self) -> dict[Eui64, TransientKey]:
        """Return the transient keys that have not expired, by partner."""
        now = asyncio.get_running_loop().time()
        self._transient = {eui64: entry for eui64, entry in self._transient.items() if entry.expires > now}
        return self._transient

    def at(self, index: int) -> LinkKey | None:
        """Return the table's entry at `index`."""
        return self._ncp.nvram.link_keys.get(index)

    def index(self, eui64: Eui64) -> int | None:
        """Return where the link key of a device stands in the table."""
        entries = self._ncp.nvram.link_keys.items()
        return next((index for index, entry in entries if entry.eui64 == eui64), None)

    def store(self, index: int, eui64: Eui64, key: bytes) -> SlStatus:
        """Put a link key into the table, its incoming frame counter at 0.

        A partner has one entry, and the node itself none.
        """
        if index >= self._configuration[ConfigId.KEY_TABLE_SIZE]:
            return SlStatus.INVALID_INDEX
        if self.index(eui64) not in {None, index} or eui64 == self._ncp.eui64:
            return SlStatus.INVALID_PARAMETER
        replaced = self.at(index)
        if replaced is not None:
            self.incoming.forget(replaced.eui64)
        self.incoming.forget(eui64)
        self._ncp.nvram.link_keys[index] = LinkKey(eui64, key)
        return SlStatus.OK

    def store_transient(self, eui64: Eui64, key: bytes) -> SlStatus:
        """Keep a key for joining; NO_MORE_RESOURCE when there are too many."""
        keys = self.transient()
        if eui64 not in keys and len(keys) >= self._ncp.settings.max_transient_keys:
            return SlStatus.NO_MORE_RESOURCE
        lifetime = self._configuration[ConfigId.TRANSIENT_KEY_TIMEOUT_S]
        keys[eui64] = TransientKey(key, asyncio.get_running_loop().time() + lifetime)
        return SlStatus.OK

    def erase(self, index: int) -> SlStatus:
        """Take a link key out of the table."""
        gone = self._ncp.nvram.link_keys.pop(index, None)
        if gone is None:
            return SlStatus.INVALID_INDEX
        self.incoming.forget(gone.eui64)
        return SlStatus.OK
