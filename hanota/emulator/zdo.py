"""ZigBee Device Profile: the descriptors and the server every node has on endpoint 0.

Source: ZigBee specification 05-3474-21, 2.3.2 (descriptors), 2.4.3 and 2.4.4 (client and server services).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from hanota.errors import RemoteProtocolError
from hanota.eui64 import Eui64

ZDO_ENDPOINT: Final = 0
ZDO_PROFILE: Final = 0x0000
RESPONSE: Final = 0x8000
"""Set in the cluster id of every ZDO response."""
ANY_PROFILE: Final = 0xFFFF
CHANNELS: Final = 0x07FF_F800
"""Channels 11 to 26, all of the 2.4 GHz band."""
LONGEST_SCAN: Final = 5
"""ScanDuration of a Mgmt_NWK_Update_req that asks for a scan; greater ones change the network."""
IDLE_ENERGY: Final = 0x10
"""What an energy detection scan hears of 255 where nobody else is."""


class ZdoCluster(IntEnum):
    """Cluster ids of the device profile that the emulated nodes use."""

    NWK_ADDR_REQ = 0x0000
    IEEE_ADDR_REQ = 0x0001
    NODE_DESC_REQ = 0x0002
    POWER_DESC_REQ = 0x0003
    SIMPLE_DESC_REQ = 0x0004
    ACTIVE_EP_REQ = 0x0005
    MATCH_DESC_REQ = 0x0006
    DEVICE_ANNCE = 0x0013
    MGMT_LQI_REQ = 0x0031
    MGMT_RTG_REQ = 0x0032
    MGMT_BIND_REQ = 0x0033
    MGMT_LEAVE_REQ = 0x0034
    MGMT_PERMIT_JOINING_REQ = 0x0036
    MGMT_NWK_UPDATE_REQ = 0x0038


class ZdoStatus(IntEnum):
    """Statuses of the device profile (2.4.5)."""

    SUCCESS = 0x00
    DEVICE_NOT_FOUND = 0x81
    INVALID_EP = 0x82
    NOT_ACTIVE = 0x83
    NOT_SUPPORTED = 0x84


@dataclass(frozen=True, slots=True)
class SimpleDescriptor:
    """One application endpoint (2.3.2.5)."""

    endpoint: int
    profile: int
    device: int
    input_clusters: tuple[int, ...] = ()
    output_clusters: tuple[int, ...] = ()
    version: int = 0

    def encode(self) -> bytes:
        """Return the descriptor's octets, without the length that stands before it on the wire."""
        clusters = _cluster_list(self.input_clusters) + _cluster_list(self.output_clusters)
        return struct.pack("<BHHB", self.endpoint, self.profile, self.device, self.version) + clusters

    def matches(self, profile: int, inputs: tuple[int, ...], outputs: tuple[int, ...]) -> bool:
        """Tell whether Match_Desc_req finds this endpoint (2.4.3.1.7)."""
        if profile not in {self.profile, ANY_PROFILE}:
            return False
        return any(c in self.input_clusters for c in inputs) or any(
            c in self.output_clusters for c in outputs
        )


@dataclass(frozen=True, slots=True)
class NodeDescriptor:
    """What a node says of itself (2.3.2.3)."""

    logical_type: int
    """0 coordinator, 1 router, 2 end device."""
    capabilities: int
    """MAC capability flags."""
    manufacturer_code: int = 0
    maximum_buffer: int = 82
    maximum_transfer: int = 1500
    """Largest APSDU in and out, after fragmentation."""
    server_mask: int = 0x2C00
    """Stack revision 22 in bits 9 to 15; bit 0 is the primary trust centre."""

    def encode(self) -> bytes:
        """Return the 13 octets; the frequency band is 2.4 GHz."""
        return struct.pack(
            "<BBBHBHHHB",
            self.logical_type,
            0x40,
            self.capabilities,
            self.manufacturer_code,
            self.maximum_buffer,
            self.maximum_transfer,
            self.server_mask,
            self.maximum_transfer,
            0,
        )


