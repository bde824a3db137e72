"""Link keys of devices in the coordinator's key table, by which it encrypts and decrypts APS frames.

Source: EZSP Reference Guide UG100.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import bellows.types as t

from hanota.radio.application import to_eui64, to_ieee
from hanota.radio.ezsp.key_frames import is_ok, read_link_key, write_link_key
from hanota.radio.link_keys import UNREADABLE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from hanota.eui64 import Eui64
    from hanota.radio.ezsp.host import HanEzsp

NOT_FOUND = 0xFF
"""The index findKeyTableEntry returns where there is no entry."""


class EzspLinkKeys:
    """The key table of an EmberZNet coordinator (LinkKeyTable).

    Where it is full, the key of a device that is not admitted any more gives way, and no other.
    """

    def __init__(self, ezsp: HanEzsp, *, admitted: Callable[[Eui64], bool]) -> None:
        self._ezsp, self._admitted = ezsp, admitted

    async def install(self, device: Eui64, nwk: int, key: bytes) -> bool:  # noqa: ARG002  # Z-Stack's need
        """Write a key in place of the device's own and read it back; False where there is no room for it."""
        ieee = to_ieee(device)
        index = await self._slot(ieee)
        if index is None:
            return False
        written = await write_link_key(self._ezsp, index, ieee, t.KeyData.deserialize(key)[0])
        return written and await self.export(device) in {key, UNREADABLE}

    async def remove(self, device: Eui64) -> None:
        """Erase the key of a device, if there."""
        (index,) = await self._ezsp.findKeyTableEntry(address=to_ieee(device), linkKey=True)
        if index != NOT_FOUND:
            await self._ezsp.eraseKeyTableEntry(index=index)

    async def export(self, device: Eui64) -> bytes | None:
        """Return the key of a device, UNREADABLE where it is kept secret, None where there is none."""
        (index,) = await self._ezsp.findKeyTableEntry(address=to_ieee(device), linkKey=True)
        if index == NOT_FOUND:
            return None
        entry = await read_link_key(self._ezsp, index)
        # Some chips have a vault that gives no key away.
        return UNREADABLE if entry is None else bytes(entry[1].serialize())

    async def holders(self) -> frozenset[Eui64]:
        """Return the devices that have a key."""
        return frozenset([to_eui64(owner) async for _, owner in self._entries() if owner is not None])

    async def owner(self, nwk: int) -> Eui64 | None:
        """Return the device whose key the coordinator takes for frames from `nwk`, None if it knows none."""
        status, ieee = await self._ezsp.lookupEui64ByNodeId(nodeId=t.EmberNodeId(nwk))
        return to_eui64(ieee) if is_ok(status) else None

    async def _slot(self, device: t.EUI64) -> int | None:
        """Return where the key goes: an EUI-64 stands in the table once, else import is refused."""
        (index,) = await self._ezsp.findKeyTableEntry(address=device, linkKey=True)
        if index != NOT_FOUND:
            return int(index)
        unwanted = None
        async for candidate, owner in self._entries():
            if owner is None:
                return candidate
            if unwanted is None and not self._admitted(to_eui64(owner)):
                unwanted = candidate
        return unwanted

    async def _entries(self) -> AsyncIterator[tuple[int, t.EUI64 | None]]:
        """Give each index and whose key stands there; how many there are is for the firmware to say."""
        status, size = await self._ezsp.getConfigurationValue(configId=t.EzspConfigId.CONFIG_KEY_TABLE_SIZE)
        for index in range(size if is_ok(status) else 0):
            entry = await read_link_key(self._ezsp, index)
            yield index, None if entry is None else entry[0]
