"""The DCC's published Reference Test Data Set: what hanota says of messages it did not make."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from hanota.errors import VerificationError
from hanota.eui64 import Eui64
from hanota.gbcs import activate_firmware
from hanota.gbcs.activate_firmware import ExecutionOutcome, activate_firmware_precommand
from hanota.gbcs.alerts import TransferResponseCode, decode_firmware_transfer, firmware_transfer_alert
from hanota.gbcs.counters import CounterLog
from hanota.gbcs.crypto import mac, protect, shared_secret, sign, verify_mac, verify_signature
from hanota.gbcs.device_log import add_device_command, device_log_response
from hanota.gbcs.keystore import KeyStore
from hanota.gbcs.message import Message, Shape
from hanota.gbcs.read_firmware_version import read_firmware_version_command
from hanota.gbcs.usecases import decode_payload, payload_to_json
from hanota.gbcs.verification import (
    Verdict,
    Verdicts,
    check,
    verify_from_device,
    verify_signed_precommand,
)

VECTORS = Path(__file__).parents[2].parent / "shared" / "vectors"
FILES = sorted((VECTORS / "rtds").glob("*.HEX"))

pytestmark = pytest.mark.skipif(not FILES, reason=f"the reference test data is not in {VECTORS}")

SUPPLIER = Eui64.parse("90-B3-D5-1F-30-01-00-00")
BROKER = Eui64.parse("90-B3-D5-1F-30-00-00-02")
ESME = Eui64.parse("00-DB-12-34-56-78-90-A0")
CHF = Eui64.parse("00-DB-12-34-56-78-90-A2")
PPMID = Eui64.parse("00-DB-12-34-56-78-90-A4")
HCALCS = Eui64.parse("00-DB-12-34-56-78-90-A5")
NEW_YEAR_2015 = datetime(2015, 1, 1, tzinfo=UTC).timestamp()


@pytest.fixture(scope="module")
def keystore() -> KeyStore:
    return KeyStore.from_folder(VECTORS / "keystore")


def vector(name: str) -> bytes:
    return bytes.fromhex((VECTORS / "rtds" / f"{name}_GBCS.HEX").read_text())


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_vector_parses_and_re_encodes_to_the_same_octets(file: Path) -> None:
    octets = bytes.fromhex(file.read_text())
    assert Message.decode(octets).encode() == octets


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_whatever_protection_a_vector_has_verifies(file: Path, keystore: KeyStore) -> None:
    message = Message.decode(bytes.fromhex(file.read_text()))
    expected = Verdicts(
        Verdict.VALID if message.signature else Verdict.ABSENT,
        Verdict.ABSENT if message.mac is None else Verdict.VALID,
    )
    assert check(message, keystore) == expected


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_vector_is_unverifiable_without_keys_and_not_invalid(file: Path) -> None:
    verdicts = check(Message.decode(bytes.fromhex(file.read_text())), KeyStore())
    assert {verdicts.signature, verdicts.mac} <= {Verdict.ABSENT, Verdict.UNVERIFIABLE}


@pytest.mark.parametrize("kind", ["IMMEDIATE", "FUTURE_DATED"])
def test_a_command_is_rebuilt_from_its_pre_command(kind: str, keystore: KeyStore) -> None:
    """The signature is transplanted: whoever signed it drew a random number."""
    pre_command = Message.decode(vector(f"CS06_11.3_{kind}_SUCCESS_PRECOMMAND"))
    octets = vector(f"CS06_11.3_{kind}_SUCCESS_COMMAND")
    signature = Message.decode(octets).signature
    assert signature is not None
    signed = Message.decode(pre_command.encode() + b"\x40" + signature)
    assert signed.shape is Shape.SIGNED_PRE_COMMAND
    verify_signed_precommand(signed.encode(), keystore, CounterLog())
    command = protect(
        signed, keystore.agreement_private_key(BROKER), keystore.agreement_public_key(pre_command.recipient)
    )
    assert command.encode() == octets


@pytest.mark.parametrize(
    ("kind", "counter", "when"),
    [("IMMEDIATE", 1000, None), ("FUTURE_DATED", 1001, datetime(2030, 1, 15, 9, tzinfo=UTC))],
)
def test_a_pre_command_is_built_from_its_parameters(kind: str, counter: int, when: datetime | None) -> None:
    octets = vector(f"CS06_11.3_{kind}_SUCCESS_PRECOMMAND")
    image_hash = activate_firmware.decode_command(Message.decode(octets).payload).manufacturer_image_hash
    assert activate_firmware_precommand(SUPPLIER, ESME, counter, image_hash, when).encode() == octets


def test_a_freshly_signed_command_verifies_with_the_published_certificates(keystore: KeyStore) -> None:
    pre_command = Message.decode(vector("CS06_11.3_IMMEDIATE_SUCCESS_PRECOMMAND"))
    signed = sign(pre_command, keystore.signing_private_key(SUPPLIER))
    command = protect(signed, keystore.agreement_private_key(BROKER), keystore.agreement_public_key(ESME))
    assert check(command, keystore) == Verdicts(Verdict.VALID, Verdict.VALID)


def test_responses_are_built_as_the_device_built_them() -> None:
    command = Message.decode(vector("CS06_11.3_IMMEDIATE_SUCCESS_COMMAND"))
    response = Message.decode(vector("CS06_11.3_IMMEDIATE_SUCCESS_RESPONSE"))
    outcome = decode_payload(response)
    assert isinstance(outcome, ExecutionOutcome)
    built = activate_firmware.activate_firmware_response(command, outcome, NEW_YEAR_2015)
    assert built.to_be_signed() == response.to_be_signed()


def test_the_future_dated_alert_is_built_as_the_device_built_it() -> None:
    command = Message.decode(vector("CS06_11.3_FUTURE_DATED_SUCCESS_COMMAND"))
    alert = Message.decode(vector("CS06_11.3_8F66_FUTURE_DATED_SUCCESS_ALERT"))
    outcome = activate_firmware.decode_alert(alert.payload).execution_outcome
    built = activate_firmware.future_dated_alert(command, 2000, outcome)
    assert built.to_be_signed() == alert.to_be_signed()


def test_the_firmware_transfer_alert_is_built_as_the_hub_built_it() -> None:
    alert = Message.decode(vector("CCS08_NA_NA_ALERT"))
    payload = decode_firmware_transfer(alert.payload)
    built = firmware_transfer_alert(
        CHF,
        BROKER,
        alert.originator_counter,
        device=payload.device,
        firmware_version=payload.firmware_version,
        response_code=TransferResponseCode.SUCCESS,
        now=NEW_YEAR_2015,
    )
    assert built.to_be_signed() == alert.to_be_signed()


def test_a_read_firmware_version_command_is_built_octet_for_octet(keystore: KeyStore) -> None:
    octets = vector("CS08_11.2_SUCCESS_COMMAND")
    built = read_firmware_version_command(BROKER, PPMID, 1300, SUPPLIER, 1000)
    protected = protect(built, keystore.agreement_private_key(BROKER), keystore.agreement_public_key(PPMID))
    assert protected.encode() == octets


def test_a_device_log_addition_is_built_octet_for_octet(keystore: KeyStore) -> None:
    built = add_device_command(
        BROKER,
        CHF,
        1302,
        SUPPLIER,
        1002,
        device=ESME,
        install_code=b"0123456789ABCDEF",
        device_type=0,
        join_timeout=90,
    )
    protected = protect(built, keystore.agreement_private_key(BROKER), keystore.agreement_public_key(CHF))

    assert protected.encode() == vector("CCS01_8.11_SUCCESS_COMMAND")


def test_the_response_to_a_device_log_addition_is_built_octet_for_octet(keystore: KeyStore) -> None:
    """The hub's private key is not published; the broker's stands for it, the secret being the same."""
    built = device_log_response(Message.decode(vector("CCS01_8.11_SUCCESS_COMMAND")))
    protected = protect(built, keystore.agreement_private_key(BROKER), keystore.agreement_public_key(CHF))

    assert protected.encode() == vector("CCS01_8.11_SUCCESS_RESPONSE")


@pytest.mark.parametrize(
    "response",
    [
        "CS06_11.3_IMMEDIATE_SUCCESS_RESPONSE",
        "CS06_11.3_FUTURE_DATED_SUCCESS_RESPONSE",
        "CS08_11.2_SUCCESS_RESPONSE",
        "CCS01_8.11_SUCCESS_RESPONSE",
    ],
)
def test_a_response_is_believed_from_its_own_device_only(response: str, keystore: KeyStore) -> None:
    octets = vector(response)
    sender = Message.decode(octets).originator

    assert verify_from_device(octets, sender, keystore).cra.name == "RESPONSE"
    with pytest.raises(VerificationError, match="not from"):
        verify_from_device(octets, HCALCS, keystore)


def test_a_signed_alert_of_the_hub_is_believed(keystore: KeyStore) -> None:
    message = verify_from_device(vector("CCS08_NA_NA_ALERT"), CHF, keystore)
    payload = decode_payload(message)
    assert payload is not None
    assert payload_to_json(payload) == {
        "alertCode": 0x8F8A,
        "date": "20150101000000Z",
        "entityId": PPMID.hex(),
        "firmwareVersion": "0123abcd",
        "responseCode": 0,
    }


def test_both_ends_of_a_mac_agree_on_the_secret(keystore: KeyStore) -> None:
    """Only remote parties' private keys are published, so two of them stand for the two ends."""
    one, other = keystore.agreement_private_key(BROKER), keystore.agreement_private_key(SUPPLIER)
    secret = shared_secret(one, other.public_key())
    assert secret == shared_secret(other, one.public_key())
    message = Message.decode(vector("CS08_11.2_SUCCESS_COMMAND"))
    protected = protect(message, one, other.public_key())
    assert protected.mac == mac(message, secret)
    verify_mac(protected, other, one.public_key())


def test_a_signature_is_the_same_every_time(keystore: KeyStore) -> None:
    message = Message.decode(vector("CS06_11.3_IMMEDIATE_SUCCESS_PRECOMMAND"))
    key = keystore.signing_private_key(SUPPLIER)
    first, second = sign(message, key), sign(message, key)
    assert first == second
    verify_signature(first, key.public_key())
