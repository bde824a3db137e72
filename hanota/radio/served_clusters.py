"""The clusters whose attributes the radio serves by itself, and how each is secured.

Sources: ZCL 07-5123, 3.2 (Basic), 3.12 (Time), 3.17 (Keep-Alive); ZSE 07-5356 table 5-12 (security by
cluster) and annex C (Key Establishment); GBCS 9.1.3 (Time).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hanota.radio.attribute_server import (
    BITMAP8,
    CHARACTER_STRING,
    ENUM8,
    ENUM16,
    UINT8,
    UINT16,
    UTC_TIME,
    Attribute,
)
from hanota.timestamps import zigbee_time
from hanota.zcl import ClusterId
from hanota.zse.key_establishment import KEY_ESTABLISHMENT_SUITE, suite_bits

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hanota.radio.attribute_server import Attributes
    from hanota.zse.cbke import Suite

PLAIN: Final = frozenset(
    {
        ClusterId.BASIC,
        ClusterId.POWER_CONFIGURATION,
        ClusterId.IDENTIFY,
        ClusterId.ALARMS,
        ClusterId.KEY_ESTABLISHMENT,
    }
)
"""Clusters of the Smart Energy profile that go under the network key; all others under the link key
(ZSE 1.4 table 5-12)."""
SERVED: Final = frozenset(
    {ClusterId.BASIC, ClusterId.TIME, ClusterId.KEEP_ALIVE, ClusterId.KEY_ESTABLISHMENT}
)
"""Clusters on which the radio answers general commands."""

_BASIC: Final = {
    0x0000: Attribute(UINT8, 3),  # ZCLVersion
    0x0004: Attribute(CHARACTER_STRING, "hanota"),  # ManufacturerName
    0x0005: Attribute(CHARACTER_STRING, "Communications Hub"),  # ModelIdentifier
    0x0007: Attribute(ENUM8, 0x01),  # PowerSource: mains, single phase
    0x0011: Attribute(ENUM8, 0x01),  # PhysicalEnvironment: the first the profile specifies
}
_KEEP_ALIVE: Final = {
    0x0000: Attribute(UINT8, 10),  # TCKeepAliveBase, minutes
    0x0001: Attribute(UINT16, 300),  # TCKeepAliveJitter, seconds
}
"""The defaults of ZCL 3.17."""
_TIME_STATUS: Final = Attribute(BITMAP8, 0x09)
"""Master (bit 0) and Superseding (bit 3)."""


def attributes(cluster: int, now: float, suites: Iterable[Suite]) -> Attributes:
    """Return the attributes of a cluster of SERVED; `suites` are those of the hub's credentials."""
    match cluster:
        case ClusterId.BASIC:
            return _BASIC
        case ClusterId.TIME:
            return {0x0000: Attribute(UTC_TIME, zigbee_time(now)), 0x0001: _TIME_STATUS}
        case ClusterId.KEEP_ALIVE:
            return _KEEP_ALIVE
        case _:
            bits = suite_bits(suites)
            return {KEY_ESTABLISHMENT_SUITE: Attribute(ENUM16, bits)} if bits else {}
