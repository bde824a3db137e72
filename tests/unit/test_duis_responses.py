"""Documents of the DCC: valid by the published schema, read as they were meant, refused where wrong."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from lxml import etree

from hanota.duis.build_response import build_response
from hanota.duis.dcc_alert import (
    ActivateImageResultCode,
    CommsHubAlert,
    CommsHubTransferStatus,
    CspFirmwareDeliveryStatus,
    DccAlertCode,
    FirmwareTransferAlert,
    PpmidAlert,
    PpmidFirmwareUpgradeAlert,
    TransferResponseCode,
)
from hanota.duis.document import DocumentLimits, DuisError
from hanota.duis.inventory import CplStatus, DeviceStatus, DeviceType, InventoryDevice
from hanota.duis.other_services import OtherServiceReference
from hanota.duis.parse_response import parse_response
from hanota.duis.request import RequestId, ServiceReference
from hanota.duis.response import (
    DccAlertMessage,
    DeviceAlertMessage,
    DspInventory,
    FutureDatedAlertCode,
    FutureDatedDeviceAlertMessage,
    GbcsPayload,
    PreCommand,
    Response,
    ResponseMessage,
    UpdateFirmwareWarning,
)
from hanota.duis.response_code import ResponseCode
from hanota.duis.schema import Schema
from hanota.duis.signature import sign_document
from hanota.errors import ConfigError, LocalProtocolError
from hanota.eui64 import Eui64
from hanota.gbcs.certificates import RemotePartyRole
from hanota.gbcs.lab_ca import LabCa

SCHEMA = Path(__file__).parents[2].parent / "shared/vectors/duis/schema/DUIS Schema V5.4.xsd"
needs_schema = pytest.mark.skipif(not SCHEMA.is_file(), reason="../shared/vectors/duis is not there")

SUPPLIER = Eui64.parse("90-B3-D5-1F-30-01-00-00")
ACB = Eui64.parse("90-B3-D5-1F-30-00-00-02")
HUB = Eui64.parse("00-DB-12-34-56-78-90-A2")
PPMID = Eui64.parse("00-DB-12-34-56-78-90-A4")
HCALCS = Eui64.parse("00-DB-12-34-56-78-90-A5")

TIME = datetime(2026, 11, 21, 12, 0, 0, 264_000, tzinfo=UTC)
UPDATE_ID = RequestId(SUPPLIER, ACB, 1000)
ACTIVATE_ID = RequestId(SUPPLIER, HCALCS, 1001)
RESPONSE_ID = RequestId(HCALCS, SUPPLIER, 1001)
ALERT_ID = RequestId(ACB, SUPPLIER, 7)
PAYLOAD = bytes(range(165))
ACTIVATE = ServiceReference.ACTIVATE_FIRMWARE
UPDATE = ServiceReference.UPDATE_FIRMWARE
UPDATE_PPMID = ServiceReference.UPDATE_PPMID_FIRMWARE
READ = ServiceReference.READ_FIRMWARE_VERSION
INVENTORY = ServiceReference.READ_INVENTORY
DEVICE_LOG = ServiceReference.UPDATE_HAN_DEVICE_LOG
LEAST = InventoryDevice(HUB, DeviceType.CHF)
EVERYTHING = InventoryDevice(
    PPMID,
    DeviceType.PPMID,
    DeviceStatus.COMMISSIONED,
    "manufacturer 121D",
    "model 0001",
    smets_chts_version="V5.1",
    device_firmware_version="01000001",
    device_firmware_version_status=CplStatus.ACTIVE,
    cpl_status=CplStatus.WITHDRAWN,
    date_commissioned=date(2026, 11, 21),
    import_mpxn="1312345678111",
    secondary_import_mpan="1312345678222",
    export_mpan="1312345678333",
    device_gbcs_version="4.3",
)

WARNING = UpdateFirmwareWarning((PPMID, HCALCS), (HUB,), (ACB,), (SUPPLIER,), (PPMID,))
TRANSFER = CommsHubAlert(
    HUB,
    0x8F8A,
    FirmwareTransferAlert(PPMID, "01000001", TransferResponseCode.FILE_TRANSFER_SUCCESS, UPDATE_ID),
    TIME,
)
DELIVERED = CspFirmwareDeliveryStatus(UPDATE_ID, HUB, PPMID, "v1.2", TIME, CommsHubTransferStatus.SUCCESS)
ACTIVATED = PpmidAlert(
    PPMID,
    0x8F8B,
    PpmidFirmwareUpgradeAlert("01000001", ActivateImageResultCode.ACTIVATION_SUCCESS),
    TIME,
)


def answer(code: ResponseCode, message: ResponseMessage, request_id: RequestId = UPDATE_ID) -> Response:
    return Response(code, TIME, message, request_id)


def alert(body: DeviceAlertMessage | DccAlertMessage) -> Response:
    return Response(ResponseCode.I0, TIME, body, response_id=ALERT_ID)


DOCUMENTS = {
    "acknowledgement": answer(ResponseCode.I99, ResponseMessage(UPDATE)),
    "error": answer(ResponseCode.E19, ResponseMessage(READ)),
    "error without RequestID": Response(ResponseCode.E100, TIME, ResponseMessage(READ)),
    "warning 11.1": answer(ResponseCode.W110101, ResponseMessage(UPDATE, WARNING)),
    "warning 11.4": answer(
        ResponseCode.W110401, ResponseMessage(UPDATE_PPMID, UpdateFirmwareWarning(invalid=(HCALCS,)))
    ),
    "Pre-Command": answer(
        ResponseCode.I0, ResponseMessage(ACTIVATE, PreCommand("4.3", PAYLOAD)), ACTIVATE_ID
    ),
    "response": Response(
        ResponseCode.I0, TIME, ResponseMessage(ACTIVATE, GbcsPayload(PAYLOAD)), ACTIVATE_ID, RESPONSE_ID
    ),
    "no response": Response(ResponseCode.E21, TIME, ResponseMessage(ACTIVATE), ACTIVATE_ID, RESPONSE_ID),
    "future dated outcome": Response(
        ResponseCode.I0,
        TIME,
        ResponseMessage(ACTIVATE, FutureDatedDeviceAlertMessage(FutureDatedAlertCode.ACTIONED, PAYLOAD)),
        ACTIVATE_ID,
        RESPONSE_ID,
    ),
    "future dated failure": Response(
        ResponseCode.I0,
        TIME,
        ResponseMessage(
            ACTIVATE, FutureDatedDeviceAlertMessage(FutureDatedAlertCode.NOT_ACTIONED, PAYLOAD, 2, 3)
        ),
        ACTIVATE_ID,
        RESPONSE_ID,
    ),
    "device alert": alert(DeviceAlertMessage(0x8F1C, PAYLOAD)),
    "N60": alert(DccAlertMessage(DELIVERED)),
    "N61": alert(
        DccAlertMessage(replace(DELIVERED, comms_hub_transfer_status=CommsHubTransferStatus.FAILURE))
    ),
    "N62": alert(DccAlertMessage(TRANSFER)),
    "N62 with nothing optional": alert(DccAlertMessage(CommsHubAlert(HUB, 0x8F89))),
    "N62 of an unknown request": alert(
        DccAlertMessage(
            CommsHubAlert(
                HUB,
                0x8F89,
                FirmwareTransferAlert(HCALCS, "1", TransferResponseCode.HARDWARE_VERSION_MISMATCH),
            )
        )
    ),
    "N39": alert(DccAlertMessage(ACTIVATED)),
    "N39 with nothing optional": alert(DccAlertMessage(PpmidAlert(PPMID, 0x8F8B))),
    "inventory": answer(ResponseCode.I0, ResponseMessage(INVENTORY, DspInventory((EVERYTHING, LEAST)))),
    "inventory of a whole property": answer(
        ResponseCode.I0, ResponseMessage(INVENTORY, DspInventory((LEAST,) * 17))
    ),
    "response to 8.11": Response(
        ResponseCode.I0, TIME, ResponseMessage(DEVICE_LOG, GbcsPayload(PAYLOAD)), ACTIVATE_ID, RESPONSE_ID
    ),
    "a request that is not served": answer(
        ResponseCode.E100, ResponseMessage(OtherServiceReference.of("1.1", "1.1.2"))
    ),
}
every_document = pytest.mark.parametrize("response", DOCUMENTS.values(), ids=DOCUMENTS)


@pytest.fixture(scope="module")
def schema() -> Schema:
    return Schema(SCHEMA)


@needs_schema
@every_document
def test_every_document_is_valid_by_the_schema_signed_or_not(schema: Schema, response: Response) -> None:
    dcc = LabCa(0.0, seed=b"DUIS").issue_organisation(ACB, RemotePartyRole.ACCESS_CONTROL_BROKER, "DCC")
    document = build_response(response)

    schema.check(document)
    schema.check(sign_document(document, dcc.signing_key, dcc.signing_certificate))


@every_document
def test_every_document_reads_as_it_was_built(response: Response) -> None:
    assert parse_response(build_response(response)) == response


@needs_schema
def test_response_codes_are_those_of_the_schema_for_every_request_and_for_those_served() -> None:
    tree = etree.parse(str(SCHEMA))
    codes = {
        code.get("value", "")
        for code in tree.iterfind('.//{*}simpleType[@name="ResponseCode"]//{*}enumeration')
    }
    served = {"0802", "0811", "1101", "1104"}
    others = {code for code in codes if len(code) == len("E110101") and code[1:5] not in served}

    assert set(ResponseCode) == codes - others


@needs_schema
def test_dcc_alert_codes_are_in_the_schema() -> None:
    tree = etree.parse(str(SCHEMA))
    codes = {
        code.get("value", "") for code in tree.iterfind('.//{*}element[@name="DCCAlertCode"]//{*}enumeration')
    }

    assert set(DccAlertCode) <= codes


@needs_schema
def test_the_schema_is_read_without_the_one_it_imports_and_says_so(schema: Schema) -> None:
    assert schema.missing == ("MMC Schema V5.4.xsd",)


@needs_schema
@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("I99", "I98", "ResponseCode"),
        ("11.1</sr:ServiceReference>", "11.9</sr:ServiceReference>", "ServiceReference"),
        ("ResponseMessage", "Message", "Message"),
        (":1000<", ":-1<", "RequestID"),
    ],
)
def test_what_the_schema_forbids_is_found(schema: Schema, old: str, new: str, fault: str) -> None:
    document = build_response(DOCUMENTS["acknowledgement"]).replace(old.encode(), new.encode())

    with pytest.raises(DuisError, match=f"not valid by the schema: .*{fault}"):
        schema.check(document)


def test_a_file_that_is_no_schema_is_told_so(tmp_path: Path) -> None:
    for name, content in (("broken.xsd", "<xs:schema"), ("other.xsd", "<a/>")):
        (tmp_path / name).write_text(content)
        with pytest.raises(ConfigError, match=name.replace(".", r"\.")):
            Schema(tmp_path / name)
    with pytest.raises(ConfigError, match="cannot be read"):
        Schema(tmp_path / "absent.xsd")


def test_a_document_says_what_users_tools_look_for() -> None:
    root = etree.fromstring(build_response(DOCUMENTS["response"]))
    said = {etree.QName(element).localname: element.text for element in root.iter() if not len(element)}

    assert etree.QName(root).namespace == "http://www.dccinterface.co.uk/ServiceUserGateway"
    assert root.get("schemaVersion") == "5.4"
    assert said == {
        "RequestID": "90-B3-D5-1F-30-01-00-00:00-DB-12-34-56-78-90-A5:1001",
        "ResponseID": "00-DB-12-34-56-78-90-A5:90-B3-D5-1F-30-01-00-00:1001",
        "ResponseCode": "I0",
        "ResponseDateTime": "2026-11-21T12:00:00.264Z",
        "ServiceReference": "11.3",
        "ServiceReferenceVariant": "11.3",
        "GBCSPayload": said["GBCSPayload"],
    }


@pytest.mark.parametrize(
    ("name", "code", "element"),
    [
        ("N60", "N60", "CSPFirmwareDeliveryStatus"),
        ("N61", "N61", "CSPFirmwareDeliveryStatus"),
        ("N62", "N62", "CommsHubAlert"),
        ("N39", "N39", "PPMIDAlert"),
    ],
)
def test_the_dcc_alert_code_follows_from_the_alert(name: str, code: str, element: str) -> None:
    root = etree.fromstring(build_response(DOCUMENTS[name]))

    assert root.findtext(".//{*}DCCAlertCode") == code
    assert [etree.QName(child).localname for child in root.iterfind(".//{*}DCCAlert/*")] == [element]


def test_what_a_bench_does_not_know_of_a_device_is_passed_over() -> None:
    built = build_response(DOCUMENTS["inventory"])
    before = b"".join(
        f"<sr:{name}>{value}</sr:{name}>".encode()
        for name, value in (("ESMEVariant", "A"), ("UPRN", "1"), ("CSPRegion", "North"))
    )
    after = b"<sr:HANVariant>Single Band</sr:HANVariant><sr:Connectivity>Virtual</sr:Connectivity>"
    mark = b"<sr:DeviceGBCSVersion>4.3</sr:DeviceGBCSVersion>"

    assert parse_response(built.replace(mark, before + mark + after)) == DOCUMENTS["inventory"]


@pytest.mark.parametrize("zone", ["Z", "+01:00", "-11:00"])
def test_a_day_of_commissioning_may_have_a_time_zone(zone: str) -> None:
    """DCC Boxed writes one."""
    document = build_response(DOCUMENTS["inventory"]).decode()
    assert (
        parse_response(document.replace("2026-11-21</", f"2026-11-21{zone}</").encode())
        == (DOCUMENTS["inventory"])
    )


def test_numbers_of_throttled_alerts_are_passed_over() -> None:
    numbers = b"".join(
        f"<sr:{name}>1</sr:{name}>".encode() for name in ("ThrottledAlertSequenceId", "ThrottledAlertCount")
    )
    for name, before in (("device alert", b"<sr:GBCSPayload>"), ("N60", b"<sr:DCCAlert>")):
        document = build_response(DOCUMENTS[name]).replace(before, numbers + before)

        assert parse_response(document) == DOCUMENTS[name]


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        (
            "N60",
            "<sr:DCCAlertCode>N60",
            "<sr:DCCAlertCode>N61",
            "DCCAlertCode: expected N60 with this alert, got N61",
        ),
        (
            "N60",
            "<sr:DCCAlertCode>N60",
            "<sr:DCCAlertCode>N62",
            "expected sr:CommsHubAlert, got sr:CSPFirmware",
        ),
        (
            "N60",
            "<sr:DCCAlertCode>N60",
            "<sr:DCCAlertCode>N32",
            "DCCAlertCode: expected one of N60, N61, N62, N39",
        ),
        ("N60", "Success", "Maybe", "CommsHubTransferStatus: expected one of Success, Failure, got 'Maybe'"),
        ("N62", "8F8A", "8F8", "AlertCode: expected 4 hex digits"),
        ("N62", "01000001", "010000010", "FirmwareVersion: expected 1 to 8 characters"),
        ("N62", str(HUB), str(HUB)[:-1], "CommsHubDeviceID: expected an EUI such as"),
        ("response", "ResponseCode>I0", "ResponseCode>I1", "ResponseCode: expected one of I0, I99"),
        ("response", "2026-11-21T12:00:00.264Z", "2026-11-21", "ResponseDateTime: expected a date and time"),
        ("response", "Variant>11.3", "Variant>11.2", "ServiceReferenceVariant: expected 11.3, got '11.2'"),
        (
            "response",
            "Reference>11.3",
            "Reference>11.9",
            "expected a Service Reference of DUIS and a variant",
        ),
        (
            "response",
            ">11.3<",
            ">99.1<",
            "expected a Service Reference of DUIS and a variant of it, got '99.1'",
        ),
        ("inventory", "Type>PPMID", "Type>TV", "DeviceType: expected one of ESME, GSME, GPF, CHF, HCALCS"),
        ("inventory", "Status>Commissioned", "Status>Gone", "DeviceStatus: expected one of Pending"),
        ("inventory", "2026-11-21</", "2026-11-31</", "DateCommissioned: expected a date such as 2030-01-15"),
        ("inventory", "2026-11-21</", "2026-11-21z</", "DateCommissioned: expected a date such as"),
        ("inventory", "2026-11-21</", "2026-11-21+1</", "DateCommissioned: expected a date such as"),
        ("inventory", "Model>model", f"Model>{'m' * 30}", "DeviceModel: expected 0 to 30 characters"),
        ("inventory", "</sr:Device>", "<sr:Last/></sr:Device>", "Device: expected no further element"),
        ("response", "GBCSPayload>AA", "GBCSPayload>?A", "GBCSPayload: expected base64"),
        ("future dated outcome", "8F66", "8F68", "FutureDatedAlertCode: expected 8F66 or 8F67, got 8F68"),
        ("future dated outcome", "Number>1<", "Number>65536<", "InstructionNumber: expected a number from 0"),
        ("future dated outcome", "Number>1<", "Number>one<", "InstructionNumber: expected a number from 0"),
        (
            "warning 11.4",
            "DSPUpdatePPMIDFirmware",
            "DSPUpdateFirmware",
            "expected no further element, got sr:DSP",
        ),
        (
            "warning 11.1",
            "InvalidDeviceIDList",
            "ValidDeviceIDList",
            "expected no further element, got sr:Valid",
        ),
        ("acknowledgement", "sr:Response ", "sr:Request ", "not an XML document"),
        ("acknowledgement", "Body>", "Corpse>", "Response: expected sr:Body, got sr:Corpse"),
        (
            "acknowledgement",
            "ResponseMessage>",
            "CINMessage>",
            "expected sr:ResponseMessage, got sr:CINMessage",
        ),
    ],
)
def test_a_fault_is_told_with_its_place_and_what_was_expected(
    name: str, old: str, new: str, message: str
) -> None:
    document = build_response(DOCUMENTS[name]).decode()
    assert old in document

    with pytest.raises(DuisError) as caught:
        parse_response(document.replace(old, new).encode())

    assert message in str(caught.value)


@pytest.mark.parametrize(
    "response",
    [
        answer(ResponseCode.W110101, ResponseMessage(ACTIVATE, WARNING)),
        answer(ResponseCode.I0, ResponseMessage(INVENTORY, DspInventory(()))),
        answer(ResponseCode.I0, ResponseMessage(INVENTORY, DspInventory((LEAST,) * 18))),
        answer(
            ResponseCode.I0,
            ResponseMessage(INVENTORY, DspInventory((replace(LEAST, device_model="m" * 31),))),
        ),
        answer(ResponseCode.I0, ResponseMessage(ACTIVATE, PreCommand("\0", PAYLOAD))),
        answer(
            ResponseCode.I0,
            ResponseMessage(
                ACTIVATE, FutureDatedDeviceAlertMessage(FutureDatedAlertCode.ACTIONED, b"", 65_536)
            ),
        ),
        answer(ResponseCode.W110101, ResponseMessage(UPDATE, UpdateFirmwareWarning((PPMID, PPMID)))),
        alert(DeviceAlertMessage(0x1_0000, PAYLOAD)),
        alert(DeviceAlertMessage(-1, PAYLOAD)),
        alert(DccAlertMessage(replace(DELIVERED, firmware_version=""))),
        alert(DccAlertMessage(replace(DELIVERED, firmware_version="123456789"))),
        Response(ResponseCode.I0, datetime(2026, 1, 1), ResponseMessage(READ)),  # noqa: DTZ001  # the fault
        Response(ResponseCode.I0, TIME, ResponseMessage(READ), RequestId(SUPPLIER, ACB, 2**64)),
    ],
)
def test_we_build_no_document_that_we_would_refuse(response: Response) -> None:
    with pytest.raises(LocalProtocolError):
        build_response(response)


def test_a_number_may_have_as_many_zeros_in_front_as_fit() -> None:
    document = build_response(DOCUMENTS["future dated failure"])

    padded = document.replace(b"Number>2<", b"Number>" + b"0" * 10_000 + b"2<")

    assert parse_response(padded) == DOCUMENTS["future dated failure"]


def test_attack_documents_nested_without_end_are_refused() -> None:
    with pytest.raises(DuisError, match="more than 32 elements inside one another"):
        parse_response(b"<a>" * 1000 + b"</a>" * 1000)


def test_attack_hundred_megabytes_are_refused_before_they_are_parsed() -> None:
    with pytest.raises(DuisError, match="has 104857600 octets, more than 16777216"):
        parse_response(bytes(100 * 1024 * 1024))


def test_a_list_of_more_devices_than_the_limit_is_refused() -> None:
    with pytest.raises(DuisError, match="expected at most 1 EUIs"):
        parse_response(build_response(DOCUMENTS["warning 11.1"]), DocumentLimits(device_ids=1))
