"""APS fragmentation under every order, repetition and loss of its blocks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from hanota.errors import RemoteProtocolError
from hanota.zse.fragmentation import Block, FragmentationSettings, MessageId, Reassembly, cut

if TYPE_CHECKING:
    from collections.abc import Sequence

SETTINGS = FragmentationSettings()
MESSAGE = MessageId(0x1234, 7, 0x0109, 0x0704, 5, 3, encrypted=True)
ASDUS = st.binary(min_size=1, max_size=SETTINGS.octets)
SMALL = FragmentationSettings(block_octets=7)
LONG_ASDUS = st.binary(min_size=SMALL.block_octets + 1, max_size=300)
SIZES = st.builds(FragmentationSettings, block_octets=st.integers(7, 71))


def blocks(
    asdu: bytes, settings: FragmentationSettings = SETTINGS, message: MessageId = MESSAGE
) -> list[Block]:
    parts = cut(asdu, settings)
    return [Block(message, n, part, len(parts) if n == 0 else None) for n, part in enumerate(parts)]


def deliver(reassembly: Reassembly, received: Sequence[Block], now: float = 0) -> list[bytes]:
    return [asdu for block in received if (asdu := reassembly.receive(block, now)) is not None]


@given(ASDUS, SIZES, st.data())
def test_blocks_in_any_order_and_repeated_give_the_asdu_once(
    asdu: bytes, settings: FragmentationSettings, data: st.DataObject
) -> None:
    sent = blocks(asdu, settings)
    extra = data.draw(st.lists(st.sampled_from(sent), max_size=10))
    received = data.draw(st.permutations(sent + extra))
    assert deliver(Reassembly(SETTINGS), received) == [asdu]


@given(LONG_ASDUS, st.data())
def test_without_one_of_its_blocks_nothing_of_a_message_is_delivered(
    asdu: bytes, data: st.DataObject
) -> None:
    sent = blocks(asdu, SMALL)
    sent.remove(data.draw(st.sampled_from(sent)))
    assert deliver(Reassembly(SETTINGS), sent) == []


@given(LONG_ASDUS, st.data())
def test_a_block_that_comes_again_with_other_octets_drops_the_whole_message(
    asdu: bytes, data: st.DataObject
) -> None:
    """The attack "fragment overlap, changed duplicate"."""
    *others, last = blocks(asdu, SMALL)
    victim = data.draw(st.sampled_from(others))
    forged = replace(victim, data=bytes((victim.data[0] ^ 1,)) + victim.data[1:])
    received = [*data.draw(st.permutations([*others, forged])), last]
    reassembly = Reassembly(SETTINGS)
    refused = 0
    for block in received:
        try:
            assert reassembly.receive(block, 0) is None
        except RemoteProtocolError:
            refused += 1
    assert refused >= 2


ANY_BLOCK = st.builds(
    Block,
    st.builds(
        MessageId,
        st.integers(0, 5),
        st.integers(0, 3),
        st.just(0x0109),
        st.just(0x0704),
        st.just(1),
        st.just(3),
        encrypted=st.booleans(),
    ),
    st.integers(0, 255),
    st.binary(max_size=80),
    st.none() | st.integers(0, 255),
)


@given(st.lists(st.tuples(ANY_BLOCK, st.floats(0, 20)), max_size=100))
def test_whatever_blocks_arrive_memory_is_bounded_and_nothing_but_a_remote_error_is_raised(
    arrivals: list[tuple[Block, float]],
) -> None:
    """The attack "oversized / endless data": fragment floods."""
    settings = FragmentationSettings(messages=3, octets=100)
    reassembly = Reassembly(settings)
    now = 0.0
    for block, pause in arrivals:
        now += pause
        try:
            whole = reassembly.receive(block, now)
        except RemoteProtocolError:
            whole = None
        assert whole is None or len(whole) <= settings.octets
        assert len(reassembly) <= settings.messages
        assert reassembly.octets <= settings.messages * settings.octets
