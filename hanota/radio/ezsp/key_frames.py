"""Reading and writing the coordinator's link key table, in the frames its EZSP version has for it.

From EZSP 13 on it has the security manager's alone; those of the versions before are in older issues of UG100
(Security Frames) and in EmberZNet's security.h (emberAddOrUpdateKeyTableEntry, emberGetKeyTableEntry).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bellows.types as t
import zigpy.state

from hanota.radio.ezsp import REORDERED_VERSION, SECURITY_MANAGER_VERSION

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from hanota.radio.ezsp.host import HanEzsp


async def read_link_key(ezsp: HanEzsp, index: int) -> tuple[t.EUI64, t.KeyData] | None:
    """Return partner and key at `index`, None where there is none."""
    if ezsp.ezsp_version < SECURITY_MANAGER_VERSION:
        status, entry = await ezsp.getKeyTableEntry(index=index)
        return (entry.partnerEUI64, entry.key) if is_ok(status) else None
    exported: list[Any] = await ezsp.exportLinkKeyByIndex(index=index)
    if ezsp.ezsp_version >= REORDERED_VERSION:
        status, context, key, *_ = exported
        partner = context.eui64
    else:
        partner, key, _, status = exported
    return (partner, key) if is_ok(status) else None


async def stored_keys(ezsp: HanEzsp) -> AsyncIterator[zigpy.state.Key]:
    """Give every link key with its frame counters, as a backup has them; of EZSP 14 and later.

    bellows reads these versions' answer in the order of EZSP 13 and finds no key in it.
    """
    status, size = await ezsp.getConfigurationValue(configId=t.EzspConfigId.CONFIG_KEY_TABLE_SIZE)
    for index in range(size if is_ok(status) else 0):
        status, context, key, metadata = await ezsp.exportLinkKeyByIndex(index=index)
        if is_ok(status):
            yield zigpy.state.Key(
                key=key,
                tx_counter=metadata.outgoing_frame_counter,
                rx_counter=metadata.incoming_frame_counter,
                partner_ieee=context.eui64,
            )


async def write_link_key(ezsp: HanEzsp, index: int, partner: t.EUI64, key: t.KeyData) -> bool:
    """Write the key of `partner`, its incoming frame counter at 0; return False where it was not taken.

    `index` is where `partner` stands in the table, where nobody does, or whose key is to give way.
    """
    if ezsp.ezsp_version >= SECURITY_MANAGER_VERSION:
        (status,) = await ezsp.importLinkKey(index=index, address=partner, key=key)
        return is_ok(status)
    # These versions choose the index: that of the partner, else the first that is free.
    occupied = await read_link_key(ezsp, index)
    if occupied is not None and occupied[0] != partner:
        await ezsp.eraseKeyTableEntry(index=index)
    (status,) = await ezsp.addOrUpdateKeyTableEntry(address=partner, linkKey=True, keyData=key)
    return is_ok(status)


def is_ok(status: Any) -> bool:
    """Tell whether a status means success, whichever type the version has for it."""
    return bool(t.sl_Status.from_ember_status(status) == t.sl_Status.OK)
