"""Two hubs on one air: neither hears the other's network, whatever dongles they have."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from hanota.emulator.loop import run_virtual
from hanota.emulator.node import JoinRefusedError
from hanota.gbcs.reference_test_data import HCALCS, PPMID
from hanota.hub.events import EventKind
from hanota.hub.jobs import JobKind
from hanota.zcl import ClusterId
from tests.radio_dongles import EZSP_V13, EZSP_V14, ZNP
from tests.radio_support import FRAME, ScriptedNode, bench
from tests.radio_support import HCALCS as NEIGHBOUR
from tests.simulation.update_support import update_bench

if TYPE_CHECKING:
    from tests.radio_dongles import Dongle
    from tests.radio_support import Bench

PAIRS = [(ZNP, EZSP_V13), (EZSP_V14, ZNP), (ZNP, ZNP)]


@pytest.mark.parametrize(("dongle", "neighbour"), PAIRS, ids=str)
def test_an_update_runs_beside_the_traffic_of_another_hub(dongle: Dongle, neighbour: Dongle) -> None:
    async def main() -> None:
        async with update_bench(dongle, size=4_000) as b, bench(neighbour, air=b.bench.air) as other:
            node = await other.joined(NEIGHBOUR)
            traffic = asyncio.create_task(keep_talking(other, node))
            b.update(JobKind.PPMID)
            await b.until_state(PPMID, "activated")
            await b.still_serves(HCALCS)
            traffic.cancel()
            await asyncio.gather(traffic, return_exceptions=True)
            assert len(other.listener.frames) > 100
            assert {frame.device for frame in other.listener.frames} == {NEIGHBOUR}
            assert other.listener.refused == []
            assert not b.seen(EventKind.FRAME_REFUSED)
            assert {event.device for event in b.events if event.kind is EventKind.DEVICE_JOINED} == {
                PPMID,
                HCALCS,
            }

    run_virtual(main())


async def keep_talking(other: Bench, node: ScriptedNode) -> None:
    while True:
        await node.say(ClusterId.TUNNELING, FRAME)
        await asyncio.sleep(0.02)


def test_a_device_is_let_in_by_its_own_hub_alone() -> None:
    async def main() -> None:
        async with update_bench(ZNP) as b, bench(EZSP_V13, air=b.bench.air) as other:
            stranger = ScriptedNode(NEIGHBOUR)
            await b.assembly.radio.permit_joining(PPMID, bytes(16), 60)
            with pytest.raises(JoinRefusedError):
                await stranger.join(b.bench.air)
            node = await other.joined(NEIGHBOUR)
            assert node.trust_centre == other.ncp.eui64
            assert NEIGHBOUR not in {event.device for event in b.seen(EventKind.DEVICE_JOINED)}

    run_virtual(main())
