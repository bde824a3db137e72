"""GBCS for any octets: parsers raise their one error, and what they take they give back."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hanota.errors import RemoteProtocolError, VerificationError
from hanota.eui64 import Eui64
from hanota.gbcs.activate_firmware import activate_firmware_precommand
from hanota.gbcs.certificates import PartyCertificate, RemotePartyRole
from hanota.gbcs.counters import CounterLimits, CounterLog
from hanota.gbcs.crypto import protect, sign
from hanota.gbcs.device_log import add_device_command, device_log_response, remove_device_command
from hanota.gbcs.keystore import KeyStore
from hanota.gbcs.lab_ca import LabCa
from hanota.gbcs.message import Cra, Message
from hanota.gbcs.usecases import USE_CASES, decode_payload, payload_to_json
from hanota.gbcs.verification import Verdict, check

VECTORS = sorted((Path(__file__).parents[2].parent / "shared" / "vectors" / "rtds").glob("*.HEX"))

CA = LabCa(1_800_000_000.0, seed=b"properties")
SUPPLIER = CA.issue_organisation(Eui64(b"supplier"), RemotePartyRole.SUPPLIER, "Supplier")
BROKER = CA.issue_organisation(Eui64(b"ac-broke"), RemotePartyRole.ACCESS_CONTROL_BROKER, "DCC")
DEVICE = CA.issue_device(Eui64(b"hcalcs-1"))
KEYS = KeyStore()
for party in (SUPPLIER, BROKER, DEVICE):
    KEYS.add(party)

PRE_COMMAND = activate_firmware_precommand(SUPPLIER.eui64, DEVICE.eui64, 5, bytes(32))
COMMAND = protect(
    sign(PRE_COMMAND, SUPPLIER.signing_key), BROKER.agreement_key, DEVICE.agreement_certificate.public_key
)

euis = st.binary(min_size=8, max_size=8).map(Eui64)
counters = st.integers(0, 2**64 - 1)
certificates = st.binary(min_size=16, max_size=600).map(
    lambda content: b"\x30\x82" + (len(content) + 256).to_bytes(2, "big") + content + bytes(256)
)


@st.composite
def messages(draw: st.DrawFn) -> Message:
    party = draw(st.none() | euis)
    party_counter = None if party is None else draw(st.none() | counters)
    originator_counter = None if party_counter is None else draw(st.none() | counters)
    certificate = (
        None if party_counter is None or originator_counter is not None else draw(st.none() | certificates)
    )
    signature = draw(st.none() | st.just(b"") | st.binary(min_size=64, max_size=64))
    return Message(
        cra=draw(st.sampled_from(Cra)),
        originator_counter=draw(counters),
        originator=draw(euis),
        recipient=draw(euis),
        date_time=draw(st.just(b"") | st.binary(min_size=12, max_size=12)),
        message_code=draw(st.integers(0, 0xFFFF)),
        supplementary_remote_party=party,
        supplementary_remote_party_counter=party_counter,
        supplementary_originator_counter=originator_counter,
        supplementary_remote_party_certificate=certificate,
        payload=draw(st.binary(max_size=400)),
        signature=signature,
        mac=None if signature is None else draw(st.none() | st.binary(min_size=12, max_size=12)),
    )


def mutated(seed: bytes, data: st.DataObject) -> bytes:
    """Change, cut out and put in octets, so that lengths and tags are hit."""
    octets = bytearray(seed)
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(octets)))
        end = data.draw(st.integers(start, min(len(octets), start + 4)))
        octets[start:end] = data.draw(st.binary(max_size=4))
    return bytes(octets)


def read(octets: bytes) -> Message | None:
    """Read a message with everything that is done to one from outside; any other error fails the test."""
    try:
        message = Message.decode(octets)
        check(message, KEYS)
        payload = decode_payload(message)
        if payload is not None:
            payload_to_json(payload)
    except RemoteProtocolError:
        return None
    return message


@given(messages())
def test_every_message_survives_encoding(message: Message) -> None:
    assert Message.decode(message.encode()) == message


@given(st.binary(max_size=300))
def test_any_octets_are_a_message_or_the_protocol_error(octets: bytes) -> None:
    message = read(octets)
    assert message is None or message.encode() == octets


DEVICE_LOG_COMMANDS = [
    add_device_command(
        BROKER.eui64,
        DEVICE.eui64,
        5,
        SUPPLIER.eui64,
        6,
        device=SUPPLIER.eui64,
        install_code=bytes(16),
        device_type=132,
        join_timeout=90,
    ),
    remove_device_command(BROKER.eui64, DEVICE.eui64, 5, SUPPLIER.eui64, 6, SUPPLIER.eui64),
]
DEVICE_LOG_MESSAGES = [
    message.encode() for command in DEVICE_LOG_COMMANDS for message in (command, device_log_response(command))
]
SEEDS = [COMMAND.encode(), *DEVICE_LOG_MESSAGES, *(bytes.fromhex(file.read_text()) for file in VECTORS)]


@settings(max_examples=500)
@given(st.sampled_from(SEEDS), st.data())
def test_any_mutation_of_a_message_is_a_message_or_the_protocol_error(
    seed: bytes, data: st.DataObject
) -> None:
    octets = mutated(seed, data)
    message = read(octets)
    assert message is None or message.encode() == octets


@given(st.sampled_from(sorted(USE_CASES)), st.sampled_from(Cra), st.binary(max_size=80))
def test_any_payload_is_read_or_the_protocol_error(message_code: int, cra: Cra, payload: bytes) -> None:
    message = Message(
        cra=cra,
        originator_counter=1,
        originator=SUPPLIER.eui64,
        recipient=DEVICE.eui64,
        message_code=message_code,
        payload=payload,
    )
    assert read(message.encode()) in (message, None)


@given(st.integers(0, 8 * len(COMMAND.encode()) - 1))
def test_a_flipped_bit_is_never_called_valid(position: int) -> None:
    octets = bytearray(COMMAND.encode())
    octets[position // 8] ^= 1 << position % 8
    message = read(bytes(octets))
    assert message is None or check(message, KEYS).mac is not Verdict.VALID


CERTIFICATES = [
    certificate.certificate.public_bytes(Encoding.DER)
    for credentials in (SUPPLIER, DEVICE)
    for certificate in (credentials.signing_certificate, credentials.agreement_certificate)
]


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
@settings(max_examples=500)
@given(st.sampled_from(CERTIFICATES), st.data())
def test_any_mutation_of_a_certificate_is_one_or_the_protocol_error(seed: bytes, data: st.DataObject) -> None:
    with suppress(RemoteProtocolError):
        PartyCertificate.decode(mutated(seed, data))


@given(st.lists(st.tuples(euis, st.integers(0, 60)), max_size=40))
def test_accepted_counters_of_an_originator_only_rise(arrivals: list[tuple[Eui64, int]]) -> None:
    """Whatever arrives, in whatever order, with a restart after each."""
    originators = {originator for originator, _ in arrivals}
    accepted: dict[Eui64, list[int]] = {originator: [] for originator in originators}
    state: dict[Eui64, int] = {}
    limits = CounterLimits(highest_acceptable=50, maximum_advance=20)
    for originator, counter in arrivals:
        log = CounterLog(state, limits)
        try:
            log.accept(originator, counter)
        except VerificationError:
            assert log.highest() == state
            continue
        accepted[originator].append(counter)
        state = log.highest()
    for originator, seen in accepted.items():
        assert seen == sorted(set(seen))
        assert state.get(originator) == (seen[-1] if seen else None)
        assert not seen or seen[-1] <= 50


@given(st.binary(min_size=64, max_size=64))
def test_a_signature_of_random_octets_is_invalid(signature: bytes) -> None:
    signed = Message.decode(PRE_COMMAND.encode() + b"\x40" + signature)
    assume(signature != COMMAND.signature)
    assert check(signed, KEYS).signature is Verdict.INVALID
