"""What a PPMID and an HCALCS have in common: GBCS messages, images verified, firmware started.

Mischief is one assignment: `verify_image`, `encode_message`, `counters`, `client.settings`, `tunnel.refusal`
and `power_off()` are there to be replaced or called by a test.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, assert_never

from hanota.emulator.devices.settings import DeviceSettings
from hanota.emulator.devices.smart_energy_node import SmartEnergyNode
from hanota.errors import HanotaError, RemoteProtocolError, VerificationError
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
from hanota.zcl import Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from hanota.clock import Clock
    from hanota.emulator.devices.settings import DeviceIdentity
    from hanota.ota.client_events import ClientEvent
    from hanota.ota.fields import ImageId
    from hanota.ota.image import ImageShape, OtaFile


class FirmwareDevice(SmartEnergyNode):
    """A device on the Smart Energy profile that downloads, verifies and runs firmware.

    `trust` holds the certificates of the remote parties it obeys: access control broker and suppliers.
    """

    image_shape: ImageShape
    image_checks: str
    """What `check_image` looks at, in words."""

    def __init__(
        self, identity: DeviceIdentity, trust: KeyStore, clock: Clock, settings: DeviceSettings | None = None
    ) -> None:
        super().__init__(identity, clock, settings or DeviceSettings())
        self.keystore = trust | KeyStore()
        self.keystore.add(identity.credentials)
        self.running = identity.image
        self.counters = CounterLog()
        # From the time in milliseconds: a device that is made again must not repeat its alerts' counters.
        self.own_counter = OriginatorCounter(int(clock.now() * 1000))
        self.refused: list[HanotaError] = []
        """Messages that did not verify, newest last; GBCS 6.2.4 has a device stay silent on them."""
        self.log: list[ClientEvent] = []
        """What the Upgrade Client told, newest last; one update adds a handful."""
        self.verify_image: Callable[[bytes], int] = self._verify
        self.encode_message: Callable[[Message], bytes] = Message.encode
        self._started: Callable[[], None] | None = None
        self.client = self._new_client()

    # -- what a test, or the demo, looks at ---------------------------------------------------------------

    @property
    def firmware_version(self) -> bytes:
        """The version it runs, 4 octets as GBCS sends it."""
        return self.running.file_version.to_bytes(4, "big")

    # -- life ----------------------------------------------------------------------------------------------

    async def power_on(self) -> None:
        """Come up on the network; the firmware that was started meanwhile says so."""
        await super().power_on()
        started, self._started = self._started, None
        if started is not None:
            started()

    def reboot_into(self, version: int, started: Callable[[], None]) -> None:
        """Go off the network, start the firmware of `version` and come back; `started` is called then.

        A power cut meanwhile leaves one whole version to start from, and `started` still to be called.
        """
        self.power_off()
        self.running = replace(self.running, file_version=version)
        self.client = self._new_client()
        self._started = started
        self.spawn(self._start())

    def act_as(self, settings: DeviceSettings) -> None:
        """Take other settings of the Upgrade Client, as new firmware would: a download under way is lost.

        Its endpoints, its sleep and its tunnels stay as they are until it is made anew.
        """
        self.device_settings = settings
        self.client = self._new_client()

    # -- messages ----------------------------------------------------------------------------------------

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

    def told(self, event: ClientEvent) -> None:
        """Keep what the Upgrade Client tells, and act on it."""
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

    def message_received(self, octets: bytes) -> None:
        """Carry out a command that verifies, and no other."""
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
        address = self.eui64 if self.device_settings.names_node_address else None
        identity = ClientIdentity(self.running, self.identity.hardware_version, address)
        # Looked up at each call, so that a test may assign `verify_image` at any time.
        return OtaClient(identity, lambda data: self.verify_image(data), self.device_settings.client)  # noqa: PLW0108
