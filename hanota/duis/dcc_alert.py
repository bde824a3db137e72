"""DCC alerts of DUIS 5.4 about firmware: delivered to the hub or not, transferred or not, activated or not.

The schema gives the DCC Alert Codes and no meanings: N60 and N61 are known from the SEC, N62 and N39 are
inferred.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, TypeAlias

if TYPE_CHECKING:
    from datetime import datetime

    from hanota.duis.request import RequestId
    from hanota.eui64 import Eui64


class DccAlertCode(StrEnum):
    """Which DCC alert a document carries."""

    FIRMWARE_DELIVERED = "N60"
    """The Upgrade Image reached the Communications Hub."""
    FIRMWARE_NOT_DELIVERED = "N61"
    """The Upgrade Image did not reach the Communications Hub."""
    COMMS_HUB_ALERT = "N62"
    """What CCS08 says."""
    PPMID_ALERT = "N39"
    """What CS09 says."""


class CommsHubTransferStatus(StrEnum):
    """Whether the Communications Hub has the Upgrade Image."""

    SUCCESS = "Success"
    FAILURE = "Failure"


class TransferResponseCode(StrEnum):
    """`responseCode` of CCS08 in DUIS words."""

    FILE_TRANSFER_SUCCESS = "FileTransferSuccess"
    FIRMWARE_IMAGE_DISCARDED = "FirmwareImageDiscarded"
    HARDWARE_VERSION_MISMATCH = "HardwareVersionMismatch"
    FILE_TRANSFER_FAILURE = "FileTransferFailure"


class ActivateImageResultCode(StrEnum):
    """`activateImageResult` of CS09 in DUIS words."""

    ACTIVATION_SUCCESS = "ActivationSuccess"
    ACTIVATION_FAILURE = "ActivationFailure"


@dataclass(frozen=True, slots=True)
class CspFirmwareDeliveryStatus:
    """CSPFirmwareDeliveryStatus: whether an image reached the hub, for one device of a request."""

    body_element: ClassVar[str] = "CSPFirmwareDeliveryStatus"
    update_firmware_request_id: RequestId
    comms_hub_device_id: Eui64
    target_device_id: Eui64
    firmware_version: str
    time_stamp: datetime
    comms_hub_transfer_status: CommsHubTransferStatus

    @property
    def dcc_alert_code(self) -> DccAlertCode:
        """Return N60 or N61."""
        if self.comms_hub_transfer_status is CommsHubTransferStatus.SUCCESS:
            return DccAlertCode.FIRMWARE_DELIVERED
        return DccAlertCode.FIRMWARE_NOT_DELIVERED


@dataclass(frozen=True, slots=True)
class FirmwareTransferAlert:
    """FirmwareTransferAlert: the content of CCS08, and the request where the DCC knows it."""

    other_device_id: Eui64
    """The device the image was for."""
    firmware_version: str
    transfer_response_code: TransferResponseCode
    update_firmware_request_id: RequestId | None = None


@dataclass(frozen=True, slots=True)
class CommsHubAlert:
    """CommsHubAlert: the DCC's rendering of CCS08, alert code 8F8A or 8F89."""

    body_element: ClassVar[str] = "CommsHubAlert"
    comms_hub_device_id: Eui64
    alert_code: int
    firmware_transfer_alert: FirmwareTransferAlert | None = None
    time_stamp: datetime | None = None

    @property
    def dcc_alert_code(self) -> DccAlertCode:
        """Return N62."""
        return DccAlertCode.COMMS_HUB_ALERT


@dataclass(frozen=True, slots=True)
class PpmidFirmwareUpgradeAlert:
    """PPMIDFirmwareUpgradeAlert: the content of CS09."""

    firmware_version: str
    activate_image_result_code: ActivateImageResultCode


@dataclass(frozen=True, slots=True)
class PpmidAlert:
    """PPMIDAlert: the DCC's rendering of CS09, alert code 8F8B."""

    body_element: ClassVar[str] = "PPMIDAlert"
    device_id: Eui64
    device_alert_code: int
    ppmid_firmware_upgrade_alert: PpmidFirmwareUpgradeAlert | None = None
    timestamp: datetime | None = None

    @property
    def dcc_alert_code(self) -> DccAlertCode:
        """Return N39."""
        return DccAlertCode.PPMID_ALERT


DccAlert: TypeAlias = CspFirmwareDeliveryStatus | CommsHubAlert | PpmidAlert
