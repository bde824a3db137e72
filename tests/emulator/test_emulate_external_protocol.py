"""The messages of external devices: octet for octet, and whatever octets arrive."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hanota.emulator.emulation.external_protocol import (
    MAXIMUM_MESSAGE,
    Cmd,
    Data,
    DataFlag,
    Event,
    Message,
    MessageDecoder,
    decode_message,
    encode_message,
)
from hanota.errors import LocalProtocolError, RemoteProtocolError

UINT8 = st.integers(0, 0xFF)
UINT16 = st.integers(0, 0xFFFF)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
"""Without lone surrogates, which are no text."""
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda values: st.lists(values, max_size=4) | st.dictionaries(st.text("abc", max_size=3), values),
    max_leaves=10,
)
MESSAGES = st.one_of(
    st.builds(
        Data,
        st.integers(0, 7).map(DataFlag),
        UINT16,
        UINT8,
        UINT8,
        UINT16,
        UINT16,
        st.binary(max_size=300),
    ),
    st.builds(Event, JSON),
    st.builds(Cmd, TEXT),
)


def test_data_is_laid_out_as_documented() -> None:
    data = Data(DataFlag.APS_ENCRYPTED | DataFlag.APS_ACK, 0x1234, 1, 3, 0x0109, 0x0019, b"\x11\x01\x03")
    assert encode_message(data) == bytes.fromhex("000d 01 03 3412 01 03 0901 1900 110103")


def test_event_and_cmd_are_laid_out_as_documented() -> None:
    assert encode_message(Event({"percent": 50})) == b'\x00\x0f\x10{"percent":50}'
    assert encode_message(Cmd("identify")) == b"\x00\x09\x11identify"


@given(st.lists(MESSAGES, max_size=5), st.data())
def test_a_stream_gives_the_messages_that_went_in_wherever_it_is_cut(
    messages: list[Message], data: st.DataObject
) -> None:
    stream = b"".join(encode_message(message) for message in messages)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    decoder = MessageDecoder()
    received = [
        decode_message(octets)
        for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)
        for octets in decoder.feed(stream[start:end])
    ]
    assert received == messages


@given(st.binary(max_size=200))
def test_any_octets_are_a_message_or_a_protocol_error(octets: bytes) -> None:
    try:
        message = decode_message(octets)
    except RemoteProtocolError:
        return
    assert decode_message(encode_message(message)[2:]) == message


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\x00",
        b"\x02anything",
        bytes.fromhex("01 03 3412 01 03 0901 19"),
        bytes.fromhex("01 08 3412 01 03 0901 1900 110103"),
        b'\x10{"percent":',
        b"\x10\xff",
        b"\x10NaN",
        b"\x10" + b"[" * 60_000,
        b"\x10" + b"9" * 5_000,
        b"\x11\xff",
    ],
)
def test_what_is_malformed_is_refused(octets: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_message(octets)


@pytest.mark.parametrize(
    "message",
    [
        Cmd("x" * MAXIMUM_MESSAGE),
        Cmd("\ud800"),
        Event(float("inf")),
        Data(DataFlag(0), 0x10000, 1, 1, 1, 1, b""),
        Data(DataFlag(0), 1, 256, 1, 1, 1, b""),
    ],
)
def test_what_cannot_be_sent_is_our_fault(message: Message) -> None:
    with pytest.raises(LocalProtocolError):
        encode_message(message)


def test_a_flood_of_octets_leaves_memory_flat() -> None:
    decoder = MessageDecoder()
    whole = 0
    for _ in range(200):
        whole += len(decoder.feed(b"\xff" * 4096))
    assert whole == 200 * 4096 // (2 + 0xFFFF)
    assert len(decoder._buffer) < 2 + 0xFFFF
