"""Link keys of devices in the coordinator's key table, by which it encrypts and decrypts APS frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bellows.types as t

if TYPE_CHECKING:
    from collections.abc import Callable

    from hanota.radio.ezsp.host import HanEzsp

NOT_FOUND = 0xFF
"""The index findKeyTableEntry returns where there is no entry."""


async def store_link_key(
    ezsp: HanEzsp, device: t.EUI64, key: t.KeyData, *, admitted: Callable[[t.EUI64], bool]
) -> bool:
    """Write the link key of `device`; return False when the table is full of keys of admitted devices."""
    index = await _slot(ezsp, device, admitted)
    if index is None:
        return False
    (status,) = await ezsp.importLinkKey(index=index, address=device, key=key)
    return bool(t.sl_Status.from_ember_status(status) == t.sl_Status.OK)


async def _slot(ezsp: HanEzsp, device: t.EUI64, admitted: Callable[[t.EUI64], bool]) -> int | None:
    """Return where the key goes: an EUI-64 stands in the table once, else import is refused."""
    (index,) = await ezsp.findKeyTableEntry(address=device, linkKey=True)
    if index != NOT_FOUND:
        return int(index)
    status, size = await ezsp.getConfigurationValue(configId=t.EzspConfigId.CONFIG_KEY_TABLE_SIZE)
    if t.sl_Status.from_ember_status(status) != t.sl_Status.OK:
        return None
    unwanted = None
    for candidate in range(size):
        owner = _owner(await ezsp.exportLinkKeyByIndex(index=candidate))
        if owner is None:
            return candidate
        if unwanted is None and not admitted(owner):
            unwanted = candidate
    return unwanted


def _owner(exported: list[Any]) -> t.EUI64 | None:
    """Return whose key exportLinkKeyByIndex found; EZSP v13 and v14 order its fields differently."""
    (status,) = (field for field in exported if isinstance(field, t.sl_Status))
    if status != t.sl_Status.OK:
        return None
    first, second, *_ = exported
    return second.eui64 if first is status else first
