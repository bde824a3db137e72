"""`hanota gbcs decode`: files in, one line a message out, and an exit status that can be trusted."""

from __future__ import annotations

import json
from base64 import b64encode, encodebytes
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hanota.cli import gbcs
from hanota.cli.gbcs import app
from hanota.eui64 import Eui64
from hanota.gbcs.activate_firmware import (
    CommandAccepted,
    activate_firmware_precommand,
    activate_firmware_response,
)
from hanota.gbcs.certificates import RemotePartyRole
from hanota.gbcs.crypto import protect, sign
from hanota.gbcs.device_log import (
    AccessResult,
    add_device_command,
    device_log_response,
    remove_device_command,
)
from hanota.gbcs.lab_ca import LabCa
from hanota.gbcs.message import Cra, Message
from hanota.gbcs.read_firmware_version import (
    ReadFirmwareVersionResponse,
    read_firmware_version_command,
    read_firmware_version_response,
)

CA = LabCa(1_800_000_000.0, seed=b"command line")
SUPPLIER = CA.issue_organisation(Eui64.parse("90B3D51F30010000"), RemotePartyRole.SUPPLIER, "Supplier")
BROKER = CA.issue_organisation(Eui64.parse("90B3D51F30000002"), RemotePartyRole.ACCESS_CONTROL_BROKER, "DCC")
DEVICE = CA.issue_device(Eui64.parse("000D6F000A000001"))

PRE_COMMAND = activate_firmware_precommand(SUPPLIER.eui64, DEVICE.eui64, 5, bytes(range(32)))
COMMAND = protect(
    sign(PRE_COMMAND, SUPPLIER.signing_key), BROKER.agreement_key, DEVICE.agreement_certificate.public_key
)
RESPONSE = sign(activate_firmware_response(COMMAND, CommandAccepted()), DEVICE.signing_key)
UNKNOWN = protect(
    sign(replace(PRE_COMMAND, message_code=0x7ABC, payload=b"\xd9\x00"), SUPPLIER.signing_key),
    BROKER.agreement_key,
    DEVICE.agreement_certificate.public_key,
)

COMMAND_JSON = {
    "message_code": "0012",
    "use_case": "CS06",
    "cra": "Command",
    "originator": "90-B3-D5-1F-30-01-00-00",
    "recipient": "00-0D-6F-00-0A-00-00-01",
    "originator_counter": 5,
    "payload": {"manufacturerImageHash": bytes(range(32)).hex(), "originatorCounter": 5},
    "re_encodes": True,
    "signature": "valid",
    "mac": "valid",
}


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    folder = tmp_path / "keys"
    for credentials in (SUPPLIER, BROKER, DEVICE):
        credentials.save(folder)
    return folder


def decode(*arguments: object) -> tuple[int, list[dict[str, Any]]]:
    result = CliRunner().invoke(app, ["decode", "--json", *map(str, arguments)])
    return result.exit_code, [json.loads(line) for line in result.stdout.splitlines()]


def spaced(octets: bytes) -> str:
    return octets.hex(" ")


def lines_of(octets: bytes) -> str:
    text = octets.hex().upper()
    return "\r\n".join(text[start : start + 61] for start in range(0, len(text), 61)) + "\r\n"


@pytest.mark.parametrize(
    "content",
    [
        COMMAND.encode(),
        COMMAND.encode().hex().encode(),
        COMMAND.encode().hex().upper().encode() + b"\n",
        spaced(COMMAND.encode()).encode(),
        lines_of(COMMAND.encode()).encode(),
        b"\n\n  " + lines_of(COMMAND.encode()).encode(),
        b"\xef\xbb\xbf" + COMMAND.encode().hex().encode(),
        b64encode(COMMAND.encode()),
        encodebytes(COMMAND.encode()),
    ],
    ids=[
        "binary",
        "lower case",
        "upper case",
        "spaced",
        "wrapped",
        "indented",
        "byte order mark",
        "base64",
        "wrapped base64",
    ],
)
def test_a_message_is_read_in_every_usual_notation(tmp_path: Path, keys: Path, content: bytes) -> None:
    file = tmp_path / "message"
    file.write_bytes(content)
    assert decode(file, "--keystore", keys) == (0, [{"file": str(file), **COMMAND_JSON}])


