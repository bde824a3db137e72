"""Read a Service Request document by the rules of the DUIS 5.4 schema, stricter only where noted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, assert_never

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
from hanota.duis.header import header_of
from hanota.duis.request import (
    FIRMWARE_HASH_SIZE,
    INSTALL_CODE_SIZES,
    MAXIMUM_JOIN_TIME_PERIOD,
    ActivateFirmware,
    CommandVariant,
    HanDeviceLogChange,
    InventoryCriterion,
    Mpxn,
    PropertyFilter,
    ReadFirmwareVersion,
    ReadInventory,
    RequestId,
    ServiceReference,
    ServiceRequest,
    SignedPreCommand,
    UpdateFirmware,
    UpdateHanDeviceLog,
    UpdatePpmidFirmware,
    Uprn,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from lxml.etree import _Element

    from hanota.eui64 import Eui64

POST_CODE_LENGTHS: Final = range(6, 9)
"""Characters of a PostCode in the schema."""
ADDRESS_LENGTHS: Final = range(31)
"""Characters of an AddressIdentifier in the schema."""
MAXIMUM_UPRN: Final = 10**12 - 1
"""A UPRN has at most 12 digits."""


def parse_request(document: bytes, limits: DocumentLimits | None = None) -> ServiceRequest:
    """Return the Service Request in a document.

    Raise ServiceReferenceError or CommandVariantError (`hanota.duis.header`) where the bench does not serve
    it, or DuisError where it is malformed. The XMLDSig signature may be there and is not checked.
    """
    limits = limits or DocumentLimits()
    root = parse_document(document, limits)
    check_root(root, "Request")
    children = ElementSequence(root)
    request_id, reference, variant = header_of(children.required("Header"))
    body = children.required("Body")
    children.optional("Signature", XML_SIGNATURE)
    children.end()
    choice = ElementSequence(body)
    request = _body(request_id, reference, variant, choice, limits)
    choice.end()
    return request


def _body(
    request_id: RequestId,
    reference: ServiceReference,
    variant: CommandVariant,
    choice: ElementSequence,
    limits: DocumentLimits,
) -> ServiceRequest:
    match reference:
        case ServiceReference.UPDATE_FIRMWARE:
            fields = _fields(choice, UpdateFirmware)
            request: ServiceRequest = UpdateFirmware(request_id, *_update(fields, limits))
        case ServiceReference.UPDATE_PPMID_FIRMWARE:
            fields = _fields(choice, UpdatePpmidFirmware)
            request = UpdatePpmidFirmware(request_id, *_update(fields, limits))
        case ServiceReference.ACTIVATE_FIRMWARE if variant is CommandVariant.SIGNED_PRE_COMMAND:
            fields = _fields(choice, SignedPreCommand)
            when = _execution_date_time(fields)
            request = SignedPreCommand(request_id, values.base64(fields.required("GBCSPayload")), when)
        case ServiceReference.ACTIVATE_FIRMWARE:
            fields = _fields(choice, ActivateFirmware)
            when = _execution_date_time(fields)
            firmware_hash = values.hexadecimal(fields.required("FirmwareHash"), FIRMWARE_HASH_SIZE)
            request = ActivateFirmware(request_id, firmware_hash, when)
        case ServiceReference.READ_FIRMWARE_VERSION:
            fields = _fields(choice, ReadFirmwareVersion)
            request = ReadFirmwareVersion(request_id, _execution_date_time(fields))
        case ServiceReference.UPDATE_HAN_DEVICE_LOG:
            fields = _fields(choice, UpdateHanDeviceLog)
            request = _update_han_device_log(request_id, fields)
        case ServiceReference.READ_INVENTORY:
            fields = _fields(choice, ReadInventory)
            request = ReadInventory(request_id, _criterion(fields))
        case _:
            assert_never(reference)
    fields.end()
    return request


def _fields(choice: ElementSequence, request: type[ServiceRequest]) -> ElementSequence:
    return ElementSequence(choice.required(request.body_element))


def _update(fields: ElementSequence, limits: DocumentLimits) -> tuple[bytes, str, tuple[Eui64, ...]]:
    return (
        _firmware_image(fields.required("FirmwareImage"), limits),
        values.firmware_version(fields.required("FirmwareVersion")),
        values.device_ids(fields.required("DeviceIDList"), limits),
    )


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


def _update_han_device_log(request_id: RequestId, fields: ElementSequence) -> UpdateHanDeviceLog:
    """Read the fields of 8.11.

    The schema lets an addition be without what it needs, and a removal have it; here neither is taken.
    """
    when = _execution_date_time(fields)
    device = values.eui(fields.required("DeviceID"))
    change = values.enumerated(fields.required("RequestType"), HanDeviceLogChange)
    match change:
        case HanDeviceLogChange.REMOVE:
            return UpdateHanDeviceLog(request_id, device, change, execution_date_time=when)
        case HanDeviceLogChange.ADD:
            added = ElementSequence(fields.required("AddDeviceToCHFWhitelist"))
            request = UpdateHanDeviceLog(
                request_id,
                device,
                change,
                join_time_period=_join_time_period(added.required("JoinTimePeriod")),
                install_code=_install_code(added.required("InstallCode")),
                import_mpxn=_optional(added, "ImportMPxN", values.mpxn),
                secondary_import_mpan=_optional(added, "SecondaryImportMPAN", values.mpan),
                export_mpan=_optional(added, "ExportMPAN", values.mpan),
                execution_date_time=when,
            )
            added.end()
            return request
        case _:
            assert_never(change)


def _join_time_period(element: _Element) -> int:
    return values.positive(element, MAXIMUM_JOIN_TIME_PERIOD)


def _install_code(element: _Element) -> bytes:
    # Not in the message what was there instead: it may be an install code, only a longer one.
    for size in INSTALL_CODE_SIZES:
        if len(token(element)) == 2 * size:
            return values.hexadecimal(element, size)
    first, last = INSTALL_CODE_SIZES[0], INSTALL_CODE_SIZES[-1]
    raise DuisError(f"{path(element)}: expected {first} to {last} octets in hex digits")


def _optional(fields: ElementSequence, name: str, read: Callable[[_Element], str]) -> str | None:
    element = fields.optional(name)
    return None if element is None else read(element)


def _criterion(fields: ElementSequence) -> InventoryCriterion:
    if (element := fields.optional("UPRN")) is not None:
        return Uprn(values.positive(element, MAXIMUM_UPRN))
    if (element := fields.optional("MPxN")) is not None:
        return Mpxn(values.mpxn(element))
    if (element := fields.optional("PropertyFilter")) is not None:
        parts = ElementSequence(element)
        post_code = values.string(parts.required("PostCode"), POST_CODE_LENGTHS)
        address = values.string(parts.required("AddressIdentifier"), ADDRESS_LENGTHS)
        parts.end()
        return PropertyFilter(post_code, address)
    return values.eui(fields.required("DeviceID"))
