"""An emulated HCALCS: holds the image until a supplier's CS06 tells it to activate (GBCS 11.5)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hanota.emulator.devices.device import FirmwareDevice
from hanota.errors import VerificationError
from hanota.gbcs.activate_firmware import (
    MESSAGE_CODE,
    ActivateImageResponseCode,
    CommandAccepted,
    ExecutionOutcome,
    activate_firmware_response,
    decode_command,
    future_dated_alert,
)
from hanota.gbcs.certificates import RemotePartyRole
from hanota.gbcs.crypto import sign
from hanota.ota.image import ImageShape, parse_image
from hanota.ota.signature import verify_supplier_signature

if TYPE_CHECKING:
    from hanota.clock import Clock
    from hanota.emulator.devices.device import DeviceIdentity, DeviceSettings
    from hanota.eui64 import Eui64
    from hanota.gbcs.activate_firmware import ActivateFirmwareCommand
    from hanota.gbcs.keystore import KeyStore
    from hanota.gbcs.message import Message
    from hanota.ota.image import OtaFile


@dataclass(frozen=True, slots=True)
class HeldImage:
    """The one pending image, and the supplier that signed it."""

    file: OtaFile
    supplier: Eui64


class Hcalcs(FirmwareDevice):
    """A load control switch; assign `activation_code` to make its next activation fail."""

    image_shape = ImageShape.SIGNED
    image_checks = "size, manufacturer, image type, hardware version, supplier's signature"
    device_id = 0x0504
    """Load Control Device (ZSE); a hub must not depend on it."""

    def __init__(
        self, identity: DeviceIdentity, trust: KeyStore, clock: Clock, settings: DeviceSettings | None = None
    ) -> None:
        self.held: HeldImage | None = None
        self.activation_code = ActivateImageResponseCode.SUCCESS
        self._pending: asyncio.TimerHandle | None = None
        super().__init__(identity, trust, clock, settings)

    # -- the image -----------------------------------------------------------------------------------------

    def check_image(self, file: OtaFile) -> None:
        """Raise VerificationError unless a supplier this device knows has signed the image."""
        super().check_image(file)
        self._signer(file)

    def on_downloaded(self, data: bytes) -> None:
        """Hold the image in place of any other: one pending image at most."""
        file = parse_image(data, self.image_shape)
        self.held = HeldImage(file, self._signer(file))

    def _signer(self, file: OtaFile) -> Eui64:
        for supplier in self.keystore.in_role(RemotePartyRole.SUPPLIER):
            for key in self.keystore.signing_public_keys(supplier):
                try:
                    verify_supplier_signature(file, key)
                except VerificationError:
                    continue
                return supplier
        raise VerificationError("the image is signed by no supplier this device knows")

    # -- CS06 ----------------------------------------------------------------------------------------------

    def on_command(self, message: Message) -> None:
        """Carry out CS06: at once, at its executionDateTime, or cancel what waits for its time."""
        if message.message_code != MESSAGE_CODE:
            super().on_command(message)
            return
        command = decode_command(message.payload)
        if command.execution_date_time is None:
            self.spawn(self._activate_and_respond(message))
            return
        # A later command takes the place of the one that waits; a cancellation leaves none.
        self._cancel_pending()
        if not command.is_cancellation:
            at = command.execution_date_time.as_datetime().timestamp()
            delay = max(0.0, at - self.clock.now())
            self._pending = asyncio.get_running_loop().call_later(delay, self._execute_pending, message)
        self._respond(message, CommandAccepted())

    async def _activate_and_respond(self, message: Message) -> None:
        self._respond(message, await self._execute(decode_command(message.payload), message.originator))

    async def _activate_and_alert(self, message: Message) -> None:
        outcome = await self._execute(decode_command(message.payload), message.originator)
        self._send_signed(future_dated_alert(message, self.own_counter.next(), outcome))

    def _execute_pending(self, message: Message) -> None:
        self._pending = None
        self.spawn(self._activate_and_alert(message))

    def _cancel_pending(self) -> None:
        if self._pending is not None:
            self._pending.cancel()
            self._pending = None

    async def _execute(self, command: ActivateFirmwareCommand, supplier: Eui64) -> ExecutionOutcome:
        """Steps 3 to 5 of GBCS 11.5: image held, hash, activation; the version now executing goes with it."""
        code = self._judge(command, supplier)
        self.notice(f"image held against the command's hash and supplier: {code.name.lower()}")
        if code is ActivateImageResponseCode.SUCCESS and self.held is not None:
            version = self.held.file.header.file_version
            self.held = None
            await self.reboot_into(version)
        return ExecutionOutcome(activate_image_response_code=code, firmware_version=self.firmware_version)

    def _judge(self, command: ActivateFirmwareCommand, supplier: Eui64) -> ActivateImageResponseCode:
        held = self.held
        if held is None:
            return ActivateImageResponseCode.NO_IMAGE_HELD
        if held.file.manufacturer_image_hash != command.manufacturer_image_hash:
            return ActivateImageResponseCode.HASH_MISMATCH
        if held.supplier != supplier:
            # The image must have come from the party that signs the command (GBCS 0.8.1, 11.5).
            return ActivateImageResponseCode.ACTIVATION_FAILURE
        return self.activation_code

    def _respond(self, command: Message, payload: CommandAccepted | ExecutionOutcome) -> None:
        self._send_signed(activate_firmware_response(command, payload, self.clock.now()))

    def _send_signed(self, message: Message) -> None:
        self.send_message(sign(message, self.identity.credentials.signing_key))
