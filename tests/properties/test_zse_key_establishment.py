"""Key Establishment whatever the air does: the same key on both sides or a failure told on both."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from hanota.errors import RemoteProtocolError
from hanota.zcl import Direction, Status, ZclFrame
from hanota.zse.cbke import EphemeralKey, SessionKeys
from hanota.zse.key_establishment import ClientEstablished, ClientFailed, Failed, InstallKey, WorkDone
from hanota.zse.key_establishment.commands import decode_command
from tests.key_establishment_support import DEVICE, NOW, Pair

if TYPE_CHECKING:
    from hanota.zse.key_establishment import Work


def computed(work: Work) -> WorkDone:
    """Stand in for the cryptography where only the machines are in question: a point is its seed's octets."""
    point = work.suite.parameters.point_octets
    own = work.own or EphemeralKey(b"", b"\x02" + (work.seed or b"")[: point - 1])
    if work.peer is None:
        return WorkDone(work.device, work.exchange, own, None)
    shared = bytes(a ^ b for a, b in zip(own.public[1:17], work.peer.ephemeral[1:17], strict=True))
    mac_u, mac_v = (bytes(octet ^ mask for octet in shared) for mask in (0x55, 0xAA))
    return WorkDone(work.device, work.exchange, own, SessionKeys(shared, shared, mac_u, mac_v))


class Air:
    """Messages in flight between the two ends; the next of them is lost, doubled or overtaken."""

    def __init__(self, pair: Pair, chance: random.Random, *, perfect: bool = False) -> None:
        self.pair, self.chance, self.perfect = pair, chance, perfect
        self.flight: list[tuple[Direction, bytes, list[bool]]] = []
        """Copies; those of one sending share what became of it."""

    def run(self) -> None:
        self.pair.client.start(self.pair.now)
        while True:
            self.collect()
            if self.flight:
                self.carry()
            elif (due := self.pair.next_timer()) is not None:
                self.pair.now = due
                self.pair.client.expire(due)
                self.pair.server.expire(due)
            else:
                return

    def collect(self) -> None:
        pair = self.pair
        for end in (pair.client, pair.server):
            for work in end.work():
                end.finished(computed(work), pair.now)
        pair.manage_keys()
        self.flight += [(Direction.TO_SERVER, data, [False]) for data in pair.client.requests()]
        self.flight += [(Direction.TO_CLIENT, data, [False]) for _, data in pair.server.responses()]
        pair.outcomes += pair.client.events()

    def carry(self) -> None:
        pair = self.pair
        fate = 0.0 if self.perfect else self.chance.random()
        place = 0 if self.perfect else self.chance.randrange(len(self.flight))
        direction, data, arrived = self.flight.pop(place)
        if fate > 0.85:
            waiting = any(each[2] is arrived for each in self.flight)
            if direction is Direction.TO_CLIENT and not waiting and not arrived[0]:
                pair.server.undelivered(DEVICE, data, pair.now)
            return
        if fate > 0.7:
            self.flight.append((direction, data, arrived))
        if direction is Direction.TO_SERVER:
            pair.server.receive(DEVICE, data, pair.now)
        else:
            pair.client.receive(data, pair.now)
            if not arrived[0]:
                pair.server.delivered(DEVICE, data, pair.now)
            arrived[0] = True


@given(st.integers(0, 2**32))
@settings(max_examples=300, deadline=None)
def test_loss_doubling_and_overtaking_end_in_one_key_or_in_failures_with_a_name(seed: int) -> None:
    pair = Pair()
    Air(pair, random.Random(seed)).run()
    (outcome,) = pair.outcomes
    match outcome:
        case ClientEstablished():
            assert pair.keys == {DEVICE: outcome.key}
            assert pair.established
        case ClientFailed():
            assert outcome.reason
            assert pair.keys == {}
            begun = any(isinstance(event, InstallKey | Failed) for event in pair.told)
            assert all(failure.reason for failure in pair.failures)
            assert not begun or pair.failures
    assert pair.next_timer() is None
    assert pair.server._exchanges == {}


@given(st.integers(0, 2**32))
@settings(max_examples=50, deadline=None)
def test_after_any_failure_a_device_on_a_good_air_gets_its_key(seed: int) -> None:
    pair = Pair()
    Air(pair, random.Random(seed)).run()
    pair.now += pair.settings.attempts_window
    Air(pair, random.Random(seed), perfect=True).run()
    outcome = pair.outcomes[-1]
    assert isinstance(outcome, ClientEstablished)
    assert pair.keys == {DEVICE: outcome.key}


@given(st.integers(0, 255), st.integers(0, 5), st.binary(max_size=90), st.sampled_from(Direction))
def test_a_parser_refuses_what_it_cannot_read_in_one_way_only(
    sequence: int, command: int, payload: bytes, direction: Direction
) -> None:
    frame = ZclFrame(sequence, command, payload, direction)
    try:
        parsed = decode_command(frame, direction)
    except RemoteProtocolError as error:
        status = error.status
    else:
        status = None
        assert parsed.encode() == payload[: len(parsed.encode())]
    assert status in (None, Status.MALFORMED_COMMAND, Status.UNSUP_CLUSTER_COMMAND)


@given(st.lists(st.tuples(st.binary(max_size=90), st.sampled_from(["raw", "payload"])), max_size=20))
def test_neither_end_raises_or_answers_more_than_it_is_asked_whatever_arrives(
    garbage: list[tuple[bytes, str]],
) -> None:
    pair = Pair()
    pair.client.start(NOW)
    (begin,) = pair.client.requests()
    pair.server.receive(DEVICE, begin, NOW)
    pair.server.responses()
    for octets, kind in garbage:
        data = octets
        if kind == "payload":
            data = ZclFrame(octets[0] if octets else 0, len(octets) % 5, octets[1:]).encode()
        pair.server.receive(DEVICE, data, NOW)
        assert len(pair.server.responses()) <= 1
        if len(data) >= 3:
            data = bytes([data[0] | 0x08]) + data[1:]
        pair.client.receive(data, NOW)
        assert len(pair.client.requests()) <= 1


@given(st.integers(0, 2), st.data())
@settings(max_examples=60, deadline=None)
def test_a_changed_request_never_leaves_a_key(number: int, data: st.DataObject) -> None:
    pair = Pair()
    changed: list[bool] = []

    def change(frame: ZclFrame) -> ZclFrame:
        if frame.command != number or changed:
            return frame
        payload = data.draw(st.binary(max_size=60))
        changed.append(payload != frame.payload)
        return replace(frame, payload=payload)

    pair.to_server = change
    pair.run().wait()
    if changed == [True]:
        assert pair.keys == {}
        assert pair.failures
