"""Read a DCC alert by the rules of the DUIS 5.4 schema, those kinds alone that hanota sends."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from hanota.duis import values
from hanota.duis.dcc_alert import (
    ActivateImageResultCode,
    CommsHubAlert,
    CommsHubTransferStatus,
    CspFirmwareDeliveryStatus,
    DccAlert,
    DccAlertCode,
    FirmwareTransferAlert,
    PpmidAlert,
    PpmidFirmwareUpgradeAlert,
    TransferResponseCode,
)
from hanota.duis.document import DuisError, ElementSequence, path
from hanota.duis.values import alert_code

if TYPE_CHECKING:
    from datetime import datetime

    from lxml.etree import _Element


def dcc_alert(element: _Element) -> DccAlert:
    """Read a DCCAlertMessage; raise DuisError, also where alert and DCC Alert Code do not fit together."""
    fields = ElementSequence(element)
    code_element = fields.required("DCCAlertCode")
    code = values.enumerated(code_element, DccAlertCode)
    pass_over_throttling(fields)
    choice = ElementSequence(fields.required("DCCAlert"))
    fields.end()
    alert = _dcc_alert(choice, code)
    choice.end()
    if alert.dcc_alert_code is not code:
        raise DuisError(f"{path(code_element)}: expected {alert.dcc_alert_code} with this alert, got {code}")
    return alert


def _dcc_alert(choice: ElementSequence, code: DccAlertCode) -> DccAlert:
    alert: DccAlert
    match code:
        case DccAlertCode.FIRMWARE_DELIVERED | DccAlertCode.FIRMWARE_NOT_DELIVERED:
            fields = ElementSequence(choice.required(CspFirmwareDeliveryStatus.body_element))
            alert = _delivery_status(fields)
        case DccAlertCode.COMMS_HUB_ALERT:
            fields = ElementSequence(choice.required(CommsHubAlert.body_element))
            alert = _comms_hub_alert(fields)
        case DccAlertCode.PPMID_ALERT:
            fields = ElementSequence(choice.required(PpmidAlert.body_element))
            alert = _ppmid_alert(fields)
        case _:
            assert_never(code)
    fields.end()
    return alert


def _delivery_status(fields: ElementSequence) -> CspFirmwareDeliveryStatus:
    return CspFirmwareDeliveryStatus(
        values.request_id(fields.required("UpdateFirmwareRequestID")),
        values.eui(fields.required("CommsHubDeviceID")),
        values.eui(fields.required("TargetDeviceID")),
        values.firmware_version(fields.required("FirmwareVersion")),
        values.date_time(fields.required("TimeStamp")),
        values.enumerated(fields.required("CommsHubTransferStatus"), CommsHubTransferStatus),
    )


def _comms_hub_alert(fields: ElementSequence) -> CommsHubAlert:
    device = values.eui(fields.required("CommsHubDeviceID"))
    code = alert_code(fields.required("AlertCode"))
    when = _optional_time(fields.optional("TimeStamp"))
    element = fields.optional("FirmwareTransferAlert")
    return CommsHubAlert(device, code, None if element is None else _transfer(element), when)


def _transfer(element: _Element) -> FirmwareTransferAlert:
    fields = ElementSequence(element)
    request_id = fields.optional("UpdateFirmwareRequestID")
    alert = FirmwareTransferAlert(
        values.eui(fields.required("OtherDeviceID")),
        values.firmware_version(fields.required("FirmwareVersion")),
        values.enumerated(fields.required("TransferResponseCode"), TransferResponseCode),
        None if request_id is None else values.request_id(request_id),
    )
    fields.end()
    return alert


def _ppmid_alert(fields: ElementSequence) -> PpmidAlert:
    device = values.eui(fields.required("DeviceID"))
    code = alert_code(fields.required("DeviceAlertCode"))
    when = _optional_time(fields.optional("Timestamp"))
    element = fields.optional("PPMIDFirmwareUpgradeAlert")
    return PpmidAlert(device, code, None if element is None else _upgrade(element), when)


def _upgrade(element: _Element) -> PpmidFirmwareUpgradeAlert:
    fields = ElementSequence(element)
    alert = PpmidFirmwareUpgradeAlert(
        values.firmware_version(fields.required("FirmwareVersion")),
        values.enumerated(fields.required("ActivateImageResultCode"), ActivateImageResultCode),
    )
    fields.end()
    return alert


def _optional_time(element: _Element | None) -> datetime | None:
    return None if element is None else values.date_time(element)


def pass_over_throttling(fields: ElementSequence) -> None:
    """Take the numbers of a throttled alert, which say nothing of the alert itself."""
    fields.optional("ThrottledAlertSequenceId")
    fields.optional("ThrottledAlertCount")
