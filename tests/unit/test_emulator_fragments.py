"""A node's stack puts fragmented messages together."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hanota.emulator.aps import Fragment
from hanota.emulator.fragments import Reassembly, ReassemblySettings

KEY = (0x1001, 0x0000, 7)


def feed(stack: Reassembly, blocks: list[tuple[int, bytes]], count: int, now: float = 0.0) -> list[bytes]:
    """What comes of blocks given as index and octets."""
    results = (stack.add(KEY, Fragment(index, count), block, now) for index, block in blocks)
    return [message for message in results if message is not None]


@given(st.lists(st.binary(min_size=1, max_size=60), min_size=2, max_size=20), st.randoms())
def test_a_message_is_whole_once_whatever_the_order_and_however_often_blocks_come(
    blocks: list[bytes], chance: object
) -> None:
    numbered = list(enumerate(blocks))
    tail = numbered[1:]
    chance.shuffle(tail)  # type: ignore[attr-defined]
    assert feed(Reassembly(), [*tail, *tail, numbered[0]], len(blocks)) == [b"".join(blocks)]


def test_late_repetitions_of_a_finished_message_give_nothing_and_its_number_may_be_used_again() -> None:
    stack = Reassembly()
    blocks = [(0, b"a"), (1, b"b")]
    assert feed(stack, [*blocks, blocks[1]], 2) == [b"ab"]
    assert feed(stack, [(0, b"c"), (1, b"d")], 2) == [b"cd"]


def test_blocks_of_a_message_begun_too_long_ago_are_not_mixed_with_new_ones() -> None:
    stack = Reassembly()
    assert feed(stack, [(0, b"old")], 2, now=0.0) == []
    assert feed(stack, [(1, b"new")], 2, now=31.0) == []
    assert feed(stack, [(0, b"new")], 2, now=32.0) == [b"newnew"]


def test_endless_data_and_many_messages_begun_are_bounded() -> None:
    stack = Reassembly(ReassemblySettings(max_messages=2, max_octets=100))
    assert feed(stack, [(index, bytes(60)) for index in range(3)], 3) == []
    for number in range(50):
        stack.add((number, 0, 0), Fragment(0, 2), b"x", 0.0)
    assert len(stack._messages) == 2


def test_a_block_beyond_the_count_is_ignored() -> None:
    assert feed(Reassembly(), [(0, b"a"), (5, b"x"), (1, b"b")], 2) == [b"ab"]
