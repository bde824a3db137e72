"""A device's clusters on the air: what goes to which protocol, what they send, when they are due again."""

from __future__ import annotations

import asyncio
import random
from abc import abstractmethod
from collections import Counter
from typing import TYPE_CHECKING, Final

from hanota.emulator.air import TxStatus
from hanota.emulator.devices import attributes
from hanota.emulator.devices.keep_alive import KeepAlive
from hanota.emulator.devices.key_establishment import DeviceKeyEstablishment
from hanota.emulator.devices.settings import ENDPOINT
from hanota.emulator.node import HanNode
from hanota.emulator.zdo import SimpleDescriptor
from hanota.errors import RadioError, RemoteProtocolError
from hanota.ota.attributes import encode_value
from hanota.zcl import PROFILE_SMART_ENERGY, ClusterId, GeneralCommand, Status, ZclFrame
from hanota.zse.key_establishment import KEY_ESTABLISHMENT_SUITE, suite_bits
from hanota.zse.tunneling import DataReceived, TunnelServer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hanota.clock import Clock
    from hanota.emulator.air import ApsFrame
    from hanota.emulator.devices.settings import DeviceIdentity, DeviceSettings
    from hanota.ota.client import OtaClient
    from hanota.ota.client_events import ClientEvent

_ENCRYPTED: Final = frozenset(
    (ClusterId.OTA_UPGRADE, ClusterId.TUNNELING, ClusterId.KEEP_ALIVE, ClusterId.TIME)
)
"""Clusters here on which nothing goes without APS encryption (Smart Energy 1.4, table 5-12)."""


