"""A Smart Energy device as zigpy sees it: interviewed through ZDO only, and never updated by zigpy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zigpy.device import ZigbeeDevice
from zigpy.profiles import zha
from zigpy.zcl import ClusterType
from zigpy.zcl.foundation import FrameType, GeneralCommand, ZCLHeader

from hanota.eui64 import Eui64
from hanota.zcl import PROFILE_SMART_ENERGY, ClusterId

if TYPE_CHECKING:
    from zigpy.types import EUI64, NWK, ZigbeePacket
    from zigpy.zcl import Cluster


class HanDevice(ZigbeeDevice):  # type: ignore[misc]  # zigpy is published without types
    """A device that zigpy can interview although it speaks profile 0x0109."""

    def __init__(self, application: Any, ieee: EUI64, nwk: NWK) -> None:
        super().__init__(application, ieee, nwk)
        self.eui64 = Eui64.from_zigbee(ieee.serialize())
        # Known names keep the interview from reading Basic, which a GB device need not answer to a stranger.
        self.manufacturer = self.model = ""

    def _parse_packet_header(self, packet: ZigbeePacket) -> Any:
        # Private, because zigpy parses ZCL on profiles 0x0104 and 0xC05E only and drops every other (#1810).
        if packet.profile_id == PROFILE_SMART_ENERGY:
            packet = packet.replace(profile_id=zha.PROFILE_ID)
        try:
            header, key = super()._parse_packet_header(packet)
        except ValueError:
            # zigpy lets it escape into whatever handed it the packet.
            return None, None
        if isinstance(header, ZCLHeader):
            control = header.frame_control
            is_general = control.frame_type == FrameType.GLOBAL_COMMAND
            if is_general and header.command_id == GeneralCommand.Default_Response:
                # zigpy would answer it with another, which the ZCL forbids (07-5123, 2.5.12.2).
                header = header.replace(frame_control=control.replace(disable_default_response=True))
        return header, key

    def find_cluster(self, cluster_id: int, cluster_type: ClusterType = ClusterType.Server) -> Cluster:
        """Find a cluster, but deny OTA Upgrade: else the interview would read and notify in the clear."""
        if cluster_id == ClusterId.OTA_UPGRADE:
            raise ValueError("hanota serves OTA Upgrade, not zigpy")
        return super().find_cluster(cluster_id, cluster_type)

    @property
    def endpoints_by_cluster(self) -> dict[int, int]:
        """Which Smart Energy endpoint has a cluster, on either side; the lowest where several do."""
        return {
            cluster: endpoint.endpoint_id
            for endpoint in sorted(self.non_zdo_endpoints, key=lambda e: int(e.endpoint_id), reverse=True)
            if endpoint.profile_id == PROFILE_SMART_ENERGY
            for cluster in (*endpoint.in_clusters, *endpoint.out_clusters)
        }
