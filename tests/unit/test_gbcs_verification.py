"""What a device and the DCC believe, and each attack that they must not."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from hanota.errors import LocalProtocolError, RemoteProtocolError, UnverifiableError, VerificationError
from hanota.eui64 import Eui64
from hanota.gbcs import alerts
from hanota.gbcs.activate_firmware import (
    ActivateFirmwareCommand,
    CommandAccepted,
    ExecutionOutcome,
    activate_firmware_precommand,
    activate_firmware_response,
)
from hanota.gbcs.certificates import Credentials, RemotePartyRole
from hanota.gbcs.counters import CounterJumpError, CounterLog, ReplayError
from hanota.gbcs.crypto import (
    protect,
    sign,
    sign_octets,
    verify_mac,
    verify_octets,
    verify_signature,
)
from hanota.gbcs.der import encode
from hanota.gbcs.device_log import add_device_command, remove_device_command
from hanota.gbcs.keystore import KeyStore
from hanota.gbcs.lab_ca import LabCa
from hanota.gbcs.message import Cra, Message
from hanota.gbcs.read_firmware_version import (
    ReadFirmwareVersionResponse,
    read_firmware_version_command,
    read_firmware_version_response,
)
from hanota.gbcs.verification import (
    Verdict,
    Verdicts,
    check,
    verify_command,
    verify_from_device,
    verify_signed_precommand,
)

CA = LabCa(1_800_000_000.0, seed=b"verification")
SUPPLIER = CA.issue_organisation(Eui64(b"supplier"), RemotePartyRole.SUPPLIER, "Supplier")
OTHER_SUPPLIER = CA.issue_organisation(Eui64(b"supplie2"), RemotePartyRole.SUPPLIER, "Other")
NETWORK = CA.issue_organisation(Eui64(b"networko"), RemotePartyRole.NETWORK_OPERATOR, "Network")
BROKER = CA.issue_organisation(Eui64(b"ac-broke"), RemotePartyRole.ACCESS_CONTROL_BROKER, "DCC")
HCALCS = CA.issue_device(Eui64(b"hcalcs-1"))
NEIGHBOUR = CA.issue_device(Eui64(b"hcalcs-2"))
PPMID = CA.issue_device(Eui64(b"ppmid--1"))
STRANGER = LabCa(1_800_000_000.0, seed=b"other").issue_organisation(
    Eui64(b"supplier"), RemotePartyRole.SUPPLIER, "Supplier"
)
IMAGE_HASH = bytes(range(32))


def keystore(own: Credentials, *others: Credentials) -> KeyStore:
    keys = KeyStore()
    keys.add(own)
    for other in others:
        keys.add_public(other)
    return keys


def pre_command(counter: int = 5, supplier: Credentials = SUPPLIER) -> Message:
    return activate_firmware_precommand(supplier.eui64, HCALCS.eui64, counter, IMAGE_HASH)


def add_mac(message: Message, by: Credentials = BROKER, to: Credentials = HCALCS) -> Message:
    return protect(message, by.agreement_key, to.agreement_certificate.public_key)


def activate_firmware(counter: int = 5, supplier: Credentials = SUPPLIER) -> Message:
    return add_mac(sign(pre_command(counter, supplier), supplier.signing_key))


@dataclass
class Device:
    """What a device has: its keys, and the counters it has seen."""

    credentials: Credentials
    keys: KeyStore
    counters: CounterLog

    def verify(self, message: Message | bytes) -> Message:
        octets = message.encode() if isinstance(message, Message) else message
        return verify_command(octets, self.credentials.eui64, self.keys, self.counters)


@pytest.fixture
def device() -> Device:
    return Device(
        HCALCS, keystore(HCALCS, SUPPLIER, OTHER_SUPPLIER, NETWORK, BROKER, NEIGHBOUR), CounterLog()
    )


@pytest.fixture
def dcc() -> KeyStore:
    return keystore(BROKER, SUPPLIER, HCALCS, PPMID, NEIGHBOUR)


def test_a_command_signed_by_the_supplier_with_the_brokers_mac_is_believed(device: Device) -> None:
    command = activate_firmware()
    assert device.verify(command) == command
    assert device.counters.highest() == {SUPPLIER.eui64: 5}


def test_a_read_of_the_broker_with_its_mac_is_believed(device: Device) -> None:
    command = add_mac(read_firmware_version_command(BROKER.eui64, HCALCS.eui64, 1, SUPPLIER.eui64, 900))
    assert device.verify(command) == command
    assert device.counters.highest() == {BROKER.eui64: 1}


def test_a_command_hanota_has_no_layout_for_is_verified_all_the_same(device: Device) -> None:
    unknown = replace(pre_command(), message_code=0x7777, payload=b"\xd9unknown")
    assert device.verify(add_mac(sign(unknown, SUPPLIER.signing_key))).message_code == 0x7777
    with pytest.raises(VerificationError, match="signature"):
        device.verify(add_mac(sign(replace(unknown, originator_counter=6), STRANGER.signing_key)))


def device_log_commands(counter: int = 5, broker: Credentials = BROKER) -> tuple[Message, Message]:
    parties = (broker.eui64, HCALCS.eui64, counter, SUPPLIER.eui64, 900)
    return (
        add_device_command(
            *parties, device=PPMID.eui64, install_code=bytes(16), device_type=132, join_timeout=90
        ),
        remove_device_command(*parties, PPMID.eui64),
    )


@pytest.mark.parametrize("message", device_log_commands(), ids=["CCS01", "CCS02"])
def test_a_device_log_change_of_the_broker_is_believed(device: Device, message: Message) -> None:
    assert device.verify(add_mac(message)).payload == message.payload


@pytest.mark.parametrize("message", device_log_commands(), ids=["CCS01", "CCS02"])
@pytest.mark.parametrize("sender", [SUPPLIER, NETWORK, NEIGHBOUR], ids=["supplier", "network", "device"])
def test_attack_device_log_changed_by_another_party(
    device: Device, message: Message, sender: Credentials
) -> None:
    """Only the access control broker may, with its own MAC or with anybody's."""
    of_sender = replace(message, originator=sender.eui64)
    for by in (sender, BROKER):
        with pytest.raises(VerificationError, match="ACCESS_CONTROL_BROKER"):
            device.verify(add_mac(of_sender, by=by))


