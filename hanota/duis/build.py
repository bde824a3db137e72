"""Write a Service Request document, unsigned (the schema leaves the signature optional)."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from hanota.duis.document import DuisError
from hanota.duis.parse import parse_request
from hanota.duis.request import (
    BODY_ELEMENTS,
    ActivateFirmware,
    ReadFirmwareVersion,
    ServiceRequest,
    UpdateFirmware,
    UpdatePpmidFirmware,
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
        _fill(add(add(root, "Body"), BODY_ELEMENTS[reference]), request)
        document = to_octets(root, pretty=True)
        parse_request(document)
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
        case ReadFirmwareVersion():
            _add_execution_date_time(body, request.execution_date_time)
        case _:
            assert_never(request)


def _add_execution_date_time(body: _Element, when: datetime | None) -> None:
    if when is not None:
        add_date_time(body, "ExecutionDateTime", when, "microseconds")
