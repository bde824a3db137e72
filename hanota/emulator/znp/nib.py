"""The network information base as Z-Stack 3.30 keeps it in NV: 116 octets, aligned for a 32-bit target.

Source: Z-Stack 3.30 nwk_globals.h, nwkIB_t.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import Final, Self

from hanota.errors import RemoteProtocolError

NIB_LENGTH: Final = 116
NWK_INIT: Final = 0
NWK_ROUTER: Final = 8
"""Values of nwkState: not started, and running as router or coordinator."""

_ADDRESSES: Final = struct.Struct("<HBxH8sHHI")
_ADDRESSES_AT: Final = 22
_EXTENDED_PAN: Final = struct.Struct("<8sB")
_EXTENDED_PAN_AT: Final = 57
_UPDATE_ID_AT: Final = 114

_DEFAULTS: Final = {
    1: 0x05,  # PassiveAckTimeout
    2: 0x02,  # MaxBroadcastRetries
    4: 0x14,  # MaxDepth
    7: 0x1E,  # BroadcastDeliveryTime
    11: 0x01,  # SecureAllFrames
    12: 0x05,  # SecurityLevel
    13: 0x01,  # SymLink
    14: 0x8F,  # CapabilityFlags
    16: 0x07,  # TransactionPersistenceTime
    18: 0x02,  # nwkProtocolVersion
    19: 0x05,  # RouteDiscoveryTime
    20: 0x1E,  # RouteExpiryTime
    44: 0x0F,  # beaconOrder: no beacons
    45: 0x0F,  # superFrameOrder
    102: 0x3C,  # nwkLinkStatusPeriod
    103: 0x03,  # nwkRouterAgeLimit
    105: 0x01,  # nwkIsConcentrator
    106: 0x78,  # nwkConcentratorDiscoveryTime
    107: 0x0A,  # nwkConcentratorRadius
    108: 0x01,  # nwkAllFresh
}
"""Octets that are not zero and that forming a network does not change, by offset."""


@dataclass(frozen=True, slots=True)
class Nib:
    """The fields that forming a network changes; the other octets are carried in `octets`."""

    octets: bytes
    short_address: int = 0xFFFE
    channel: int = 0
    """nwkLogicalChannel; 0 until a network is formed."""
    coordinator_address: int = 0xFFFE
    coordinator_eui64: bytes = bytes(8)
    pan_id: int = 0xFFFF
    state: int = NWK_INIT
    channel_list: int = 0
    extended_pan_id: bytes = bytes(8)
    """Least significant octet first."""
    key_loaded: bool = False
    update_id: int = 0

    @classmethod
    def unformed(cls) -> Self:
        """Return what a factory new coordinator holds."""
        octets = bytearray(NIB_LENGTH)
        for offset, value in _DEFAULTS.items():
            octets[offset] = value
        return cls(bytes(octets))

    @classmethod
    def decode(cls, octets: bytes) -> Self:
        """Read the NV item; raise RemoteProtocolError if its length is another layout's."""
        if len(octets) != NIB_LENGTH:
            raise RemoteProtocolError(f"an aligned NIB has {NIB_LENGTH} octets, got {len(octets)}")
        short, channel, coordinator, eui64, pan, state, channels = _ADDRESSES.unpack_from(
            octets, _ADDRESSES_AT
        )
        extended_pan, key_loaded = _EXTENDED_PAN.unpack_from(octets, _EXTENDED_PAN_AT)
        return cls(
            octets=octets,
            short_address=short,
            channel=channel,
            coordinator_address=coordinator,
            coordinator_eui64=eui64,
            pan_id=pan,
            state=state,
            channel_list=channels,
            extended_pan_id=extended_pan,
            key_loaded=bool(key_loaded),
            update_id=octets[_UPDATE_ID_AT],
        )

    def encode(self) -> bytes:
        """Return the NV item."""
        octets = bytearray(self.octets)
        _ADDRESSES.pack_into(
            octets,
            _ADDRESSES_AT,
            self.short_address,
            self.channel,
            self.coordinator_address,
            self.coordinator_eui64,
            self.pan_id,
            self.state,
            self.channel_list,
        )
        _EXTENDED_PAN.pack_into(octets, _EXTENDED_PAN_AT, self.extended_pan_id, self.key_loaded)
        octets[_UPDATE_ID_AT] = self.update_id
        return bytes(octets)

    @property
    def formed(self) -> bool:
        """Tell whether the node is on a network."""
        return self.channel != 0 and self.key_loaded

    def form(self, *, channel: int, pan_id: int, extended_pan_id: bytes, channel_list: int) -> Self:
        """Return the base of a coordinator that has just formed this network."""
        return replace(
            self,
            short_address=0,
            channel=channel,
            coordinator_address=0,
            pan_id=pan_id,
            state=NWK_ROUTER,
            channel_list=channel_list,
            extended_pan_id=extended_pan_id,
            key_loaded=True,
        )
