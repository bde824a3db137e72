"""The network information base as Z-Stack keeps it in NV: 116 octets aligned for a 32-bit target, 110 packed.

Source: Z-Stack 3 nwk_globals.h, nwkIB_t.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, NamedTuple, Self

from hanota.errors import RemoteProtocolError

NWK_INIT: Final = 0
NWK_ROUTER: Final = 8
"""Values of nwkState: not started, and running as router or coordinator."""


class _Field(NamedTuple):
    octets: int
    default: int = 0
    """What a factory new coordinator holds."""
    is_integer: bool = True
    """Aligned to its size where the target aligns; arrays of octets never are."""


_FIELDS: Final = {
    "SequenceNum": _Field(1),
    "PassiveAckTimeout": _Field(1, 0x05),
    "MaxBroadcastRetries": _Field(1, 0x02),
    "MaxChildren": _Field(1),
    "MaxDepth": _Field(1, 0x14),
    "MaxRouters": _Field(1),
    "dummyNeighborTable": _Field(1),
    "BroadcastDeliveryTime": _Field(1, 0x1E),
    "ReportConstantCost": _Field(1),
    "RouteDiscRetries": _Field(1),
    "dummyRoutingTable": _Field(1),
    "SecureAllFrames": _Field(1, 0x01),
    "SecurityLevel": _Field(1, 0x05),
    "SymLink": _Field(1, 0x01),
    "CapabilityFlags": _Field(1, 0x8F),
    "TransactionPersistenceTime": _Field(2, 0x07),
    "nwkProtocolVersion": _Field(1, 0x02),
    "RouteDiscoveryTime": _Field(1, 0x05),
    "RouteExpiryTime": _Field(1, 0x1E),
    "nwkDevAddress": _Field(2, 0xFFFE),
    "nwkLogicalChannel": _Field(1),
    "nwkCoordAddress": _Field(2, 0xFFFE),
    "nwkCoordExtAddress": _Field(8, is_integer=False),
    "nwkPanId": _Field(2, 0xFFFF),
    # 16 bits where aligned: the second is padding that is always zero.
    "nwkState": _Field(1, NWK_INIT),
    "channelList": _Field(4),
    "beaconOrder": _Field(1, 0x0F),
    "superFrameOrder": _Field(1, 0x0F),
    "scanDuration": _Field(1),
    "battLifeExt": _Field(1),
    "allocatedRouterAddresses": _Field(4),
    "allocatedEndDeviceAddresses": _Field(4),
    "nodeDepth": _Field(1),
    "extendedPANID": _Field(8, is_integer=False),
    "nwkKeyLoaded": _Field(1),
    "spare1": _Field(17, is_integer=False),
    "spare2": _Field(17, is_integer=False),
    "spare3": _Field(1),
    "spare4": _Field(1),
    "nwkLinkStatusPeriod": _Field(1, 0x3C),
    "nwkRouterAgeLimit": _Field(1, 0x03),
    "nwkUseMultiCast": _Field(1),
    "nwkIsConcentrator": _Field(1, 0x01),
    "nwkConcentratorDiscoveryTime": _Field(1, 0x78),
    "nwkConcentratorRadius": _Field(1, 0x0A),
    "nwkAllFresh": _Field(1, 0x01),
    "nwkManagerAddr": _Field(2),
    "nwkTotalTransmissions": _Field(2),
    "nwkUpdateId": _Field(1),
}
_LARGEST_INTEGER: Final = 4


def _offsets(*, aligned: bool) -> tuple[dict[str, int], int]:
    """Return where each field begins, and the length of all."""
    offsets, end = {}, 0
    for name, field in _FIELDS.items():
        end += -end % field.octets if aligned and field.is_integer else 0
        offsets[name] = end
        end += field.octets
    return offsets, end + (-end % _LARGEST_INTEGER if aligned else 0)


_ALIGNED, ALIGNED_LENGTH = _offsets(aligned=True)
_PACKED, PACKED_LENGTH = _offsets(aligned=False)
_LAYOUTS: Final = {ALIGNED_LENGTH: _ALIGNED, PACKED_LENGTH: _PACKED}


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
    def unformed(cls, *, aligned: bool = True) -> Self:
        """Return what a factory new coordinator holds, in the layout of its target."""
        offsets, length = (_ALIGNED, ALIGNED_LENGTH) if aligned else (_PACKED, PACKED_LENGTH)
        octets = bytearray(length)
        for name, field in _FIELDS.items():
            _put(octets, offsets, name, field.default.to_bytes(field.octets, "little"))
        return cls.decode(bytes(octets))

    @classmethod
    def decode(cls, octets: bytes) -> Self:
        """Read the NV item, whose length tells its layout; raise RemoteProtocolError if it is neither's."""
        offsets = _LAYOUTS.get(len(octets))
        if offsets is None:
            raise RemoteProtocolError(
                f"a NIB has {ALIGNED_LENGTH} or {PACKED_LENGTH} octets, got {len(octets)}"
            )

        def field(name: str) -> bytes:
            return octets[offsets[name] : offsets[name] + _FIELDS[name].octets]

        def number(name: str) -> int:
            return int.from_bytes(field(name), "little")

        return cls(
            octets=octets,
            short_address=number("nwkDevAddress"),
            channel=number("nwkLogicalChannel"),
            coordinator_address=number("nwkCoordAddress"),
            coordinator_eui64=field("nwkCoordExtAddress"),
            pan_id=number("nwkPanId"),
            state=number("nwkState"),
            channel_list=number("channelList"),
            extended_pan_id=field("extendedPANID"),
            key_loaded=bool(number("nwkKeyLoaded")),
            update_id=number("nwkUpdateId"),
        )

    def encode(self) -> bytes:
        """Return the NV item, in the layout it was read in."""
        octets, offsets = bytearray(self.octets), _LAYOUTS[len(self.octets)]
        for name, number in (
            ("nwkDevAddress", self.short_address),
            ("nwkLogicalChannel", self.channel),
            ("nwkCoordAddress", self.coordinator_address),
            ("nwkPanId", self.pan_id),
            ("nwkState", self.state),
            ("channelList", self.channel_list),
            ("nwkKeyLoaded", int(self.key_loaded)),
            ("nwkUpdateId", self.update_id),
        ):
            _put(octets, offsets, name, number.to_bytes(_FIELDS[name].octets, "little"))
        _put(octets, offsets, "nwkCoordExtAddress", self.coordinator_eui64)
        _put(octets, offsets, "extendedPANID", self.extended_pan_id)
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


def _put(octets: bytearray, offsets: dict[str, int], name: str, value: bytes) -> None:
    octets[offsets[name] : offsets[name] + len(value)] = value