@dataclass(frozen=True, slots=True)
class ZdoServer:
    """Answers the discovery requests of one node."""

    eui64: Eui64
    nwk: int
    node_descriptor: NodeDescriptor
    endpoints: tuple[SimpleDescriptor, ...]

    def respond(self, cluster: int, request: bytes) -> bytes | None:
        """Return the response to `request` (both with their sequence number), None where none is due.

        Raises RemoteProtocolError for a request too short to read.
        """
        try:
            sequence, body = request[0], self._body(cluster, request[1:])
        except (struct.error, IndexError):
            raise RemoteProtocolError(f"ZDO request {cluster:#06x} is too short") from None
        return None if body is None else bytes((sequence,)) + body

    def _body(self, cluster: int, body: bytes) -> bytes | None:
        match cluster:
            case ZdoCluster.NWK_ADDR_REQ:
                wanted = Eui64.from_zigbee(body[:8])
                return self._address() if wanted == self.eui64 else None
            case ZdoCluster.IEEE_ADDR_REQ:
                return self._address() if self._asked(body) else None
            case ZdoCluster.NODE_DESC_REQ:
                return self._descriptor(body, self.node_descriptor.encode())
            case ZdoCluster.ACTIVE_EP_REQ:
                numbers = bytes(endpoint.endpoint for endpoint in self.endpoints)
                return self._descriptor(body, bytes((len(numbers),)) + numbers, absent=b"\x00")
            case ZdoCluster.SIMPLE_DESC_REQ:
                return self._simple_descriptor(body)
            case ZdoCluster.MATCH_DESC_REQ:
                return self._match(body)
            case ZdoCluster.MGMT_NWK_UPDATE_REQ if body[4] <= LONGEST_SCAN:
                return self._energies(body)
            case _ if cluster < RESPONSE and cluster != ZdoCluster.DEVICE_ANNCE:
                return bytes((ZdoStatus.NOT_SUPPORTED,))
            case _:
                return None

    def _asked(self, body: bytes) -> bool:
        return bool(struct.unpack_from("<H", body)[0] == self.nwk)

    def _address(self) -> bytes:
        return struct.pack("<B8sH", ZdoStatus.SUCCESS, self.eui64.to_zigbee(), self.nwk)

    def _descriptor(self, body: bytes, value: bytes, *, absent: bytes = b"") -> bytes:
        if self._asked(body):
            return struct.pack("<BH", ZdoStatus.SUCCESS, self.nwk) + value
        return struct.pack("<B", ZdoStatus.DEVICE_NOT_FOUND) + body[:2] + absent

    def _simple_descriptor(self, body: bytes) -> bytes:
        number = body[2]
        if not self._asked(body):
            return struct.pack("<B", ZdoStatus.DEVICE_NOT_FOUND) + body[:2] + b"\x00"
        for endpoint in self.endpoints:
            if endpoint.endpoint == number:
                value = endpoint.encode()
                return struct.pack("<BHB", ZdoStatus.SUCCESS, self.nwk, len(value)) + value
        status = ZdoStatus.NOT_ACTIVE if number else ZdoStatus.INVALID_EP
        return struct.pack("<BHB", status, self.nwk, 0)

    def _energies(self, body: bytes) -> bytes:
        """Tell of an energy detection scan, Mgmt_NWK_Update_notify (2.4.4.4.9)."""
        scanned = int.from_bytes(body[:4], "little") & CHANNELS
        energies = bytes((IDLE_ENERGY,)) * scanned.bit_count()
        return struct.pack("<BIHHB", ZdoStatus.SUCCESS, scanned, 0, 0, len(energies)) + energies

    def _match(self, body: bytes) -> bytes | None:
        of_interest, profile = struct.unpack_from("<HH", body)
        inputs, rest = _read_cluster_list(body[4:])
        outputs, _ = _read_cluster_list(rest)
        found = bytes(e.endpoint for e in self.endpoints if e.matches(profile, inputs, outputs))
        if of_interest != self.nwk and not found:
            return None
        return struct.pack("<BHB", ZdoStatus.SUCCESS, self.nwk, len(found)) + found


def match_request(sequence: int, nwk: int, profile: int, inputs: tuple[int, ...]) -> bytes:
    """Return a Match_Desc_req for server clusters."""
    return struct.pack("<BHH", sequence, nwk, profile) + _cluster_list(inputs) + _cluster_list(())


def device_announcement(sequence: int, nwk: int, eui64: Eui64, capabilities: int) -> bytes:
    """Return a Device_annce (2.4.3.1.11)."""
    return struct.pack("<BH8sB", sequence, nwk, eui64.to_zigbee(), capabilities)


def _cluster_list(clusters: tuple[int, ...]) -> bytes:
    return struct.pack(f"<B{len(clusters)}H", len(clusters), *clusters)


def _read_cluster_list(data: bytes) -> tuple[tuple[int, ...], bytes]:
    count = data[0]
    return struct.unpack_from(f"<{count}H", data, 1), data[1 + 2 * count :]
