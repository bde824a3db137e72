"""The Header of a request that is refused: what it tells, and what kind of fault it has."""

from __future__ import annotations

import pytest

from hanota.duis.build import build_request
from hanota.duis.document import DuisError
from hanota.duis.header import (
    CommandVariantError,
    RequestHeader,
    ServiceReferenceError,
    parse_header,
)
from hanota.duis.other_services import OtherServiceReference
from hanota.duis.parse import parse_request
from hanota.duis.request import ReadFirmwareVersion, RequestId, ServiceReference
from hanota.eui64 import Eui64

REQUEST_ID = RequestId(Eui64.parse("90-B3-D5-1F-30-01-00-00"), Eui64.parse("00-DB-12-34-56-78-90-A4"), 7)
READ = build_request(ReadFirmwareVersion(REQUEST_ID)).decode()
READ_REFERENCE = ServiceReference.READ_FIRMWARE_VERSION


def altered(*changes: tuple[str, str]) -> bytes:
    document = READ
    for old, new in changes:
        assert old in document
        document = document.replace(old, new)
    return document.encode()


@pytest.mark.parametrize(
    ("document", "error", "header"),
    [
        (
            altered((">11.2<", ">5.1<")),
            ServiceReferenceError,
            RequestHeader(REQUEST_ID, OtherServiceReference("5.1", "5.1"), 1),
        ),
        (
            altered(("Reference>11.2<", "Reference>6.15<"), ("Variant>11.2<", "Variant>6.15.1<")),
            ServiceReferenceError,
            RequestHeader(REQUEST_ID, OtherServiceReference("6.15", "6.15.1"), 1),
        ),
        (
            altered((">11.2<", ">99.9<")),
            ServiceReferenceError,
            RequestHeader(REQUEST_ID, None, 1),
        ),
        (
            altered(("Variant>1<", "Variant>4<")),
            CommandVariantError,
            RequestHeader(REQUEST_ID, READ_REFERENCE, 4),
        ),
        (
            altered(("Variant>1<", "Variant>0<")),
            CommandVariantError,
            RequestHeader(REQUEST_ID, READ_REFERENCE, None),
        ),
        (
            altered(("Variant>1<", "Variant>one<")),
            CommandVariantError,
            RequestHeader(REQUEST_ID, READ_REFERENCE, None),
        ),
        (
            altered(("<sr:ReadFirmwareVersion/>", "<sr:ReadSchedule/>")),
            DuisError,
            RequestHeader(REQUEST_ID, READ_REFERENCE, 1),
        ),
        (altered((":7<", ":-7<")), DuisError, RequestHeader(None, READ_REFERENCE, 1)),
        (altered(("RequestID>", "MessageID>")), DuisError, RequestHeader(None, READ_REFERENCE, 1)),
        (
            altered(("</sr:CommandVariant>", "<sr:More/></sr:CommandVariant>")),
            DuisError,
            RequestHeader(REQUEST_ID, READ_REFERENCE, None),
        ),
        (altered(("sr:Header>", "sr:Head>")), DuisError, RequestHeader(None, None, None)),
        (altered(("ServiceReference>", "Reference>")), DuisError, RequestHeader(REQUEST_ID, None, 1)),
    ],
)
def test_a_request_that_is_refused_still_tells_who_asked_what(
    document: bytes, error: type[DuisError], header: RequestHeader
) -> None:
    with pytest.raises(DuisError) as caught:
        parse_request(document)

    assert type(caught.value) is error
    assert parse_header(document) == header


@pytest.mark.parametrize(
    "document",
    [b"", b"no XML", b"<a/>", READ.replace("sr:Request", "sr:Response").encode(), READ[:-5].encode()],
)
def test_what_is_no_request_at_all_has_no_header(document: bytes) -> None:
    with pytest.raises(DuisError):
        parse_header(document)


@pytest.mark.parametrize(
    ("reference", "variant"), [("11.1", "11.1"), ("1.1", "1.2.1"), ("1.1", "1.1"), ("0", "0"), ("", "")]
)
def test_a_reference_and_a_variant_that_do_not_belong_together_are_refused(
    reference: str, variant: str
) -> None:
    with pytest.raises(DuisError, match="a Service Reference of DUIS and a variant of it"):
        OtherServiceReference.of(reference, variant)
