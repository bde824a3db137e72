"""Frames from devices: whose they are, whether to believe them, and those the radio answers itself."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from hanota.errors import RemoteProtocolError
from hanota.hub.ports import HanFrame
from hanota.radio.attribute_server import respond
from hanota.radio.frame_size import single_frame
from hanota.radio.link_policy import SENT_PLAIN
from hanota.radio.served_clusters import SERVED, attributes
from hanota.zcl import PROFILE_SMART_ENERGY, ClusterId, Direction, Status, ZclFrame

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from hanota.clock import Clock
    from hanota.eui64 import Eui64
    from hanota.hub.ports import RadioListener
    from hanota.radio.frame import ReceivedFrame
    from hanota.radio.link_policy import LinkPolicy
    from hanota.radio.peers import Peers
    from hanota.radio.refusals import Refusals
    from hanota.radio.settings import RadioSettings
    from hanota.zse.cbke import Suite

TAPPED: Final = SERVED | {ClusterId.OTA_UPGRADE, ClusterId.TUNNELING}
"""Clusters that zigpy never sees; everything else, the answers it waits for included, goes to zigpy."""


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
        policy: LinkPolicy,
        listener: RadioListener,
        refusals: Refusals,
        answer: Callable[[Answer], None],
        unknown_address: Callable[[int], None],
        key_establishment: Callable[[Eui64, bytes], None] | None = None,
        suites: Collection[Suite] = (),
    ) -> None:
        """`key_establishment` takes its cluster's commands; `suites` are what its attribute says."""
        self._settings, self._peers, self._clock, self._policy = settings, peers, clock, policy
        self._listener, self._refusals = listener, refusals
        self._answer, self._unknown_address = answer, unknown_address
        self._key_establishment, self._suites = key_establishment, suites

    def take(self, received: ReceivedFrame) -> bool:
        """Handle a frame on one of the hub's clusters and return True; leave every other to zigpy."""
        if received.endpoint == 0:
            return False
        cluster, encrypted = received.cluster, received.encrypted
        if cluster not in TAPPED or _is_answer(received):
            return self._take_other(received)
        if received.profile != PROFILE_SMART_ENERGY or received.endpoint != self._settings.endpoint.endpoint:
            self._refuse(None, received, "not addressed to the Smart Energy endpoint")
            return True
        device = self._sender(received)
        if device is None:
            return True
        fault = self._policy.fault(device, cluster, encrypted=encrypted)
        if fault is not None:
            self._refuse(device, received, fault)
            if fault == SENT_PLAIN:
                self._tell_not_authorized(device, received)
            return True
        self._policy.examine(
            received.nwk,
            device,
            cluster,
            encrypted=encrypted,
            believe=partial(self._accept, device, received),
            refuse=partial(self._refuse, device, received),
        )
        return True

    def _take_other(self, received: ReceivedFrame) -> bool:
        """Refuse a Smart Energy frame on a cluster that is not served, unless its security is right."""
        if received.profile != PROFILE_SMART_ENERGY:
            return False
        device = self._peers.device_at(received.nwk)
        fault = self._policy.fault(device, received.cluster, encrypted=received.encrypted)
        if fault is not None:
            self._refuse(device, received, fault)
        return fault is not None

    def _accept(self, device: Eui64, received: ReceivedFrame) -> None:
        # Only now: nobody but the device itself may move its endpoints.
        self._peers.learn(device, {received.cluster: received.source_endpoint})
        frame = HanFrame(
            device=device,
            cluster=received.cluster,
            data=received.data,
            aps_encrypted=received.encrypted,
            at=self._clock.now(),
            lqi=received.lqi,
            rssi=received.rssi,
        )
        if frame.cluster not in SERVED:
            self._listener.frame_received(frame)
            return
        try:
            request = ZclFrame.decode(frame.data)
        except RemoteProtocolError as error:
            self._refuse(device, received, f"malformed: {error}")
            return
        if frame.cluster == ClusterId.KEY_ESTABLISHMENT and (
            request.cluster_specific or request.is_default_response
        ):
            if self._key_establishment is not None:
                self._key_establishment(device, frame.data)
            return
        self._serve(request, frame)

    def _sender(self, received: ReceivedFrame) -> Eui64 | None:
        device = self._peers.device_at(received.nwk)
        if device is None:
            self._refuse(None, received, f"unknown short address {received.nwk:#06x}")
            self._unknown_address(received.nwk)
        elif not self._listener.is_admitted(device):
            self._refuse(device, received, "not in the Device Log")
            return None
        return device

    def _serve(self, request: ZclFrame, frame: HanFrame) -> None:
        """Answer a general command, as encrypted as it came."""
        response = respond(
            request,
            attributes(frame.cluster, frame.at, self._suites),
            single_frame(encrypted=frame.aps_encrypted),
        )
        if response is not None:
            self._answer(Answer(frame.device, frame.cluster, response.encode(), frame.aps_encrypted))

    def _tell_not_authorized(self, device: Eui64, received: ReceivedFrame) -> None:
        """Answer a refused frame as its sender asked; never a broadcast, never a Default Response."""
        try:
            frame = ZclFrame.decode(received.data)
        except RemoteProtocolError:
            return
        if received.unicast and not (frame.is_default_response or frame.disable_default_response):
            refusal = frame.default_response(Status.NOT_AUTHORIZED).encode()
            self._answer(Answer(device, received.cluster, refusal, encrypted=True))

    def _refuse(self, device: Eui64 | None, received: ReceivedFrame, reason: str) -> None:
        self._refusals.refuse(device, received.cluster, reason)


def _is_answer(received: ReceivedFrame) -> bool:
    """Tell whether a device answers on Basic, which zigpy may have asked."""
    if received.cluster != ClusterId.BASIC:
        return False
    try:
        return ZclFrame.decode(received.data).direction is Direction.TO_CLIENT
    except RemoteProtocolError:
        return False
