"""Cutting ASDUs into blocks and putting blocks together: limits, times and what breaks a message."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hanota.errors import LocalProtocolError, RemoteProtocolError
from hanota.zse.fragmentation import Block, FragmentationSettings, MessageId, Reassembly, cut

SETTINGS = FragmentationSettings(block_octets=4)
MESSAGE = MessageId(0x1234, 7, 0x0109, 0x0704, 5, 3, encrypted=True)
FIRST = Block(MESSAGE, 0, b"abcd", 3)
SECOND = Block(MESSAGE, 1, b"efgh")
LAST = Block(MESSAGE, 2, b"i")


def test_an_asdu_is_cut_into_blocks_of_one_length_and_a_rest() -> None:
    assert cut(b"abcdefghi", SETTINGS) == [b"abcd", b"efgh", b"i"]


@pytest.mark.parametrize(
    ("length", "settings"),
    [(1601, FragmentationSettings()), (256, FragmentationSettings(block_octets=1))],
)
def test_an_asdu_of_more_than_the_limit_or_255_blocks_is_not_cut(
    length: int, settings: FragmentationSettings
) -> None:
    with pytest.raises(LocalProtocolError, match=f"an ASDU of {length} octets is too long"):
        cut(bytes(length), settings)


@pytest.mark.parametrize("size", [0, 72])
def test_blocks_that_no_frame_carries_are_refused(size: int) -> None:
    with pytest.raises(LocalProtocolError, match=f"not {size}"):
        cut(b"abc", FragmentationSettings(block_octets=size))


@pytest.mark.parametrize(
    ("blocks", "fault"),
    [
        ([FIRST, replace(FIRST, total=4)], "first of 3 blocks, then of 4"),
        ([FIRST, replace(LAST, number=3)], "block 3 of 3"),
        ([replace(LAST, number=3), FIRST], "block 3 of 3"),
        ([replace(FIRST, total=0)], "block 0 of 0"),
        ([FIRST, replace(SECOND, data=b"")], "without octets"),
        ([FIRST, replace(SECOND, data=b"efg"), LAST], "different lengths"),
        ([FIRST, SECOND, replace(LAST, data=b"ijklm")], "different lengths"),
        ([FIRST, replace(SECOND, data=bytes(1600))], "more than 1600 octets"),
    ],
)
def test_a_message_whose_blocks_contradict_each_other_is_dropped(blocks: list[Block], fault: str) -> None:
    reassembly = Reassembly(SETTINGS)
    for block in blocks[:-1]:
        assert reassembly.receive(block, 0) is None
    with pytest.raises(RemoteProtocolError, match=fault):
        reassembly.receive(blocks[-1], 0)
    with pytest.raises(RemoteProtocolError, match="dropped"):
        reassembly.receive(SECOND, 1)
    assert reassembly.octets == 0


def test_a_block_in_the_clear_is_never_a_part_of_an_encrypted_message() -> None:
    reassembly = Reassembly(SETTINGS)
    plain = replace(MESSAGE, encrypted=False)
    assert reassembly.receive(FIRST, 0) is None
    assert reassembly.receive(replace(SECOND, message=plain), 0) is None
    assert reassembly.receive(LAST, 0) is None
    assert reassembly.receive(SECOND, 0) == b"abcdefghi"


def test_a_repeated_last_block_is_acknowledged_again_and_not_delivered_twice() -> None:
    reassembly = Reassembly(SETTINGS)
    for block in (FIRST, SECOND):
        reassembly.receive(block, 0)
    assert reassembly.receive(LAST, 0) == b"abcdefghi"
    assert reassembly.receive(LAST, 7) is None


@pytest.mark.parametrize("later", [1, 9])
def test_another_message_under_the_same_counter_is_a_new_one(later: float) -> None:
    reassembly = Reassembly(SETTINGS)
    for block in (FIRST, SECOND, LAST):
        reassembly.receive(block, 0)
    reassembly.receive(replace(FIRST, data=b"ABCD", total=2), later)
    assert reassembly.receive(replace(SECOND, data=b"EF"), later) == b"ABCDEF"


def test_a_message_is_given_up_when_no_block_of_it_comes_for_long() -> None:
    reassembly = Reassembly(SETTINGS)
    reassembly.receive(FIRST, 0)
    reassembly.receive(SECOND, 29)
    assert reassembly.receive(LAST, 58) == b"abcdefghi"
    again = [replace(block, message=replace(MESSAGE, counter=8)) for block in (FIRST, SECOND, LAST)]
    reassembly.receive(again[0], 100)
    reassembly.receive(again[1], 100)
    assert reassembly.receive(again[2], 131) is None


def test_a_flood_of_first_blocks_from_one_sender_does_not_displace_the_message_of_another() -> None:
    """The attack "oversized / endless data": fragment floods."""
    reassembly = Reassembly(SETTINGS)
    reassembly.receive(FIRST, 0)
    for counter in range(255):
        flood = MessageId(0x6666, counter, 0x0109, 0x0704, 5, 3, encrypted=True)
        reassembly.receive(Block(flood, 0, b"abcd", 255), 0)
    assert len(reassembly) == SETTINGS.messages
    reassembly.receive(SECOND, 0)
    assert reassembly.receive(LAST, 0) == b"abcdefghi"
