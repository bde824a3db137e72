"""What an EmberZNet coordinator says of itself, and its EUI-64 changed (UG100; bellows' tokens)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import bellows.types as t

from hanota.radio.application import to_eui64, to_ieee
from hanota.radio.ezsp.key_frames import is_ok
from hanota.radio.ezsp.keys import EzspLinkKeys
from hanota.radio.facts import CoordinatorFacts, Eui64Change, Library, check_eui64_change

if TYPE_CHECKING:
    from hanota.eui64 import Eui64
    from hanota.radio.ezsp.host import HanEzsp
    from hanota.radio.facts import NetworkFacts

LIBRARIES: Final = {
    "ZigBee PRO": 0x01,
    "link keys": 0x05,
    "CBKE": 0x06,
    "DSA sign": 0x07,
    "ECC": 0x08,
    "DSA verify": 0x09,
}
"""Library ids (EmberLibraryId)."""
_PRESENT: Final = 0x80
_UNKNOWN: Final = 0xFF


async def ezsp_facts(ezsp: HanEzsp, network: NetworkFacts | None) -> CoordinatorFacts:
    """Ask a coordinator for everything that matters to a hub."""
    maker, board, version = await ezsp.get_board_info()
    (own,) = await ezsp.getEui64()
    return CoordinatorFacts(
        family="ezsp",
        firmware=f"EmberZNet {version or 'of unknown version'}",
        protocol=f"EZSP v{ezsp.ezsp_version}",
        board=" ".join(filter(None, (maker, board))) or None,
        eui64=to_eui64(own),
        eui64_change=await eui64_change(ezsp),
        key_table_size=await _configuration(ezsp, t.EzspConfigId.CONFIG_KEY_TABLE_SIZE),
        keys_held=len(await EzspLinkKeys(ezsp, admitted=lambda _: True).holders()),
        in_flight=await _configuration(ezsp, t.EzspConfigId.CONFIG_APS_UNICAST_MESSAGE_COUNT),
        libraries={name: await _library(ezsp, number) for name, number in LIBRARIES.items()},
        network=network,
    )


async def eui64_change(ezsp: HanEzsp) -> Eui64Change:
    """Tell how this firmware takes another EUI-64."""
    if await ezsp.can_rewrite_custom_eui64():
        return Eui64Change.REWRITABLE
    return Eui64Change.ONCE if await ezsp.can_burn_userdata_custom_eui64() else Eui64Change.SPENT


async def write_eui64(ezsp: HanEzsp, eui64: Eui64, *, burn: bool) -> None:
    """Write another EUI-64, effective after a restart; raise RadioError where it is not taken."""
    check_eui64_change(await eui64_change(ezsp), burn=burn)
    await ezsp.write_custom_eui64(to_ieee(eui64), burn_into_userdata=burn)


async def _configuration(ezsp: Any, number: t.EzspConfigId) -> int | None:
    status, value = await ezsp.getConfigurationValue(configId=number)
    return int(value) if is_ok(status) else None


async def _library(ezsp: Any, number: int) -> Library:
    (status,) = await ezsp.getLibraryStatus(libraryId=number)
    if status == _UNKNOWN:
        return Library.UNKNOWN
    return Library.PRESENT if status & _PRESENT else Library.STUB
