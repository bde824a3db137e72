"""ASH v2 of the emulated co-processor against a host of the tests' own, on a line that does its worst."""

from __future__ import annotations

import random
import tracemalloc
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hanota.emulator.ezsp.ash import AshNcp, AshSettings, AshState, HostReset, Received, ResetCode
from hanota.emulator.ezsp.ash_frames import (
    Ack,
    AshDecoder,
    BadFrame,
    Data,
    Error,
    Nak,
    Rst,
    Rstack,
    decode,
    encode,
)
from hanota.errors import LocalProtocolError, RemoteProtocolError
from tests.emulator.ash_host import RST, AshHost, stuffed, whiten

numbers = st.integers(0, 7)
payloads = st.binary(min_size=1, max_size=120)
frames = st.one_of(
    st.builds(Data, numbers, numbers, payloads, st.booleans()),
    st.builds(Ack, numbers, st.booleans()),
    st.builds(Nak, numbers, st.booleans()),
    st.just(Rst()),
    st.builds(Rstack, st.integers(0, 255)),
    st.builds(Error, st.integers(0, 255)),
)


def data(number: int, payload: bytes, *, ack: int = 0, again: bool = False) -> bytes:
    """A DATA frame as the tests' own framing makes it."""
    return stuffed(bytes((number << 4 | 8 * again | ack,)) + whiten(payload))


def heard(ncp: AshNcp) -> list[object]:
    """What the co-processor has sent, decoded."""
    return [frame for octets in ncp.take_output() for frame in AshDecoder(220).feed(octets)]


@pytest.mark.parametrize(
    ("frame", "octets"),
    [
        (Rst(), "c038bc7e"),
        (Rstack(0x02), "c102029b7b7e"),
        (Error(0x51), "c20251a8bd7e"),
        (Data(2, 5, bytes.fromhex("00000002")), "25 42 21 a8 56 a6 09 7e"),
        (Ack(1), "8160597e"),
        (Nak(6), "a634dc7e"),
        (Nak(5, not_ready=True), "ad85b77e"),
    ],
)
def test_frames_are_those_of_the_protocol_reference(frame: Data, octets: str) -> None:
    assert encode(frame) == bytes.fromhex(octets)


@given(frames)
def test_every_frame_survives_encoding(frame: Data) -> None:
    assert AshDecoder(220).feed(encode(frame)) == [frame]


@given(frames, frames)
def test_octets_arrive_one_by_one_or_together(first: Data, second: Data) -> None:
    octets = encode(first) + encode(second)
    decoder = AshDecoder(220)
    assert [frame for octet in octets for frame in decoder.feed(bytes((octet,)))] == [first, second]


@given(st.binary(max_size=300))
def test_malformed_frames_are_refused_and_never_another_error(octets: bytes) -> None:
    with suppress(RemoteProtocolError):
        decode(octets)
    assert AshDecoder(220).feed(octets + b"\x7e" + encode(Ack(3)))[-1] == Ack(3)


def test_the_next_frame_is_read_after_garbage_cancel_substitute_and_too_long_a_one() -> None:
    decoder = AshDecoder(20)
    good = encode(Ack(3))
    assert decoder.feed(b"\x00\x01\x1a" + good) == [Ack(3)]
    assert decoder.feed(b"\x11\x13" + good) == [Ack(3)]
    spoilt = decoder.feed(good[:1] + b"\x18" + good[1:] + good)
    assert isinstance(spoilt[0], BadFrame)
    assert spoilt[1] == Ack(3)
    long = decoder.feed(bytes(100) + b"\x7e" + good)
    assert isinstance(long[0], BadFrame)
    assert long[1:] == [Ack(3)]


def test_a_frame_begun_is_never_kept_longer_than_the_longest_may_be() -> None:
    decoder = AshDecoder(220)
    decoder.feed(bytes(10_000))
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(200):
        decoder.feed(bytes(10_000))
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 10_000


def test_a_response_carries_the_acknowledgement() -> None:
    ncp = AshNcp()
    assert ncp.receive(data(0, b"command"), 0.0) == [Received(b"command")]
    ncp.respond(b"answer", 0.001)
    assert heard(ncp) == [Data(0, 1, b"answer")]
    assert ncp.next_timer() == pytest.approx(0.001 + 1.6)


def test_an_acknowledgement_with_nothing_to_ride_on_goes_alone_after_20_ms() -> None:
    ncp = AshNcp()
    ncp.receive(data(0, b"command"), 0.0)
    assert heard(ncp) == []
    assert ncp.next_timer() == pytest.approx(0.02)
    ncp.expire(0.02)
    assert heard(ncp) == [Ack(1)]
    assert ncp.next_timer() is None


def test_at_most_five_frames_are_sent_ahead() -> None:
    ncp = AshNcp()
    for number in range(7):
        assert ncp.call_back(bytes((number,)), 0.0)
    assert [frame.frame_number for frame in heard(ncp)] == [0, 1, 2, 3, 4]  # type: ignore[attr-defined]
    ncp.receive(encode(Ack(2)), 0.1)
    assert heard(ncp) == [Data(5, 0, b"\x05"), Data(6, 0, b"\x06")]


