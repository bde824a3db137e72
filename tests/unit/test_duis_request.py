"""DUIS requests: what is refused and how it is said, and what a hostile document cannot do."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from hanota.duis.build import build_request
from hanota.duis.document import DocumentLimits, DuisError
from hanota.duis.parse import parse_request
from hanota.duis.request import (
    ActivateFirmware,
    HanDeviceLogChange,
    InventoryCriterion,
    Mpxn,
    PropertyFilter,
    ReadFirmwareVersion,
    ReadInventory,
    RequestId,
    ServiceRequest,
    SignedPreCommand,
    UpdateFirmware,
    UpdateHanDeviceLog,
    UpdatePpmidFirmware,
    Uprn,
)
from hanota.errors import LocalProtocolError, RemoteProtocolError
from hanota.eui64 import Eui64

if TYPE_CHECKING:
    from pathlib import Path

SUPPLIER = Eui64.parse("90-B3-D5-1F-30-01-00-00")
ACB = Eui64.parse("90-B3-D5-1F-30-00-00-02")
DEVICE = Eui64.parse("00-0D-6F-00-00-00-00-01")
OTHER = Eui64.parse("00-0D-6F-00-00-00-00-02")

UPDATE_ID = RequestId(SUPPLIER, ACB, 41)
DEVICE_ID = RequestId(SUPPLIER, DEVICE, 42)
UPDATE = UpdateFirmware(UPDATE_ID, b"an Upgrade Image", "01020304", (DEVICE, OTHER))
ACTIVATE = ActivateFirmware(DEVICE_ID, bytes(range(32)), datetime(2030, 1, 15, 9, tzinfo=UTC))
SIGNED_PRE_COMMAND = SignedPreCommand(DEVICE_ID, b"a Pre-Command, signed")
ADD = UpdateHanDeviceLog(
    DEVICE_ID,
    OTHER,
    HanDeviceLogChange.ADD,
    install_code=bytes(range(16)),
    join_time_period=90,
    import_mpxn="1312345678111",
    secondary_import_mpan="1312345678222",
)
REMOVE = UpdateHanDeviceLog(DEVICE_ID, OTHER, HanDeviceLogChange.REMOVE)


def altered(request: ServiceRequest, old: str, new: str) -> bytes:
    document = build_request(request).decode()
    assert old in document
    return document.replace(old, new).encode()


def activation_at(when: str) -> ActivateFirmware:
    request = parse_request(altered(ACTIVATE, "2030-01-15T09:00:00.000000Z", when))
    assert isinstance(request, ActivateFirmware)
    return request


def test_a_request_id_reads_as_it_is_written() -> None:
    written = "90-B3-D5-1F-30-01-00-00:00-0D-6F-00-00-00-00-01:18446744073709551615"

    request_id = RequestId.parse(written.lower())

    assert request_id == RequestId(SUPPLIER, DEVICE, 2**64 - 1)
    assert str(request_id) == written


@pytest.mark.parametrize(
    "written",
    [
        "",
        "90-B3-D5-1F-30-01-00-00:00-0D-6F-00-00-00-00-01",
        "90-B3-D5-1F-30-01-00-00:00-0D-6F-00-00-00-00-01:",
        "90-B3-D5-1F-30-01-00-00:00-0D-6F-00-00-00-00-01:-1",
        "90-B3-D5-1F-30-01-00-00:00-0D-6F-00-00-00-00-01:01",
        "90-B3-D5-1F-30-01-00-00:00-0D-6F-00-00-00-00-01:18446744073709551616",
        "90-B3-D5-1F-30-01-00-00:00-0D-6F-00-00-00-00-01:٣",
        "90-B3-D5-1F-30-01-00:00-0D-6F-00-00-00-00-01:1",
        "90B3D51F30010000:000D6F0000000001:1",
        "90-B3-D5-1F-30-01-00-0G:00-0D-6F-00-00-00-00-01:1",
    ],
)
def test_a_request_id_in_another_form_is_refused(written: str) -> None:
    with pytest.raises(DuisError, match="expected originator EUI:target EUI:counter"):
        RequestId.parse(written)


@pytest.mark.parametrize(
    ("request_", "old", "new", "message"),
    [
        (UPDATE, "ServiceUserGateway", "ServiceUserGateway2", "expected sr:Request in namespace"),
        (UPDATE, "sr:Request ", "sr:Response ", "not an XML document"),
        (UPDATE, ' schemaVersion="5.4"', "", "expected attribute schemaVersion"),
        (UPDATE, ' schemaVersion="5.4"', ' schemaVersion="new"', "expected attribute schemaVersion"),
        (UPDATE, ":41<", ":041<", "Request/Header/RequestID: expected originator EUI:target EUI:counter"),
        (UPDATE, "RequestID>", "ResponseID>", "Request/Header: expected sr:RequestID, got sr:ResponseID"),
        (UPDATE, "sr:Header>", "sr:Footer>", "Request: expected sr:Header, got sr:Footer"),
        (
            UPDATE,
            "<sr:CommandVariant>8</sr:CommandVariant>",
            "",
            "expected sr:CommandVariant, got sr:Service",
        ),
        (UPDATE, "Variant>8<", "Variant>4<", "Header/CommandVariant: expected 8 with 11.1, got '4'"),
        (ACTIVATE, "Variant>4<", "Variant>6<", "Header/CommandVariant: expected 4 or 5 with 11.3, got '6'"),
        (ACTIVATE, "Variant>4<", "Variant>5<", "Body: expected sr:SignedPreCommand, got sr:ActivateFirmware"),
        (SIGNED_PRE_COMMAND, "Variant>5<", "Variant>4<", "Body: expected sr:ActivateFirmware, got sr:Signed"),
        (SIGNED_PRE_COMMAND, "Payload>YS", "Payload>Y", "SignedPreCommand/GBCSPayload: expected base64"),
        (
            UPDATE,
            "Reference>11.1<",
            "Reference>11.9<",
            "ServiceReference: Service Request '11.9' is not served",
        ),
        (ADD, "Type>Add<", "Type>Remove<", "expected no further element, got sr:AddDeviceToCHFWhitelist"),
        (REMOVE, "Type>Remove<", "Type>Add<", "expected sr:AddDeviceToCHFWhitelist, got nothing"),
        (REMOVE, "Type>Remove<", "Type>Replace<", "RequestType: expected one of Add, Remove, got 'Replace'"),
        (ADD, "Period>90<", "Period>0<", "JoinTimePeriod: expected a number from 1 to 3600, got 0"),
        (ADD, "Period>90<", "Period>3601<", "JoinTimePeriod: expected a number from 0 to 3600, got '3601'"),
        (ADD, "Period>90<", "Period>90.0<", "JoinTimePeriod: expected a number from 0 to 3600"),
        (ADD, "Code>00", "Code>0", "InstallCode: expected 6 to 16 octets in hex digits"),
        (ADD, "Code>00", "Code>0000", "InstallCode: expected 6 to 16 octets in hex digits"),
        (ADD, "Code>00", "Code>0x", "InstallCode: expected 32 hex digits"),
        (ADD, "MPxN>1312", "MPxN>13123", "ImportMPxN: expected 1 to 13 characters, got 14"),
        (ADD, "ImportMPAN>1", "ImportMPAN>", "SecondaryImportMPAN: expected 13 to 13 characters, got 12"),
        (ADD, "sr:InstallCode>", "sr:Code>", "expected sr:InstallCode, got sr:Code"),
        (UPDATE, "Reference>11.1<", "Reference>11.4<", "Header/ServiceReferenceVariant: expected 11.4 with"),
        (UPDATE, ">11.1<", ">11.2<", "Header/CommandVariant: expected 1 with 11.2, got '8'"),
        (UPDATE, ">11.1<", ">11.4<", "Body: expected sr:UpdatePPMIDFirmware, got sr:UpdateFirmware"),
        (UPDATE, "FirmwareImage>", "FirmwareFile>", "expected sr:FirmwareImage, got sr:FirmwareFile"),
        (UPDATE, "sr:FirmwareImage", "FirmwareImage", "got FirmwareImage (namespace none)"),
        (UPDATE, "<sr:DeviceIDList>", "<sr:DeviceIDList/><sr:DeviceIDList>", "expected EUIs such as"),
        (UPDATE, "</sr:Body>", "</sr:Body><sr:Body/>", "Request: expected no further element, got sr:Body"),
        (
            UPDATE,
            "</sr:Header>",
            "<sr:Last/></sr:Header>",
            "Header: expected no further element, got sr:Last",
        ),
        (UPDATE, "</sr:Body>", "<sr:UpdateFirmware/></sr:Body>", "Request/Body: expected no further element"),
        (
            UPDATE,
            "</sr:UpdateF",
            "<sr:Last/></sr:UpdateF",
            "Body/UpdateFirmware: expected no further element",
        ),
        (UPDATE, "</sr:Header>", "words</sr:Header>", "Request/Header: expected elements only, got text"),
        (UPDATE, "<sr:Header>", "words<sr:Header>", "Request: expected elements only, got text"),
        (UPDATE, ">01020304<", "><sr:A/><", "FirmwareVersion: expected text, got an element"),
        (UPDATE, ">01020304<", "><", "FirmwareVersion: expected 1 to 8 characters, got 0"),
        (UPDATE, ">01020304<", ">010203040<", "FirmwareVersion: expected 1 to 8 characters, got 9"),
        (UPDATE, "FirmwareImage>YW", "FirmwareImage>Y", "Body/UpdateFirmware/FirmwareImage: expected base64"),
        (
            UPDATE,
            "FirmwareImage>YW",
            "FirmwareImage>Y*W",
            "Body/UpdateFirmware/FirmwareImage: expected base64",
        ),
        (
            UPDATE,
            "FirmwareImage>YW",
            "FirmwareImage>éW",
            "Body/UpdateFirmware/FirmwareImage: expected base64",
        ),
        (UPDATE, f"{DEVICE},{OTHER}", "", "DeviceIDList: expected EUIs such as"),
        (UPDATE, f"{DEVICE},{OTHER}", f"{DEVICE},", "DeviceIDList: expected EUIs such as"),
        (UPDATE, f"{DEVICE},", f"{DEVICE}, ", "DeviceIDList: expected EUIs such as"),
        (UPDATE, f"{DEVICE},", f"{DEVICE}".replace("-", ":"), "DeviceIDList: expected EUIs such as"),
        (UPDATE, str(OTHER), str(DEVICE), f"DeviceIDList: {DEVICE} stands there twice"),
        (ACTIVATE, "FirmwareHash>00", "FirmwareHash>", "FirmwareHash: expected 64 hex digits"),
        (ACTIVATE, "FirmwareHash>00", "FirmwareHash>0000", "FirmwareHash: expected 64 hex digits"),
        (ACTIVATE, "FirmwareHash>00", "FirmwareHash>0x", "FirmwareHash: expected 64 hex digits"),
    ],
)
def test_a_fault_is_told_with_its_place_and_what_was_expected(
    request_: ServiceRequest, old: str, new: str, message: str
) -> None:
    with pytest.raises(DuisError) as caught:
        parse_request(altered(request_, old, new))

    assert message in str(caught.value)
    assert isinstance(caught.value, RemoteProtocolError)


def test_an_install_code_in_the_wrong_form_is_not_repeated_in_the_error() -> None:
    code = bytes(range(16)).hex().upper()

    with pytest.raises(DuisError) as caught:
        parse_request(altered(ADD, code, code + "FF"))

    assert code not in str(caught.value)
    assert code not in repr(ADD)
    assert code not in repr(parse_request(build_request(ADD)))


@pytest.mark.parametrize("size", [6, 8, 12, 16])
def test_an_install_code_may_have_the_sizes_of_the_schema(size: int) -> None:
    request = replace(ADD, install_code=bytes(range(size)))

    assert parse_request(build_request(request)) == request


@pytest.mark.parametrize(
    "criterion",
    [DEVICE, Uprn(1), Uprn(10**12 - 1), Mpxn("1312345678111"), Mpxn("1"), PropertyFilter("AB1 2CD", "1")],
)
def test_the_inventory_is_asked_by_device_property_or_meter_point(criterion: InventoryCriterion) -> None:
    request = ReadInventory(UPDATE_ID, criterion)

    assert parse_request(build_request(request)) == request


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (">1<", ">0<", "UPRN: expected a number from 1 to 999999999999, got 0"),
        (">1<", ">1000000000000<", "UPRN: expected a number from 0 to 999999999999"),
        ("UPRN>", "Uprn>", "Body/ReadInventory: expected sr:DeviceID, got sr:Uprn"),
        ("</sr:UPRN>", "</sr:UPRN><sr:MPxN>1</sr:MPxN>", "ReadInventory: expected no further element"),
    ],
)
def test_the_inventory_is_asked_in_one_way(old: str, new: str, message: str) -> None:
    with pytest.raises(DuisError) as caught:
        parse_request(altered(ReadInventory(UPDATE_ID, Uprn(1)), old, new))

    assert message in str(caught.value)


@pytest.mark.parametrize(
    "request_",
    [
        replace(REMOVE, install_code=bytes(16)),
        replace(REMOVE, import_mpxn="1312345678111"),
        replace(REMOVE, install_code=bytes(16), join_time_period=90),
        replace(ADD, install_code=None),
        replace(ADD, join_time_period=0),
        replace(ADD, install_code=bytes(17)),
        ReadInventory(UPDATE_ID, Uprn(0)),
        ReadInventory(UPDATE_ID, PropertyFilter("AB1", "1")),
    ],
)
def test_a_request_the_document_cannot_say_is_not_built(request_: ServiceRequest) -> None:
    with pytest.raises(LocalProtocolError):
        build_request(request_)


@pytest.mark.parametrize("document", [b"", b"\0", b"<", b"<a/>", b"\xff\xfe<", b"PK\x03\x04", b"<?xml?>"])
def test_what_is_no_document_at_all_is_refused(document: bytes) -> None:
    with pytest.raises(DuisError):
        parse_request(document)


def test_elements_out_of_the_schemas_order_are_refused() -> None:
    version = "<sr:FirmwareVersion>01020304</sr:FirmwareVersion>"
    document = altered(UPDATE, version, "").replace(
        b"<sr:FirmwareImage>", version.encode() + b"<sr:FirmwareImage>"
    )

    with pytest.raises(DuisError, match="expected sr:FirmwareImage, got sr:FirmwareVersion"):
        parse_request(document)


def test_optional_header_elements_signature_and_comments_do_not_matter() -> None:
    first = "<sr:FirstInSequence>true</sr:FirstInSequence>"
    preceding = f"<sr:PrecedingServiceRequestID>{DEVICE_ID}</sr:PrecedingServiceRequestID>"
    document = (
        build_request(UPDATE)
        .decode()
        .replace("<sr:CommandVariant>", f"{first}{preceding}<!-- of a sequence --><sr:CommandVariant>")
        .replace("</sr:Body>", '</sr:Body><Signature xmlns="http://www.w3.org/2000/09/xmldsig#"/>')
    )

    assert parse_request(document.encode()) == UPDATE


def test_a_comment_cannot_hide_a_part_of_a_value() -> None:
    document = altered(UPDATE, ">01020304<", ">0102<!-- -->0304<")

    assert parse_request(document) == UPDATE


def test_base64_may_be_wrapped() -> None:
    wrapped = "\r\n  ".join(b64encode(UPDATE.firmware_image).decode()[n : n + 4] for n in range(0, 24, 4))

    assert parse_request(altered(UPDATE, b64encode(UPDATE.firmware_image).decode(), wrapped)) == UPDATE


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2030-01-15T09:00:00Z", datetime(2030, 1, 15, 9, tzinfo=UTC)),
        ("2030-01-15T09:00:00.5Z", datetime(2030, 1, 15, 9, 0, 0, 500_000, tzinfo=UTC)),
        ("2030-07-15T09:00:00.00+01:00", datetime(2030, 7, 15, 8, tzinfo=UTC)),
        (" 2030-01-15T00:00:00-00:30\n", datetime(2030, 1, 15, 0, 30, tzinfo=UTC)),
    ],
)
def test_an_execution_time_is_an_instant_whatever_its_zone(written: str, meant: datetime) -> None:
    request = activation_at(written)

    assert request.execution_date_time == meant
    assert request.execution_date_time.utcoffset() == timedelta(0)
    assert not request.is_cancellation


@pytest.mark.parametrize(
    "written",
    [
        "2030-01-15T09:00:00",
        "2030-01-15",
        "20300115T090000Z",
        "2030-02-30T09:00:00Z",
        "2030-01-15T25:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "99991-12-31T23:59:59Z",
        "tomorrow",
        "",
    ],
)
def test_an_execution_time_without_zone_or_sense_is_refused(written: str) -> None:
    with pytest.raises(DuisError, match="ExecutionDateTime: expected a date and time with time zone"):
        activation_at(written)


def test_the_end_of_the_year_3000_cancels_an_activation() -> None:
    assert activation_at("3000-12-31T00:00:00.00Z").is_cancellation
    assert not activation_at("3000-12-31T00:00:00.01Z").is_cancellation


def test_an_image_of_nine_million_octets_passes_whole() -> None:
    request = UpdatePpmidFirmware(UPDATE_ID, bytes(range(250)) * 36_000, "00000000", (DEVICE,))

    assert parse_request(build_request(request)) == request


def test_an_image_may_be_as_large_as_the_schema_allows_and_no_larger() -> None:
    def document(size: int) -> bytes:
        return altered(UPDATE, b64encode(UPDATE.firmware_image).decode(), b64encode(bytes(size)).decode())

    largest = parse_request(document(10_240_000))
    assert isinstance(largest, UpdateFirmware)
    assert len(largest.firmware_image) == 10_240_000
    with pytest.raises(DuisError, match="FirmwareImage: expected at most 10240000 octets, got 10240001"):
        parse_request(document(10_240_001))


def test_more_devices_than_the_limit_are_refused() -> None:
    with pytest.raises(DuisError, match="DeviceIDList: expected at most 1 EUIs"):
        parse_request(build_request(UPDATE), DocumentLimits(device_ids=1))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp500"])
def test_attack_entity_bomb_is_refused_in_any_encoding(encoding: str) -> None:
    levels = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    document = altered(UPDATE, "<sr:Request ", '<sr:Request bomb="&a9;" ').decode().partition("?>")[2]
    document = f'<!DOCTYPE r [<!ENTITY a0 "boom">{levels}]>{document}'

    with pytest.raises(
        DuisError, match=r"document type declaration is not allowed|not an XML document in UTF-8"
    ):
        parse_request(document.encode(encoding))


def test_a_document_in_another_encoding_is_refused() -> None:
    document = build_request(UPDATE).decode().partition("?>")[2].strip()

    assert parse_request(document.encode()) == UPDATE
    with pytest.raises(DuisError, match="not an XML document in UTF-8"):
        parse_request(document.encode("utf-16"))


def test_attack_external_entity_reads_no_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("01020304")
    document = altered(UPDATE, ">01020304<", ">&file;<").decode()
    declaration = f'<!DOCTYPE r [<!ENTITY file SYSTEM "{secret.as_uri()}">]>'

    with pytest.raises(DuisError, match=r"document type declaration is not allowed"):
        parse_request(document.replace("<sr:Request", declaration + "<sr:Request", 1).encode())
    with pytest.raises(DuisError, match="not an XML document"):
        parse_request(document.encode())


def test_attack_oversized_document_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(DuisError, match="has 16777217 octets, more than 16777216"):
        parse_request(bytes(16 * 1024 * 1024 + 1))


@pytest.mark.parametrize(
    "document",
    [
        b"<a>" * 5_000_000,
        b"<a/>" * 4_000_000,
        b"<a " + b" ".join(b'x%d=""' % n for n in range(1_000_000)),
        b"<!---->" * 2_000_000,
    ],
    ids=["nested", "siblings", "attributes", "comments"],
)
def test_attack_endless_markup_is_refused_before_a_tree_is_built(document: bytes) -> None:
    # None of these is well-formed: any other message would mean that the parser had seen them.
    with pytest.raises(DuisError, match="more than 4096 tags and attributes"):
        parse_request(document)


@pytest.mark.parametrize(
    "request_",
    [
        UpdateFirmware(UPDATE_ID, b"", "", (DEVICE,)),
        UpdateFirmware(UPDATE_ID, b"", "1", ()),
        UpdateFirmware(UPDATE_ID, b"", "1", (DEVICE, DEVICE)),
        UpdateFirmware(UPDATE_ID, b"", "\0", (DEVICE,)),
        UpdatePpmidFirmware(UPDATE_ID, bytes(10_240_001), "1", (DEVICE,)),
        ActivateFirmware(DEVICE_ID, bytes(31)),
        ActivateFirmware(DEVICE_ID, bytes(32), datetime(2030, 1, 15)),  # noqa: DTZ001  # the fault tested
        ActivateFirmware(
            DEVICE_ID, bytes(32), datetime(2030, 1, 15, tzinfo=timezone(timedelta(hours=1, seconds=1)))
        ),
        ReadFirmwareVersion(RequestId(SUPPLIER, DEVICE, 2**64)),
        ReadFirmwareVersion(RequestId(SUPPLIER, DEVICE, -1)),
    ],
)
def test_we_build_no_document_that_we_would_refuse(request_: ServiceRequest) -> None:
    with pytest.raises(LocalProtocolError, match="not a DUIS request"):
        build_request(request_)
