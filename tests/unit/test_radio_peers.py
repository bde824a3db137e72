"""Where devices are, and the numbers of packets in flight."""

from __future__ import annotations

import asyncio

import pytest

from hanota.errors import LocalProtocolError
from hanota.eui64 import Eui64
from hanota.radio.peers import Address, Peers
from hanota.radio.refusals import Refusals
from hanota.radio.sequence import PacketSequence
from tests.radio_support import PPMID, Listener

A, B = Eui64(bytes(7) + b"\x0a"), Eui64(bytes(7) + b"\x0b")
OTA, TUNNELING = 0x0019, 0x0704


def test_a_cluster_is_found_once_address_and_endpoint_are_known() -> None:
    peers = Peers()
    peers.learn(A, {OTA: 5})
    assert peers.find(A, OTA) is None
    peers.place(A, 0x1234)
    assert peers.find(A, OTA) == Address(0x1234, 5)
    assert peers.find(A, TUNNELING) is None


def test_a_short_address_given_to_another_device_is_that_devices_alone() -> None:
    peers = Peers()
    peers.learn(A, {OTA: 5})
    peers.place(A, 0x1234)
    peers.place(B, 0x1234)
    assert peers.device_at(0x1234) == B
    assert peers.find(A, OTA) is None


def test_a_device_that_moved_is_no_more_at_its_old_address() -> None:
    peers = Peers()
    peers.place(A, 0x1234)
    peers.place(A, 0x5678)
    assert peers.device_at(0x1234) is None
    assert peers.device_at(0x5678) == A


async def test_whoever_waits_hears_of_news_and_of_nothing_else() -> None:
    peers = Peers()
    peers.learn(A, {OTA: 5})
    waiting = asyncio.ensure_future(peers.changed())
    await asyncio.sleep(0)
    peers.learn(A, {OTA: 5})
    await asyncio.sleep(0)
    assert not waiting.done()
    peers.place(A, 1)
    await waiting


def test_packets_in_flight_never_share_a_number() -> None:
    sequence = PacketSequence()
    with sequence.take() as held:
        others = []
        for _ in range(600):
            with sequence.take() as number:
                others.append(number)
    assert held not in others
    assert set(others) == set(range(256)) - {held}


def test_a_number_comes_back_only_after_all_others() -> None:
    sequence = PacketSequence()
    numbers = []
    for _ in range(512):
        with sequence.take() as number:
            numbers.append(number)
    assert numbers == [*range(256), *range(256)]


def test_a_257th_packet_in_flight_is_refused() -> None:
    sequence = PacketSequence()
    held = [sequence.take() for _ in range(256)]
    for number in held:
        number.__enter__()
    with pytest.raises(LocalProtocolError, match="256 packets are in flight"), sequence.take():
        pass


class Clock:
    at = 0.0

    def now(self) -> float:
        return self.at


def test_a_flood_of_refused_frames_is_counted_one_by_one_and_told_once_a_second() -> None:
    listener, clock = Listener(), Clock()
    refusals = Refusals(listener, clock, 1)
    for tick in range(300):
        clock.at = tick / 100
        refusals.refuse(PPMID, OTA, "sent without APS encryption")
    assert refusals.counts == {"sent without APS encryption": 300}
    assert len(listener.refused) == 3


def test_strangers_without_number_are_told_as_one_and_take_no_memory_each() -> None:
    listener = Listener()
    refusals = Refusals(listener, Clock(), 1)
    for number in range(1000):
        refusals.refuse(Eui64(number.to_bytes(8, "big")), OTA, f"stranger {number}")
    assert refusals.counts == {"unknown sender": 1000}
    assert len(listener.refused) == len(refusals._told) == 1
