"""DUIS documents in words, a row a fact."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Final, assert_never

from hanota.duis.dcc_alert import CommsHubAlert, CspFirmwareDeliveryStatus, DccAlert, PpmidAlert
from hanota.duis.document import XML_SIGNATURE, qname
from hanota.duis.header import RequestHeader
from hanota.duis.other_services import OtherServiceReference
from hanota.duis.request import (
    ActivateFirmware,
    InventoryCriterion,
    Mpxn,
    PropertyFilter,
    ReadFirmwareVersion,
    ReadInventory,
    ServiceReference,
    ServiceRequest,
    SignedPreCommand,
    UpdateFirmware,
    UpdateHanDeviceLog,
    UpdatePpmidFirmware,
    Uprn,
)
from hanota.duis.response import (
    WARNING_LISTS,
    DccAlertMessage,
    DeviceAlertMessage,
    DspInventory,
    FutureDatedDeviceAlertMessage,
    GbcsPayload,
    PreCommand,
    Response,
    ResponseContent,
    ResponseMessage,
    UpdateFirmwareWarning,
)
from hanota.duis.signature_form import SignatureError, signature_form
from hanota.errors import RemoteProtocolError
from hanota.eui64 import Eui64
from hanota.gbcs.alert_codes import alert_words
from hanota.gbcs.message import Message
from hanota.gbcs.usecases import use_case_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from lxml.etree import _Element

    from hanota.duis.inventory import InventoryDevice

_TITLES: Final = {
    ServiceReference.READ_INVENTORY: "Read Inventory",
    ServiceReference.UPDATE_HAN_DEVICE_LOG: "Update HAN Device Log",
    ServiceReference.UPDATE_FIRMWARE: "Update Firmware",
    ServiceReference.READ_FIRMWARE_VERSION: "Read Firmware Version",
    ServiceReference.ACTIVATE_FIRMWARE: "Activate Firmware",
    ServiceReference.UPDATE_PPMID_FIRMWARE: "Update PPMID Firmware",
}


def rows(document: ServiceRequest | RequestHeader | Response, root: _Element) -> Iterator[tuple[str, str]]:
    """Yield name and value of everything a document says; `root` is what it was parsed from.

    Of a Service Request that is not served there is the Header alone.
    """
    match document:
        case Response():
            yield from _response(document)
        case RequestHeader():
            yield from _header(document)
        case _:
            yield from _request(document)
    yield "signature", _signature(root)


def _header(header: RequestHeader) -> Iterator[tuple[str, str]]:
    reference, request_id = header.service_reference, header.request_id
    match reference:
        case OtherServiceReference(variant=variant):
            said = f"{variant}, not served"
        case None:
            said = "of no Service Reference of DUIS"
        case _:
            said = f"{reference} {_TITLES[reference]}, not served in this Command Variant"
    yield "Service Request", said
    if header.command_variant is not None:
        yield "Command Variant", str(header.command_variant)
    if request_id is not None:
        yield "from", str(request_id.originator)
        yield "to", str(request_id.target)
        yield "counter", str(request_id.counter)


def _request(request: ServiceRequest) -> Iterator[tuple[str, str]]:
    reference, request_id = request.service_reference, request.request_id
    yield "Service Request", f"{reference} {_TITLES[reference]}, Command Variant {request.command_variant}"
    yield "from", str(request_id.originator)
    yield "to", str(request_id.target)
    yield "counter", str(request_id.counter)
    match request:
        case UpdateFirmware() | UpdatePpmidFirmware():
            image = request.firmware_image
            yield "Firmware Image", f"{len(image)} octets, SHA-256 {sha256(image).hexdigest()}"
            yield "Firmware Version", request.firmware_version
            yield "devices", _devices(request.device_ids)
        case ActivateFirmware():
            yield "Firmware Hash", request.firmware_hash.hex().upper()
            if request.is_cancellation:
                yield "when", "never: cancels a future dated activation"
            else:
                yield "when", _when(request.execution_date_time)
        case SignedPreCommand():
            yield "Signed Pre-Command", _gbcs(request.gbcs_payload)
        case ReadFirmwareVersion():
            yield "when", _when(request.execution_date_time)
        case UpdateHanDeviceLog():
            yield "change", request.request_type
            yield "device", str(request.device_id)
            if request.join_time_period is not None:
                yield "may join for", f"{request.join_time_period} s, with the install code in the document"
            yield "when", _when(request.execution_date_time)
        case ReadInventory():
            yield "of", _criterion(request.criterion)
        case _:
            assert_never(request)


def _criterion(criterion: InventoryCriterion) -> str:
    match criterion:
        case Eui64():
            return f"device {criterion}"
        case Uprn(number):
            return f"UPRN {number}"
        case Mpxn(value):
            return f"MPxN {value}"
        case PropertyFilter(post_code, address_identifier):
            return f"property {address_identifier}, {post_code}"
        case _:
            assert_never(criterion)


def _response(response: Response) -> Iterator[tuple[str, str]]:
    match response.body:
        case ResponseMessage(reference, content):
            title = "not served" if isinstance(reference, OtherServiceReference) else _TITLES[reference]
            yield "Response", f"to {reference} {title}"
            rest = _content(content)
        case DeviceAlertMessage() as alert:
            yield "device alert", alert_words(alert.alert_code)
            rest = iter([("GBCS payload", _gbcs(alert.gbcs_payload))])
        case DccAlertMessage(dcc_alert):
            yield "DCC alert", f"{dcc_alert.dcc_alert_code} {dcc_alert.body_element}"
            rest = _dcc_alert(dcc_alert)
        case _:
            assert_never(response.body)
    if response.request_id is not None:
        yield "RequestID", str(response.request_id)
    if response.response_id is not None:
        yield "ResponseID", str(response.response_id)
    yield "Response Code", response.response_code
    yield "time", response.response_date_time.isoformat()
    yield from rest


def _content(content: ResponseContent | None) -> Iterator[tuple[str, str]]:
    match content:
        case None:
            return
        case PreCommand(gbcs_version, gbcs_payload):
            yield "Pre-Command", f"GBCS {gbcs_version}, {_gbcs(gbcs_payload)}"
        case GbcsPayload(octets):
            yield "GBCS payload", _gbcs(octets)
        case FutureDatedDeviceAlertMessage() as alert:
            yield "future dated", f"{alert.alert_code:04X} {alert.alert_code.name.lower().replace('_', ' ')}"
            yield "instruction", f"{alert.instruction_number} of {alert.total_command_instructions}"
            yield "GBCS payload", _gbcs(alert.gbcs_payload)
        case UpdateFirmwareWarning() as warning:
            for name in WARNING_LISTS:
                if devices := getattr(warning, name):
                    yield name.replace("_", " "), _devices(devices)
        case DspInventory(devices):
            for device in devices:
                yield "device", _inventory_device(device)
        case _:
            assert_never(content)


def _inventory_device(device: InventoryDevice) -> str:
    facts = (
        device.device_type,
        device.device_status,
        device.device_manufacturer,
        device.device_model,
        device.device_firmware_version and f"version {device.device_firmware_version}",
    )
    return f"{device.device_id}: {', '.join(fact for fact in facts if fact)}"


def _dcc_alert(alert: DccAlert) -> Iterator[tuple[str, str]]:
    match alert:
        case CspFirmwareDeliveryStatus():
            yield "request", str(alert.update_firmware_request_id)
            yield "hub", str(alert.comms_hub_device_id)
            yield "device", str(alert.target_device_id)
            yield "Firmware Version", alert.firmware_version
            yield "outcome", alert.comms_hub_transfer_status
        case CommsHubAlert():
            yield "hub", str(alert.comms_hub_device_id)
            yield "alert code", alert_words(alert.alert_code)
            if (transfer := alert.firmware_transfer_alert) is not None:
                yield "device", str(transfer.other_device_id)
                yield "Firmware Version", transfer.firmware_version
                yield "outcome", transfer.transfer_response_code
        case PpmidAlert():
            yield "device", str(alert.device_id)
            yield "alert code", alert_words(alert.device_alert_code)
            if (upgrade := alert.ppmid_firmware_upgrade_alert) is not None:
                yield "Firmware Version", upgrade.firmware_version
                yield "outcome", upgrade.activate_image_result_code
        case _:
            assert_never(alert)


def _signature(root: _Element) -> str:
    if next(root.iter(qname(XML_SIGNATURE, "Signature")), None) is None:
        return "none"
    try:
        form = signature_form(root)
    except SignatureError as error:
        return f"not in the form of DUIS: {error}"
    return f"not verified here; by certificate {form.serial_number} of {form.issuer}"


def _gbcs(octets: bytes) -> str:
    try:
        message = Message.decode(octets)
    except RemoteProtocolError as error:
        return f"{len(octets)} octets, no GBCS message: {error}"
    return f"{use_case_name(message)} {message.shape.value}, {len(octets)} octets"


def _devices(devices: Iterable[Eui64]) -> str:
    return ", ".join(map(str, devices))


def _when(when: datetime | None) -> str:
    return "at once" if when is None else when.isoformat()
