"""`hanota duis`: sign, verify, show and validate from the command line, with an exit status to be trusted."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from hanota.cli.duis import app
from hanota.duis.build import build_request
from hanota.duis.build_response import build_response
from hanota.duis.dcc_alert import (
    ActivateImageResultCode,
    CommsHubAlert,
    CommsHubTransferStatus,
    CspFirmwareDeliveryStatus,
    FirmwareTransferAlert,
    PpmidAlert,
    PpmidFirmwareUpgradeAlert,
    TransferResponseCode,
)
from hanota.duis.inventory import DeviceStatus, DeviceType, InventoryDevice
from hanota.duis.other_services import OtherServiceReference
from hanota.duis.parse import parse_request
from hanota.duis.request import (
    CANCELLATION,
    HanDeviceLogChange,
    Mpxn,
    PropertyFilter,
    ReadFirmwareVersion,
    ReadInventory,
    RequestId,
    ServiceReference,
    SignedPreCommand,
    UpdateHanDeviceLog,
    UpdatePpmidFirmware,
    Uprn,
)
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
from hanota.duis.signature import sign_document
from hanota.gbcs.activate_firmware import activate_firmware_precommand
from hanota.gbcs.certificates import RemotePartyRole
from hanota.gbcs.lab_ca import LabCa
from tests.duis_support import (
    ACTIVATE,
    ATTACKER,
    DCC,
    DEVICE,
    SIGNED,
    SUPPLIER,
    TEMPLATES,
    UNSIGNED,
    XML_KEYS,
    altered,
    needs_vectors,
)

if TYPE_CHECKING:
    from pathlib import Path

    from typer.testing import Result

    from hanota.duis.request import ServiceRequest
    from hanota.duis.response import ResponseContent

SCHEMA = TEMPLATES / "schema" / "DUIS Schema V5.4.xsd"
TIME = datetime(2026, 11, 21, 12, tzinfo=UTC)
PAYLOAD = activate_firmware_precommand(SUPPLIER.eui64, DEVICE, 42, bytes(32)).encode()


def run(*arguments: str | Path, input_: bytes | None = None) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=input_)


def shown(document: bytes) -> dict[str, str]:
    """Return what `show` says of a document, by the name in front of it."""
    result = run("show", "-", input_=document)
    assert result.exit_code == 0, result.output
    lines = [line.split("  ", 1) for line in result.output.splitlines()]
    return {name.strip(): value.strip() for name, value in lines}


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    """The supplier's and the attacker's keys; the supplier's certificate among those known."""
    SUPPLIER.save(tmp_path / "supplier")
    ATTACKER.save(tmp_path / "attacker")
    (tmp_path / "signed.xml").write_bytes(SIGNED)
    (tmp_path / "unsigned.xml").write_bytes(UNSIGNED)
    return tmp_path


def test_a_document_signed_by_a_known_party_is_valid(bench: Path) -> None:
    result = run("verify", bench / "signed.xml", "--certificates", bench / "supplier")

    assert result.exit_code == 0
    assert "signature valid, by 90-B3-D5-1F-30-01-00-00, certificate" in result.output


@pytest.mark.parametrize(
    ("document", "fault"),
    [
        (UNSIGNED, "the document is not signed"),
        (altered(":42<", ":43<"), "altered after it was signed"),
        (altered("#ecdsa-sha256", "#rsa-sha256"), "SignatureMethod: expected"),
        (b"<a/>", "expected sr:Request or sr:Response"),
        (b"", "not an XML document"),
    ],
)
def test_a_document_that_does_not_verify_is_an_exit_status_of_1(
    bench: Path, document: bytes, fault: str
) -> None:
    result = run("verify", "-", "--certificates", bench / "supplier", input_=document)

    assert result.exit_code == 1
    assert fault in result.output


def test_an_unknown_signer_is_told_with_what_to_do(bench: Path) -> None:
    alone = run("verify", bench / "signed.xml")
    elsewhere = run("verify", bench / "signed.xml", "--certificates", bench / "attacker")

    assert (alone.exit_code, elsewhere.exit_code) == (1, 1)
    assert "hint: name a folder with the signer's certificate: --certificates DIR" in alone.output
    assert "hint: add the signer's certificate to those known" in elsewhere.output


def test_a_signed_document_verifies(bench: Path) -> None:
    keys = bench / "supplier" / "90b3d51f30010000-ds"
    arguments = ("--key", keys.with_suffix(".key"), "--certificate", keys.with_suffix(".pem"))
    written = bench / "written.xml"

    to_file = run("sign", bench / "unsigned.xml", *arguments, "--output", written)
    to_output = run("sign", bench / "unsigned.xml", *arguments)

    assert (to_file.exit_code, to_output.exit_code) == (0, 0), to_file.output
    assert parse_request(written.read_bytes()) == parse_request(to_output.stdout_bytes) == ACTIVATE
    for document in (written.read_bytes(), to_output.stdout_bytes):
        verified = run("verify", "-", "--certificates", bench / "supplier", input_=document)
        assert verified.exit_code == 0, verified.output


