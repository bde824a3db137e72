"""The Header of a Service Request: read by the schema's rules, or for as much as it tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hanota.duis import values
from hanota.duis.document import SERVICE_USER_GATEWAY as NAMESPACE
from hanota.duis.document import (
    DocumentLimits,
    DuisError,
    ElementSequence,
    check_root,
    parse_document,
    path,
    qname,
    text,
    token,
)
from hanota.duis.other_services import OtherServiceReference
from hanota.duis.request import COMMAND_VARIANTS, CommandVariant, RequestId, ServiceReference

if TYPE_CHECKING:
    from lxml.etree import _Element

_MAXIMUM_VARIANT: Final = 9
"""The highest Command Variant in the schema."""


class ServiceReferenceError(DuisError):
    """The document is a Service Request that the bench does not serve."""


class CommandVariantError(DuisError):
    """The Command Variant is not one of those taken with the Service Request."""


@dataclass(frozen=True, slots=True)
class RequestHeader:
    """What a Header tells; None for what is missing or no value of the schema."""

    request_id: RequestId | None
    service_reference: ServiceReference | OtherServiceReference | None
    command_variant: int | None
    """1 to 9, whether it fits the Service Reference or not."""


def parse_header(document: bytes, limits: DocumentLimits | None = None) -> RequestHeader:
    """Return what can be told of a document that `parse_request` refuses, to answer it by its RequestID.

    Raise DuisError where it is no document with the root Request.
    """
    root = parse_document(document, limits or DocumentLimits())
    check_root(root, "Request")
    header = root.find(qname(NAMESPACE, "Header"))
    if header is None:
        return RequestHeader(None, None, None)
    return RequestHeader(_request_id(header), _service_reference(header), _command_variant(header))


def header_of(element: _Element) -> tuple[RequestId, ServiceReference, CommandVariant]:
    """Read a Header; raise ServiceReferenceError, CommandVariantError, or DuisError."""
    fields = ElementSequence(element)
    request_id = values.request_id(fields.required("RequestID"))
    fields.optional("FirstInSequence")
    fields.optional("PrecedingServiceRequestID")
    variant = fields.required("CommandVariant")
    reference = _served(fields.required("ServiceReference"))
    _expect(fields.required("ServiceReferenceVariant"), reference, reference)
    fields.end()
    return request_id, reference, _variant(variant, reference)


def _served(element: _Element) -> ServiceReference:
    value = text(element)
    try:
        return ServiceReference(value)
    except ValueError:
        served = ", ".join(ServiceReference)
        raise ServiceReferenceError(
            f"{path(element)}: Service Request {value[:20]!r} is not served, only {served}"
        ) from None


def _expect(element: _Element, expected: str, reference: ServiceReference) -> None:
    value = token(element)
    if value != expected:
        raise DuisError(f"{path(element)}: expected {expected} with {reference}, got {value[:20]!r}")


def _variant(element: _Element, reference: ServiceReference) -> CommandVariant:
    value = token(element)
    for variant in COMMAND_VARIANTS[reference]:
        if value == str(variant):
            return variant
    expected = " or ".join(str(variant) for variant in COMMAND_VARIANTS[reference])
    raise CommandVariantError(f"{path(element)}: expected {expected} with {reference}, got {value[:20]!r}")


def _request_id(header: _Element) -> RequestId | None:
    element = header.find(qname(NAMESPACE, "RequestID"))
    try:
        return None if element is None else values.request_id(element)
    except DuisError:
        return None


def _service_reference(header: _Element) -> ServiceReference | OtherServiceReference | None:
    reference = header.find(qname(NAMESPACE, "ServiceReference"))
    variant = header.find(qname(NAMESPACE, "ServiceReferenceVariant"))
    try:
        if reference is None:
            return None
        if (value := text(reference)) in set(ServiceReference):
            return ServiceReference(value)
        return OtherServiceReference.of(value, value if variant is None else text(variant))
    except DuisError:
        return None


def _command_variant(header: _Element) -> int | None:
    element = header.find(qname(NAMESPACE, "CommandVariant"))
    try:
        return None if element is None else values.unsigned(element, _MAXIMUM_VARIANT) or None
    except DuisError:
        return None