@pytest.mark.parametrize(
    "content",
    [
        f"{COMMAND.encode().hex()}\n{RESPONSE.encode().hex()}\n{UNKNOWN.encode().hex()}\n",
        f"{lines_of(COMMAND.encode())}\n{lines_of(RESPONSE.encode())}\n{lines_of(UNKNOWN.encode())}",
        "\n".join(b64encode(message.encode()).decode() for message in (COMMAND, RESPONSE, UNKNOWN)),
        "\n".join(encodebytes(message.encode()).decode() for message in (COMMAND, RESPONSE, UNKNOWN)),
    ],
    ids=["one a line", "one a paragraph", "base64, one a line", "base64, one a paragraph"],
)
def test_a_file_may_hold_several_messages(tmp_path: Path, keys: Path, content: str) -> None:
    file = tmp_path / "messages.hex"
    file.write_text(content)
    status, messages = decode(file, "--keystore", keys)
    assert status == 0
    assert [
        (message["cra"], message["use_case"], message["signature"], message["mac"]) for message in messages
    ] == [
        ("Command", "CS06", "valid", "valid"),
        ("Response", "CS06", "valid", "absent"),
        ("Command", None, "valid", "valid"),
    ]


def test_an_unknown_use_case_is_shown_in_hex_and_verified_all_the_same(tmp_path: Path, keys: Path) -> None:
    file = tmp_path / "unknown.hex"
    file.write_text(UNKNOWN.encode().hex())
    status, (message,) = decode(file, "--keystore", keys)
    assert status == 0
    assert (message["message_code"], message["use_case"], message["payload"]) == ("7ABC", None, "d900")
    assert (message["re_encodes"], message["signature"], message["mac"]) == (True, "valid", "valid")


def test_without_keys_nothing_is_verified_and_nothing_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "command.hex"
    file.write_text(COMMAND.encode().hex())
    status, (message,) = decode(file)
    assert status == 0
    assert (message["signature"], message["mac"]) == ("unverifiable", "unverifiable")


def test_a_pre_command_has_nothing_to_verify(tmp_path: Path, keys: Path) -> None:
    file = tmp_path / "pre.hex"
    file.write_text(PRE_COMMAND.encode().hex() + "00")
    status, (message,) = decode(file, "--keystore", keys)
    assert status == 0
    assert (message["signature"], message["mac"], message["re_encodes"]) == ("absent", "absent", True)


@pytest.mark.parametrize(
    ("message", "signature", "mac"),
    [
        (replace(COMMAND, mac=bytes(12)), "valid", "invalid"),
        (replace(COMMAND, signature=bytes(64)), "invalid", "invalid"),
        (replace(COMMAND, originator_counter=6), "invalid", "invalid"),
        (replace(RESPONSE, payload=b"\x05\x00", originator_counter=4), "invalid", "absent"),
    ],
)
def test_an_altered_message_ends_with_status_1(
    tmp_path: Path, keys: Path, message: Message, signature: str, mac: str
) -> None:
    file = tmp_path / "altered"
    file.write_bytes(message.encode())
    status, (decoded,) = decode(file, "--keystore", keys)
    assert (status, decoded["signature"], decoded["mac"]) == (1, signature, mac)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b" \n\t", "empty"),
        (b"not hex", "neither hex nor"),
        (b"DF0", "odd"),
        (b"\x00\x01", "neither hex nor"),
        (b"3w==3w==", "base64"),
        (b64encode(COMMAND.encode())[:-4], "ciphered service"),
        (b"\xdd\x09\x01" + bytes(40), "General Block Transfer"),
        (COMMAND.encode()[:-1], "ciphered service"),
        (COMMAND.encode().hex().encode() + b"00", "too many"),
        (replace(PRE_COMMAND, payload=b"\x30\x00").encode(), "ActivateFirmwareCommand"),
    ],
)
def test_what_does_not_parse_is_an_error_and_the_rest_goes_on(
    tmp_path: Path, keys: Path, content: bytes, reason: str
) -> None:
    bad, good = tmp_path / "bad", tmp_path / "good"
    bad.write_bytes(content)
    good.write_bytes(COMMAND.encode())
    status, (error, message) = decode(bad, good, "--keystore", keys)
    assert status == 1
    assert error.keys() == {"file", "error"}
    assert error["file"] == str(bad)
    assert reason in error["error"]
    assert message == {"file": str(good), **COMMAND_JSON}


