"""Write a Service Request document, unsigned (the schema leaves the signature optional)."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from hanota.duis.document import DuisError
from hanota.duis.parse import parse_request
from hanota.duis.request import (
    ActivateFirmware,
    InventoryCriterion,
    Mpxn,
    PropertyFilter,
    ReadFirmwareVersion,
    ReadInventory,
    ServiceRequest,
    SignedPreCommand,
    UpdateFirmware,
    UpdateHanDeviceLog,
    UpdatePpmidFirmware,
    Uprn,
)
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
from hanota.eui64 import Eui64

if TYPE_CHECKING:
    from datetime import datetime

    from lxml.etree import _Element


def build_request(request: ServiceRequest) -> bytes:
    """Return the document; raise LocalProtocolError where `parse_request` would refuse it."""
    root = new_document("Request")
    reference = request.service_reference
    try:
        header = add(root, "Header")
        add(header, "RequestID", str(request.request_id))
        add(header, "CommandVariant", str(request.command_variant))
        add(header, "ServiceReference", reference)
        add(header, "ServiceReferenceVariant", reference)
        _fill(add(add(root, "Body"), request.body_element), request)
        document = to_octets(root, pretty=True)
        if parse_request(document) != request:
            raise LocalProtocolError(f"{reference}: the document cannot say all that was asked for")
    except (DuisError, ValueError) as error:
        raise LocalProtocolError(f"not a DUIS request: {error}") from error
    return document


def _fill(body: _Element, request: ServiceRequest) -> None:
    match request:
        case UpdateFirmware() | UpdatePpmidFirmware():
            add_base64(body, "FirmwareImage", request.firmware_image)
            add(body, "FirmwareVersion", request.firmware_version)
            add_device_ids(body, "DeviceIDList", request.device_ids)
        case ActivateFirmware():
            _add_execution_date_time(body, request.execution_date_time)
            add_hexadecimal(body, "FirmwareHash", request.firmware_hash)
        case SignedPreCommand():
            _add_execution_date_time(body, request.execution_date_time)
            add_base64(body, "GBCSPayload", request.gbcs_payload)
        case ReadFirmwareVersion():
            _add_execution_date_time(body, request.execution_date_time)
        case UpdateHanDeviceLog():
            _add_device_log_change(body, request)
        case ReadInventory():
            _add_criterion(body, request.criterion)
        case _:
            assert_never(request)


def _add_device_log_change(body: _Element, request: UpdateHanDeviceLog) -> None:
    _add_execution_date_time(body, request.execution_date_time)
    add(body, "DeviceID", str(request.device_id))
    add(body, "RequestType", request.request_type)
    if request.install_code is None or request.join_time_period is None:
        return
    added = add(body, "AddDeviceToCHFWhitelist")
    add(added, "JoinTimePeriod", str(request.join_time_period))
    add_hexadecimal(added, "InstallCode", request.install_code)
    for name, value in (
        ("ImportMPxN", request.import_mpxn),
        ("SecondaryImportMPAN", request.secondary_import_mpan),
        ("ExportMPAN", request.export_mpan),
    ):
        if value is not None:
            add(added, name, value)


def _add_criterion(body: _Element, criterion: InventoryCriterion) -> None:
    match criterion:
        case Eui64():
            add(body, "DeviceID", str(criterion))
        case Uprn(number):
            add(body, "UPRN", str(number))
        case Mpxn(value):
            add(body, "MPxN", value)
        case PropertyFilter():
            parts = add(body, "PropertyFilter")
            add(parts, "PostCode", criterion.post_code)
            add(parts, "AddressIdentifier", criterion.address_identifier)
        case _:
            assert_never(criterion)


def _add_execution_date_time(body: _Element, when: datetime | None) -> None:
    if when is not None:
        add_date_time(body, "ExecutionDateTime", when, "microseconds")
