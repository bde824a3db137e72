"""What the DCC sends a service user (Response of DUIS 5.4): answers, responses, device and DCC alerts.

A synchronous answer has the RequestID alone. A response that follows later has a ResponseID too, the
RequestID with device and user exchanged; an alert has only a ResponseID, device or DCC first and the counter
the alert's own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Final, TypeAlias

from hanota.duis.request import ServiceReference

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from hanota.duis.dcc_alert import DccAlert
    from hanota.duis.inventory import InventoryDevice
    from hanota.duis.other_services import OtherServiceReference
    from hanota.duis.request import RequestId
    from hanota.duis.response_code import ResponseCode
    from hanota.eui64 import Eui64


class FutureDatedAlertCode(IntEnum):
    """Alert code of a future dated command's outcome (GBCS 00CA)."""

    ACTIONED = 0x8F66
    NOT_ACTIONED = 0x8F67


@dataclass(frozen=True, slots=True)
class PreCommand:
    """PreCommand: what a transformed request (Command Variant 4) becomes, to be signed by the user."""

    gbcs_version: str
    gbcs_payload: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class GbcsPayload:
    """GBCSPayload: a device's response as it came."""

    octets: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class FutureDatedDeviceAlertMessage:
    """FutureDatedDeviceAlertMessage: how a future dated command ended."""

    alert_code: FutureDatedAlertCode
    gbcs_payload: bytes = field(repr=False)
    instruction_number: int = 1
    total_command_instructions: int = 1


@dataclass(frozen=True, slots=True)
class UpdateFirmwareWarning:
    """DSPUpdateFirmwareWarning or DSPUpdatePPMIDFirmwareWarning: the devices left out, and why."""

    invalid: tuple[Eui64, ...] = ()
    """Unknown, or of a type the request is not for."""
    not_commissioned: tuple[Eui64, ...] = ()
    not_applicable_firmware: tuple[Eui64, ...] = ()
    """The Central Products List does not have the image for the device."""
    other_request_in_progress: tuple[Eui64, ...] = ()
    invalid_gbcs_version: tuple[Eui64, ...] = ()


@dataclass(frozen=True, slots=True)
class DspInventory:
    """DSPInventory: the answer to 8.2, 1 to 17 devices."""

    devices: tuple[InventoryDevice, ...]


ResponseContent: TypeAlias = (
    PreCommand | GbcsPayload | FutureDatedDeviceAlertMessage | UpdateFirmwareWarning | DspInventory
)

WARNING_ELEMENTS: Final[Mapping[ServiceReference | OtherServiceReference, str]] = {
    ServiceReference.UPDATE_FIRMWARE: "DSPUpdateFirmwareWarning",
    ServiceReference.UPDATE_PPMID_FIRMWARE: "DSPUpdatePPMIDFirmwareWarning",
}
"""The element that an UpdateFirmwareWarning becomes in the answer to each Service Request."""

WARNING_LISTS: Final = {
    "invalid": "InvalidDeviceIDList",
    "not_commissioned": "NotCommissionedDeviceIDList",
    "not_applicable_firmware": "NotApplicableFirmwareDeviceIDList",
    "other_request_in_progress": "OtherRequestInProgressList",
    "invalid_gbcs_version": "InvalidGBCSVersionList",
}
"""The element of each list of an UpdateFirmwareWarning, in the schema's order."""


@dataclass(frozen=True, slots=True)
class ResponseMessage:
    """ResponseMessage: the answer to a Service Request; no content for I99 and for errors."""

    service_reference: ServiceReference | OtherServiceReference
    """That of the request, served or not."""
    content: ResponseContent | None = None


@dataclass(frozen=True, slots=True)
class DeviceAlertMessage:
    """DeviceAlertMessage: a device's alert as it came, to the user it is addressed to."""

    alert_code: int
    gbcs_payload: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class DccAlertMessage:
    """DCCAlertMessage: what the DCC says by itself; its DCC Alert Code follows from the alert."""

    alert: DccAlert


ResponseBody: TypeAlias = ResponseMessage | DeviceAlertMessage | DccAlertMessage


@dataclass(frozen=True, slots=True)
class Response:
    """A document of the DCC; times are written to the millisecond."""

    response_code: ResponseCode
    response_date_time: datetime
    body: ResponseBody
    request_id: RequestId | None = None
    response_id: RequestId | None = None