class SmartEnergyNode(HanNode):
    """A node with the clusters of a device that is updated; its application is a subclass.

    The application has to set `client` before the node has power.
    """

    device_id: int
    client: OtaClient

    def __init__(self, identity: DeviceIdentity, clock: Clock, settings: DeviceSettings) -> None:
        self.identity, self.device_settings, self.clock = identity, settings, clock
        self.dropped: Counter[str] = Counter()
        """Frames dropped: sent without APS encryption, malformed, or for want of room."""
        self.notice: Callable[[str], None] = lambda _: None
        """Called with what the device found and did, in words: its debug console."""
        self._hub_endpoint: dict[int, int] = {}
        self._at_work = False
        self._timer: asyncio.TimerHandle | None = None
        self._outgoing: asyncio.Queue[tuple[int, bytes]] = asyncio.Queue(settings.frames_waiting)
        super().__init__(
            identity.credentials.eui64,
            install_code=identity.install_code,
            endpoints=self._simple_descriptors(),
            manufacturer_code=identity.image.manufacturer_code,
            settings=settings.node,
        )
        self._lottery = random.Random(bytes(self.eui64))  # noqa: S311  # reproducible, not secret
        self.aps_encryption = settings.aps_encryption
        self.key_establishment = DeviceKeyEstablishment(
            self, identity.cbke, clock, settings.key_establishment
        )
        # Looked up at each call: `notice` is assigned after the device was made.
        self.key_establishment.notice = lambda text: self.notice(text)  # noqa: PLW0108
        self.key_establishment.established = self._key_established
        self.keep_alive = KeepAlive(self, settings.keep_alive, self._hub_lost)
        self.tunnel = TunnelServer(settings.tunnel)

    @abstractmethod
    def told(self, event: ClientEvent) -> None:
        """Take what the Upgrade Client tells."""

    @abstractmethod
    def message_received(self, octets: bytes) -> None:
        """Take what may be a GBCS message out of the tunnel."""

    # -- life ----------------------------------------------------------------------------------------------

    async def power_on(self) -> None:
        """Come up on the network: establish a key if it still must, then go on where the power went."""
        await super().power_on()
        if self.key_establishment.wanted:
            self.key_establishment.begin()
        else:
            self._key_established()

    def power_off(self) -> None:
        """Cut the power: tunnels are lost; the image so far is kept."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.tunnel = TunnelServer(self.device_settings.tunnel)
        self._at_work = False
        super().power_off()

    def _key_established(self) -> None:
        """Begin, once after each start, what a device does only under the link key it is to have."""
        if self._at_work:
            return
        self._at_work = True
        while not self._outgoing.empty():
            self._outgoing.get_nowait()
        self.spawn(self._send_queued())
        self.spawn(self._find_upgrade_server())
        self.keep_alive.begin()

    def _hub_lost(self) -> None:
        """Establish another key: the hub, or its dongle, does not know this one any more."""
        self.notice("no Keep-Alive response from the hub")
        if self.key_establishment.credentials is not None:
            self.key_establishment.begin()

    async def _find_upgrade_server(self) -> None:
        try:
            _, self._hub_endpoint[ClusterId.OTA_UPGRADE] = await self.match_descriptor(ClusterId.OTA_UPGRADE)
        except RadioError:
            return  # its Image Notify will tell the endpoint
        if self.client.file_offset:
            self.client.resume(self.clock.now())
        elif self.client.settings.quirks.query_interval is not None:
            self.client.start(self.clock.now())
        self._pump()

    # -- frames from the hub -------------------------------------------------------------------------------

    def on_frame(self, frame: ApsFrame) -> None:
        """Take an application frame from the hub."""
        if frame.cluster in _ENCRYPTED and not self._is_protected(frame):
            return
        if frame.cluster == ClusterId.TUNNELING:
            self._hub_endpoint[frame.cluster] = frame.source_endpoint
        elif frame.cluster == ClusterId.OTA_UPGRADE:
            # An answer may come from another endpoint; requests go on to the one that was discovered.
            self._hub_endpoint.setdefault(frame.cluster, frame.source_endpoint)
        try:
            self._dispatch(frame)
        except RemoteProtocolError:
            self.dropped["malformed"] += 1
        self._pump()

    def _is_protected(self, frame: ApsFrame) -> bool:
        """Tell whether a frame came under the link key the device is to have; count one that did not."""
        if not self.aps_encryption or self.device_settings.takes_plaintext:
            return True
        if frame.secured and not self.key_establishment.wanted:
            return True
        self.dropped["before key establishment" if frame.secured else "without APS encryption"] += 1
        if self.device_settings.refuses_plaintext and not frame.secured and not frame.is_broadcast:
            self._refuse(frame)
        return False

    def _refuse(self, frame: ApsFrame) -> None:
        try:
            request = ZclFrame.decode(frame.payload)
        except RemoteProtocolError:
            return
        if not request.is_default_response and len(self._tasks) < self.settings.max_tasks:
            refusal = request.default_response(Status.FAILURE).encode()
            self.spawn(self._answer(frame, refusal, encrypted=True))

    def _dispatch(self, frame: ApsFrame) -> None:
        now = self.clock.now()
        match frame.cluster:
            case ClusterId.OTA_UPGRADE if not self._is_read(frame.payload):
                draw = self._lottery.randint(1, 100) if frame.is_broadcast else None
                self.client.receive(frame.payload, now, draw)
            case ClusterId.TUNNELING if not self._is_read(frame.payload):
                self.tunnel.receive(frame.payload, now)
            case ClusterId.KEY_ESTABLISHMENT if not self._is_read(frame.payload):
                self.key_establishment.receive(frame)
            case ClusterId.KEEP_ALIVE | ClusterId.TIME if not self._is_read(frame.payload):
                self.keep_alive.receive(frame)
            case _:
                self._answer_read(frame)

    def _is_read(self, payload: bytes) -> bool:
        request = ZclFrame.decode(payload)
        return not request.cluster_specific and request.command == GeneralCommand.READ_ATTRIBUTES

    def _answer_read(self, frame: ApsFrame) -> None:
        if not self._is_read(frame.payload):
            return
        answer = attributes.read_attributes_response(
            ZclFrame.decode(frame.payload), frame.cluster, self._attributes()
        )
        self.spawn(self._answer(frame, answer.encode(), encrypted=frame.secured))

    async def _answer(self, frame: ApsFrame, data: bytes, *, encrypted: bool) -> None:
        await self.send(
            frame.profile,
            frame.cluster,
            frame.destination_endpoint,
            frame.source_endpoint,
            data,
            encrypted=encrypted,
        )

    def _attributes(self) -> Mapping[tuple[int, int], bytes]:
        cbke = self.key_establishment.credentials
        suites = 0 if cbke is None else suite_bits([cbke.suite])
        values: dict[tuple[int, int], bytes] = {
            (ClusterId.KEY_ESTABLISHMENT, KEY_ESTABLISHMENT_SUITE): attributes.enum16(suites),
            (ClusterId.BASIC, 0x0004): attributes.character_string("hanota"),
            (ClusterId.BASIC, 0x0005): attributes.character_string(self.identity.model),
            (ClusterId.BASIC, 0x0007): attributes.enum8(0x01),
            (ClusterId.BASIC, 0x0011): attributes.enum8(0x01),
        }
        client = self.client.attributes().items()
        return values | {
            (ClusterId.OTA_UPGRADE, number): encode_value(number, value) for number, value in client
        }

    # -- frames to the hub ---------------------------------------------------------------------------------

    def _pump(self) -> None:
        """Queue what the protocols want to send, act on what they tell, set the timer."""
        now = self.clock.now()
        for event in self.client.events():
            self.told(event)
        for tunnel_event in self.tunnel.events():
            if isinstance(tunnel_event, DataReceived):
                self.message_received(tunnel_event.data)
        for data in self.client.requests():
            self._queue(ClusterId.OTA_UPGRADE, data)
        for data in self.tunnel.responses():
            self._queue(ClusterId.TUNNELING, data)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        timers = (self.client.next_timer(), self.tunnel.next_timer())
        due = min((timer for timer in timers if timer is not None), default=None)
        if due is not None and self.joined:
            self._timer = asyncio.get_running_loop().call_later(max(0.0, due - now), self._expire)

    def _expire(self) -> None:
        self._timer = None
        now = self.clock.now()
        self.client.expire(now)
        self.tunnel.expire(now)
        self._pump()

    def _queue(self, cluster: int, data: bytes) -> None:
        try:
            self._outgoing.put_nowait((cluster, data))
        except asyncio.QueueFull:
            self.dropped["no room"] += 1

    async def _send_queued(self) -> None:
        while True:
            cluster, data = await self._outgoing.get()
            endpoint = self._hub_endpoint.get(cluster)
            if endpoint is None:
                self.dropped["no endpoint known"] += 1
                continue
            own = self.device_settings.ota_endpoint if cluster == ClusterId.OTA_UPGRADE else ENDPOINT
            status = await self.send(PROFILE_SMART_ENERGY, cluster, own, endpoint, data)
            if status is not TxStatus.SUCCESS and cluster == ClusterId.TUNNELING:
                self.tunnel.undelivered(data, self.clock.now())
                self._pump()

    # -- what discovery finds ------------------------------------------------------------------------------

    def _simple_descriptors(self) -> list[SimpleDescriptor]:
        inputs = (ClusterId.BASIC, ClusterId.TUNNELING, ClusterId.KEY_ESTABLISHMENT)
        outputs = (ClusterId.TIME, ClusterId.OTA_UPGRADE, ClusterId.KEY_ESTABLISHMENT)
        upgrade = self.device_settings.ota_endpoint
        if upgrade == ENDPOINT:
            return [self._simple_descriptor(ENDPOINT, inputs, outputs)]
        others = tuple(cluster for cluster in outputs if cluster is not ClusterId.OTA_UPGRADE)
        return [
            self._simple_descriptor(ENDPOINT, inputs, others),
            self._simple_descriptor(upgrade, (ClusterId.BASIC,), (ClusterId.OTA_UPGRADE,)),
        ]

    def _simple_descriptor(
        self, endpoint: int, inputs: tuple[ClusterId, ...], outputs: tuple[ClusterId, ...]
    ) -> SimpleDescriptor:
        return SimpleDescriptor(
            endpoint, PROFILE_SMART_ENERGY, self.device_id, input_clusters=inputs, output_clusters=outputs
        )
