"""Write a Service Request document, unsigned (the schema leaves the signature optional)."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Final, assert_never

from lxml import etree

from hanota.duis.document import SERVICE_USER_GATEWAY, DuisError, qname
from hanota.duis.parse import parse_request
from hanota.duis.request import (
    BODY_ELEMENTS,
    ActivateFirmware,
    ReadFirmwareVersion,
    ServiceRequest,
    UpdateFirmware,
    UpdatePpmidFirmware,
)
from hanota.errors import LocalProtocolError

if TYPE_CHECKING:
    from datetime import datetime

    from lxml.etree import _Element

SCHEMA_VERSION: Final = "5.4"
"""The DUIS schema version written into every document."""


def build_request(request: ServiceRequest) -> bytes:
    """Return the document; raise LocalProtocolError where `parse_request` would refuse it."""
    root = etree.Element(
        qname(SERVICE_USER_GATEWAY, "Request"),
        {"schemaVersion": SCHEMA_VERSION},
        nsmap={"sr": SERVICE_USER_GATEWAY},
    )
    reference = request.service_reference
    try:
        header = _add(root, "Header")
        _add(header, "RequestID", str(request.request_id))
        _add(header, "CommandVariant", str(request.command_variant))
        _add(header, "ServiceReference", reference)
        _add(header, "ServiceReferenceVariant", reference)
        _fill(_add(_add(root, "Body"), BODY_ELEMENTS[reference]), request)
        document = etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)
        parse_request(document)
    except (DuisError, ValueError) as error:
        raise LocalProtocolError(f"not a DUIS request: {error}") from error
    return document


def _fill(body: _Element, request: ServiceRequest) -> None:
    match request:
        case UpdateFirmware() | UpdatePpmidFirmware():
            _add(body, "FirmwareImage", b64encode(request.firmware_image).decode("ascii"))
            _add(body, "FirmwareVersion", request.firmware_version)
            _add(body, "DeviceIDList", ",".join(str(device) for device in request.device_ids))
        case ActivateFirmware():
            _add_execution_date_time(body, request.execution_date_time)
            _add(body, "FirmwareHash", request.firmware_hash.hex().upper())
        case ReadFirmwareVersion():
            _add_execution_date_time(body, request.execution_date_time)
        case _:
            assert_never(request)


def _add(parent: _Element, name: str, content: str | None = None) -> _Element:
    element = etree.SubElement(parent, qname(SERVICE_USER_GATEWAY, name))
    element.text = content
    return element


def _add_execution_date_time(body: _Element, when: datetime | None) -> None:
    if when is not None:
        _add(body, "ExecutionDateTime", when.isoformat(timespec="microseconds").replace("+00:00", "Z"))