@pytest.mark.parametrize("message", device_log_commands(0x01000005), ids=["CCS01", "CCS02"])
def test_attack_mix_and_match_of_a_device_log_payload(device: Device, message: Message) -> None:
    """The payload of one command does not go with the Grouping Header of another."""
    with pytest.raises(VerificationError, match="long-invoke-id 5 is not of the Grouping Header's counter"):
        device.verify(add_mac(replace(message, originator_counter=0x01000006)))
    assert device.counters.highest() == {}
    device.verify(add_mac(message))


# -- attacks, by their names in the threat model ------------------------------------------------------------


def test_attack_altered_octet(device: Device) -> None:
    """Whichever octet of a command is changed, the device does not believe it and keeps its counter."""
    octets = activate_firmware().encode()
    for offset in range(len(octets)):
        altered = bytearray(octets)
        altered[offset] ^= 1 << offset % 8
        with pytest.raises((RemoteProtocolError, UnverifiableError)):
            device.verify(bytes(altered))
    assert device.counters.highest() == {}


def test_attack_altered_octet_is_not_called_valid(device: Device) -> None:
    """Nobody, with all keys at hand, calls both the signature and the MAC of an altered command valid."""
    keys = device.keys | keystore(BROKER)
    octets = activate_firmware().encode()
    assert check(Message.decode(octets), keys) == Verdicts(Verdict.VALID, Verdict.VALID)
    for offset in range(len(octets)):
        altered = bytearray(octets)
        altered[offset] ^= 0x01
        try:
            verdicts = check(Message.decode(bytes(altered)), keys)
        except RemoteProtocolError:
            continue
        assert verdicts.mac is not Verdict.VALID, offset


def test_attack_replay(device: Device) -> None:
    """The same command again, and again after a restart, and with another originator's in between."""
    command = activate_firmware(7)
    device.verify(command)
    for _ in range(2):
        with pytest.raises(ReplayError):
            device.verify(command)
        device.verify(
            activate_firmware(device.counters.highest().get(OTHER_SUPPLIER.eui64, 0) + 1, OTHER_SUPPLIER)
        )
        device.counters = CounterLog(device.counters.highest())
    assert device.counters.highest()[SUPPLIER.eui64] == 7


def test_attack_counter_rollback(device: Device) -> None:
    device.verify(activate_firmware(7))
    with pytest.raises(ReplayError):
        device.verify(activate_firmware(6))
    device.verify(activate_firmware(8))


def test_attack_counter_fast_forward(device: Device) -> None:
    """The highest counter there is would lock its originator out for ever."""
    with pytest.raises(CounterJumpError):
        device.verify(activate_firmware(2**63 - 1))
    device.verify(activate_firmware(8))


