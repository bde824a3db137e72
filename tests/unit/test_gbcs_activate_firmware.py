"""Payloads of the firmware use cases, against a second ASN.1 implementation."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import asn1tools
import pytest

from hanota.errors import LocalProtocolError, RemoteProtocolError
from hanota.eui64 import Eui64
from hanota.gbcs import activate_firmware, alerts, cosem, der, read_firmware_version
from hanota.gbcs.activate_firmware import (
    CANCELLATION,
    ActivateImageResponseCode,
    CommandAccepted,
    ExecutionOutcome,
    activate_firmware_precommand,
    activate_firmware_response,
    future_dated_alert,
)
from hanota.gbcs.message import Cra, Message
from hanota.gbcs.read_firmware_version import ReadFirmwareVersionResponse
from hanota.gbcs.usecases import decode_payload, payload_to_json, use_case_name

ACTIVATE_FIRMWARE = """
ActivateFirmware DEFINITIONS ::= BEGIN
CommandPayload ::= SEQUENCE {
    manufacturerImageHash OCTET STRING (SIZE(32)),
    originatorCounter INTEGER (0..9223372036854775807),
    executionDateTime GeneralizedTime OPTIONAL }
ResponsePayload ::= CHOICE { commandAccepted NULL, executionOutcome ExecutionOutcome }
AlertPayload ::= SEQUENCE {
    alertCode INTEGER (0..4294967295),
    executionDateTime GeneralizedTime,
    originatorCounter INTEGER (0..9223372036854775807),
    executionOutcome ExecutionOutcome }
ExecutionOutcome ::= SEQUENCE {
    activateImageResponseCode INTEGER { success(0), noImageHeld(1), hashMismatch(2), activationFailure(3) },
    firmwareVersion OCTET STRING (SIZE(4)) }
ReadResponse ::= SEQUENCE { firmwareVersion OCTET STRING (SIZE(4)), responseCode INTEGER }
TransferAlert ::= SEQUENCE {
    alertCode INTEGER, date GeneralizedTime, entityId OCTET STRING (SIZE(8)),
    firmwareVersion OCTET STRING (SIZE(4)), responseCode INTEGER }
ActivationAlert ::= SEQUENCE {
    alertCode INTEGER, activationDateTime GeneralizedTime,
    firmwareVersion OCTET STRING (SIZE(4)), activateImageResult INTEGER }
