"""Alerts of SECMP0007: CCS08 Firmware Transfer Alert, of the hub, and CS09, of the PPMID (GBCS 11.9).

Both go to the access control broker, signed and without MAC (RTDS 4.5.0).
"""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated, Final

from cryptography.hazmat import asn1

from hanota.eui64 import Eui64
from hanota.gbcs import der
from hanota.gbcs.message import Cra, Message

FIRMWARE_TRANSFER_MESSAGE_CODE: Final = 0x0128
PPMID_ACTIVATION_MESSAGE_CODE: Final = 0x012B

FIRMWARE_TRANSFER_FAILED: Final = 0x8F89
"""Alert Code of CCS08: the image did not reach the device."""
FIRMWARE_TRANSFER_SUCCEEDED: Final = 0x8F8A
"""Alert Code of CCS08: the device has the image."""
PPMID_FIRMWARE_ACTIVATION: Final = 0x8F8B
"""Alert Code of CS09, whatever the outcome."""


class TransferResponseCode(IntEnum):
    """`responseCode` of CCS08; 0 is proven by RTDS 4.5.0, the others follow the order of the DUIS schema."""

    SUCCESS = 0
    IMAGE_DISCARDED = 1
    HARDWARE_VERSION_MISMATCH = 2
    FILE_TRANSFER_FAILURE = 3


class ActivateImageResult(IntEnum):
    """`activateImageResult` of CS09."""

    SUCCESS = 0
    FAILURE = 1


@der.sequence
class FirmwareTransferAlert:
    """Payload of CCS08."""

    alert_code: int
    date: asn1.GeneralizedTime
    entity_id: Annotated[bytes, asn1.Size.exact(8)]
    """The device the image was for."""
    firmware_version: Annotated[bytes, asn1.Size.exact(4)]
    response_code: int
    """See TransferResponseCode."""

    @property
    def device(self) -> Eui64:
        """Return the device the image was for."""
        return Eui64(self.entity_id)


@der.sequence
class PpmidFirmwareActivationAlert:
    """Payload of CS09."""

    alert_code: int
    activation_date_time: asn1.GeneralizedTime
    firmware_version: Annotated[bytes, asn1.Size.exact(4)]
    """The version now executing."""
    activate_image_result: int
    """See ActivateImageResult."""


def decode_firmware_transfer(payload: bytes) -> FirmwareTransferAlert:
    """Read the payload of CCS08; raise RemoteProtocolError."""
    return der.decode(FirmwareTransferAlert, payload)


def decode_ppmid_activation(payload: bytes) -> PpmidFirmwareActivationAlert:
    """Read the payload of CS09; raise RemoteProtocolError."""
    return der.decode(PpmidFirmwareActivationAlert, payload)


def firmware_transfer_alert(
    originator: Eui64,
    recipient: Eui64,
    counter: int,
    *,
    device: Eui64,
    firmware_version: bytes,
    response_code: TransferResponseCode,
    now: float,
) -> Message:
    """Return CCS08 from the hub to the access control broker, not yet signed."""
    succeeded = response_code is TransferResponseCode.SUCCESS
    payload = FirmwareTransferAlert(
        alert_code=FIRMWARE_TRANSFER_SUCCEEDED if succeeded else FIRMWARE_TRANSFER_FAILED,
        date=der.generalized_time(now),
        entity_id=bytes(device),
        firmware_version=firmware_version,
        response_code=response_code,
    )
    return _alert(originator, recipient, counter, FIRMWARE_TRANSFER_MESSAGE_CODE, der.encode(payload))


def ppmid_activation_alert(
    originator: Eui64,
    recipient: Eui64,
    counter: int,
    *,
    firmware_version: bytes,
    result: ActivateImageResult,
    now: float,
) -> Message:
    """Return CS09 from a PPMID to the access control broker, not yet signed."""
    payload = PpmidFirmwareActivationAlert(
        alert_code=PPMID_FIRMWARE_ACTIVATION,
        activation_date_time=der.generalized_time(now),
        firmware_version=firmware_version,
        activate_image_result=result,
    )
    return _alert(originator, recipient, counter, PPMID_ACTIVATION_MESSAGE_CODE, der.encode(payload))


def _alert(originator: Eui64, recipient: Eui64, counter: int, message_code: int, payload: bytes) -> Message:
    return Message(
        cra=Cra.ALERT,
        originator_counter=counter,
        originator=originator,
        recipient=recipient,
        message_code=message_code,
        payload=payload,
    )