def test_attack_wrong_recipient(device: Device) -> None:
    to_neighbour = replace(pre_command(), recipient=NEIGHBOUR.eui64)
    signed = sign(to_neighbour, SUPPLIER.signing_key)
    with pytest.raises(VerificationError, match="is for"):
        device.verify(add_mac(signed, to=NEIGHBOUR))
    readdressed = replace(activate_firmware(), recipient=NEIGHBOUR.eui64)
    neighbour = Device(NEIGHBOUR, keystore(NEIGHBOUR, SUPPLIER, BROKER), CounterLog())
    with pytest.raises(VerificationError, match="signature"):
        neighbour.verify(readdressed)
    assert neighbour.counters.highest() == {}


def test_attack_unknown_originator(device: Device) -> None:
    unknown = CA.issue_organisation(Eui64(b"unknown!"), RemotePartyRole.SUPPLIER, "Unknown")
    with pytest.raises(VerificationError, match="unknown"):
        device.verify(activate_firmware(5, unknown))


def test_attack_forged_signature(device: Device) -> None:
    """The right name, another key."""
    with pytest.raises(VerificationError, match="signature"):
        device.verify(add_mac(sign(pre_command(), STRANGER.signing_key)))


@pytest.mark.parametrize("value", [b"\x00", b"\xff", b"\x01"])
def test_attack_signature_out_of_range(device: Device, value: bytes) -> None:
    """r and s of 0, of more than the order of the curve, and equal."""
    with pytest.raises(VerificationError, match="signature"):
        device.verify(add_mac(replace(pre_command(), signature=value * 64)))


def test_attack_unsigned_critical_command(device: Device) -> None:
    with pytest.raises(VerificationError, match="must be signed"):
        device.verify(add_mac(pre_command()))


def test_attack_supplier_bypasses_the_broker(device: Device) -> None:
    """A supplier's own MAC is not the access control broker's."""
    with pytest.raises(VerificationError, match="MAC"):
        device.verify(add_mac(sign(pre_command(), SUPPLIER.signing_key), by=SUPPLIER))


def test_attack_command_without_a_mac(device: Device) -> None:
    with pytest.raises(VerificationError, match="MAC"):
        device.verify(sign(pre_command(), SUPPLIER.signing_key))


@pytest.mark.parametrize("sender", [NETWORK, BROKER, NEIGHBOUR], ids=["network operator", "broker", "device"])
def test_attack_authority_of_another_role(device: Device, sender: Credentials) -> None:
    """Only a supplier may activate firmware."""
    with pytest.raises(VerificationError, match="SUPPLIER"):
        device.verify(activate_firmware(5, sender))


def test_attack_mix_and_match_of_counters(device: Device) -> None:
    """The signed payload repeats the counter; one that contradicts the Grouping Header is refused."""
    payload = ActivateFirmwareCommand(
        manufacturer_image_hash=IMAGE_HASH, originator_counter=4, execution_date_time=None
    )
    contradictory = replace(pre_command(5), payload=encode(payload))
    with pytest.raises(VerificationError, match="originatorCounter"):
        device.verify(add_mac(sign(contradictory, SUPPLIER.signing_key)))
    assert device.counters.highest() == {}


def test_attack_malformed_payload_under_a_good_signature(device: Device) -> None:
    malformed = replace(pre_command(), payload=b"\x30\x00")
    with pytest.raises(RemoteProtocolError):
        device.verify(add_mac(sign(malformed, SUPPLIER.signing_key)))
    assert device.counters.highest() == {}


def test_a_missing_key_is_not_called_a_failure() -> None:
    """Unverifiable is neither valid nor invalid: the keys must be put right, not the message."""
    command = activate_firmware().encode()
    without_own_key = KeyStore()
    for party in (HCALCS, SUPPLIER, BROKER):
        without_own_key.add_public(party)
    with pytest.raises(UnverifiableError):
        verify_command(command, HCALCS.eui64, without_own_key, CounterLog())
    with pytest.raises(UnverifiableError):
        verify_command(command, HCALCS.eui64, keystore(HCALCS, SUPPLIER), CounterLog())
    agreement_only = keystore(HCALCS, BROKER)
    agreement_only.add_certificate(SUPPLIER.agreement_certificate)
    with pytest.raises(UnverifiableError, match="Digital Signing"):
        verify_command(command, HCALCS.eui64, agreement_only, CounterLog())


# -- the DCC ------------------------------------------------------------------------------------------------