def test_a_response_overtakes_callbacks_that_wait() -> None:
    ncp = AshNcp(AshSettings(window=1))
    for payload in (b"first", b"second"):
        ncp.call_back(payload, 0.0)
    ncp.receive(data(0, b"command"), 0.0)
    ncp.respond(b"answer", 0.0)
    heard(ncp)
    ncp.receive(encode(Ack(1)), 0.1)
    assert heard(ncp) == [Data(1, 1, b"answer")]


def test_callbacks_beyond_the_queue_are_refused_and_memory_stays_flat() -> None:
    ncp = AshNcp()
    taken = sum(ncp.call_back(bytes(100), 0.0) for _ in range(1000))
    assert taken == ncp.settings.window + ncp.settings.max_callbacks


def test_responses_beyond_the_queue_are_a_fault_of_the_caller() -> None:
    ncp = AshNcp()
    while ncp.accepts_responses:
        ncp.respond(b"x", 0.0)
    with pytest.raises(LocalProtocolError):
        ncp.respond(b"x", 0.0)


def test_a_frame_longer_than_ash_carries_is_a_fault_of_the_caller() -> None:
    with pytest.raises(LocalProtocolError, match="221"):
        AshNcp().respond(bytes(221), 0.0)


def test_what_is_not_acknowledged_in_time_is_sent_again_with_doubled_patience() -> None:
    ncp = AshNcp()
    ncp.respond(b"answer", 0.0)
    heard(ncp)
    times = []
    while ncp.state is AshState.CONNECTED:
        due = ncp.next_timer()
        assert due is not None
        times.append(due)
        ncp.expire(due)
    sent = heard(ncp)
    assert times == pytest.approx([1.6, 4.8, 8.0, 11.2, 14.4])
    assert sent == [Data(0, 0, b"answer", retransmission=True)] * 4 + [Error(0x51)]
    assert ncp.next_timer() is None


def test_acknowledgements_that_come_fast_shorten_the_patience_down_to_its_floor() -> None:
    ncp = AshNcp()
    for number in range(40):
        ncp.respond(b"answer", float(number))
        ncp.receive(encode(Ack((number + 1) % 8)), number + 0.01)
    ncp.respond(b"answer", 100.0)
    assert ncp.next_timer() == pytest.approx(100.4)


def test_a_nak_repeats_everything_from_the_frame_it_names() -> None:
    ncp = AshNcp()
    for payload in (b"a", b"b", b"c"):
        ncp.call_back(payload, 0.0)
    heard(ncp)
    ncp.receive(encode(Nak(1)), 0.1)
    assert heard(ncp) == [Data(1, 0, b"b", retransmission=True), Data(2, 0, b"c", retransmission=True)]


def test_a_frame_out_of_sequence_is_rejected_once_until_the_one_expected_comes() -> None:
    ncp = AshNcp()
    assert ncp.receive(data(1, b"late") + data(2, b"later"), 0.0) == []
    assert heard(ncp) == [Nak(0)]
    assert ncp.receive(data(0, b"expected"), 0.1) == [Received(b"expected")]
    assert ncp.receive(data(2, b"again out"), 0.2) == []
    assert heard(ncp) == [Nak(1)]


def test_a_repeated_frame_is_acknowledged_and_not_delivered_twice() -> None:
    ncp = AshNcp()
    ncp.receive(data(0, b"once"), 0.0)
    ncp.expire(0.02)
    heard(ncp)
    assert ncp.receive(data(0, b"once", again=True), 1.7) == []
    assert heard(ncp) == [Ack(1)]


def test_a_spoilt_data_frame_is_rejected_and_a_spoilt_acknowledgement_ignored() -> None:
    ncp = AshNcp()
    spoilt = bytearray(data(0, b"spoilt"))
    spoilt[2] ^= 0x01
    ncp.receive(bytes(spoilt), 0.0)
    assert heard(ncp) == [Nak(0)]
    ncp.receive(b"\x81\x00\x00\x7e", 0.0)
    assert heard(ncp) == []


def test_an_acknowledgement_of_what_was_never_sent_is_not_believed() -> None:
    ncp = AshNcp()
    ncp.respond(b"answer", 0.0)
    heard(ncp)
    ncp.receive(encode(Ack(3)), 0.1)
    assert ncp.next_timer() == pytest.approx(1.6)
    assert ncp.receive(data(0, b"command", ack=5), 0.2) == []
    assert heard(ncp) == [Nak(0)]


def test_a_host_that_is_not_ready_gets_responses_only_for_a_second() -> None:
    ncp = AshNcp()
    ncp.receive(encode(Ack(0, not_ready=True)), 0.0)
    ncp.call_back(b"callback", 0.1)
    ncp.respond(b"answer", 0.2)
    assert heard(ncp) == [Data(0, 0, b"answer")]
    ncp.receive(encode(Ack(1, not_ready=True)), 0.4)
    assert ncp.next_timer() == pytest.approx(1.4)
    ncp.expire(1.4)
    assert heard(ncp) == [Data(1, 0, b"callback")]


