"""What is particular to Z-Stack coordinators."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from hanota.emulator.loop import run_virtual
from hanota.emulator.znp.coordinator import ZnpCoordinator
from hanota.emulator.znp.unpi import Subsystem
from hanota.errors import DeliveryError
from hanota.hub.ports import Priority, RadioState
from hanota.zcl import ClusterId
from hanota.zse.fragmentation import FragmentationSettings
from tests.radio_dongles import ZnpDongle
from tests.radio_support import HCALCS, PPMID, SETTINGS, bench

if TYPE_CHECKING:
    from tests.radio_support import Bench

MESSAGE = bytes(range(256)) * 5
INCOMING_MSG_EXT = 0x82


def ncp_of(b: Bench) -> ZnpCoordinator:
    assert isinstance(b.ncp, ZnpCoordinator)
    return b.ncp


def test_a_route_lost_with_the_coordinators_memory_is_found_again() -> None:
    async def main() -> None:
        async with bench(ZnpDongle()) as b:
            node = await b.joined()
            b.ncp.reset()
            await b.until_state(RadioState.ONLINE)
            b.air.detach(node)
            asyncio.get_running_loop().call_later(0.5, b.air.attach, node)
            await b.still_works(node)

    run_virtual(main())


def test_long_messages_to_many_devices_are_stored_one_after_the_other() -> None:
    async def main() -> None:
        async with bench(ZnpDongle()) as b:
            nodes = [await b.joined(), await b.joined(HCALCS)]
            await asyncio.gather(
                *(
                    b.radio.send(node.eui64, ClusterId.TUNNELING, MESSAGE[:size], priority=Priority.CRITICAL)
                    for size in (1200, 300, 221)
                    for node in nodes
                )
            )
            for node in nodes:
                assert {frame.payload for frame in node.received} == {
                    MESSAGE[:size] for size in (1200, 300, 221)
                }

    run_virtual(main())


def test_a_long_message_to_a_device_that_is_gone_is_a_delivery_error_and_the_next_is_delivered() -> None:
    async def main() -> None:
        async with bench(ZnpDongle()) as b:
            await b.joined()
            other = await b.joined(HCALCS)
            b.air.faults[PPMID].loss = 1.0
            with pytest.raises(DeliveryError):
                await b.radio.send(PPMID, ClusterId.TUNNELING, MESSAGE[:500], priority=Priority.CRITICAL)
            await b.radio.send(HCALCS, ClusterId.TUNNELING, MESSAGE[:500], priority=Priority.CRITICAL)
            assert (await other.hears()).payload == MESSAGE[:500]

    run_virtual(main())


def test_a_long_message_above_the_limit_is_refused_and_freed() -> None:
    """The attack "oversized / endless data"."""

    async def main() -> None:
        settings = replace(SETTINGS, fragmentation=FragmentationSettings(octets=1000))
        async with bench(ZnpDongle(), settings) as b:
            node = await b.joined()
            for _ in range(10):
                await node.say(ClusterId.TUNNELING, MESSAGE[:1200])
            await node.say(ClusterId.TUNNELING, MESSAGE[:900])
            await b.listener.until(lambda: b.listener.frames)
            assert [frame.data for frame in b.listener.frames] == [MESSAGE[:900]]
            assert b.radio.refused == {"longer than 1000 octets": 10}
            assert ncp_of(b).af._incoming._messages == {}

    run_virtual(main())


def test_announcements_that_lie_harm_nothing() -> None:
    async def main() -> None:
        async with bench(ZnpDongle()) as b:
            node = await b.joined()
            for data in (b"", bytes(25), bytes(25) + b"\xff\x04", bytes(25) + b"\x02\x00\x18\x01"):
                ncp_of(b).notify(Subsystem.AF, INCOMING_MSG_EXT, data)
            await asyncio.sleep(1)
            assert b.listener.frames == []
            await b.still_works(node)

    run_virtual(main())
