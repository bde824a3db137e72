"""The octets of a GBCS message: every shape, and every way of getting one wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hanota.errors import LocalProtocolError, RemoteProtocolError
from hanota.eui64 import Eui64
from hanota.gbcs.message import Cra, Message, Shape
from hanota.gbcs.octets import MAXIMUM_LENGTH

ONE = Eui64(bytes(range(8)))
OTHER = Eui64(bytes(range(8, 16)))
CERTIFICATE = b"\x30\x82\x01\x00" + bytes(256)

PLAIN = Message(
    cra=Cra.COMMAND,
    originator_counter=2**64 - 1,
    originator=ONE,
    recipient=OTHER,
    message_code=0xBEEF,
    payload=b"payload",
)
SIGNED = replace(PLAIN, signature=bytes(64))
PROTECTED = replace(SIGNED, mac=bytes(12))
UNSIGNED_PROTECTED = replace(PLAIN, signature=b"", mac=bytes(12))


def test_a_message_is_laid_out_as_gbcs_says() -> None:
    head = "df 09 01 ffffffffffffffff 08 0001020304050607 08 08090a0b0c0d0e0f 00 02 beef 07"
    signing = bytes.fromhex(head) + b"payload" + b"\x00"
    length = 5 + len(signing) + 12
    ciphering = bytes.fromhex("dd 000000000000") + bytes([length]) + bytes.fromhex("11 00000000")
    assert UNSIGNED_PROTECTED.encode() == ciphering + signing + bytes(12)


@pytest.mark.parametrize(
    ("message", "shape"),
    [
        (PLAIN, Shape.PRE_COMMAND),
        (replace(PLAIN, signature=b""), Shape.PRE_COMMAND),
        (SIGNED, Shape.SIGNED_PRE_COMMAND),
        (PROTECTED, Shape.COMMAND),
        (UNSIGNED_PROTECTED, Shape.COMMAND),
        (replace(SIGNED, cra=Cra.RESPONSE, date_time=bytes(12)), Shape.RESPONSE),
        (replace(UNSIGNED_PROTECTED, cra=Cra.RESPONSE), Shape.RESPONSE),
        (replace(SIGNED, cra=Cra.ALERT), Shape.ALERT),
        (replace(UNSIGNED_PROTECTED, cra=Cra.ALERT), Shape.ALERT),
    ],
)
def test_every_shape_is_told_apart_and_survives_encoding(message: Message, shape: Shape) -> None:
    assert message.shape is shape
    assert Message.decode(message.encode()) == message


@pytest.mark.parametrize(
    "fields",
    [
        {"supplementary_remote_party": ONE},
        {"supplementary_remote_party": ONE, "supplementary_remote_party_counter": 2**64 - 1},
        {
            "supplementary_remote_party": ONE,
            "supplementary_remote_party_counter": 0,
            "supplementary_originator_counter": 0x30_06_00_00_00_00_00_00,
        },
        {
            "supplementary_remote_party": ONE,
            "supplementary_remote_party_counter": 1,
            "supplementary_remote_party_certificate": CERTIFICATE,
        },
    ],
    ids=["party", "party counter", "originator counter", "certificate"],
)
@pytest.mark.parametrize("message", [PLAIN, PROTECTED], ids=["pre-command", "command"])
def test_supplementary_fields_survive_encoding(message: Message, fields: dict[str, int]) -> None:
    full = replace(message, **fields)  # type: ignore[arg-type]  # the names differ by case
    assert Message.decode(full.encode()) == full


@pytest.mark.parametrize("size", [0, 1, 0x7F, 0x80, 0xFF, 0x100, 0xFF00])
def test_every_length_form_survives_encoding(size: int) -> None:
    message = replace(PROTECTED, payload=bytes(size))
    assert Message.decode(message.encode()) == message


@pytest.mark.parametrize("message", [PLAIN, SIGNED, PROTECTED, UNSIGNED_PROTECTED])
def test_a_message_cut_at_any_octet_is_refused(message: Message) -> None:
    octets = message.encode()
    # One cut of a signed message is right: before the signature's length it is a pre-command.
    pre_command = replace(message, signature=None, mac=None).encode()
    for end in range(len(octets)):
        if octets[:end] != pre_command:
            with pytest.raises(RemoteProtocolError):
                Message.decode(octets[:end])


@pytest.mark.parametrize("message", [SIGNED, PROTECTED, UNSIGNED_PROTECTED, replace(PLAIN, signature=b"")])
def test_an_octet_after_the_end_is_refused(message: Message) -> None:
    with pytest.raises(RemoteProtocolError):
        Message.decode(message.encode() + b"\x00")


@pytest.mark.parametrize(
    ("offset", "octet", "field"),
    [
        (0, 0xDE, "begins with dd or df"),
        (1, 0x08, "transaction-id"),
        (2, 0x04, "CRA flag"),
        (2, 0x00, "CRA flag"),
        (11, 0x09, "Business Originator ID"),
        (20, 0x07, "Business Target ID"),
        (29, 0x01, "date-time"),
        (30, 0x01, "Message Code"),
        (30, 0x03, "Supplementary Remote Party ID"),
        (33, 0x80, "payload"),
    ],
)
def test_a_wrong_octet_of_the_grouping_header_is_named(offset: int, octet: int, field: str) -> None:
    octets = bytearray(PLAIN.encode())
    octets[offset] = octet
    with pytest.raises(RemoteProtocolError, match=field):
        Message.decode(bytes(octets))


@pytest.mark.parametrize("offset", range(13))
def test_every_octet_of_the_mac_header_is_fixed(offset: int) -> None:
    octets = bytearray(UNSIGNED_PROTECTED.encode())
    octets[offset] ^= 0x01
    with pytest.raises(RemoteProtocolError):
        Message.decode(bytes(octets))


@pytest.mark.parametrize("form", ["8107", "820007", "83000007", "80", "ff"])
def test_a_length_in_another_form_than_the_shortest_is_refused(form: str) -> None:
    """It would not re-encode to the same octets."""
    octets = PLAIN.encode()
    with pytest.raises(RemoteProtocolError):
        Message.decode(octets[:33] + bytes.fromhex(form) + octets[34:])


def test_a_command_with_a_mac_but_no_signature_length_is_refused() -> None:
    signing = PLAIN.encode()
    head = bytes.fromhex("dd 000000000000") + bytes([5 + len(signing) + 12]) + bytes.fromhex("11 00000000")
    with pytest.raises(RemoteProtocolError, match="signature"):
        Message.decode(head + signing + bytes(12))


@pytest.mark.parametrize(
    "tail", [b"\x30", bytes(7), b"\x30\x08" + bytes(7), b"\x31\x07" + bytes(7), bytes(200)]
)
def test_other_information_that_is_neither_counter_nor_certificate_is_refused(tail: bytes) -> None:
    party = replace(PLAIN, supplementary_remote_party=ONE, supplementary_remote_party_counter=1)
    octets = party.encode()
    length = 18 + len(tail)
    field = bytes([length]) if length < 0x80 else bytes([0x81, length])
    with pytest.raises(RemoteProtocolError):
        Message.decode(octets[:30] + field + octets[31:49] + tail + octets[49:])


@pytest.mark.parametrize(
    "fields",
    [
        {"originator_counter": -1},
        {"originator_counter": 2**64},
        {"message_code": 0x10000},
        {"date_time": bytes(11)},
        {"signature": bytes(63)},
        {"mac": bytes(12)},
        {"signature": b"", "mac": bytes(16)},
        {"supplementary_remote_party_counter": 1},
        {"supplementary_remote_party": ONE, "supplementary_originator_counter": 1},
        {
            "supplementary_remote_party": ONE,
            "supplementary_remote_party_counter": 1,
            "supplementary_remote_party_certificate": b"not DER at all",
        },
        {
            "supplementary_remote_party": ONE,
            "supplementary_remote_party_counter": 1,
            "supplementary_originator_counter": 1,
            "supplementary_remote_party_certificate": CERTIFICATE,
        },
    ],
)
def test_a_message_that_cannot_be_encoded_cannot_be_made(fields: dict[str, int]) -> None:
    with pytest.raises(LocalProtocolError):
        replace(PLAIN, **fields)  # type: ignore[arg-type]  # the names differ by case


def test_a_payload_too_long_for_any_length_field_is_our_fault() -> None:
    with pytest.raises(LocalProtocolError):
        replace(PLAIN, payload=bytes(MAXIMUM_LENGTH + 1)).encode()
