"""ZCL frames and attribute records: any octets are read, or refused by one error; what is made is read."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from hanota.errors import LocalProtocolError, RemoteProtocolError
from hanota.ota.attributes import (
    AttributeId,
    answer_read,
    decode_values,
    encode_value,
    read_attributes,
    report_attributes,
)
from hanota.ota.elements import parse_elements
from hanota.zcl import DefaultResponse, Direction, GeneralCommand, Status, ZclFrame

u8 = st.integers(0, 0xFF)
RESERVED_BITS = 0xE0
"""Of frame control: not kept, as a receiver ignores them."""


@given(st.binary(max_size=40))
def test_any_octets_are_a_frame_that_encodes_to_them_or_are_refused(data: bytes) -> None:
    try:
        frame = ZclFrame.decode(data)
    except RemoteProtocolError as error:
        status = error.status
    else:
        status = Status.MALFORMED_COMMAND
        assert frame.encode() == bytes([data[0] & ~RESERVED_BITS]) + data[1:]
    assert status == Status.MALFORMED_COMMAND


@given(
    st.builds(
        ZclFrame,
        u8,
        u8,
        st.binary(max_size=40),
        st.sampled_from(Direction),
        st.booleans(),
        st.booleans(),
        st.none() | st.integers(0, 0xFFFF),
    ),
    u8,
)
def test_a_frame_and_its_default_response_survive_encoding(frame: ZclFrame, status: int) -> None:
    assert ZclFrame.decode(frame.encode()) == frame
    answer = ZclFrame.decode(frame.default_response(status).encode())
    assert answer.is_default_response
    assert (answer.sequence, answer.direction) == (frame.sequence, 1 - frame.direction)
    told = DefaultResponse.decode(answer.payload)
    assert (told.command, told.status) == (frame.command, status)


@given(st.binary(max_size=8))
def test_any_payload_is_a_default_response_or_refused(payload: bytes) -> None:
    with suppress(RemoteProtocolError):
        DefaultResponse.decode(payload)


@given(
    st.sampled_from([GeneralCommand.READ_ATTRIBUTES_RESPONSE, GeneralCommand.REPORT_ATTRIBUTES]),
    st.binary(max_size=60),
)
def test_any_records_are_values_that_fit_their_attributes_or_refused(
    command: GeneralCommand, payload: bytes
) -> None:
    with suppress(RemoteProtocolError):
        for attribute, value in decode_values(ZclFrame(1, command, payload, cluster_specific=False)).items():
            encode_value(attribute, value)


@given(
    st.dictionaries(st.sampled_from(AttributeId), st.integers(-1, 0x101) | st.integers(0, 2**64)),
    st.lists(st.sampled_from(AttributeId)),
)
def test_attributes_survive_a_report_and_a_read(
    values: dict[AttributeId, int], asked: list[AttributeId]
) -> None:
    try:
        report = report_attributes(values, 7)
    except LocalProtocolError:
        return
    assert decode_values(ZclFrame.decode(report)) == values
    request = ZclFrame.decode(read_attributes(asked, 8))
    answer = ZclFrame.decode(answer_read(request, values))
    assert decode_values(answer) == {item: values[item] for item in asked if item in values}


@given(st.binary(max_size=60))
def test_any_read_is_answered(payload: bytes) -> None:
    request = ZclFrame(
        1, GeneralCommand.READ_ATTRIBUTES, payload, Direction.TO_CLIENT, cluster_specific=False
    )
    answer = ZclFrame.decode(answer_read(request, {AttributeId.CLUSTER_REVISION: 4}))
    assert answer.command == GeneralCommand.READ_ATTRIBUTES_RESPONSE
    assert decode_values(answer).keys() <= {AttributeId.CLUSTER_REVISION}


@given(st.binary(max_size=80), st.integers(0, 4))
def test_any_body_is_sub_elements_or_refused(body: bytes, limit: int) -> None:
    with suppress(RemoteProtocolError):
        found = parse_elements(body, limit)
        assert len(found) <= limit
        assert b"".join(element.encode() for element in found) == body
