"""What a PPMID and an HCALCS have in common: Upgrade Client, tunnel, GBCS messages, reboot.

Mischief is one assignment: `verify_image`, `encode_message`, `counters`, `client.settings`, `tunnel.refusal`
and `power_off()` are there to be replaced or called by a test.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, assert_never

from hanota.emulator.air import TxStatus
from hanota.emulator.devices import attributes
from hanota.emulator.devices.keep_alive import KeepAlive, KeepAliveSettings
from hanota.emulator.devices.key_establishment import DeviceKeyEstablishment, DeviceKeyEstablishmentSettings
from hanota.emulator.node import HanNode, NodeSettings
from hanota.emulator.zdo import SimpleDescriptor
from hanota.errors import HanotaError, RadioError, RemoteProtocolError, VerificationError
from hanota.gbcs.counters import CounterLog, OriginatorCounter
from hanota.gbcs.crypto import protect
from hanota.gbcs.keystore import KeyStore
from hanota.gbcs.message import Message
from hanota.gbcs.read_firmware_version import (
    MESSAGE_CODE as READ_FIRMWARE_VERSION,
)
from hanota.gbcs.read_firmware_version import (
    ReadFirmwareVersionResponse,
    ReadResponseCode,
    read_firmware_version_response,
)
from hanota.gbcs.usecases import use_case_name
from hanota.gbcs.verification import verify_command
from hanota.ota.client import ClientIdentity, OtaClient
from hanota.ota.client_events import (
    Activate,
    ActivationScheduled,
    DownloadComplete,
    DownloadFailed,
    DownloadStarted,
    NoImageAvailable,
    WaitForActivation,
)
from hanota.ota.image import parse_image
from hanota.ota.settings import OtaClientSettings
from hanota.zcl import PROFILE_SMART_ENERGY, ClusterId, GeneralCommand, Status, ZclFrame
from hanota.zse.key_establishment import KEY_ESTABLISHMENT_SUITE, suite_bits
from hanota.zse.tunneling import DataReceived, TunnelServer, TunnelServerSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hanota.clock import Clock
    from hanota.emulator.air import ApsFrame
    from hanota.gbcs.certificates import Credentials
    from hanota.ota.client_events import ClientEvent
    from hanota.ota.fields import ImageId
    from hanota.ota.image import ImageShape, OtaFile
    from hanota.zse.cbke import CbkeCredentials

ENDPOINT = 1
"""The application endpoint of an emulated device; a hub discovers it."""
_ENCRYPTED: Final = frozenset(
    (ClusterId.OTA_UPGRADE, ClusterId.TUNNELING, ClusterId.KEEP_ALIVE, ClusterId.TIME)
)
"""Clusters here on which nothing goes without APS encryption (Smart Energy 1.4, table 5-12)."""


@dataclass(frozen=True, slots=True)
class DeviceIdentity:
    """What a device is made as; `image` names manufacturer, image type and the version it runs."""

    credentials: Credentials
    install_code: bytes = field(repr=False)
    """16 octets, without CRC."""
    image: ImageId
    hardware_version: int
    model: str
    cbke: CbkeCredentials | None = None
    """Its credentials for key establishment; None: it keeps the key of its install code."""


@dataclass(frozen=True, slots=True)
class DeviceSettings:
    """Times and limits of a device."""

    reboot_seconds: float = 5
    """How long a device is off the HAN while it starts its new firmware."""
    frames_waiting: int = 32
    """Frames queued to the hub; one that is not read loses the rest."""
    refusals: int = 100
    """How many refused messages are remembered, the newest."""
    node: NodeSettings = field(default_factory=NodeSettings)
    aps_encryption: bool = True
    """False is a plain ZigBee device: it sends, and takes, everything without APS encryption."""
    key_establishment: DeviceKeyEstablishmentSettings = field(default_factory=DeviceKeyEstablishmentSettings)
    keep_alive: KeepAliveSettings = field(default_factory=KeepAliveSettings)
    client: OtaClientSettings = field(default_factory=OtaClientSettings)
    tunnel: TunnelServerSettings = field(default_factory=TunnelServerSettings)


class FirmwareDevice(HanNode):
    """A device on the Smart Energy profile that downloads, verifies and runs firmware.

    `trust` holds the certificates of the remote parties it obeys: access control broker and suppliers.
    """

    image_shape: ImageShape
    image_checks: str
    """What `check_image` looks at, in words."""
    device_id: int

    def __init__(
        self, identity: DeviceIdentity, trust: KeyStore, clock: Clock, settings: DeviceSettings | None = None
    ) -> None:
        self.identity = identity
        self.device_settings = settings or DeviceSettings()
        self.clock = clock
        self.keystore = trust | KeyStore()
        self.keystore.add(identity.credentials)
        self.running = identity.image
        self.counters = CounterLog()
        # From the time in milliseconds: a device that is made again must not repeat its alerts' counters.
        self.own_counter = OriginatorCounter(int(clock.now() * 1000))
        self.refused: list[HanotaError] = []
        """Messages that did not verify, newest last; GBCS 6.2.4 has a device stay silent on them."""
        self.dropped: Counter[str] = Counter()
        """Frames dropped: sent without APS encryption, malformed, or for want of room."""
        self.log: list[ClientEvent] = []
        """What the Upgrade Client told, newest last; one update adds a handful."""
        self.verify_image: Callable[[bytes], int] = self._verify
        self.encode_message: Callable[[Message], bytes] = Message.encode
        self.notice: Callable[[str], None] = lambda _: None
        """Called with what the device found and did, in words: its debug console."""
        self._hub_endpoint: dict[int, int] = {}
        self._at_work = False
        self._timer: asyncio.TimerHandle | None = None
        self._started: Callable[[], None] | None = None
        self._outgoing: asyncio.Queue[tuple[int, bytes]] = asyncio.Queue(self.device_settings.frames_waiting)
        super().__init__(
            identity.credentials.eui64,
            install_code=identity.install_code,
            endpoints=[self._simple_descriptor()],
            manufacturer_code=identity.image.manufacturer_code,
            settings=self.device_settings.node,
        )
        self.aps_encryption = self.device_settings.aps_encryption
        self.key_establishment = DeviceKeyEstablishment(
            self, identity.cbke, clock, self.device_settings.key_establishment
        )
        # Looked up at each call: `notice` is assigned after the device was made.
        self.key_establishment.notice = lambda text: self.notice(text)  # noqa: PLW0108
        self.key_establishment.established = self._key_established
        self.keep_alive = KeepAlive(self, self.device_settings.keep_alive, self._hub_lost)
        self.tunnel = TunnelServer(self.device_settings.tunnel)
        self.client = self._new_client()

    # -- what a test, or the demo, looks at ---------------------------------------------------------------

    @property
    def firmware_version(self) -> bytes:
        """The version it runs, 4 octets as GBCS sends it."""
        return self.running.file_version.to_bytes(4, "big")

    # -- life ----------------------------------------------------------------------------------------------

    async def power_on(self) -> None:
        """Come up on the network: establish a key if it still must, then go on where the power went."""
        await super().power_on()
        if self.key_establishment.wanted:
            self.key_establishment.begin()
        else:
            self._key_established()
        started, self._started = self._started, None
        if started is not None:
            started()

    def power_off(self) -> None:
        """Cut the power: tunnels are lost; the image so far, counters and versions are kept."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.tunnel = TunnelServer(self.device_settings.tunnel)
        self._at_work = False
        super().power_off()

    def reboot_into(self, version: int, started: Callable[[], None]) -> None:
        """Go off the network, start the firmware of `version` and come back; `started` is called then.

        A power cut meanwhile leaves one whole version to start from, and `started` still to be called.
        """
        self.power_off()
        self.running = replace(self.running, file_version=version)
        self.client = self._new_client()
        self._started = started
        self.spawn(self._start())

    # -- frames --------------------------------------------------------------------------------------------

    def on_frame(self, frame: ApsFrame) -> None:
        """Take an application frame from the hub."""
        if frame.cluster in _ENCRYPTED and not self._is_protected(frame):
            return
        if frame.cluster in (ClusterId.OTA_UPGRADE, ClusterId.TUNNELING):
            self._hub_endpoint[frame.cluster] = frame.source_endpoint
        try:
            self._dispatch(frame)
        except RemoteProtocolError:
            self.dropped["malformed"] += 1
        self._pump()

    def send_message(self, message: Message) -> None:
        """Send one GBCS message through the tunnel, as soon as the hub has opened one."""
        self.tunnel.send(self.encode_message(message), self.clock.now())
        self._pump()

    def on_command(self, message: Message) -> None:
        """Carry out a verified command; a subclass adds its own use cases."""
        if message.message_code == READ_FIRMWARE_VERSION:
            payload = ReadFirmwareVersionResponse(
                firmware_version=self.firmware_version, response_code=ReadResponseCode.SUCCESS
            )
            response = read_firmware_version_response(message, payload)
            self.send_message(
                protect(
                    response,
                    self.identity.credentials.agreement_key,
                    self.keystore.agreement_public_key(response.recipient),
                )
            )

    def on_downloaded(self, data: bytes) -> None:
        """Take a whole image that was verified."""

    def on_activate(self, image: ImageId) -> None:
        """Act on the Upgrade Server's word to run the downloaded image."""

    # -- inside --------------------------------------------------------------------------------------------

    async def _start(self) -> None:
        await asyncio.sleep(self.device_settings.reboot_seconds)
        self.notice(f"starting firmware {self.running.file_version:08X}")
        await self.power_on()

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

    def _is_protected(self, frame: ApsFrame) -> bool:
        """Tell whether a frame came under the link key the device is to have; count one that did not."""
        if not self.aps_encryption:
            return True
        if frame.secured and not self.key_establishment.wanted:
            return True
        self.dropped["before key establishment" if frame.secured else "without APS encryption"] += 1
        return False

    def _dispatch(self, frame: ApsFrame) -> None:
        now = self.clock.now()
        match frame.cluster:
            case ClusterId.OTA_UPGRADE if not self._is_read(frame.payload):
                self.client.receive(frame.payload, now)
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
        self.spawn(self._answer(frame, answer.encode()))

    async def _answer(self, frame: ApsFrame, data: bytes) -> None:
        await self.send(
            frame.profile,
            frame.cluster,
            frame.destination_endpoint,
            frame.source_endpoint,
            data,
            encrypted=frame.secured,
        )

    def _attributes(self) -> Mapping[tuple[int, int], bytes]:
        cbke = self.key_establishment.credentials
        suites = 0 if cbke is None else suite_bits([cbke.suite])
        return {
            (ClusterId.KEY_ESTABLISHMENT, KEY_ESTABLISHMENT_SUITE): attributes.enum16(suites),
            (ClusterId.BASIC, 0x0004): attributes.character_string("hanota"),
            (ClusterId.BASIC, 0x0005): attributes.character_string(self.identity.model),
            (ClusterId.BASIC, 0x0007): attributes.enum8(0x01),
            (ClusterId.BASIC, 0x0011): attributes.enum8(0x01),
            (ClusterId.OTA_UPGRADE, 0x0001): attributes.uint32(self.client.file_offset),
            (ClusterId.OTA_UPGRADE, 0x0002): attributes.uint32(self.running.file_version),
            (ClusterId.OTA_UPGRADE, 0x0006): attributes.enum8(self.client.image_upgrade_status),
            (ClusterId.OTA_UPGRADE, 0x0007): attributes.uint16(self.running.manufacturer_code),
            (ClusterId.OTA_UPGRADE, 0x0008): attributes.uint16(self.running.image_type),
        }

    def _pump(self) -> None:
        """Queue what the protocols want to send, act on what they tell, set the timer."""
        now = self.clock.now()
        for event in self.client.events():
            self._told(event)
        for tunnel_event in self.tunnel.events():
            if isinstance(tunnel_event, DataReceived):
                self._message_received(tunnel_event.data)
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
            status = await self.send(PROFILE_SMART_ENERGY, cluster, ENDPOINT, endpoint, data)
            if status is not TxStatus.SUCCESS and cluster == ClusterId.TUNNELING:
                self.tunnel.undelivered(data, self.clock.now())
                self._pump()

    async def _find_upgrade_server(self) -> None:
        try:
            _, self._hub_endpoint[ClusterId.OTA_UPGRADE] = await self.match_descriptor(ClusterId.OTA_UPGRADE)
        except RadioError:
            return  # its Image Notify will tell the endpoint
        if self.client.file_offset:
            self.client.resume(self.clock.now())
            self._pump()

    def _told(self, event: ClientEvent) -> None:
        self.log.append(event)
        match event:
            case Activate():
                self.on_activate(event.image)
            case DownloadComplete():
                self.on_downloaded(event.data)
            case (
                DownloadStarted()
                | DownloadFailed()
                | NoImageAvailable()
                | WaitForActivation()
                | ActivationScheduled()
            ):
                pass
            case _:
                assert_never(event)

    def _message_received(self, octets: bytes) -> None:
        try:
            message = verify_command(octets, self.eui64, self.keystore, self.counters)
        except HanotaError as error:
            self.refused = [*self.refused, error][-self.device_settings.refusals :]
            self.notice(f"message refused: {error}")
            return
        signature = "supplier's signature, " if message.signature else ""
        self.notice(
            f"{use_case_name(message)} verified: {signature}ACB MAC, "
            f"Originator Counter {message.originator_counter}"
        )
        self.on_command(message)

    def _verify(self, data: bytes) -> int:
        try:
            file = parse_image(data, self.image_shape)
            self.check_image(file)
        except RemoteProtocolError as error:
            self.notice(f"image refused: {error}")
            return Status.INVALID_IMAGE
        self.notice(f"image verified: {self.image_checks}")
        return Status.SUCCESS

    def check_image(self, file: OtaFile) -> None:
        """Raise VerificationError unless the image is for this device; a subclass adds its rules."""
        header = file.header
        if (header.manufacturer_code, header.image_type) != (
            self.running.manufacturer_code,
            self.running.image_type,
        ):
            raise VerificationError(f"an image {header.image_id} for a device {self.running}")
        versions = header.hardware_versions
        if versions is not None and self.identity.hardware_version not in versions:
            raise VerificationError(f"not for hardware {self.identity.hardware_version:04X}")

    def _new_client(self) -> OtaClient:
        identity = ClientIdentity(self.running, self.identity.hardware_version)
        # Looked up at each call, so that a test may assign `verify_image` at any time.
        return OtaClient(identity, lambda data: self.verify_image(data), self.device_settings.client)  # noqa: PLW0108

    def _simple_descriptor(self) -> SimpleDescriptor:
        return SimpleDescriptor(
            ENDPOINT,
            PROFILE_SMART_ENERGY,
            self.device_id,
            input_clusters=(ClusterId.BASIC, ClusterId.TUNNELING, ClusterId.KEY_ESTABLISHMENT),
            output_clusters=(ClusterId.TIME, ClusterId.OTA_UPGRADE, ClusterId.KEY_ESTABLISHMENT),
        )