def test_a_signed_pre_command_is_accepted_once(dcc: KeyStore) -> None:
    octets = sign(pre_command(), SUPPLIER.signing_key).encode()
    counters = CounterLog()
    assert verify_signed_precommand(octets, dcc, counters).originator == SUPPLIER.eui64
    with pytest.raises(ReplayError):
        verify_signed_precommand(octets, dcc, counters)


@pytest.mark.parametrize("message", [pre_command(), activate_firmware()], ids=["unsigned", "with a MAC"])
def test_only_a_signed_pre_command_gets_the_brokers_mac(dcc: KeyStore, message: Message) -> None:
    with pytest.raises(VerificationError, match="signed pre-command was expected"):
        verify_signed_precommand(message.encode(), dcc, CounterLog())


def test_a_pre_command_signed_by_somebody_else_is_refused(dcc: KeyStore) -> None:
    counters = CounterLog()
    with pytest.raises(VerificationError):
        verify_signed_precommand(sign(pre_command(), STRANGER.signing_key).encode(), dcc, counters)
    assert counters.highest() == {}


def response(to: Message, by: Credentials = HCALCS) -> bytes:
    return sign(activate_firmware_response(to, CommandAccepted()), by.signing_key).encode()


def test_a_response_of_the_device_is_believed(dcc: KeyStore) -> None:
    octets = response(activate_firmware(5))

    assert verify_from_device(octets, HCALCS.eui64, dcc).originator_counter == 5


def test_attack_forged_response(dcc: KeyStore) -> None:
    command = activate_firmware()
    with pytest.raises(VerificationError):
        verify_from_device(response(command, by=NEIGHBOUR), HCALCS.eui64, dcc)
    unsigned = activate_firmware_response(command, CommandAccepted())
    with pytest.raises(VerificationError, match="must be signed"):
        verify_from_device(unsigned.encode(), HCALCS.eui64, dcc)
    with pytest.raises(VerificationError, match="must be signed"):
        verify_from_device(add_mac(unsigned, by=HCALCS, to=BROKER).encode(), HCALCS.eui64, dcc)


def test_a_command_does_not_pass_for_a_response(dcc: KeyStore) -> None:
    with pytest.raises(VerificationError, match="response or an alert"):
        verify_from_device(activate_firmware().encode(), HCALCS.eui64, dcc)


def test_a_response_with_a_mac_is_believed_from_the_device_that_made_it(dcc: KeyStore) -> None:
    command = read_firmware_version_command(BROKER.eui64, HCALCS.eui64, 1, SUPPLIER.eui64, 900)
    answer = ReadFirmwareVersionResponse(firmware_version=bytes(4), response_code=0)
    unprotected = read_firmware_version_response(command, answer)
    genuine = add_mac(unprotected, by=HCALCS, to=BROKER)
    assert verify_from_device(genuine.encode(), HCALCS.eui64, dcc) == genuine
    forged = add_mac(unprotected, by=NEIGHBOUR, to=BROKER)
    with pytest.raises(VerificationError, match="MAC does not verify"):
        verify_from_device(forged.encode(), HCALCS.eui64, dcc)
    with pytest.raises(VerificationError, match="neither signature nor MAC"):
        verify_from_device(unprotected.encode(), HCALCS.eui64, dcc)


def activation_alert(counter: int, by: Credentials = PPMID) -> bytes:
    alert = alerts.ppmid_activation_alert(
        PPMID.eui64,
        BROKER.eui64,
        counter,
        firmware_version=bytes(4),
        result=alerts.ActivateImageResult.SUCCESS,
        now=1_800_000_000.0,
    )
    return sign(alert, by.signing_key).encode()


def test_attack_forged_alert(dcc: KeyStore) -> None:
    assert verify_from_device(activation_alert(1), PPMID.eui64, dcc).cra is Cra.ALERT
    with pytest.raises(VerificationError):
        verify_from_device(activation_alert(1, by=NEIGHBOUR), PPMID.eui64, dcc)
    with pytest.raises(VerificationError, match="not from"):
        verify_from_device(activation_alert(1), NEIGHBOUR.eui64, dcc)


def test_a_device_without_a_certificate_at_the_dcc_is_unverifiable() -> None:
    with pytest.raises(UnverifiableError):
        verify_from_device(response(activate_firmware()), HCALCS.eui64, keystore(BROKER, SUPPLIER))


# -- the verdicts of the decode tool ------------------------------------------------------------------------


