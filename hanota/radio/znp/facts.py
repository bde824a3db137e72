"""What a Z-Stack coordinator says of itself, and its EUI-64 changed (SWRA198; Z-Stack's NV items)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import zigpy_znp.commands as c
import zigpy_znp.types as znp_t
from zigpy_znp.types.nvids import ExNvIds, OsalNvIds

from hanota.radio.application import to_eui64, to_ieee
from hanota.radio.facts import CoordinatorFacts, Eui64Change
from hanota.radio.znp.keys import ZnpLinkKeys

if TYPE_CHECKING:
    from hanota.eui64 import Eui64
    from hanota.radio.facts import NetworkFacts

SYSTEM_TABLES_VERSION: Final = 3.30
"""The Z-Stack whose key table is a table of its own in the NV memory."""
_RELEASES: Final = {3.30: "3.30"}
"""Names that a number would shorten."""


async def znp_facts(znp: Any, network: NetworkFacts | None) -> CoordinatorFacts:
    """Ask a coordinator for everything that matters to a hub."""
    version = await znp.request(c.SYS.Version.Req())
    build = f", build {version.CodeRevision}" if version.CodeRevision else ""
    return CoordinatorFacts(
        family="znp",
        firmware=f"Z-Stack {_RELEASES.get(znp.version, znp.version)}{build}",
        protocol=f"MT, transport revision {version.TransportRev}",
        board=_chip(znp),
        eui64=await own_eui64(znp),
        eui64_change=Eui64Change.REWRITABLE,
        key_table_size=await _key_table_size(znp),
        keys_held=0 if network is None else len(await ZnpLinkKeys(znp).holders()),
        in_flight=None,
        libraries={},
        network=network,
    )


async def own_eui64(znp: Any) -> Eui64:
    """Return the coordinator's EUI-64."""
    return to_eui64(await znp.nvram.osal_read(OsalNvIds.EXTADDR, item_type=znp_t.EUI64))


async def write_eui64(znp: Any, eui64: Eui64) -> None:
    """Write another EUI-64 into the NV memory, effective after a restart; an erased flash loses it."""
    await znp.nvram.osal_write(OsalNvIds.EXTADDR, to_ieee(eui64))


def _chip(znp: Any) -> str:
    # As zigpy-znp tells them apart: by the alignment of structures in the NV memory.
    if znp.version >= SYSTEM_TABLES_VERSION:
        return "CC2652 or CC1352"
    return "CC2538" if znp.nvram.align_structs else "CC2531"


async def _key_table_size(znp: Any) -> int:
    if znp.version >= SYSTEM_TABLES_VERSION:
        table = znp.nvram.read_table(item_id=ExNvIds.APS_KEY_DATA_TABLE, item_type=znp_t.Bytes)
    else:
        table = znp.nvram.osal_read_table(
            start_nvid=OsalNvIds.LEGACY_APS_LINK_KEY_DATA_START,
            end_nvid=OsalNvIds.LEGACY_APS_LINK_KEY_DATA_END,
            item_type=znp_t.Bytes,
        )
    return sum([1 async for _ in table])
