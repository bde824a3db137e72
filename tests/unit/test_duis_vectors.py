"""The DCC's request templates, and the schema they and our own documents are held to."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest
from lxml import etree

from hanota.duis.build import build_request
from hanota.duis.header import ServiceReferenceError
from hanota.duis.other_services import OtherServiceReference
from hanota.duis.parse import parse_request
from hanota.duis.request import (
    CANCELLATION,
    ActivateFirmware,
    HanDeviceLogChange,
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
from hanota.eui64 import Eui64

VECTORS = Path(__file__).parents[2].parent / "shared" / "vectors" / "duis"
SCHEMA = VECTORS / "schema" / "DUIS Schema V5.4.xsd"

SUPPLIER = Eui64.parse("90-B3-D5-1F-30-01-00-00")
ACB = Eui64.parse("90-B3-D5-1F-30-00-00-02")
ESME = Eui64.parse("00-DB-12-34-56-78-90-A0")
HUB = Eui64.parse("00-DB-12-34-56-78-90-A2")
PPMID = Eui64.parse("00-DB-12-34-56-78-90-A4")

UPDATE_ID = RequestId(SUPPLIER, ACB, 1000)
HASH = sha256(b"Manufacturer Image").digest()

pytestmark = pytest.mark.skipif(not SCHEMA.is_file(), reason="../shared/vectors/duis is not there")


def vector(name: str) -> bytes:
    return (VECTORS / name).read_bytes()


@pytest.fixture(scope="module")
def schema() -> etree.XMLSchema:
    tree = etree.parse(str(SCHEMA))
    # Responses refer to the MMC schema, which is not published with this one; requests do not.
    for name, attribute, start in (
        ("import", "namespace", "http://www.dccinterface.co.uk/ResponseAndAlert"),
        ("element", "type", "ra:"),
    ):
        for element in list(tree.iter(f"{{http://www.w3.org/2001/XMLSchema}}{name}")):
            parent = element.getparent()
            if parent is not None and (element.get(attribute) or "").startswith(start):
                parent.remove(element)
    return etree.XMLSchema(tree)


def test_update_firmware_carries_the_esme_image_for_one_device() -> None:
    request = parse_request(vector("11.1_UPDATE_FIRMWARE_REQUEST_DUIS.XML"))

    assert isinstance(request, UpdateFirmware)
    assert (request.service_reference, request.command_variant) == ("11.1", 8)
    assert request.request_id == UPDATE_ID
    assert request.device_ids == (ESME,)
    assert request.firmware_version == "00000000"
    assert len(request.firmware_image) == 361
    assert (
        sha256(request.firmware_image[60:295]).hexdigest()
        == "7542f475e3f12eae887d81e32c46d313741d67076b13caec2f82e00ba5e1bb36"
    )


def test_update_ppmid_firmware_carries_the_same_manufacturer_image_without_a_trailer() -> None:
    request = parse_request(vector("11.4_UPDATE_PPMID_FIRMWARE_REQUEST_DUIS.XML"))

    assert isinstance(request, UpdatePpmidFirmware)
    assert (request.service_reference, request.command_variant) == ("11.4", 8)
    assert request.request_id == UPDATE_ID
    assert request.device_ids == (PPMID,)
    assert len(request.firmware_image) == 295
    assert (
        sha256(request.firmware_image[60:]).hexdigest()
        == "7542f475e3f12eae887d81e32c46d313741d67076b13caec2f82e00ba5e1bb36"
    )


def test_activate_firmware_without_a_time_is_immediate() -> None:
    document = vector("CS06_11.3_IMMEDIATE_SUCCESS_REQUEST_DUIS.XML")
    request = parse_request(document)

    assert isinstance(request, ActivateFirmware)
    assert (request.service_reference, request.command_variant) == ("11.3", 4)
    assert request.request_id == RequestId(SUPPLIER, ESME, 1000)
    assert request.execution_date_time is None
    assert not request.is_cancellation
    assert f">{request.firmware_hash.hex().upper()}<".encode() in document


def test_activate_firmware_with_a_time_is_future_dated() -> None:
    request = parse_request(vector("CS06_11.3_FUTURE_DATED_SUCCESS_REQUEST_DUIS.XML"))

    assert isinstance(request, ActivateFirmware)
    assert request.request_id == RequestId(SUPPLIER, ESME, 1001)
    assert request.execution_date_time == datetime(2030, 1, 15, 9, tzinfo=UTC)
    assert not request.is_cancellation


def test_read_firmware_version_names_only_its_target() -> None:
    request = parse_request(vector("CS08_11.2_SUCCESS_REQUEST_DUIS.XML"))

    assert request == ReadFirmwareVersion(RequestId(ACB, PPMID, 1000))
    assert (request.service_reference, request.command_variant) == ("11.2", 1)


def test_update_han_device_log_adds_a_device_with_its_install_code() -> None:
    request = parse_request(vector("CCS01_8.11_SUCCESS_REQUEST_DUIS.XML"))

    assert isinstance(request, UpdateHanDeviceLog)
    assert (request.service_reference, request.command_variant) == ("8.11", 1)
    assert request.request_id == RequestId(SUPPLIER, HUB, 1002)
    assert (request.request_type, request.device_id) == (HanDeviceLogChange.ADD, ESME)
    assert (request.install_code, request.join_time_period) == (b"0123456789ABCDEF", 90)
    assert (request.import_mpxn, request.secondary_import_mpan) == ("1312345678111", "1312345678222")


def test_a_service_request_that_is_not_served_is_named_in_the_error() -> None:
    document = vector("CCS01_8.11_SUCCESS_REQUEST_DUIS.XML").replace(b">8.11<", b">8.9<")

    with pytest.raises(ServiceReferenceError, match=r"'8\.9' is not served, only 8\.2, 8\.11, 11\.1"):
        parse_request(document)


def test_every_service_request_of_the_schema_is_served_or_known_by_name() -> None:
    tree = etree.parse(str(SCHEMA))
    variants = {
        element.get("value", "")
        for element in tree.iterfind('.//{*}simpleType[@name="ServiceReferenceVariant"]//{*}enumeration')
    }
    served = {str(reference) for reference in ServiceReference}

    assert served < variants
    for variant in variants - served:
        reference = ".".join(variant.split(".")[:2])
        assert OtherServiceReference.of(reference, variant).variant == variant


@pytest.mark.parametrize(
    "request_",
    [
        UpdateFirmware(UPDATE_ID, b"\x1e\xf1\xee\x0b" * 99, "v1.2", (ESME, PPMID)),
        UpdatePpmidFirmware(UPDATE_ID, b"\x1e\xf1\xee\x0b" * 99, "00000000", (PPMID,)),
        ActivateFirmware(RequestId(SUPPLIER, ESME, 0), HASH),
        ActivateFirmware(RequestId(SUPPLIER, ESME, 2**64 - 1), HASH, CANCELLATION),
        ReadFirmwareVersion(RequestId(SUPPLIER, PPMID, 7)),
        ReadFirmwareVersion(RequestId(SUPPLIER, PPMID, 7), datetime(2030, 1, 15, 9, 0, 1, 5, tzinfo=UTC)),
        SignedPreCommand(RequestId(SUPPLIER, PPMID, 8), bytes(range(140))),
        SignedPreCommand(RequestId(SUPPLIER, PPMID, 9), b"", datetime(2030, 1, 15, 9, tzinfo=UTC)),
        UpdateHanDeviceLog(
            RequestId(SUPPLIER, HUB, 10),
            PPMID,
            HanDeviceLogChange.ADD,
            bytes(range(16)),
            3600,
            "1",
            "1" * 13,
            "2" * 13,
            datetime(2030, 1, 15, 9, tzinfo=UTC),
        ),
        UpdateHanDeviceLog(RequestId(SUPPLIER, HUB, 11), PPMID, HanDeviceLogChange.REMOVE),
        ReadInventory(RequestId(SUPPLIER, ACB, 12), HUB),
        ReadInventory(RequestId(SUPPLIER, ACB, 13), Uprn(100_023_336_956)),
        ReadInventory(RequestId(SUPPLIER, ACB, 14), Mpxn("1312345678111")),
        ReadInventory(RequestId(SUPPLIER, ACB, 15), PropertyFilter("SW1A 2AA", "10 Downing Street")),
    ],
    ids=lambda request: f"{request.service_reference} {request.request_id.counter}",
)
def test_what_we_build_is_valid_by_the_schema(schema: etree.XMLSchema, request_: ServiceRequest) -> None:
    schema.assertValid(etree.fromstring(build_request(request_)))


def test_what_we_build_from_a_template_is_the_template_without_its_signature() -> None:
    for file in sorted(VECTORS.glob("*.XML")):
        document = file.read_bytes()
        template = etree.fromstring(document)
        signature = template.find("{*}Signature")
        assert signature is not None
        template.remove(signature)

        built = etree.fromstring(build_request(parse_request(document)))

        assert values(built) == values(template), file.name


def values(root: etree._Element) -> list[tuple[str, str]]:
    """Return names and texts in order, with the fraction of a second in one form."""
    return [
        (str(element.tag), (element.text or "").strip().replace(".000000Z", ".00Z"))
        for element in root.iter()
    ]
