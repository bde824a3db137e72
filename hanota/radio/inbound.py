"""Frames from devices: whose they are, whether to believe them, and those the radio answers itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import zigpy.types as t

from hanota.errors import RemoteProtocolError
from hanota.hub.ports import HanFrame
from hanota.radio import time_cluster
from hanota.radio.frame_size import SINGLE_FRAME_ENCRYPTED
from hanota.zcl import PROFILE_SMART_ENERGY, ClusterId, Status, ZclFrame

if TYPE_CHECKING:
    from collections.abc import Callable

    from zigpy.types import ZigbeePacket

    from hanota.clock import Clock
    from hanota.eui64 import Eui64
    from hanota.hub.ports import RadioListener
    from hanota.radio.peers import Peers
    from hanota.radio.refusals import Refusals
    from hanota.radio.settings import RadioSettings

TAPPED: Final = frozenset(
    {ClusterId.TIME, ClusterId.OTA_UPGRADE, ClusterId.TUNNELING, ClusterId.KEY_ESTABLISHMENT}
)
"""Clusters that zigpy never sees; everything else, the answers it waits for included, goes to zigpy."""
APS_ENCRYPTED: Final = TAPPED - {ClusterId.KEY_ESTABLISHMENT}
"""Those of them that ZSE wants under the link key (ZSE 1.4 table 5-12)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A frame that the radio itself owes a device."""

    device: Eui64
    cluster: int
    data: bytes
    encrypted: bool


class Inbound:
    """Takes packets on the Smart Energy clusters of the hub and passes on those that may be believed."""

    def __init__(
        self,
        settings: RadioSettings,
        peers: Peers,
        clock: Clock,
        *,
        listener: RadioListener,
        refusals: Refusals,
        answer: Callable[[Answer], None],
        unknown_address: Callable[[int], None],
    ) -> None:
        self._settings, self._peers, self._clock = settings, peers, clock
        self._listener, self._refusals = listener, refusals
        self._answer, self._unknown_address = answer, unknown_address

    def take(self, packet: ZigbeePacket) -> bool:
        """Handle a packet on one of the hub's clusters and return True; leave every other to zigpy."""
        if packet.cluster_id not in TAPPED or packet.dst_ep == 0:
            return False
        if packet.profile_id != PROFILE_SMART_ENERGY or packet.dst_ep != self._settings.endpoint.endpoint:
            self._refuse(None, packet, "not addressed to the Smart Energy endpoint")
            return True
        device = self._sender(packet)
        if device is None:
            return True
        encrypted = t.TransmitOptions.APS_Encryption in packet.tx_options
        if self._settings.require_aps_encryption and packet.cluster_id in APS_ENCRYPTED and not encrypted:
            self._refuse(device, packet, "sent without APS encryption")
            self._tell_not_authorized(device, packet)
            return True
        # Only after that check: nobody but the device itself may move its endpoints.
        self._peers.learn(device, {int(packet.cluster_id): int(packet.src_ep)})
        frame = HanFrame(
            device=device,
            cluster=int(packet.cluster_id),
            data=packet.data.serialize(),
            aps_encrypted=encrypted,
            at=self._clock.now(),
            lqi=None if packet.lqi is None else int(packet.lqi),
            rssi=None if packet.rssi is None else int(packet.rssi),
        )
        if frame.cluster == ClusterId.TIME:
            self._serve_time(frame, packet)
        else:
            self._listener.frame_received(frame)
        return True

    def _sender(self, packet: ZigbeePacket) -> Eui64 | None:
        nwk = int(packet.src.address)
        device = self._peers.device_at(nwk)
        if device is None:
            self._refuse(None, packet, f"unknown short address {nwk:#06x}")
            self._unknown_address(nwk)
        elif not self._listener.is_admitted(device):
            self._refuse(device, packet, "not in the Device Log")
            return None
        return device

    def _serve_time(self, frame: HanFrame, packet: ZigbeePacket) -> None:
        try:
            request = ZclFrame.decode(frame.data)
        except RemoteProtocolError as error:
            self._refuse(frame.device, packet, f"malformed: {error}")
            return
        response = time_cluster.respond(request, frame.at, SINGLE_FRAME_ENCRYPTED)
        if response is not None:
            self._answer(Answer(frame.device, frame.cluster, response.encode(), frame.aps_encrypted))

    def _tell_not_authorized(self, device: Eui64, packet: ZigbeePacket) -> None:
        """Answer a refused frame as its sender asked; never a broadcast, never a Default Response."""
        try:
            frame = ZclFrame.decode(packet.data.serialize())
        except RemoteProtocolError:
            return
        unicast = packet.dst.addr_mode == t.AddrMode.NWK
        if unicast and not (frame.is_default_response or frame.disable_default_response):
            refusal = frame.default_response(Status.NOT_AUTHORIZED).encode()
            self._answer(Answer(device, int(packet.cluster_id), refusal, encrypted=True))

    def _refuse(self, device: Eui64 | None, packet: ZigbeePacket, reason: str) -> None:
        self._refusals.refuse(device, int(packet.cluster_id), reason)
