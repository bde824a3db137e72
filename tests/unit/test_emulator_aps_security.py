"""APS security of the emulated stacks: whose key opens a frame, frame counters, what a replay meets."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from hanota.emulator.air import Admission, Air, ApsFrame, TxStatus
from hanota.emulator.aps_security import MAXIMUM_PARTNERS, ApsRefusal, IncomingCounters
from hanota.emulator.ezsp.coordinator import EzspCoordinator
from hanota.emulator.ezsp.status import SlStatus
from hanota.emulator.loop import run_virtual
from hanota.emulator.znp.coordinator import ZnpCoordinator
from hanota.emulator.znp.security import SAVED_AFTER, SAVED_AFTER_TCLK
from hanota.emulator.znp.unpi import MtStatus
from hanota.eui64 import Eui64
from tests.emulator.znp_support import HUB, HUB_ENDPOINT, PPMID, SMART_ENERGY, ScriptedNode

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    Ncp = EzspCoordinator | ZnpCoordinator
    Scenario = Callable[["Bench"], Coroutine[None, None, None]]

NWK = 0x5C7E
KEY, OTHER = bytes(range(16)), bytes(range(16, 32))
CLUSTER = 0x0704


class Bench:
    """A coordinator and a device that share KEY, and what was heard of their frames."""

    def __init__(self, family: str) -> None:
        self.air = Air(seed=1)
        make = EzspCoordinator if family == "ezsp" else ZnpCoordinator
        self.ncp: Ncp = make(self.air, eui64=HUB, seed=1)
        self.ncp.start_network()
        self.device = ScriptedNode()
        self.heard: list[ApsFrame] = []
        self.air.intercept = self.overhear

    def overhear(self, frame: ApsFrame) -> list[ApsFrame]:
        if frame.secured:
            self.heard.append(frame)
        return [frame]

    async def up(self) -> None:
        self.device.commission(self.air, Admission(NWK, HUB, KEY))
        self.give_key(KEY)
        await self.device.power_on()

    def give_key(self, key: bytes) -> None:
        """What importLinkKey and SetLinkKey do."""
        match self.ncp:
            case EzspCoordinator():
                assert self.ncp.keys.store(0, PPMID, key) is SlStatus.OK
            case ZnpCoordinator():
                assert self.ncp.security.set_link_key(PPMID, NWK, key) is MtStatus.SUCCESS

    def restart(self) -> None:
        self.ncp.reset()
        self.ncp.start_network()

    @property
    def reported(self) -> int:
        """Frames that got as far as the host: it has no endpoint for them."""
        return self.ncp.statistics.unregistered_endpoint

    async def ask(self, payload: bytes = b"to the hub", *, ack: bool = True) -> TxStatus:
        return await self.device.send(SMART_ENERGY, CLUSTER, 5, HUB_ENDPOINT, payload, ack=ack)

    async def tell(self, payload: bytes = b"to the device") -> TxStatus:
        frame = ApsFrame(
            0, NWK, HUB_ENDPOINT, 5, SMART_ENERGY, CLUSTER, payload, link_key=self.ncp.link_key_for(PPMID)
        )
        return await self.ncp.transmit(frame)

    async def replay(self, frame: ApsFrame) -> bool:
        taken = await self.air.inject(frame)
        await asyncio.sleep(0)
        return taken


def on(family: str, scenario: Scenario) -> None:
    async def run() -> None:
        bench = Bench(family)
        await bench.up()
        await scenario(bench)
        bench.device.power_off()
        bench.ncp.stop()

    run_virtual(run())


both = pytest.mark.parametrize("family", ["znp", "ezsp"])


@both
def test_a_replayed_frame_is_dropped_by_the_coordinator_and_counted(family: str) -> None:
    async def scenario(bench: Bench) -> None:
        assert await bench.ask() is TxStatus.SUCCESS
        assert not await bench.replay(bench.heard[0])
        assert bench.reported == 1
        assert bench.ncp.aps_refused == {ApsRefusal.REPLAYED: 1}
        assert bench.air.statistics.refused == 1
        assert await bench.ask() is TxStatus.SUCCESS
        assert bench.reported == 2

    on(family, scenario)


@both
def test_a_replayed_frame_is_dropped_by_the_device_and_counted(family: str) -> None:
    async def scenario(bench: Bench) -> None:
        assert await bench.tell() is TxStatus.SUCCESS
        assert not await bench.replay(bench.heard[0])
        await bench.tell(b"fresh")
        await asyncio.sleep(0)
        assert [frame.payload for frame in bench.device.received] == [b"to the device", b"fresh"]
        assert bench.device.aps_refused == {ApsRefusal.REPLAYED: 1}

    on(family, scenario)


def test_a_frame_replayed_after_an_emberznet_restart_gets_through_to_the_host() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.ask()
        bench.restart()
        assert await bench.replay(bench.heard[0])
        assert bench.reported == 2
        assert not await bench.replay(bench.heard[0])

    on("ezsp", scenario)


def test_z_stack_keeps_counters_over_a_restart_as_far_as_it_had_saved_them() -> None:
    async def scenario(bench: Bench) -> None:
        assert isinstance(bench.ncp, ZnpCoordinator)
        await bench.ask()
        bench.restart()
        assert await bench.replay(bench.heard[0])
        for _ in range(SAVED_AFTER):
            await bench.ask(ack=False)
        bench.restart()
        assert not await bench.replay(bench.heard[0])

    on("znp", scenario)


def test_z_stack_saves_the_counters_of_a_join_key_more_often() -> None:
    async def scenario(bench: Bench) -> None:
        assert isinstance(bench.ncp, ZnpCoordinator)
        bench.ncp.security.add_install_code(PPMID, OTHER)
        bench.ncp.security.remove_link_key(PPMID)
        bench.device.link_key = OTHER
        for _ in range(SAVED_AFTER_TCLK):
            assert await bench.ask() is TxStatus.SUCCESS
        bench.restart()
        assert not await bench.replay(bench.heard[-1])
        assert await bench.ask() is TxStatus.SUCCESS

    on("znp", scenario)


@both
def test_a_restarted_coordinator_uses_no_counter_twice(family: str) -> None:
    async def scenario(bench: Bench) -> None:
        for _ in range(3):
            for _ in range(5):
                assert await bench.tell() is TxStatus.SUCCESS
            bench.restart()
        assert await bench.tell(b"again") is TxStatus.SUCCESS
        await asyncio.sleep(0)
        assert bench.device.received[-1].payload == b"again"
        counters = [frame.frame_counter for frame in bench.heard]
        assert len(set(counters)) == 16
        assert not bench.device.aps_refused

    on(family, scenario)


@both
def test_a_key_written_again_begins_with_an_incoming_counter_of_zero(family: str) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.ask()
        bench.give_key(KEY)
        assert await bench.replay(bench.heard[0])
        assert not await bench.replay(bench.heard[0])

    on(family, scenario)


@both
def test_once_a_key_is_established_the_join_key_opens_nothing(family: str) -> None:
    async def scenario(bench: Bench) -> None:
        match bench.ncp:
            case EzspCoordinator():
                bench.ncp.keys.store_transient(PPMID, OTHER)
            case ZnpCoordinator():
                bench.ncp.security.add_install_code(PPMID, OTHER)
        assert await bench.ask() is TxStatus.SUCCESS
        bench.device.link_key = OTHER
        assert await bench.ask() is TxStatus.APS_NO_ACK
        assert bench.ncp.aps_refused == {ApsRefusal.WRONG_KEY: 4}
        assert bench.reported == 1

    on(family, scenario)


@both
def test_a_frame_for_which_the_coordinator_holds_no_key_is_dropped_and_counted(family: str) -> None:
    async def scenario(bench: Bench) -> None:
        match bench.ncp:
            case EzspCoordinator():
                bench.ncp.keys.erase(0)
            case ZnpCoordinator():
                assert bench.ncp.security.remove_link_key(PPMID) is MtStatus.SUCCESS
        assert await bench.ask() is TxStatus.APS_NO_ACK
        assert bench.reported == 0
        assert bench.ncp.aps_refused == {ApsRefusal.NO_KEY: 4}

    on(family, scenario)


@both
def test_each_block_and_each_repetition_has_a_frame_counter_of_its_own(family: str) -> None:
    async def scenario(bench: Bench) -> None:
        bench.air.faults[PPMID].loss = 0.4
        message = bytes(200)
        for _ in range(5):
            while await bench.tell(message) is not TxStatus.SUCCESS:
                pass
        await asyncio.sleep(0)
        assert [frame.payload for frame in bench.device.received].count(message) >= 5
        assert not bench.device.aps_refused

    on(family, scenario)


@both
def test_a_device_that_was_switched_off_and_on_counts_on(family: str) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.ask()
        bench.device.power_off()
        await bench.device.power_on()
        assert await bench.ask() is TxStatus.SUCCESS
        assert not bench.ncp.aps_refused

    on(family, scenario)


@both
def test_nobody_but_a_node_of_the_network_is_replayed_to(family: str) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.tell()
        bench.device.power_off()
        assert not await bench.replay(bench.heard[0])

    on(family, scenario)


def test_counters_are_kept_of_a_bounded_number_of_partners() -> None:
    counters = IncomingCounters()
    partners = [Eui64(number.to_bytes(8, "big")) for number in range(MAXIMUM_PARTNERS + 1)]
    for partner in partners:
        counters.note(partner, KEY, 7)
    assert counters.last(partners[0], KEY) == 0
    assert {counters.last(partner, KEY) for partner in partners[1:]} == {7}
    assert counters.last(partners[1], OTHER) == 0