def test_a_bad_line_does_not_hide_the_good_ones(tmp_path: Path, keys: Path) -> None:
    file = tmp_path / "messages.hex"
    file.write_text(f"{COMMAND.encode().hex()}\nDD00\nDF0\n{RESPONSE.encode().hex()}\n")
    status, messages = decode(file, "--keystore", keys)
    assert status == 1
    assert ["error" in message for message in messages] == [False, True, True, False]


def test_a_missing_file_is_an_error_and_the_rest_goes_on(tmp_path: Path, keys: Path) -> None:
    good = tmp_path / "good"
    good.write_bytes(COMMAND.encode())
    status, (error, message) = decode(tmp_path / "missing", good, "--keystore", keys)
    assert status == 1
    assert "No such file" in error["error"]
    assert message["mac"] == "valid"


def test_a_file_too_large_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gbcs, "MAXIMUM_FILE_SIZE", 1000)
    file = tmp_path / "large"
    file.write_bytes(b"00" * 1000)
    status, (error,) = decode(file)
    assert status == 1
    assert "more than 1000 octets" in error["error"]


def test_a_keystore_that_cannot_be_read_is_told_with_a_hint(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["decode", "x", "--keystore", str(tmp_path / "nowhere")])
    assert result.exit_code == 1
    assert "nowhere" in result.stderr
    assert "hint" in result.stderr


def test_for_people_everything_is_told_in_words(tmp_path: Path, keys: Path) -> None:
    read = read_firmware_version_command(BROKER.eui64, DEVICE.eui64, 7, SUPPLIER.eui64, 900)
    answer = ReadFirmwareVersionResponse(firmware_version=bytes(4), response_code=1)
    response = protect(
        read_firmware_version_response(read, answer),
        DEVICE.agreement_key,
        BROKER.agreement_certificate.public_key,
    )
    file = tmp_path / "messages.hex"
    file.write_text(
        "\n".join(message.encode().hex() for message in (COMMAND, RESPONSE, UNKNOWN, response)) + "\nDF"
    )
    result = CliRunner().invoke(app, ["decode", str(file), "--keystore", str(keys)])
    assert result.exit_code == 1
    for words in (
        "command, 0012 CS06 Activate Firmware",
        "90-B3-D5-1F-30-01-00-00, counter 5",
        bytes(range(32)).hex(),
        "commandAccepted  NULL",
        "7ABC a use case hanota does not know",
        "90-B3-D5-1F-30-01-00-00, counter 900",
        "1 (read failure)",
        "valid",
        "transaction-id length: 1 octets wanted",
    ):
        assert words in result.stdout


def test_device_log_changes_are_told_by_their_fields_but_the_install_code(tmp_path: Path, keys: Path) -> None:
    parties = (BROKER.eui64, DEVICE.eui64, 7, SUPPLIER.eui64, 900)
    install_code = bytes(range(16))
    commands = (
        add_device_command(
            *parties, device=SUPPLIER.eui64, install_code=install_code, device_type=132, join_timeout=90
        ),
        remove_device_command(*parties, SUPPLIER.eui64),
    )
    octets = [
        protect(message, BROKER.agreement_key, DEVICE.agreement_certificate.public_key).encode()
        for command in commands
        for message in (command, device_log_response(command, AccessResult.OTHER_REASON))
    ]
    file = tmp_path / "messages.hex"
    file.write_text("\n".join(message.hex() for message in octets))

    status, messages = decode(file, "--keystore", keys)

    assert status == 0
    assert [(message["use_case"], message["cra"], message["mac"]) for message in messages] == [
        ("CCS01", "Command", "valid"),
        ("CCS01", "Response", "valid"),
        ("CCS02", "Command", "valid"),
        ("CCS02", "Response", "valid"),
    ]
    assert messages[0]["payload"]["registerDevice"]["ieeeAddress"] == SUPPLIER.eui64.hex()
    assert messages[1]["payload"]["registerDevice"] == 250
    assert messages[2]["payload"] == {"unregisterDevice": {"ieeeAddress": SUPPLIER.eui64.hex()}}
    assert messages[3]["payload"] == {"unregisterDevice": 250}
    words = CliRunner().invoke(app, ["decode", str(file), "--keystore", str(keys)]).stdout
    assert "250 (other reason)" in words
    assert install_code.hex() not in json.dumps(messages) + words


