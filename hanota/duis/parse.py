"""Read a Service Request document by the rules of the DUIS 5.4 schema, stricter only where noted."""

from __future__ import annotations

import binascii
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, assert_never

from hanota.duis.document import (
    SERVICE_USER_GATEWAY,
    XML_SIGNATURE,
    DocumentLimits,
    DuisError,
    ElementSequence,
    describe,
    parse_document,
    path,
    qname,
    text,
    token,
)
from hanota.duis.request import (
    BODY_ELEMENTS,
    COMMAND_VARIANTS,
    EUI_PATTERN,
    FIRMWARE_HASH_SIZE,
    FIRMWARE_VERSION_LENGTH,
    ActivateFirmware,
    ReadFirmwareVersion,
    RequestId,
    ServiceReference,
    ServiceRequest,
    UpdateFirmware,
    UpdatePpmidFirmware,
)
from hanota.eui64 import Eui64

if TYPE_CHECKING:
    from lxml.etree import _Element

_EUI: Final = re.compile(EUI_PATTERN)
_HASH: Final = re.compile(f"[0-9A-Fa-f]{{{2 * FIRMWARE_HASH_SIZE}}}")
_SCHEMA_VERSION: Final = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_DATE_TIME: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:Z|[+-][0-9]{2}:[0-9]{2})"
)


def parse_request(document: bytes, limits: DocumentLimits | None = None) -> ServiceRequest:
    """Return the firmware Service Request in a document; raise DuisError.

    The XMLDSig signature may be there and is not checked.
    """
    limits = limits or DocumentLimits()
    root = parse_document(document, limits)
    if root.tag != qname(SERVICE_USER_GATEWAY, "Request"):
        raise DuisError(f"expected sr:Request in namespace {SERVICE_USER_GATEWAY}, got {describe(root)}")
    if not _SCHEMA_VERSION.fullmatch(root.get("schemaVersion") or ""):
        raise DuisError("Request: expected attribute schemaVersion, such as 5.4")
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
    request_id = _request_id(fields.required("RequestID"))
    fields.optional("FirstInSequence")
    fields.optional("PrecedingServiceRequestID")
    variant = fields.required("CommandVariant")
    reference = _service_reference(fields.required("ServiceReference"))
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
            request = ActivateFirmware(request_id, _firmware_hash(fields.required("FirmwareHash")), when)
        case ServiceReference.READ_FIRMWARE_VERSION:
            request = ReadFirmwareVersion(request_id, _execution_date_time(fields))
        case _:
            assert_never(reference)
    fields.end()
    return request


def _update(fields: ElementSequence, limits: DocumentLimits) -> tuple[bytes, str, tuple[Eui64, ...]]:
    return (
        _firmware_image(fields.required("FirmwareImage"), limits),
        _firmware_version(fields.required("FirmwareVersion")),
        _device_ids(fields.required("DeviceIDList"), limits),
    )


def _request_id(element: _Element) -> RequestId:
    try:
        return RequestId.parse(token(element))
    except DuisError as error:
        raise DuisError(f"{path(element)}: {error}") from None


def _service_reference(element: _Element) -> ServiceReference:
    value = text(element)
    try:
        return ServiceReference(value)
    except ValueError:
        known = ", ".join(ServiceReference)
        raise DuisError(f"{path(element)}: expected one of {known}, got {value[:20]!r}") from None


def _expect(element: _Element, expected: str, reference: ServiceReference) -> None:
    value = token(element)
    if value != expected:
        raise DuisError(f"{path(element)}: expected {expected} with {reference}, got {value[:20]!r}")


def _firmware_image(element: _Element, limits: DocumentLimits) -> bytes:
    try:
        image = binascii.a2b_base64(b"".join(text(element).encode("ascii").split()), strict_mode=True)
    except ValueError as error:
        raise DuisError(f"{path(element)}: expected base64: {error}") from None
    if len(image) > limits.firmware_image_size:
        raise DuisError(
            f"{path(element)}: expected at most {limits.firmware_image_size} octets, got {len(image)}"
        )
    return image


def _firmware_version(element: _Element) -> str:
    version = text(element)
    if not 1 <= len(version) <= FIRMWARE_VERSION_LENGTH:
        raise DuisError(
            f"{path(element)}: expected 1 to {FIRMWARE_VERSION_LENGTH} characters, got {len(version)}"
        )
    return version


def _device_ids(element: _Element, limits: DocumentLimits) -> tuple[Eui64, ...]:
    values = text(element).split(",", limits.device_ids)
    if len(values) > limits.device_ids:
        raise DuisError(f"{path(element)}: expected at most {limits.device_ids} EUIs")
    devices: dict[Eui64, None] = {}
    for value in values:
        if not _EUI.fullmatch(value):
            raise DuisError(
                f"{path(element)}: expected EUIs such as 00-DB-12-34-56-78-90-A4 parted by commas, "
                f"got {value[:40]!r}"
            )
        device = Eui64.parse(value)
        # The schema lets an EUI stand twice; one request cannot mean two updates of one device.
        if device in devices:
            raise DuisError(f"{path(element)}: {device} stands there twice")
        devices[device] = None
    return tuple(devices)


def _firmware_hash(element: _Element) -> bytes:
    value = token(element)
    if not _HASH.fullmatch(value):
        raise DuisError(f"{path(element)}: expected {2 * FIRMWARE_HASH_SIZE} hex digits, got {value[:80]!r}")
    return bytes.fromhex(value)


def _execution_date_time(fields: ElementSequence) -> datetime | None:
    element = fields.optional("ExecutionDateTime")
    if element is None:
        return None
    value = token(element)
    # The schema lets the time zone be missing; a device must not activate an hour early for it.
    fault = DuisError(
        f"{path(element)}: expected a date and time with time zone, such as 2030-01-15T09:00:00.00Z, "
        f"got {value[:40]!r}"
    )
    if not _DATE_TIME.fullmatch(value):
        raise fault
    try:
        return datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError):
        raise fault from None
