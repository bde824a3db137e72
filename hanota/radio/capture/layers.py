"""The layers below an ASDU, made up again: IEEE 802.15.4 MAC, ZigBee NWK and APS, all without security.

The coordinator takes them off and checks their security before the hub sees anything. What stands here is the
least that a dissector wants, with the addresses and endpoints that were there.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from hanota.eui64 import Eui64

COORDINATOR: Final = 0x0000
BROADCAST: Final = 0xFFFF
NWK_BROADCASTS: Final = 0xFFF8
"""The lowest of the NWK broadcast addresses."""

_MAC_DATA: Final = 0x8841
"""Frame control: data, PAN ID compression, both addresses short, frame version 2003, no acknowledgement."""
_NWK_DATA: Final = 0x0008
"""Frame control: data, protocol version 2."""
_NWK_DESTINATION_IEEE: Final = 0x0800
_NWK_SOURCE_IEEE: Final = 0x1000
_RADIUS: Final = 30
_APS_DATA: Final = 0x00
_APS_BROADCAST: Final = 0x08
_APS_ACKNOWLEDGE: Final = 0x40

_FCS_TYPE: Final = 0
_RSS: Final = 1
_CHANNEL: Final = 3
_LQI: Final = 10


@dataclass(frozen=True, slots=True)
class Address:
    """A node's short address and, where it is known, its EUI-64."""

    nwk: int
    eui64: Eui64 | None = None


@dataclass(frozen=True, slots=True)
class Asdu:
    """One application frame with the addressing of APS."""

    source: Address
    destination: Address
    source_endpoint: int
    destination_endpoint: int
    profile: int
    cluster: int
    data: bytes
    acknowledged: bool


def frame(pan_id: int, sequence: int, asdu: Asdu) -> bytes:
    """Return the 802.15.4 frame that would carry `asdu` unsecured in one hop, without its FCS."""
    return b"".join((_mac(pan_id, sequence, asdu), _nwk(sequence, asdu), _aps(sequence, asdu), asdu.data))


def tap_header(channel: int, lqi: int | None, rssi: int | None) -> bytes:
    """Return the header of LINKTYPE_IEEE802_15_4_TAP: no FCS, channel (page 0), signal if known."""
    fields = _tlv(_FCS_TYPE, b"\x00") + _tlv(_CHANNEL, struct.pack("<HB", channel, 0))
    if rssi is not None:
        fields += _tlv(_RSS, struct.pack("<f", rssi))
    if lqi is not None:
        fields += _tlv(_LQI, bytes([lqi]))
    return struct.pack("<BBH", 0, 0, 4 + len(fields)) + fields


def _mac(pan_id: int, sequence: int, asdu: Asdu) -> bytes:
    destination = BROADCAST if asdu.destination.nwk >= NWK_BROADCASTS else asdu.destination.nwk
    return struct.pack("<HBHHH", _MAC_DATA, sequence & 0xFF, pan_id, destination, asdu.source.nwk)


def _nwk(sequence: int, asdu: Asdu) -> bytes:
    control, addresses = _NWK_DATA, b""
    if asdu.destination.eui64 is not None:
        control |= _NWK_DESTINATION_IEEE
        addresses += asdu.destination.eui64.to_zigbee()
    if asdu.source.eui64 is not None:
        control |= _NWK_SOURCE_IEEE
        addresses += asdu.source.eui64.to_zigbee()
    fixed = struct.pack("<HHHBB", control, asdu.destination.nwk, asdu.source.nwk, _RADIUS, sequence & 0xFF)
    return fixed + addresses


def _aps(sequence: int, asdu: Asdu) -> bytes:
    control = _APS_BROADCAST if asdu.destination.nwk >= NWK_BROADCASTS else _APS_DATA
    if asdu.acknowledged:
        control |= _APS_ACKNOWLEDGE
    return struct.pack(
        "<BBHHBB",
        control,
        asdu.destination_endpoint,
        asdu.cluster,
        asdu.profile,
        asdu.source_endpoint,
        sequence & 0xFF,
    )


def _tlv(kind: int, value: bytes) -> bytes:
    return struct.pack("<HH", kind, len(value)) + value + bytes(-len(value) % 4)