def test_a_key_that_is_not_the_certificates_signs_nothing(bench: Path) -> None:
    result = run(
        "sign",
        bench / "unsigned.xml",
        *("--key", bench / "attacker" / "90b3d51f30990000-ds.key"),
        *("--certificate", bench / "supplier" / "90b3d51f30010000-ds.pem"),
        *("--output", bench / "written.xml"),
    )

    assert result.exit_code == 1
    assert "the private key is not that of the certificate" in result.output
    assert not (bench / "written.xml").exists()


def test_a_folder_that_cannot_be_written_is_told(bench: Path) -> None:
    keys = bench / "supplier" / "90b3d51f30010000-ds"
    absent = bench / "absent" / "written.xml"

    result = run(
        "sign",
        bench / "signed.xml",
        *("--key", keys.with_suffix(".key"), "--certificate", keys.with_suffix(".pem"), "-o", absent),
    )

    assert result.exit_code == 1
    assert "cannot write" in result.output


@pytest.mark.parametrize("command", ["verify", "show"])
def test_a_file_that_is_not_there_is_told(tmp_path: Path, command: str) -> None:
    result = run(command, tmp_path / "absent.xml")

    assert result.exit_code == 1
    assert "cannot read" in result.output


def test_attack_endless_input_is_read_no_further_than_the_limit(tmp_path: Path) -> None:
    large = tmp_path / "large.xml"
    with large.open("wb") as file:
        file.truncate(100 * 1024 * 1024)

    result = run("verify", large)

    assert result.exit_code == 1
    assert "has 16777217 octets, more than 16777216" in result.output


def test_an_update_is_shown_in_words() -> None:
    image = b"an Upgrade Image"
    request_id = RequestId(SUPPLIER.eui64, DCC.eui64, 7)

    assert shown(build_request(UpdatePpmidFirmware(request_id, image, "[1]", (DEVICE,)))) == {
        "Service Request": "11.4 Update PPMID Firmware, Command Variant 8",
        "from": "90-B3-D5-1F-30-01-00-00",
        "to": "90-B3-D5-1F-30-00-00-02",
        "counter": "7",
        "Firmware Image": f"16 octets, SHA-256 {sha256(image).hexdigest()}",
        "Firmware Version": "[1]",
        "devices": "00-0D-6F-00-00-00-00-01",
        "signature": "none",
    }


def test_when_an_activation_is_to_happen_is_shown() -> None:
    assert shown(UNSIGNED)["when"] == "2030-01-15T09:00:00+00:00"
    assert shown(build_request(replace(ACTIVATE, execution_date_time=None)))["when"] == "at once"
    assert "cancels" in shown(build_request(replace(ACTIVATE, execution_date_time=CANCELLATION)))["when"]
    read = ReadFirmwareVersion(RequestId(SUPPLIER.eui64, DEVICE, 1))
    assert shown(build_request(read))["Service Request"].startswith("11.2 Read Firmware Version")


INSTALL_CODE = bytes(range(16))


@pytest.mark.parametrize(
    ("request_", "facts"),
    [
        (
            SignedPreCommand(ACTIVATE.request_id, PAYLOAD),
            {
                "Service Request": "11.3 Activate Firmware, Command Variant 5",
                "Signed Pre-Command": f"CS06 pre-command, {len(PAYLOAD)} octets",
            },
        ),
        (
            UpdateHanDeviceLog(ACTIVATE.request_id, DEVICE, HanDeviceLogChange.ADD, INSTALL_CODE, 90),
            {
                "Service Request": "8.11 Update HAN Device Log, Command Variant 1",
                "change": "Add",
                "device": str(DEVICE),
                "may join for": "90 s, with the install code in the document",
                "when": "at once",
            },
        ),
        (
            UpdateHanDeviceLog(ACTIVATE.request_id, DEVICE, HanDeviceLogChange.REMOVE),
            {"change": "Remove", "device": str(DEVICE)},
        ),
        (ReadInventory(ACTIVATE.request_id, DEVICE), {"of": f"device {DEVICE}"}),
        (ReadInventory(ACTIVATE.request_id, Uprn(7)), {"of": "UPRN 7"}),
        (ReadInventory(ACTIVATE.request_id, Mpxn("13")), {"of": "MPxN 13"}),
        (
            ReadInventory(ACTIVATE.request_id, PropertyFilter("SW1A 2AA", "10")),
            {"of": "property 10, SW1A 2AA"},
        ),
    ],
)
def test_a_request_is_shown_in_words(request_: ServiceRequest, facts: dict[str, str]) -> None:
    document = build_request(request_)

    assert facts.items() <= shown(document).items()
    assert INSTALL_CODE.hex().upper() not in run("show", "-", input_=document).output


