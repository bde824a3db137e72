"""UNPI framing: any octets, in any pieces."""

from __future__ import annotations

from functools import reduce
from operator import xor

from hypothesis import given
from hypothesis import strategies as st

from hanota.emulator.znp.unpi import MAX_DATA, MtFrame, UnpiDecoder

PING = MtFrame(1, 1, 1)
frames = st.builds(
    MtFrame, st.integers(0, 7), st.integers(0, 31), st.integers(0, 255), st.binary(max_size=MAX_DATA)
)


def test_a_frame_is_sof_length_command_data_and_the_xor_of_what_is_between() -> None:
    assert PING.encode() == bytes.fromhex("fe00210120")
    octets = MtFrame(2, 4, 0x80, b"\x00\x03\x07").encode()
    assert octets[-1] == reduce(xor, octets[1:-1])


@given(st.lists(frames, max_size=5))
def test_frames_come_out_as_they_went_in_whole_or_octet_by_octet(sent: list[MtFrame]) -> None:
    stream = b"".join(frame.encode() for frame in sent)
    one_by_one = UnpiDecoder()
    assert UnpiDecoder().feed(stream) == sent
    assert [frame for octet in stream for frame in one_by_one.feed(bytes((octet,)))] == sent


@given(st.binary(max_size=600))
def test_whatever_arrives_is_skipped_or_understood_never_an_exception(noise: bytes) -> None:
    whole, one_by_one = UnpiDecoder(), UnpiDecoder()
    together = whole.feed(noise)
    apart = [frame for octet in noise for frame in one_by_one.feed(bytes((octet,)))]
    assert together == apart
    assert (whole.garbage, whole.bad_frames) == (one_by_one.garbage, one_by_one.bad_frames)


@given(st.binary(max_size=300).map(lambda noise: noise.replace(b"\xfe", b"")))
def test_garbage_between_frames_costs_no_frame(noise: bytes) -> None:
    decoder = UnpiDecoder()
    assert decoder.feed(noise + PING.encode() + noise + PING.encode()) == [PING, PING]
    assert decoder.garbage == 2 * len(noise)


def test_a_frame_with_a_wrong_fcs_is_dropped_and_the_next_one_read() -> None:
    decoder = UnpiDecoder()
    broken = PING.encode()[:-1] + b"\x00"
    assert decoder.feed(broken + PING.encode()) == [PING]
    assert decoder.bad_frames == 1