def test_every_reference_vector_is_in_order() -> None:
    vectors = Path(__file__).parents[2].parent / "shared" / "vectors"
    files = sorted((vectors / "rtds").glob("*.HEX"))
    if not files:
        pytest.skip(f"the reference test data is not in {vectors}")
    status, messages = decode(*files, "--keystore", vectors / "keystore")
    assert status == 0
    assert len(messages) == len(files)
    assert all(message["re_encodes"] for message in messages)
    assert {message["signature"] for message in messages} == {"valid", "absent"}
    assert {message["mac"] for message in messages} == {"valid", "absent"}


def test_a_key_store_with_a_broken_file_verifies_with_the_others(tmp_path: Path, keys: Path) -> None:
    (keys / "90b3d51f30010009-ds.pem").write_text("garbage")
    file = tmp_path / "command.hex"
    file.write_text(COMMAND.encode().hex())

    result = CliRunner().invoke(app, ["decode", str(file), "--keystore", str(keys), "--json"])

    assert result.exit_code == 0
    assert json.loads(result.stdout) == {"file": str(file), **COMMAND_JSON}
    assert "left out" in result.stderr
    assert "90b3d51f30010009-ds.pem" in result.stderr


def test_an_alert_of_another_use_case_is_told_by_name_time_and_alert_code(tmp_path: Path, keys: Path) -> None:
    alert = replace(
        RESPONSE,
        cra=Cra.ALERT,
        message_code=0x0122,
        payload=bytes.fromhex("0f20000007000203128f87"),
        signature=None,
    )
    file = tmp_path / "alert.hex"
    file.write_text(sign(alert, DEVICE.signing_key).encode().hex())

    result = CliRunner().invoke(app, ["decode", str(file), "--keystore", str(keys)])

    assert result.exit_code == 0
    for words in (
        "alert, 0122 ECS102 Limit APC [n] Level ended or cancelled",
        "alertCode   8F87",
        "date-time   ffffffffffffffffff8000ff",
        "payload     0f20000007000203128f87",
        "signature   valid",
    ):
        assert words in result.stdout


def test_what_a_device_does_not_support_is_told_by_message_code(tmp_path: Path) -> None:
    payload = "0f20000007000203128f85090c07df0101ff000000008000ff090a001200000000000186a0"
    alert = replace(
        RESPONSE,
        cra=Cra.ALERT,
        date_time=b"",
        message_code=0x0120,
        payload=bytes.fromhex(payload),
        signature=None,
        supplementary_remote_party=SUPPLIER.eui64,
        supplementary_remote_party_counter=7,
        supplementary_originator_counter=8,
    )
    file = tmp_path / "alert.hex"
    file.write_text(sign(alert, DEVICE.signing_key).encode().hex())

    result = CliRunner().invoke(app, ["decode", str(file)])

    for words in (
        "ECS100 Command not supported by Device",
        "8F85 (command not supported)",
        "messageCode        0012",
        "on behalf of       90-B3-D5-1F-30-01-00-00, counter 7",
        "counter there      8",
    ):
        assert words in result.stdout


def test_messages_are_taken_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["decode", "-", "--json"]
    result = CliRunner().invoke(app, arguments, input=PRE_COMMAND.encode())
    assert result.exit_code == 0
    assert json.loads(result.stdout)["file"] == "-"
    monkeypatch.setattr(gbcs, "MAXIMUM_FILE_SIZE", 10)
    assert "more than 10 octets" in CliRunner().invoke(app, arguments, input=b"0" * 11).stdout