def test_either_ends_private_key_is_enough_to_judge_a_mac() -> None:
    command = activate_firmware()
    valid = Verdicts(Verdict.VALID, Verdict.VALID)
    assert check(command, keystore(BROKER, SUPPLIER, HCALCS)) == valid
    assert check(command, keystore(HCALCS, SUPPLIER, BROKER)) == valid
    assert check(command, keystore(SUPPLIER, HCALCS, BROKER)) == Verdicts(Verdict.VALID, Verdict.UNVERIFIABLE)


def test_a_mac_between_the_originator_and_the_device_is_valid_too() -> None:
    """A message of a category hanota does not know may be protected by its originator."""
    unknown = replace(pre_command(), message_code=0x7777)
    own = add_mac(unknown, by=SUPPLIER)
    keys = keystore(SUPPLIER, HCALCS) | keystore(BROKER)
    assert check(own, keys) == Verdicts(Verdict.ABSENT, Verdict.VALID)
    assert check(add_mac(unknown, by=NETWORK), keys) == Verdicts(Verdict.ABSENT, Verdict.INVALID)


def test_a_mac_between_two_devices_is_not_judged_by_the_brokers_key() -> None:
    """PPMID to GSME messages never pass the broker: without a device's private key nothing can be said."""
    top_up = replace(
        pre_command(),
        message_code=0x009B,
        originator=PPMID.eui64,
        payload=b"\x01\x09",
        signature=b"",
        mac=bytes(12),
    )
    assert check(top_up, keystore(BROKER, HCALCS)).mac is Verdict.UNVERIFIABLE
    unknown_code = replace(top_up, message_code=0x7777)
    assert check(unknown_code, keystore(BROKER, HCALCS, PPMID)).mac is Verdict.UNVERIFIABLE
    genuine = add_mac(replace(top_up, mac=None), by=PPMID)
    assert check(genuine, keystore(HCALCS, PPMID)).mac is Verdict.VALID
    assert check(top_up, keystore(HCALCS, PPMID)).mac is Verdict.INVALID


def test_a_second_certificate_of_a_party_counts() -> None:
    """A party under renewal, or a supplier with a prepayment key, has more than one."""
    keys = keystore(BROKER, STRANGER, HCALCS)
    assert check(activate_firmware(), keys).signature is Verdict.INVALID
    keys.add_public(SUPPLIER)
    assert check(activate_firmware(), keys).signature is Verdict.VALID


def test_an_alert_with_a_mac_is_judged_by_its_recipients_key() -> None:
    alert = Message(
        cra=Cra.ALERT,
        originator_counter=1,
        originator=HCALCS.eui64,
        recipient=SUPPLIER.eui64,
        message_code=0x1001,
        payload=b"alert",
    )
    protected = add_mac(alert, by=HCALCS, to=SUPPLIER)
    assert check(protected, keystore(SUPPLIER, HCALCS)).mac is Verdict.VALID
    assert check(protected, keystore(BROKER, SUPPLIER, HCALCS)).mac is Verdict.UNVERIFIABLE


def test_an_outcome_is_signed_too(dcc: KeyStore) -> None:
    command = activate_firmware()
    outcome = ExecutionOutcome(activate_image_response_code=0, firmware_version=bytes(4))
    message = sign(activate_firmware_response(command, outcome, 1_800_000_000.0), HCALCS.signing_key)
    assert verify_from_device(message.encode(), HCALCS.eui64, dcc) == message


# -- making the protection ----------------------------------------------------------------------------------


def test_a_message_is_signed_before_its_mac_is_made() -> None:
    with pytest.raises(LocalProtocolError, match="before"):
        sign(activate_firmware(), SUPPLIER.signing_key)


def test_what_is_not_there_does_not_verify() -> None:
    public_key = SUPPLIER.signing_certificate.public_key
    with pytest.raises(VerificationError, match="not signed"):
        verify_signature(pre_command(), public_key)
    with pytest.raises(VerificationError, match="no MAC"):
        verify_mac(pre_command(), BROKER.agreement_key, public_key)
    with pytest.raises(VerificationError, match="64 octets"):
        verify_octets(b"image", bytes(63), public_key)


def test_any_octets_can_be_signed_as_gbcs_signs() -> None:
    """An Upgrade Image carries such a signature of its supplier."""
    signature = sign_octets(b"image", SUPPLIER.signing_key)
    verify_octets(b"image", signature, SUPPLIER.signing_certificate.public_key)
    with pytest.raises(VerificationError):
        verify_octets(b"imag3", signature, SUPPLIER.signing_certificate.public_key)
