"""The serial line: rate, bounds, faults, plugging."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from hanota.emulator.line import Direction, Line, LineSettings
from hanota.emulator.loop import run_virtual

if TYPE_CHECKING:
    from collections.abc import Callable


class Host:
    """Records what arrives, and when."""

    def __init__(self) -> None:
        self.chunks: list[tuple[float, bytes]] = []
        self.lost: list[Exception | None] = []

    def data_received(self, data: bytes) -> None:
        self.chunks.append((asyncio.get_running_loop().time(), data))

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.append(exc)

    @property
    def octets(self) -> bytes:
        return b"".join(data for _, data in self.chunks)


def received(*writes: bytes, prepare: Callable[[Line], None] = lambda _line: None, seed: int = 0) -> Host:
    """What a host receives when the dongle writes `writes`."""

    async def scenario() -> Host:
        line, host = Line(seed=seed), Host()
        line.open(host)
        prepare(line)
        for data in writes:
            line.write(Direction.TO_HOST, data)
        await asyncio.sleep(10)
        return host

    return run_virtual(scenario())


def test_octets_arrive_when_the_last_of_them_has_passed_at_ten_bits_each() -> None:
    (first, second) = received(bytes(115), bytes(1152)).chunks
    assert first[0] == pytest.approx(115 * 10 / 115_200)
    assert second[0] == pytest.approx(1267 * 10 / 115_200)


def test_both_directions_are_independent() -> None:
    async def scenario() -> list[float]:
        line, host = Line(LineSettings(baudrate=9600)), Host()
        arrived: list[float] = []
        line.receive = lambda _data: arrived.append(asyncio.get_running_loop().time())
        line.open(host)
        line.write(Direction.TO_HOST, bytes(96))
        line.write(Direction.TO_NCP, bytes(96))
        await asyncio.sleep(1)
        return [*arrived, *(when for when, _ in host.chunks)]

    assert run_virtual(scenario()) == pytest.approx([0.1, 0.1])


def test_what_does_not_fit_the_buffer_is_lost_and_counted() -> None:
    async def scenario() -> tuple[bytes, int]:
        line, host = Line(LineSettings(buffer_octets=8)), Host()
        line.open(host)
        for data in (b"12345", b"678", b"9"):
            line.write(Direction.TO_HOST, data)
        await asyncio.sleep(1)
        return host.octets, line.overruns

    assert run_virtual(scenario()) == (b"12345678", 1)


def test_a_muted_line_swallows_octets_while_the_port_stays_open() -> None:
    def mute(line: Line) -> None:
        line.to_host.muted = True

    host = received(b"unheard", prepare=mute)
    assert (host.octets, host.lost) == (b"", [])


def test_one_octet_reads_deliver_every_octet_by_itself() -> None:
    def one_by_one(line: Line) -> None:
        line.to_host.one_octet_reads = True

    assert [data for _, data in received(b"abc", prepare=one_by_one).chunks] == [b"a", b"b", b"c"]


def test_corruption_alters_one_bit_of_a_chunk_and_repeats_with_the_seed() -> None:
    def corrupt(line: Line) -> None:
        line.to_host.corrupt = 1.0

    octets = received(bytes(100), prepare=corrupt, seed=5).octets
    assert (len(octets), int.from_bytes(octets, "big").bit_count()) == (100, 1)
    assert octets == received(bytes(100), prepare=corrupt, seed=5).octets
    assert octets != received(bytes(100), prepare=corrupt, seed=6).octets


def test_loss_takes_one_octet_out_of_a_chunk() -> None:
    def lose(line: Line) -> None:
        line.to_host.lose = 1.0

    assert len(received(bytes(100), prepare=lose).octets) == 99


def test_a_manipulator_decides_what_arrives() -> None:
    def twice(line: Line) -> None:
        line.to_host.manipulate = lambda data: [data, data]

    assert received(b"echo", prepare=twice).octets == b"echoecho"


def test_an_unplugged_dongle_fails_the_open_port_and_the_next_open_until_it_is_back() -> None:
    line, host = Line(), Host()
    line.open(host)
    line.unplug()
    assert [type(exc) for exc in host.lost] == [OSError]
    with pytest.raises(FileNotFoundError):
        line.open(host)
    line.plug()
    line.open(host)
    assert line.is_open


def test_a_port_that_is_open_is_busy() -> None:
    line = Line()
    line.open(Host())
    with pytest.raises(OSError, match="open already"):
        line.open(Host())


def test_what_the_host_wrote_before_it_closed_still_reaches_the_dongle() -> None:
    async def scenario() -> list[bytes]:
        line, host = Line(), Host()
        arrived: list[bytes] = []
        line.receive = arrived.append
        line.open(host)
        line.write(Direction.TO_NCP, b"reset")
        line.close(host)
        await asyncio.sleep(1)
        return arrived

    assert run_virtual(scenario()) == [b"reset"]


def held_off(*, flow_control: bool) -> tuple[Line, Host]:
    """A receiver that holds its sender off for a second in which three chunks are sent."""

    async def scenario() -> tuple[Line, Host]:
        line, host = Line(LineSettings(flow_control=flow_control)), Host()
        line.open(host)
        line.hold(Direction.TO_HOST)
        for chunk in (b"one", b"two", b"three"):
            line.write(Direction.TO_HOST, chunk)
        await asyncio.sleep(1)
        assert host.octets == b""
        line.release(Direction.TO_HOST)
        line.write(Direction.TO_HOST, b"four")
        await asyncio.sleep(1)
        return line, host

    return run_virtual(scenario())


def test_with_flow_control_a_sender_that_is_held_off_loses_nothing_and_keeps_its_order() -> None:
    line, host = held_off(flow_control=True)
    assert host.octets == b"onetwothreefour"
    assert line.overruns == 0
    # What waited takes the line's time when it is let go.
    assert host.chunks[0][0] == pytest.approx(1 + 3 * 10 / 115_200)
    assert host.chunks[-1][0] == pytest.approx(1 + 15 * 10 / 115_200)


def test_without_flow_control_what_a_busy_receiver_is_sent_is_an_overrun() -> None:
    line, host = held_off(flow_control=False)
    assert host.octets == b"four"
    assert line.overruns == len(b"onetwothree")


def test_a_receiver_that_is_never_ready_costs_no_more_than_the_buffer() -> None:
    async def scenario() -> Line:
        line = Line(LineSettings(buffer_octets=100))
        line.open(Host())
        line.hold(Direction.TO_NCP)
        for _ in range(1000):
            line.write(Direction.TO_NCP, bytes(10))
        await asyncio.sleep(1)
        return line

    line = run_virtual(scenario())
    assert (line.unsent, line.overruns) == (100, 9900)


def test_octets_keep_their_order_when_a_sender_is_let_go_in_the_middle_of_a_chunk() -> None:
    async def scenario() -> Host:
        line, host = Line(LineSettings(baudrate=9600)), Host()
        line.open(host)
        line.hold(Direction.TO_HOST)
        for chunk in (b"a" * 96, b"b" * 96, b"c" * 96):
            line.write(Direction.TO_HOST, chunk)
        await asyncio.sleep(0.15)
        line.release(Direction.TO_HOST)
        await asyncio.sleep(5)
        return host

    assert run_virtual(scenario()).octets == b"a" * 96 + b"b" * 96 + b"c" * 96
