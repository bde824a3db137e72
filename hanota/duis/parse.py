"""Read a Service Request document by the rules of the DUIS 5.4 schema, stricter only where noted."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from hanota.duis import values
from hanota.duis.document import (
    XML_SIGNATURE,
    DocumentLimits,
    DuisError,
    ElementSequence,
    check_root,
    parse_document,
    path,
    token,
)
from hanota.duis.request import (
    BODY_ELEMENTS,
    COMMAND_VARIANTS,
    FIRMWARE_HASH_SIZE,
    ActivateFirmware,
    ReadFirmwareVersion,
    RequestId,
    ServiceReference,
    ServiceRequest,
    UpdateFirmware,
    UpdatePpmidFirmware,
)

if TYPE_CHECKING:
    from datetime import datetime

    from lxml.etree import _Element

    from hanota.eui64 import Eui64


def parse_request(document: bytes, limits: DocumentLimits | None = None) -> ServiceRequest:
    """Return the firmware Service Request in a document; raise DuisError.

    The XMLDSig signature may be there and is not checked.
    """
    limits = limits or DocumentLimits()
    root = parse_document(document, limits)
    check_root(root, "Request")
    children = ElementSequence(root)
    header = children.required("Header")
    body = children.required("Body")
    children.optional("Signature", XML_SIGNATURE)
    children.end()
    request_id, reference = _header(header)
    choice = ElementSequence(body)
    element = choice.required(BODY_ELEMENTS[reference])
    choice.end()
    return _body(request_id, reference, element, limits)


def _header(element: _Element) -> tuple[RequestId, ServiceReference]:
    fields = ElementSequence(element)
    request_id = values.request_id(fields.required("RequestID"))
    fields.optional("FirstInSequence")
    fields.optional("PrecedingServiceRequestID")
    variant = fields.required("CommandVariant")
    reference = values.enumerated(fields.required("ServiceReference"), ServiceReference)
    _expect(fields.required("ServiceReferenceVariant"), reference, reference)
    _expect(variant, str(COMMAND_VARIANTS[reference]), reference)
    fields.end()
    return request_id, reference


def _body(
    request_id: RequestId, reference: ServiceReference, element: _Element, limits: DocumentLimits
) -> ServiceRequest:
    fields = ElementSequence(element)
    request: ServiceRequest
    match reference:
        case ServiceReference.UPDATE_FIRMWARE:
            request = UpdateFirmware(request_id, *_update(fields, limits))
        case ServiceReference.UPDATE_PPMID_FIRMWARE:
            request = UpdatePpmidFirmware(request_id, *_update(fields, limits))
        case ServiceReference.ACTIVATE_FIRMWARE:
            when = _execution_date_time(fields)
            firmware_hash = values.hexadecimal(fields.required("FirmwareHash"), FIRMWARE_HASH_SIZE)
            request = ActivateFirmware(request_id, firmware_hash, when)
        case ServiceReference.READ_FIRMWARE_VERSION:
            request = ReadFirmwareVersion(request_id, _execution_date_time(fields))
        case _:
            assert_never(reference)
    fields.end()
    return request


def _update(fields: ElementSequence, limits: DocumentLimits) -> tuple[bytes, str, tuple[Eui64, ...]]:
    return (
        _firmware_image(fields.required("FirmwareImage"), limits),
        values.firmware_version(fields.required("FirmwareVersion")),
        values.device_ids(fields.required("DeviceIDList"), limits),
    )


def _expect(element: _Element, expected: str, reference: ServiceReference) -> None:
    value = token(element)
    if value != expected:
        raise DuisError(f"{path(element)}: expected {expected} with {reference}, got {value[:20]!r}")


def _firmware_image(element: _Element, limits: DocumentLimits) -> bytes:
    image = values.base64(element)
    if len(image) > limits.firmware_image_size:
        raise DuisError(
            f"{path(element)}: expected at most {limits.firmware_image_size} octets, got {len(image)}"
        )
    return image


def _execution_date_time(fields: ElementSequence) -> datetime | None:
    element = fields.optional("ExecutionDateTime")
    return None if element is None else values.date_time(element)