def test_a_failed_link_answers_everything_with_error_until_it_is_reset() -> None:
    ncp = AshNcp(AshSettings(max_timeouts=0))
    ncp.respond(b"answer", 0.0)
    ncp.expire(1.6)
    assert ncp.state is AshState.FAILED
    heard(ncp)
    assert ncp.receive(data(0, b"command"), 2.0) == []
    ncp.respond(b"nobody hears", 2.0)
    assert heard(ncp) == [Error(ResetCode.EXCEEDED_MAXIMUM_ACK_TIMEOUT_COUNT)]
    assert ncp.receive(RST, 3.0) == [HostReset()]
    assert heard(ncp) == [Rstack(ResetCode.SOFTWARE)]
    assert ncp.receive(data(0, b"command"), 3.1) == [Received(b"command")]


def test_a_reset_forgets_frames_under_way_and_begins_with_cancel() -> None:
    ncp = AshNcp()
    ncp.respond(b"answer", 0.0)
    ncp.take_output()
    ncp.reset(ResetCode.WATCHDOG)
    octets = b"".join(ncp.take_output())
    assert octets[0] == 0x1A
    assert AshDecoder(220).feed(octets) == [Rstack(3)]
    assert ncp.next_timer() is None


class Link:
    """Host and co-processor joined by a line that spoils, drops and doubles frames by chance."""

    def __init__(self, seed: int, *, spoil: float, drop: float, double: float) -> None:
        self.now = 0.0
        self.host, self.ncp = AshHost(), AshNcp()
        self.delivered: list[bytes] = []
        self._chance = random.Random(seed)
        self._spoil, self._drop, self._double = spoil, drop, double

    def heal(self) -> None:
        self._spoil = self._drop = self._double = 0.0

    def exchange(self, *, until: float) -> None:
        """Let everything happen that does before `until`."""
        while True:
            while self._carry():
                self.now += 0.001
            timers = [t for t in (self.host.next_timer(), self.ncp.next_timer()) if t is not None]
            if not timers or min(timers) > until:
                self.now = until
                return
            self.now = max(self.now, min(timers))
            self.host.expire(self.now)
            self.ncp.expire(self.now)

    def _carry(self) -> bool:
        to_host = [octets for frame in self.ncp.take_output() for octets in self._impaired(frame)]
        to_ncp = [octets for frame in self.host.take_output() for octets in self._impaired(frame)]
        for octets in to_host:
            self.host.receive(octets, self.now)
        for octets in to_ncp:
            for event in self.ncp.receive(octets, self.now):
                assert isinstance(event, Received)
                self.delivered.append(event.payload)
        return bool(to_host or to_ncp)

    def _impaired(self, frame: bytes) -> list[bytes]:
        copies = [frame, frame] if self._chance.random() < self._double else [frame]
        return [self._spoilt(copy) for copy in copies if self._chance.random() >= self._drop]

    def _spoilt(self, frame: bytes) -> bytes:
        octets = bytearray(frame)
        if self._chance.random() < self._spoil:
            place = self._chance.randrange(len(octets))
            if self._chance.random() < 0.5:
                octets[place] ^= 1 << self._chance.randrange(8)
            else:
                del octets[place]
        # What a CRC of 16 bits takes for another frame no protocol above it can mend: it is lost instead.
        told_apart = bytes(octets) == frame or all(
            isinstance(heard, BadFrame) for heard in AshDecoder(220).feed(bytes(octets))
        )
        return bytes(octets) if told_apart else b""


@given(
    seed=st.integers(0, 2**32),
    spoil=st.floats(0, 0.3),
    drop=st.floats(0, 0.3),
    double=st.floats(0, 0.3),
    commands=st.lists(payloads, max_size=12),
    callbacks=st.lists(payloads, max_size=12),
)
@example(seed=1, spoil=0.3, drop=0.3, double=0.3, commands=[b"\x7e\x11"] * 12, callbacks=[b"\x18\x1a"] * 12)
def test_whatever_the_line_does_every_frame_arrives_once_and_in_order(
    seed: int, spoil: float, drop: float, double: float, commands: list[bytes], callbacks: list[bytes]
) -> None:
    link = Link(seed, spoil=spoil, drop=drop, double=double)
    for number in range(12):
        if number < len(commands):
            link.host.send(commands[number], link.now)
        if number < len(callbacks):
            assert link.ncp.call_back(callbacks[number], link.now)
        link.exchange(until=link.now + 0.05)
    link.exchange(until=link.now + 2)
    link.heal()
    link.exchange(until=link.now + 60)
    if link.ncp.state is AshState.FAILED:  # five timeouts in a row are the protocol's own way to give up
        assert link.host.received == callbacks[: len(link.host.received)]
        assert link.delivered == commands[: len(link.delivered)]
        return
    assert link.host.received == callbacks
    assert link.delivered == commands
    assert link.host.idle
