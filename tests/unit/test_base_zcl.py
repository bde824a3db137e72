"""The ZCL frame header and Default Response: octets as the specification draws them, and any octets."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hanota.errors import LocalProtocolError, RemoteProtocolError
from hanota.zcl import DefaultResponse, Direction, GeneralCommand, Status, ZclFrame

OCTET = st.integers(0, 0xFF)
FRAMES = st.builds(
    ZclFrame,
    sequence=OCTET,
    command=OCTET,
    payload=st.binary(max_size=80),
    direction=st.sampled_from(Direction),
    cluster_specific=st.booleans(),
    disable_default_response=st.booleans(),
    manufacturer_code=st.none() | st.integers(0, 0xFFFF),
)


@pytest.mark.parametrize(
    ("frame", "octets"),
    [
        (ZclFrame(7, 0x03, b"\xaa"), "11 07 03 aa"),
        (ZclFrame(7, 0x03, b"\xaa", disable_default_response=False), "01 07 03 aa"),
        (ZclFrame(7, 0x00, b"\x03\x64", Direction.TO_CLIENT), "19 07 00 03 64"),
        (ZclFrame(7, 0x00, cluster_specific=False), "10 07 00"),
        (ZclFrame(7, 0x00, manufacturer_code=0x121D), "15 1d 12 07 00"),
    ],
)
def test_the_header_is_laid_out_as_the_specification_draws_it(frame: ZclFrame, octets: str) -> None:
    assert frame.encode() == bytes.fromhex(octets)
    assert ZclFrame.decode(bytes.fromhex(octets)) == frame


@given(FRAMES)
def test_any_frame_reads_back_as_it_was_written(frame: ZclFrame) -> None:
    assert ZclFrame.decode(frame.encode()) == frame


@given(st.binary(max_size=100))
def test_no_octets_raise_anything_but_malformed_command(octets: bytes) -> None:
    try:
        ZclFrame.decode(octets)
    except RemoteProtocolError as error:
        status = error.status
    else:
        return
    assert status == Status.MALFORMED_COMMAND


@given(FRAMES, st.integers(0, 6))
def test_a_header_cut_anywhere_is_malformed(frame: ZclFrame, length: int) -> None:
    header = frame.encode()[: 3 if frame.manufacturer_code is None else 5]
    if length < len(header):
        with pytest.raises(RemoteProtocolError, match="at least"):
            ZclFrame.decode(header[:length])


@pytest.mark.parametrize("frame_type", [2, 3])
def test_reserved_frame_types_are_malformed(frame_type: int) -> None:
    with pytest.raises(RemoteProtocolError, match="reserved ZCL frame type"):
        ZclFrame.decode(bytes((frame_type, 1, 0)))


@pytest.mark.parametrize(
    "fields",
    [{"sequence": 256}, {"sequence": -1}, {"command": 256}, {"manufacturer_code": 0x1_0000}],
)
def test_a_field_that_does_not_fit_is_our_own_fault(fields: dict[str, int]) -> None:
    with pytest.raises(LocalProtocolError):
        replace(ZclFrame(1, 0), **fields).encode()  # type: ignore[arg-type]


@given(FRAMES, OCTET)
def test_a_default_response_names_the_command_and_goes_back_with_its_sequence(
    frame: ZclFrame, status: int
) -> None:
    answer = ZclFrame.decode(frame.default_response(status).encode())
    assert answer.is_default_response
    assert DefaultResponse.decode(answer.payload) == DefaultResponse(frame.command, status)
    assert (answer.sequence, answer.manufacturer_code) == (frame.sequence, frame.manufacturer_code)
    assert answer.direction is not frame.direction
    assert answer.disable_default_response


def test_only_the_general_command_0b_is_a_default_response() -> None:
    answer = ZclFrame(1, GeneralCommand.DEFAULT_RESPONSE, cluster_specific=False)
    assert answer.is_default_response
    assert not replace(answer, cluster_specific=True).is_default_response
    assert not replace(answer, command=GeneralCommand.READ_ATTRIBUTES).is_default_response


@pytest.mark.parametrize("length", [0, 1, 3])
def test_a_default_response_of_another_length_is_malformed(length: int) -> None:
    with pytest.raises(RemoteProtocolError, match="2 octets") as caught:
        DefaultResponse.decode(bytes(length))
    assert caught.value.status == Status.MALFORMED_COMMAND
