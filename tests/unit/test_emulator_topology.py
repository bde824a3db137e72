"""Ways through a network: routers relay, end devices speak to their parent, partitions and bad links."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import pairwise

import pytest

from hanota.emulator.air import (
    BROADCAST_ALL,
    BROADCAST_RX_ON_WHEN_IDLE,
    Air,
    ApsFrame,
    TxStatus,
)
from hanota.emulator.loop import run_virtual
from hanota.eui64 import Eui64

HUB, NEAR, MIDDLE, FAR = 0x0000, 0x1001, 0x1002, 0x1003
ROUTER, END_DEVICE = 0x8E, 0x8C


class Station:
    """A node that records."""

    def __init__(self, nwk: int, capabilities: int = ROUTER) -> None:
        self.eui64 = Eui64((0x0100 + nwk).to_bytes(8, "big"))
        self.nwk, self.capabilities = nwk, capabilities
        self.received: list[ApsFrame] = []

    def link_key_for(self, peer: Eui64) -> bytes | None:
        return None

    def receive(self, frame: ApsFrame) -> None:
        self.received.append(frame)


def frame(destination: int, **changes: object) -> ApsFrame:
    made = ApsFrame(HUB, destination, 3, 1, 0x0109, 0x0019, bytes(60))
    return replace(made, **changes)  # type: ignore[arg-type]  # the tests know the field types


def chain(last: int = ROUTER) -> tuple[Air, dict[int, Station]]:
    """A coordinator and three nodes in a row, each of which hears its neighbours alone."""
    air = Air(seed=4)
    nodes = {nwk: Station(nwk, last if nwk == FAR else ROUTER) for nwk in (HUB, NEAR, MIDDLE, FAR)}
    for node in nodes.values():
        air.attach(node)
    for number, one in enumerate(nodes):
        for other in list(nodes)[number + 2 :]:
            air.link(nodes[one].eui64, nodes[other].eui64).in_range = False
    return air, nodes


def adopt(air: Air, child: Station, parent: Station) -> None:
    air.networks[0].topology.adopt(child.eui64, parent.eui64)


async def sent(air: Air, made: ApsFrame) -> tuple[TxStatus, int]:
    """How the frame ended, and how many transmissions it took."""
    before = air.statistics.frames
    status = await air.transmit(made)
    await asyncio.sleep(0)
    return status, air.statistics.frames - before


@pytest.mark.parametrize(("destination", "hops"), [(NEAR, 1), (MIDDLE, 2), (FAR, 3)])
def test_each_relay_costs_one_more_transmission_of_frame_and_acknowledgement(
    destination: int, hops: int
) -> None:
    async def scenario() -> None:
        air, nodes = chain()
        assert await sent(air, frame(destination)) == (TxStatus.SUCCESS, hops)
        assert await sent(air, frame(destination, ack=True)) == (TxStatus.SUCCESS, 2 * hops)
        assert len(nodes[destination].received) == 2
        assert not [node for node in nodes.values() if node.received and node.nwk != destination]

    run_virtual(scenario())


def test_airtime_is_counted_for_each_hop() -> None:
    async def airtime(destination: int) -> float:
        air, _ = chain()
        for _ in range(200):
            await air.transmit(frame(destination))
        return air.statistics.airtime

    near, far = run_virtual(airtime(NEAR)), run_virtual(airtime(FAR))
    assert far / near == pytest.approx(3, rel=0.02)


def test_the_way_back_is_the_same_number_of_hops() -> None:
    async def scenario() -> None:
        air, nodes = chain()
        assert await sent(air, frame(HUB, source=FAR)) == (TxStatus.SUCCESS, 3)
        assert len(nodes[HUB].received) == 1

    run_virtual(scenario())


def test_an_end_device_is_reached_through_its_parent_even_where_others_are_nearer() -> None:
    async def scenario() -> None:
        air, nodes = chain(last=END_DEVICE)
        for nwk in (HUB, NEAR):
            air.link(nodes[nwk].eui64, nodes[FAR].eui64).in_range = True
        adopt(air, nodes[FAR], nodes[MIDDLE])
        assert await sent(air, frame(FAR)) == (TxStatus.SUCCESS, 3)
        adopt(air, nodes[FAR], nodes[HUB])
        assert await sent(air, frame(FAR)) == (TxStatus.SUCCESS, 1)

    run_virtual(scenario())


def test_two_children_of_one_router_speak_through_it() -> None:
    async def scenario() -> None:
        air, nodes = chain(last=END_DEVICE)
        sibling = Station(0x1004, END_DEVICE)
        air.attach(sibling)
        for child in (nodes[FAR], sibling):
            adopt(air, child, nodes[NEAR])
        air.link(nodes[NEAR].eui64, nodes[FAR].eui64).in_range = True
        assert await sent(air, frame(sibling.nwk, source=FAR)) == (TxStatus.SUCCESS, 2)

    run_virtual(scenario())


def test_an_end_device_whose_parent_is_gone_is_out_of_reach_and_a_router_is_not() -> None:
    async def scenario(capabilities: int) -> tuple[TxStatus, TxStatus]:
        air, nodes = chain(last=capabilities)
        adopt(air, nodes[FAR], nodes[MIDDLE])
        air.link(nodes[NEAR].eui64, nodes[FAR].eui64).in_range = True
        air.detach(nodes[MIDDLE])
        down, _ = await sent(air, frame(FAR))
        up, _ = await sent(air, frame(HUB, source=FAR))
        return down, up

    assert run_virtual(scenario(END_DEVICE)) == (TxStatus.NO_ROUTE, TxStatus.MAC_NO_ACK)
    assert run_virtual(scenario(ROUTER)) == (TxStatus.SUCCESS, TxStatus.SUCCESS)


def test_what_is_lost_behind_a_relay_the_sender_learns_by_the_missing_acknowledgement_alone() -> None:
    async def scenario() -> None:
        air, nodes = chain()
        air.link(nodes[NEAR].eui64, nodes[MIDDLE].eui64).loss = 1.0
        assert (await sent(air, frame(MIDDLE)))[0] is TxStatus.SUCCESS
        assert (await sent(air, frame(MIDDLE, ack=True)))[0] is TxStatus.APS_NO_ACK
        air.link(nodes[HUB].eui64, nodes[NEAR].eui64).loss = 1.0
        assert (await sent(air, frame(MIDDLE, ack=True)))[0] is TxStatus.MAC_NO_ACK
        assert not nodes[MIDDLE].received

    run_virtual(scenario())


def test_the_faults_of_one_link_leave_the_others_well() -> None:
    async def scenario() -> None:
        air, nodes = chain()
        link = air.link(nodes[NEAR].eui64, nodes[MIDDLE].eui64)
        link.duplicate, link.latency = 1.0, 3.0
        loop = asyncio.get_running_loop()
        before = loop.time()
        await sent(air, frame(NEAR))
        assert loop.time() - before < 0.1
        await sent(air, frame(FAR))
        assert 3.0 < loop.time() - before < 3.2
        assert (len(nodes[NEAR].received), len(nodes[FAR].received)) == (1, 2)

    run_virtual(scenario())


def test_a_partition_cuts_both_ways_and_not_within_until_it_is_healed() -> None:
    async def scenario() -> None:
        air, nodes = chain()
        air.partition([nodes[MIDDLE].eui64, nodes[FAR].eui64])
        for made in (frame(FAR), frame(HUB, source=FAR), frame(MIDDLE, ack=True)):
            status, transmissions = await sent(air, made)
            assert status is TxStatus.NO_ROUTE
            assert transmissions == 1  # the route request
        assert await sent(air, frame(NEAR)) == (TxStatus.SUCCESS, 1)
        assert await sent(air, frame(FAR, source=MIDDLE)) == (TxStatus.SUCCESS, 1)
        air.heal()
        assert await sent(air, frame(FAR)) == (TxStatus.SUCCESS, 3)

    run_virtual(scenario())


def test_a_broadcast_goes_on_where_somebody_listens_behind_a_router() -> None:
    async def scenario() -> None:
        air, nodes = chain(last=END_DEVICE)
        for child, parent in pairwise(reversed(list(nodes.values()))):
            adopt(air, child, parent)
        status, transmissions = await sent(air, frame(BROADCAST_RX_ON_WHEN_IDLE))
        assert (status, transmissions) == (TxStatus.SUCCESS, 3)
        assert [len(node.received) for node in nodes.values()] == [0, 1, 1, 1]

    run_virtual(scenario())


def test_a_router_repeats_a_broadcast_for_those_who_missed_it() -> None:
    async def scenario() -> None:
        air, nodes = chain()
        for nwk in (MIDDLE, FAR):
            air.link(nodes[HUB].eui64, nodes[nwk].eui64).in_range = True
        air.link(nodes[HUB].eui64, nodes[MIDDLE].eui64).loss = 1.0
        status, transmissions = await sent(air, frame(BROADCAST_RX_ON_WHEN_IDLE))
        assert (status, transmissions) == (TxStatus.SUCCESS, 2)
        assert [len(node.received) for node in nodes.values()] == [0, 1, 1, 1]

    run_virtual(scenario())


def test_an_end_device_broadcasts_through_its_parent() -> None:
    async def scenario() -> None:
        air, nodes = chain(last=END_DEVICE)
        for child, parent in pairwise(reversed(list(nodes.values()))):
            adopt(air, child, parent)
        status, transmissions = await sent(air, frame(BROADCAST_ALL, source=FAR))
        assert (status, transmissions) == (TxStatus.SUCCESS, 3)
        assert [len(node.received) for node in nodes.values()] == [1, 1, 1, 0]
        air.detach(nodes[MIDDLE])
        assert (await sent(air, frame(BROADCAST_ALL, source=FAR)))[0] is TxStatus.MAC_NO_ACK

    run_virtual(scenario())


def test_fragments_and_their_acknowledgements_take_every_hop() -> None:
    async def scenario() -> None:
        air, nodes = chain()
        status, transmissions = await sent(air, frame(MIDDLE, payload=bytes(range(250))))
        assert (status, transmissions) == (TxStatus.SUCCESS, 4 * 2 * 2)
        (received,) = nodes[MIDDLE].received
        assert received.payload == bytes(range(250))

    run_virtual(scenario())


def test_the_best_parent_loses_least_and_is_nearest_to_the_coordinator() -> None:
    air, nodes = chain()
    topology = air.networks[0].topology
    newcomer = Eui64(bytes(range(8)))
    assert [node.nwk for node in topology.parents_for(newcomer)] == [HUB, NEAR, MIDDLE, FAR]
    air.link(newcomer, nodes[HUB].eui64).in_range = False
    air.link(newcomer, nodes[NEAR].eui64).loss = 0.5
    assert [node.nwk for node in topology.parents_for(newcomer)] == [MIDDLE, FAR, NEAR]
    air.partition([nodes[FAR].eui64])
    assert [node.nwk for node in topology.parents_for(newcomer)] == [MIDDLE, NEAR]