def test_a_signature_is_shown_as_not_verified() -> None:
    number = SUPPLIER.signing_certificate.certificate.serial_number

    assert shown(SIGNED)["signature"] == f"not verified here; by certificate {number} of CN=hanota lab CA"
    assert shown(altered("#ecdsa-sha256", "#rsa-sha256"))["signature"].startswith("not in the form of DUIS")


def answered(content: ResponseContent | None) -> Response:
    return Response(ResponseCode.I0, TIME, ResponseMessage(ServiceReference.ACTIVATE_FIRMWARE, content))


RESPONSE = answered(None)
FUTURE_DATED = FutureDatedDeviceAlertMessage(FutureDatedAlertCode.NOT_ACTIONED, b"\xdd")
DELIVERED = CspFirmwareDeliveryStatus(
    RequestId(SUPPLIER.eui64, DCC.eui64, 7), DCC.eui64, DEVICE, "1", TIME, CommsHubTransferStatus.SUCCESS
)
TRANSFERRED = CommsHubAlert(
    DCC.eui64, 0x8F89, FirmwareTransferAlert(DEVICE, "1", TransferResponseCode.FILE_TRANSFER_FAILURE)
)
ACTIVATED = PpmidAlert(
    DEVICE, 0x8F8B, PpmidFirmwareUpgradeAlert("1", ActivateImageResultCode.ACTIVATION_FAILURE)
)


@pytest.mark.parametrize(
    ("response", "facts"),
    [
        (
            replace(RESPONSE, request_id=RequestId(SUPPLIER.eui64, DEVICE, 42)),
            {
                "Response": "to 11.3 Activate Firmware",
                "RequestID": f"{SUPPLIER.eui64}:{DEVICE}:42",
                "Response Code": "I0",
            },
        ),
        (
            answered(PreCommand("4.3", PAYLOAD)),
            {"Pre-Command": f"GBCS 4.3, CS06 pre-command, {len(PAYLOAD)} octets"},
        ),
        (
            answered(GbcsPayload(PAYLOAD)),
            {"GBCS payload": f"CS06 pre-command, {len(PAYLOAD)} octets"},
        ),
        (
            answered(FUTURE_DATED),
            {"future dated": "8F67 not actioned", "instruction": "1 of 1"},
        ),
        (
            Response(
                ResponseCode.W110101,
                TIME,
                ResponseMessage(
                    ServiceReference.UPDATE_FIRMWARE, UpdateFirmwareWarning(not_commissioned=(DEVICE,))
                ),
            ),
            {"Response Code": "W110101", "not commissioned": str(DEVICE)},
        ),
        (
            replace(RESPONSE, body=DeviceAlertMessage(0x8F1C, PAYLOAD)),
            {
                "device alert": "8F1C (firmware verification failed)",
                "GBCS payload": f"CS06 pre-command, {len(PAYLOAD)} octets",
            },
        ),
        (
            replace(RESPONSE, body=DccAlertMessage(DELIVERED)),
            {"DCC alert": "N60 CSPFirmwareDeliveryStatus", "device": str(DEVICE), "outcome": "Success"},
        ),
        (
            replace(RESPONSE, body=DccAlertMessage(TRANSFERRED)),
            {
                "DCC alert": "N62 CommsHubAlert",
                "alert code": "8F89 (firmware transfer failed)",
                "outcome": "FileTransferFailure",
            },
        ),
        (
            replace(RESPONSE, body=DccAlertMessage(ACTIVATED)),
            {
                "DCC alert": "N39 PPMIDAlert",
                "alert code": "8F8B (PPMID firmware activation)",
                "outcome": "ActivationFailure",
            },
        ),
        (
            Response(
                ResponseCode.I0,
                TIME,
                ResponseMessage(
                    ServiceReference.READ_INVENTORY,
                    DspInventory(
                        (
                            InventoryDevice(
                                DEVICE,
                                DeviceType.PPMID,
                                DeviceStatus.COMMISSIONED,
                                device_model="model 7",
                                device_firmware_version="01000001",
                            ),
                        )
                    ),
                ),
            ),
            {
                "Response": "to 8.2 Read Inventory",
                "device": f"{DEVICE}: PPMID, Commissioned, model 7, version 01000001",
            },
        ),
        (
            Response(ResponseCode.E100, TIME, ResponseMessage(OtherServiceReference.of("5.1", "5.1"))),
            {"Response": "to 5.1 not served", "Response Code": "E100"},
        ),
    ],
)
def test_a_document_of_the_dcc_is_shown_in_words(response: Response, facts: dict[str, str]) -> None:
    said = shown(build_response(response))

    assert facts.items() <= said.items()


