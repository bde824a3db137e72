"""Link keys of devices in Z-Stack: set and read one by one, listed out of its non-volatile tables.

Source: Z-Stack Monitor and Test API SWRA198 (ZDO, UTIL); `ZDO.SetLinkKey` is what TI's own key establishment
calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import zigpy.types as t
import zigpy_znp.commands as c
import zigpy_znp.types as znp_t
from zigpy_znp.znp import security

from hanota.radio.application import to_eui64, to_ieee

if TYPE_CHECKING:
    from hanota.eui64 import Eui64

_NOBODY: Final = frozenset({bytes(8), b"\xff" * 8})
"""What the address manager says of a short address it does not know."""


class ZnpLinkKeys:
    """The link keys of a Z-Stack coordinator (LinkKeyTable); its firmware says when there is no room."""

    def __init__(self, znp: Any) -> None:
        self._znp = znp

    async def install(self, device: Eui64, nwk: int, key: bytes) -> bool:
        """Write a key in place of the device's own and read it back; False where there is no room for it."""
        response = await self._znp.request(
            c.ZDO.SetLinkKey.Req(
                NWK=t.NWK(nwk), IEEE=to_ieee(device), LinkKeyData=t.KeyData.deserialize(key)[0]
            )
        )
        return response.Status == znp_t.Status.SUCCESS and await self.export(device) == key

    async def remove(self, device: Eui64) -> None:
        """Erase the key of a device, if there."""
        await self._znp.request(c.ZDO.RemoveLinkKey.Req(IEEE=to_ieee(device)))

    async def export(self, device: Eui64) -> bytes | None:
        """Return the key of a device, None where there is none."""
        response = await self._znp.request(c.ZDO.GetLinkKey.Req(IEEE=to_ieee(device)))
        if response.Status != znp_t.Status.SUCCESS:
            return None
        key: bytes = response.LinkKeyData.serialize()
        return key

    async def holders(self) -> frozenset[Eui64]:
        """Return the devices that have a key."""
        entries = await security.read_addr_manager_entries(self._znp)
        return frozenset(
            [
                to_eui64(entry.partner_ieee)
                async for entry in security.read_unhashed_link_keys(self._znp, entries)
            ]
        )

    async def owner(self, nwk: int) -> Eui64 | None:
        """Return the device whose key the coordinator takes for frames from `nwk`, None if it knows none."""
        response = await self._znp.request(c.UTIL.AddrMgwNwkAddrLookUp.Req(NWK=t.NWK(nwk)))
        return None if response.IEEE.serialize() in _NOBODY else to_eui64(response.IEEE)
