"""Write a document of the DCC, unsigned, with no white space between elements."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from hanota.duis.dcc_alert import CommsHubAlert, CspFirmwareDeliveryStatus, DccAlert, PpmidAlert
from hanota.duis.document import DuisError
from hanota.duis.other_services import OtherServiceReference
from hanota.duis.parse_response import parse_response
from hanota.duis.response import (
    WARNING_ELEMENTS,
    WARNING_LISTS,
    DccAlertMessage,
    DeviceAlertMessage,
    DspInventory,
    FutureDatedDeviceAlertMessage,
    GbcsPayload,
    PreCommand,
    Response,
    ResponseBody,
    ResponseMessage,
    UpdateFirmwareWarning,
)
from hanota.duis.values import ALERT_CODE_SIZE
from hanota.duis.writing import (
    add,
    add_base64,
    add_date_time,
    add_device_ids,
    add_hexadecimal,
    new_document,
    to_octets,
)
from hanota.errors import LocalProtocolError

if TYPE_CHECKING:
    from datetime import datetime

    from lxml.etree import _Element

    from hanota.duis.inventory import InventoryDevice


def build_response(response: Response) -> bytes:
    """Return the document; raise LocalProtocolError where `parse_response` would refuse it."""
    root = new_document("Response")
    try:
        header = add(root, "Header")
        if response.request_id is not None:
            add(header, "RequestID", str(response.request_id))
        if response.response_id is not None:
            add(header, "ResponseID", str(response.response_id))
        add(header, "ResponseCode", response.response_code)
        _add_time(header, "ResponseDateTime", response.response_date_time)
        _add_body(add(root, "Body"), response.body)
        document = to_octets(root)
        parse_response(document)
    except (DuisError, ValueError, OverflowError) as error:
        raise LocalProtocolError(f"not a DUIS response: {error}") from error
    return document


def _add_body(parent: _Element, body: ResponseBody) -> None:
    match body:
        case ResponseMessage():
            _add_response(add(parent, "ResponseMessage"), body)
        case DeviceAlertMessage():
            message = add(parent, "DeviceAlertMessage")
            _add_alert_code(message, "AlertCode", body.alert_code)
            add_base64(message, "GBCSPayload", body.gbcs_payload)
        case DccAlertMessage():
            message = add(parent, "DCCAlertMessage")
            add(message, "DCCAlertCode", body.alert.dcc_alert_code)
            _add_dcc_alert(add(message, "DCCAlert"), body.alert)
        case _:
            assert_never(body)


def _add_response(message: _Element, body: ResponseMessage) -> None:
    reference = body.service_reference
    add(message, "ServiceReference", str(reference))
    variant = reference.variant if isinstance(reference, OtherServiceReference) else reference
    add(message, "ServiceReferenceVariant", variant)
    match body.content:
        case None:
            return
        case PreCommand(gbcs_version, gbcs_payload):
            pre_command = add(message, "PreCommand")
            add(pre_command, "GBCSVersion", gbcs_version)
            add_base64(pre_command, "GBCSPayload", gbcs_payload)
        case GbcsPayload(octets):
            add_base64(message, "GBCSPayload", octets)
        case FutureDatedDeviceAlertMessage() as alert:
            outcome = add(message, "FutureDatedDeviceAlertMessage")
            _add_alert_code(outcome, "FutureDatedAlertCode", alert.alert_code)
            add_base64(outcome, "GBCSPayload", alert.gbcs_payload)
            add(outcome, "InstructionNumber", str(alert.instruction_number))
            add(outcome, "TotalCommandInstructions", str(alert.total_command_instructions))
        case UpdateFirmwareWarning() as warning:
            element = WARNING_ELEMENTS.get(reference)
            if element is None:
                raise LocalProtocolError(f"{reference} is answered without lists of devices")
            lists = add(message, element)
            for name, list_element in WARNING_LISTS.items():
                if devices := getattr(warning, name):
                    add_device_ids(lists, list_element, devices)
        case DspInventory(devices):
            inventory = add(message, "DSPInventory")
            for device in devices:
                _add_device(add(inventory, "Device"), device)
        case _:
            assert_never(body.content)


def _add_device(element: _Element, device: InventoryDevice) -> None:
    commissioned = device.date_commissioned
    for name, value in (
        ("DeviceID", str(device.device_id)),
        ("DeviceType", device.device_type),
        ("DeviceStatus", device.device_status),
        ("DeviceManufacturer", device.device_manufacturer),
        ("DeviceModel", device.device_model),
        ("SMETSCHTSVersion", device.smets_chts_version),
        ("DeviceFirmwareVersion", device.device_firmware_version),
        ("DeviceFirmwareVersionStatus", device.device_firmware_version_status),
        ("CPLStatus", device.cpl_status),
        ("DateCommissioned", None if commissioned is None else commissioned.isoformat()),
        ("ImportMPxN", device.import_mpxn),
        ("SecondaryImportMPAN", device.secondary_import_mpan),
        ("ExportMPAN", device.export_mpan),
        ("DeviceGBCSVersion", device.device_gbcs_version),
    ):
        if value is not None:
            add(element, name, value)


def _add_dcc_alert(parent: _Element, alert: DccAlert) -> None:
    element = add(parent, alert.body_element)
    match alert:
        case CspFirmwareDeliveryStatus():
            add(element, "UpdateFirmwareRequestID", str(alert.update_firmware_request_id))
            add(element, "CommsHubDeviceID", str(alert.comms_hub_device_id))
            add(element, "TargetDeviceID", str(alert.target_device_id))
            add(element, "FirmwareVersion", alert.firmware_version)
            _add_time(element, "TimeStamp", alert.time_stamp)
            add(element, "CommsHubTransferStatus", alert.comms_hub_transfer_status)
        case CommsHubAlert():
            add(element, "CommsHubDeviceID", str(alert.comms_hub_device_id))
            _add_alert_code(element, "AlertCode", alert.alert_code)
            _add_time(element, "TimeStamp", alert.time_stamp)
            if (transfer := alert.firmware_transfer_alert) is not None:
                content = add(element, "FirmwareTransferAlert")
                if transfer.update_firmware_request_id is not None:
                    add(content, "UpdateFirmwareRequestID", str(transfer.update_firmware_request_id))
                add(content, "OtherDeviceID", str(transfer.other_device_id))
                add(content, "FirmwareVersion", transfer.firmware_version)
                add(content, "TransferResponseCode", transfer.transfer_response_code)
        case PpmidAlert():
            add(element, "DeviceID", str(alert.device_id))
            _add_alert_code(element, "DeviceAlertCode", alert.device_alert_code)
            _add_time(element, "Timestamp", alert.timestamp)
            if (upgrade := alert.ppmid_firmware_upgrade_alert) is not None:
                content = add(element, "PPMIDFirmwareUpgradeAlert")
                add(content, "FirmwareVersion", upgrade.firmware_version)
                add(content, "ActivateImageResultCode", upgrade.activate_image_result_code)
        case _:
            assert_never(alert)


def _add_alert_code(parent: _Element, name: str, code: int) -> None:
    add_hexadecimal(parent, name, code.to_bytes(ALERT_CODE_SIZE, "big"))


def _add_time(parent: _Element, name: str, when: datetime | None) -> None:
    if when is not None:
        add_date_time(parent, name, when, "milliseconds")
