"""Relays: the octets on the line, and the emulated board that reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hanota.bench.relay import MAXIMUM_CHANNEL, RelayPower, RelaySettings, command
from hanota.emulator.relay_board import RelayBoard

if TYPE_CHECKING:
    from collections.abc import Sequence


class Line:
    """A serial port that hands what is written to a board."""

    def __init__(self, board: RelayBoard) -> None:
        self.board = board

    async def write(self, data: bytes) -> None:
        self.board.receive(data)


def board() -> tuple[RelayBoard, list[tuple[int, bool]]]:
    moved: list[tuple[int, bool]] = []
    return RelayBoard(2, lambda channel, closed: moved.append((channel, closed))), moved


def test_commands_are_those_of_the_data_sheet() -> None:
    assert command(1, closed=True) == bytes.fromhex("A00101A2")
    assert command(1, closed=False) == bytes.fromhex("A00100A1")


@pytest.mark.parametrize("channel", [0, MAXIMUM_CHANNEL + 1])
def test_a_channel_no_board_has_is_refused_when_the_bench_is_set_up(channel: int) -> None:
    with pytest.raises(ValueError, match="1 to 8"):
        RelayPower(Line(board()[0]), channel)  # type: ignore[arg-type]


async def test_power_moves_its_own_relay_alone() -> None:
    relays, moved = board()
    power = RelayPower(Line(relays), 2)  # type: ignore[arg-type]
    await power.on()
    await power.off()
    assert moved == [(2, True), (2, False)]


async def test_a_device_on_the_normally_closed_contact_has_power_while_the_relay_rests() -> None:
    relays, moved = board()
    power = RelayPower(Line(relays), 1, RelaySettings(normally_closed=True))  # type: ignore[arg-type]
    await power.off()
    await power.on()
    assert moved == [(1, True), (1, False)]


@given(
    st.lists(st.tuples(st.integers(1, 2), st.booleans())),
    st.binary(max_size=8),
    st.integers(1, 5),
)
def test_a_board_finds_commands_whatever_octets_are_before_and_however_they_come(
    commands: Sequence[tuple[int, bool]], noise: bytes, piece: int
) -> None:
    relays, _ = board()
    # Noise that ends in a part of a command would swallow the first; a real board does the same.
    octets = noise.replace(b"\xa0", b"") + b"".join(
        command(channel, closed=closed) for channel, closed in commands
    )
    for start in range(0, len(octets), piece):
        relays.receive(octets[start : start + piece])
    assert relays.closed == {1: False, 2: False} | dict(commands)