def test_a_gbcs_payload_that_is_none_is_shown_as_such() -> None:
    said = shown(build_response(replace(RESPONSE, body=DeviceAlertMessage(0x8F1C, b"\xdd"))))

    assert said["GBCS payload"].startswith("1 octets, no GBCS message: ")


@needs_vectors
def test_a_document_is_held_to_the_published_schema(bench: Path) -> None:
    (bench / "wrong.xml").write_bytes(altered("FirmwareHash>00", "FirmwareHash>"))

    valid = run("validate", bench / "signed.xml", "--schema", SCHEMA)
    wrong = run("validate", bench / "wrong.xml", "--schema", SCHEMA)

    assert valid.exit_code == 0
    assert "valid by DUIS Schema V5.4.xsd" in valid.stdout
    assert "MMC Schema V5.4.xsd is not beside the schema" in valid.stderr
    assert wrong.exit_code == 1
    assert "not valid by the schema" in wrong.output


def test_a_schema_that_is_none_is_told(bench: Path) -> None:
    result = run("validate", bench / "signed.xml", "--schema", bench / "unsigned.xml")

    assert result.exit_code == 1
    assert "is not an XML schema" in result.output


@needs_vectors
def test_the_published_keys_sign_and_verify_a_template(tmp_path: Path) -> None:
    template = TEMPLATES / "11.4_UPDATE_PPMID_FIRMWARE_REQUEST_DUIS.XML"
    keys = XML_KEYS / "xml-sign-90B3D51F30010000-ds"
    written = tmp_path / "signed.xml"

    signed = run(
        "sign",
        template,
        *("--key", keys.with_suffix(".key"), "--certificate", keys.with_suffix(".pem"), "-o", written),
    )
    verified = run("verify", written, "--certificates", XML_KEYS)

    assert (signed.exit_code, verified.exit_code) == (0, 0), signed.output + verified.output
    assert "by 90-B3-D5-1F-30-01-00-00" in verified.output


def test_a_service_request_that_is_not_served_is_shown_by_its_header() -> None:
    other = UNSIGNED.replace(b"11.3<", b"8.13<").replace(b">4<", b">8<")

    assert shown(other) == {
        "Service Request": "8.13, not served",
        "Command Variant": "8",
        "from": "90-B3-D5-1F-30-01-00-00",
        "to": str(DEVICE),
        "counter": "42",
        "signature": "none",
    }


def test_a_command_variant_that_is_not_served_is_shown_by_its_header() -> None:
    told = shown(UNSIGNED.replace(b">4<", b">2<"))

    assert told["Service Request"] == "11.3 Activate Firmware, not served in this Command Variant"
    assert told["Command Variant"] == "2"


def test_a_service_request_of_no_schema_is_shown_as_such() -> None:
    assert shown(UNSIGNED.replace(b"11.3<", b"77.7<"))["Service Request"] == (
        "of no Service Reference of DUIS"
    )


def test_a_certificate_that_is_not_valid_now_is_told_how_to_judge_at_another_time(tmp_path: Path) -> None:
    later = LabCa(datetime(2100, 1, 1, tzinfo=UTC).timestamp(), seed=b"later").issue_organisation(
        SUPPLIER.eui64, RemotePartyRole.SUPPLIER, "Supplier"
    )
    later.save(tmp_path / "later")
    document = tmp_path / "later.xml"
    document.write_bytes(sign_document(UNSIGNED, later.signing_key, later.signing_certificate))
    verify = ("verify", document, "--certificates", tmp_path / "later")

    now, early = run(*verify), run(*verify, "--at", "2015-06-16")
    day, moment = run(*verify, "--at", "2100-06-16"), run(*verify, "--at", "2100-06-16T16:34:15Z")

    assert [result.exit_code for result in (now, early, day, moment)] == [1, 1, 0, 0]
    assert "--at 2022-06-16" in now.stderr
    assert "not at 2015-06-16T00:00:00+00:00" in early.stderr
    assert "hint" not in early.stderr


@pytest.mark.parametrize("at", ["yesterday", "0001-01-01T00:00:00+14:00"])
def test_a_time_that_is_none_is_refused_with_words(bench: Path, at: str) -> None:
    result = run("verify", bench / "signed.xml", "--certificates", bench / "supplier", "--at", at)
    assert result.exit_code in (1, 2)
    assert isinstance(result.exception, SystemExit)


def test_a_file_that_is_no_certificate_hides_none_of_the_others(bench: Path) -> None:
    (bench / "supplier" / "broken.pem").write_text("garbage")

    result = run("verify", bench / "signed.xml", "--certificates", bench / "supplier")

    assert result.exit_code == 0
    assert "left out" in result.stderr
    assert "broken.pem" in result.stderr
