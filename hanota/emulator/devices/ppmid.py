"""An emulated PPMID: activates on the hub's word and raises CS09 itself (SR 11.4, GBCS 11.9)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hanota.emulator.devices.device import FirmwareDevice
from hanota.emulator.devices.seal import is_whole
from hanota.errors import VerificationError
from hanota.gbcs.alerts import ActivateImageResult, ppmid_activation_alert
from hanota.gbcs.crypto import sign
from hanota.ota.image import ImageShape

if TYPE_CHECKING:
    from hanota.ota.fields import ImageId
    from hanota.ota.image import OtaFile


class Ppmid(FirmwareDevice):
    """A prepayment display; assign `activation_result` to make its next activation fail."""

    image_shape = ImageShape.PPMID
    image_checks = "size, manufacturer, image type, hardware version"
    device_id = 0x0502
    """In-Home Display, the ZigBee device a PPMID is (ZSE); a hub must not depend on it."""

    activation_result = ActivateImageResult.SUCCESS

    def check_image(self, file: OtaFile) -> None:
        """Raise VerificationError unless the maker's own check finds the image whole."""
        super().check_image(file)
        if not is_whole(file.manufacturer_image):
            raise VerificationError("the maker's own check fails")

    def on_activate(self, image: ImageId) -> None:
        """Reboot into the new image and alert the access control broker of the outcome."""
        result = self.activation_result
        succeeded = result is ActivateImageResult.SUCCESS
        version = image.file_version if succeeded else self.running.file_version
        self.reboot_into(version, lambda: self._alert(result))

    def _alert(self, result: ActivateImageResult) -> None:
        broker, *_ = self.keystore.access_control_brokers()
        alert = ppmid_activation_alert(
            self.eui64,
            broker,
            self.own_counter.next(),
            firmware_version=self.firmware_version,
            result=result,
            now=self.clock.now(),
        )
        self.send_message(sign(alert, self.identity.credentials.signing_key))