END
"""

SUPPLIER = Eui64.parse("90-B3-D5-1F-30-01-00-00")
DEVICE = Eui64.parse("00-0D-6F-00-0A-00-00-01")
BROKER = Eui64.parse("90-B3-D5-1F-30-00-00-02")
IMAGE_HASH = bytes(range(32))
VERSION = bytes.fromhex("deadbeef")
WHEN = datetime(2027, 5, 17, 23, 5, 9, tzinfo=UTC)
NOW = WHEN.timestamp()


@pytest.fixture(scope="module")
def oracle() -> Any:
    return asn1tools.compile_string(ACTIVATE_FIRMWARE, "der")


@pytest.mark.parametrize("counter", [0, 1, 127, 128, 0x7FFF, 0x8000, 2**63 - 1])
@pytest.mark.parametrize("when", [None, WHEN, CANCELLATION], ids=["now", "future dated", "cancellation"])
def test_command_payloads_are_those_of_a_second_implementation(
    oracle: Any, counter: int, when: datetime | None
) -> None:
    message = activate_firmware_precommand(SUPPLIER, DEVICE, counter, IMAGE_HASH, when)
    fields = {"manufacturerImageHash": IMAGE_HASH, "originatorCounter": counter}
    if when is not None:
        fields["executionDateTime"] = when
    assert message.payload == oracle.encode("CommandPayload", fields)
    assert activate_firmware.decode_command(message.payload).is_cancellation is (when is CANCELLATION)


@pytest.mark.parametrize("code", ActivateImageResponseCode)
def test_response_and_alert_payloads_are_those_of_a_second_implementation(
    oracle: Any, code: ActivateImageResponseCode
) -> None:
    command = activate_firmware_precommand(SUPPLIER, DEVICE, 5, IMAGE_HASH, WHEN)
    outcome = ExecutionOutcome(activate_image_response_code=code, firmware_version=VERSION)
    expected = {"activateImageResponseCode": int(code), "firmwareVersion": VERSION}
    response = activate_firmware_response(command, outcome)
    assert response.payload == oracle.encode("ResponsePayload", ("executionOutcome", expected))
    assert future_dated_alert(command, 6, outcome).payload == oracle.encode(
        "AlertPayload",
        {
            "alertCode": 0x8F66 if code is ActivateImageResponseCode.SUCCESS else 0x8F67,
            "executionDateTime": WHEN,
            "originatorCounter": 5,
            "executionOutcome": expected,
        },
    )


def test_an_accepted_command_is_answered_with_null(oracle: Any) -> None:
    command = activate_firmware_precommand(SUPPLIER, DEVICE, 5, IMAGE_HASH, WHEN)
    response = activate_firmware_response(command, CommandAccepted())
    assert response.payload == oracle.encode("ResponsePayload", ("commandAccepted", None))
    assert decode_payload(response) == CommandAccepted()
    assert payload_to_json(CommandAccepted()) == {"commandAccepted": None}


def test_the_other_payloads_are_those_of_a_second_implementation(oracle: Any) -> None:
    command = read_firmware_version.read_firmware_version_command(BROKER, DEVICE, 1, SUPPLIER, 2)
    answer = ReadFirmwareVersionResponse(firmware_version=VERSION, response_code=1)
    response = read_firmware_version.read_firmware_version_response(command, answer)
    assert response.payload == oracle.encode("ReadResponse", {"firmwareVersion": VERSION, "responseCode": 1})
    transfer = alerts.firmware_transfer_alert(
        DEVICE,
        BROKER,
        9,
        device=SUPPLIER,
        firmware_version=VERSION,
        response_code=alerts.TransferResponseCode.HARDWARE_VERSION_MISMATCH,
        now=NOW + 0.9,
    )
    assert transfer.payload == oracle.encode(
        "TransferAlert",
        {
            "alertCode": 0x8F89,
            "date": WHEN,
            "entityId": bytes(SUPPLIER),
            "firmwareVersion": VERSION,
            "responseCode": 2,
        },
    )
    activation = alerts.ppmid_activation_alert(
        DEVICE, BROKER, 9, firmware_version=VERSION, result=alerts.ActivateImageResult.FAILURE, now=NOW
    )
    assert activation.payload == oracle.encode(
        "ActivationAlert",
        {
            "alertCode": 0x8F8B,
            "activationDateTime": WHEN,
            "firmwareVersion": VERSION,
            "activateImageResult": 1,
        },
    )


def test_a_response_goes_back_to_the_originator_with_its_counter_and_a_date_time() -> None:
    command = activate_firmware_precommand(SUPPLIER, DEVICE, 5, IMAGE_HASH)
    response = activate_firmware_response(command, CommandAccepted(), NOW)
    assert (response.cra, response.originator, response.recipient, response.originator_counter) == (
        Cra.RESPONSE,
        DEVICE,
        SUPPLIER,
        5,
    )
    assert response.date_time == bytes.fromhex("07eb 05 11 ff 17 05 09 00 8000 ff")
    assert activate_firmware_response(command, CommandAccepted()).date_time == cosem.NOT_SPECIFIED


def test_a_read_firmware_version_response_echoes_the_supplementary_fields() -> None:
    command = read_firmware_version.read_firmware_version_command(BROKER, DEVICE, 1, SUPPLIER, 2)
    answer = ReadFirmwareVersionResponse(firmware_version=VERSION, response_code=0)
    response = read_firmware_version.read_firmware_version_response(command, answer)
    assert response.other_information == command.other_information
    assert (response.originator, response.recipient, response.date_time) == (DEVICE, BROKER, b"")


def test_a_time_in_another_zone_is_sent_in_utc() -> None:
    summer = WHEN.astimezone(timezone(timedelta(hours=1)))
    in_utc = activate_firmware_precommand(SUPPLIER, DEVICE, 1, IMAGE_HASH, WHEN)
    assert activate_firmware_precommand(SUPPLIER, DEVICE, 1, IMAGE_HASH, summer) == in_utc


def test_payloads_are_shown_by_their_asn1_names() -> None:
    command = activate_firmware_precommand(SUPPLIER, DEVICE, 5, IMAGE_HASH, CANCELLATION)
    payload = decode_payload(command)
    assert payload is not None
    assert use_case_name(command) == "CS06"
    assert payload_to_json(payload) == {
        "manufacturerImageHash": IMAGE_HASH.hex(),
        "originatorCounter": 5,
        "executionDateTime": "99991231235959Z",
    }
    outcome = ExecutionOutcome(activate_image_response_code=2, firmware_version=VERSION)
    assert payload_to_json(outcome) == {
        "executionOutcome": {"activateImageResponseCode": 2, "firmwareVersion": "deadbeef"}
    }
    alert = decode_payload(future_dated_alert(command, 6, outcome))
    assert alert is not None
    assert payload_to_json(alert) == {
        "alertCode": 0x8F67,
        "executionDateTime": "99991231235959Z",
        "originatorCounter": 5,
        "executionOutcome": {"activateImageResponseCode": 2, "firmwareVersion": "deadbeef"},
    }
    read = read_firmware_version.read_firmware_version_command(BROKER, DEVICE, 1, SUPPLIER, 2)
    nothing = decode_payload(read)
    assert nothing is not None
    assert payload_to_json(nothing) is None


def test_a_use_case_without_a_layout_has_no_fields() -> None:
    message = Message(
        cra=Cra.COMMAND,
        originator_counter=1,
        originator=BROKER,
        recipient=DEVICE,
        message_code=0x7777,
        payload=b"?",
    )
    assert decode_payload(message) is None
    assert use_case_name(message) == "7777"


HASH = "0420" + IMAGE_HASH.hex()
TIME = "180f" + WHEN.strftime("%Y%m%d%H%M%SZ").encode().hex()


def _sequence(content: str) -> bytes:
    return bytes([0x30, len(content) // 2]) + bytes.fromhex(content)


def test_the_well_formed_command_these_faults_are_made_from_is_read() -> None:
    assert activate_firmware.decode_command(_sequence(HASH + "020105" + TIME)).originator_counter == 5


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x05\x00",
        _sequence(HASH),
        _sequence("041f" + "00" * 31 + "020105"),
        _sequence("0421" + "00" * 33 + "020105"),
        _sequence("2422" + HASH + "020105"),
        _sequence(HASH + "02020005"),
        _sequence(HASH + "028105" + "05"),
        _sequence(HASH + "0200"),
        _sequence(HASH + "0201ff"),
        _sequence(HASH + "0209008000000000000000"),
        _sequence(HASH + "020105" + "0500"),
        _sequence(HASH + "020105" + TIME + "00"),
        _sequence(HASH + "020105") + b"\x00",
        _sequence(HASH + "020105" + "170d" + b"270517230509Z".hex()),
        _sequence(HASH + "020105" + "180d" + b"202705172305Z".hex()),
        _sequence(HASH + "020105" + "1811" + b"20270517230509.5Z".hex()),
        _sequence(HASH + "020105" + "1813" + b"20270517230509+0000".hex()),
        _sequence(HASH + "020105" + "180f" + b"20270230000000Z".hex()),
        _sequence(HASH + "020105" + "180f" + b"2027051723050 Z".hex()),
        b"\x30\x80" + bytes.fromhex(HASH + "020105") + b"\x00\x00",
        b"\x30\x81\x25" + bytes.fromhex(HASH + "020105"),
    ],
)
def test_a_payload_that_is_not_the_der_of_a_command_is_refused(payload: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        activate_firmware.decode_command(payload)


@pytest.mark.parametrize("payload", [b"\x05\x01\x00", b"\x05\x00\x00", b"\x05\x81\x00", b""])
def test_a_null_with_anything_in_it_is_refused(payload: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        activate_firmware.decode_response(payload)
    with pytest.raises(RemoteProtocolError):
        read_firmware_version.decode_command(payload)


def test_an_alert_with_a_negative_code_inside_its_outcome_is_refused() -> None:
    outcome = "3009" + "0201ff" + "0404deadbeef"
    with pytest.raises(RemoteProtocolError, match="activateImageResponseCode"):
        activate_firmware.decode_alert(_sequence("0203008f66" + TIME + "020105" + outcome))


def test_parameters_no_payload_can_carry_are_our_fault() -> None:
    with pytest.raises(LocalProtocolError):
        activate_firmware_precommand(SUPPLIER, DEVICE, 5, b"too short")
    with pytest.raises(LocalProtocolError):
        activate_firmware_precommand(SUPPLIER, DEVICE, 2**63, IMAGE_HASH)
    immediate = activate_firmware_precommand(SUPPLIER, DEVICE, 5, IMAGE_HASH)
    outcome = ExecutionOutcome(activate_image_response_code=0, firmware_version=VERSION)
    with pytest.raises(LocalProtocolError, match="at once"):
        future_dated_alert(immediate, 6, outcome)


def test_a_payload_is_a_value() -> None:
    one, same = (ExecutionOutcome(activate_image_response_code=0, firmware_version=VERSION) for _ in range(2))
    assert one == same
    assert hash(one) == hash(same)
    with pytest.raises(AttributeError):
        one.firmware_version = b""  # type: ignore[misc]  # it is frozen
    assert der.decode(ExecutionOutcome, der.encode(one)) == one
