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
    from hanota.emulator.devices.settings import DeviceIdentity, DeviceSettings
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
        self.pending: Message | None = None
        """The future dated command that waits for its time."""
        self._execution: asyncio.TimerHandle | None = None
        super().__init__(identity, trust, clock, settings)

    # -- the image -----------------------------------------------------------------------------------------

    def check_image(self, file: OtaFile) -> None:
        """Raise VerificationError unless a supplier this device knows has signed the image."""
        super().check_image(file)
        self.signer_of(file)

    def on_downloaded(self, data: bytes) -> None:
        """Hold the image in place of any other: one pending image at most."""
        file = parse_image(data, self.image_shape)
        self.held = HeldImage(file, self.signer_of(file))

    def signer_of(self, file: OtaFile) -> Eui64:
        """Return the supplier that signed an image; raise VerificationError where none did."""
        for supplier in self.keystore.in_role(RemotePartyRole.SUPPLIER):
            for key in self.keystore.signing_public_keys(supplier):
                try:
                    verify_supplier_signature(file, key)
                except VerificationError:
                    continue
                return supplier
        raise VerificationError("the image is signed by no supplier this device knows")

    # -- CS06 ----------------------------------------------------------------------------------------------

    async def power_on(self) -> None:
        """Come up, and take up the future dated command that waits, be its time past or to come."""
        await super().power_on()
        self.schedule()

    def power_off(self) -> None:
        """Cut the power: the held image and the future dated command are kept."""
        if self._execution is not None:
            self._execution.cancel()
            self._execution = None
        super().power_off()

    def on_command(self, message: Message) -> None:
        """Carry out CS06: at once, at its executionDateTime, or cancel what waits for its time."""
        if message.message_code != MESSAGE_CODE:
            super().on_command(message)
            return
        command = decode_command(message.payload)
        if command.execution_date_time is None:
            self._execute(message)
            return
        # A later command takes the place of the one that waits; a cancellation leaves none.
        self.pending = None if command.is_cancellation else message
        self.schedule()
        self._respond(message, CommandAccepted())

    def schedule(self) -> None:
        """Execute the command that waits at its time, which may be past."""
        if self._execution is not None:
            self._execution.cancel()
            self._execution = None
        when = None if self.pending is None else decode_command(self.pending.payload).execution_date_time
        if when is not None:
            delay = max(0.0, when.as_datetime().timestamp() - self.clock.now())
            self._execution = asyncio.get_running_loop().call_later(delay, self.execute_pending)

    def execute_pending(self) -> None:
        """Execute the command that waits, if there is one."""
        message, self.pending = self.pending, None
        if message is not None:
            self._execute(message)

    def _execute(self, message: Message) -> None:
        """Steps 3 to 5 of GBCS 11.5: image held, hash, activation; the version now executing goes with it."""
        code = self._judge(decode_command(message.payload), message.originator)
        self.notice(f"image held against the command's hash and supplier: {code.name.lower()}")
        if code is ActivateImageResponseCode.SUCCESS and self.held is not None:
            version = self.held.file.header.file_version
            self.held = None
            self.reboot_into(version, lambda: self._report(message, code))
        else:
            self._report(message, code)

    def _report(self, command: Message, code: ActivateImageResponseCode) -> None:
        """Respond to a command executed at once, alert of one that was future dated."""
        outcome = ExecutionOutcome(activate_image_response_code=code, firmware_version=self.firmware_version)
        if decode_command(command.payload).execution_date_time is None:
            self._respond(command, outcome)
        else:
            self._send_signed(future_dated_alert(command, self.own_counter.next(), outcome))

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
