"""Sleepy end devices: what their parent holds for them, when they ask, and what they do without a parent."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from hanota.emulator.air import BROADCAST_ALL, BROADCAST_RX_ON_WHEN_IDLE, Admission, Air, ApsFrame, TxStatus
from hanota.emulator.airtime import AirSettings
from hanota.emulator.loop import run_virtual
from hanota.emulator.node import HanNode, JoinRefusedError, NodeSettings
from hanota.emulator.zdo import SimpleDescriptor
from hanota.eui64 import Eui64
from hanota.zse.install_code import install_code_key

HUB = Eui64.parse("00-12-4B-00-AA-BB-CC-DD")
ROUTER = Eui64.parse("00-DB-12-34-56-78-90-01")
SLEEPER = Eui64.parse("00-DB-12-34-56-78-90-02")
CODE = bytes(range(16))
SE, CLUSTER = 0x0109, 0x0019
SLEEP = 5.0


@dataclass
class Hub:
    """A coordinator that lets everybody in."""

    air: Air
    eui64 = HUB
    nwk = 0x0000
    capabilities = 0x8F
    permits_joining = True
    heard: list[ApsFrame] = field(default_factory=list)
    parents: dict[Eui64, int | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.air.attach(self)
        self.air.trust_centre = self

    def admit(self, eui64: Eui64, capabilities: int) -> Admission:
        self.parents[eui64] = self.air.network(HUB).parent_of(eui64)
        return Admission(0x1000 + eui64[7], HUB, install_code_key(CODE))

    def departed(self, eui64: Eui64, nwk: int, *, rejoin: bool) -> None:
        pass

    def link_key_for(self, peer: Eui64) -> bytes:
        return install_code_key(CODE)

    def receive(self, frame: ApsFrame) -> None:
        self.heard.append(frame)

    def announced(self, node: HanNode) -> int:
        return sum(frame.cluster == 0x0013 and frame.source == node.nwk for frame in self.heard)

    async def send(
        self, node: HanNode, payload: bytes = b"x", *, ack: bool = False, to: int | None = None
    ) -> TxStatus:
        destination = node.nwk if to is None else to
        return await self.air.transmit(ApsFrame(0, destination, 3, 1, SE, CLUSTER, payload, ack=ack))


class Listener(HanNode):
    """A device that notes what it hears and when, and may answer."""

    def __init__(self, eui64: Eui64, settings: NodeSettings | None = None, **rest: int) -> None:
        endpoint = SimpleDescriptor(1, SE, 0x0502)
        super().__init__(eui64, install_code=CODE, endpoints=[endpoint], settings=settings, **rest)
        self.heard: list[tuple[float, bytes]] = []
        self.echoes = False

    def on_frame(self, frame: ApsFrame) -> None:
        self.heard.append((asyncio.get_running_loop().time(), frame.payload))
        if self.echoes:
            self.spawn(self.echo(frame.payload))

    async def echo(self, payload: bytes) -> None:
        await self.send(SE, CLUSTER, 1, 3, payload, encrypted=False)


async def asleep(sleep: float = SLEEP, settings: AirSettings | None = None) -> tuple[Air, Hub, Listener]:
    """A sleeper that has joined and fallen asleep."""
    air = Air(seed=2, settings=settings)
    hub = Hub(air)
    node = Listener(SLEEPER, NodeSettings(sleep=sleep))
    await node.join(air)
    await asyncio.sleep(10)
    return air, hub, node


async def behind(settings: NodeSettings, **rest: int) -> tuple[Air, Hub, Listener, Listener]:
    """An end device that only a router hears."""
    air = Air(seed=2)
    hub, router = Hub(air), Listener(ROUTER)
    node = Listener(SLEEPER, settings, **rest)
    air.link(HUB, SLEEPER).in_range = False
    await router.join(air)
    await node.join(air)
    await asyncio.sleep(10)
    return air, hub, router, node


def now() -> float:
    return asyncio.get_running_loop().time()


def test_a_node_that_sleeps_says_so() -> None:
    async def scenario() -> None:
        _, hub, node = await asleep()
        (announcement,) = [frame for frame in hub.heard if frame.cluster == 0x0013]
        assert announcement.payload[-1] == node.capabilities == 0x80

    run_virtual(scenario())


def test_a_frame_waits_for_the_next_poll_of_the_sleeper() -> None:
    async def scenario() -> None:
        _, hub, node = await asleep()
        sent_at = now()
        assert await hub.send(node) is TxStatus.SUCCESS
        assert 0 < now() - sent_at <= SLEEP + 0.1
        await asyncio.sleep(0)
        assert [payload for _, payload in node.heard] == [b"x"]

    run_virtual(scenario())


def test_all_that_waits_is_fetched_at_one_poll_in_order() -> None:
    async def scenario() -> None:
        _, hub, node = await asleep()
        frames = [bytes((number,)) for number in range(4)]
        assert await asyncio.gather(*(hub.send(node, octet) for octet in frames)) == [TxStatus.SUCCESS] * 4
        await asyncio.sleep(0)
        assert [payload for _, payload in node.heard] == frames
        assert node.heard[-1][0] - node.heard[0][0] < 0.1

    run_virtual(scenario())


def test_what_is_not_fetched_in_time_has_expired_and_never_arrives() -> None:
    async def scenario() -> None:
        air, hub, node = await asleep(sleep=60)
        sent_at = now()
        assert await hub.send(node, ack=True) is TxStatus.MAC_TRANSACTION_EXPIRED
        assert now() - sent_at == pytest.approx(air.settings.indirect_persistence, abs=0.01)
        await asyncio.sleep(120)
        assert node.heard == []

    run_virtual(scenario())


def test_a_parent_holds_so_many_frames_and_no_more() -> None:
    async def scenario() -> None:
        _, hub, node = await asleep(settings=AirSettings(indirect_capacity=3))
        outcomes = await asyncio.gather(*(hub.send(node) for _ in range(5)))
        assert outcomes == [TxStatus.SUCCESS] * 3 + [TxStatus.MAC_TRANSACTION_OVERFLOW] * 2
        assert await hub.send(node) is TxStatus.SUCCESS

    run_virtual(scenario())


def test_a_sleeper_that_is_switched_off_is_missed_when_its_frame_expires() -> None:
    async def scenario() -> None:
        _, hub, node = await asleep()
        node.power_off()
        assert await hub.send(node) is TxStatus.MAC_TRANSACTION_EXPIRED
        await node.power_on()
        assert await hub.send(node) is TxStatus.SUCCESS
        await node.leave()
        assert await hub.send(node, to=0x1002) is TxStatus.NO_ROUTE

    run_virtual(scenario())


def test_frames_nobody_waits_for_any_more_are_dropped() -> None:
    async def scenario() -> None:
        _, hub, node = await asleep(settings=AirSettings(indirect_capacity=1))
        sending = asyncio.create_task(hub.send(node))
        await asyncio.sleep(0.1)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        assert await hub.send(node, b"next") is TxStatus.SUCCESS
        await asyncio.sleep(0)
        assert [payload for _, payload in node.heard] == [b"next"]

    run_virtual(scenario())


def test_a_sleeper_that_awaits_an_answer_asks_for_it_quickly() -> None:
    async def scenario() -> None:
        _, hub, node = await asleep(sleep=60)
        asked_at = now()
        assert await node.send(SE, CLUSTER, 1, 3, b"?") is TxStatus.SUCCESS  # with its APS acknowledgement
        assert now() - asked_at < 0.4
        for number in range(3):
            assert await hub.send(node, bytes((number,))) is TxStatus.SUCCESS
        await asyncio.sleep(0)
        assert node.heard[-1][0] - asked_at < 1.2
        await asyncio.sleep(10)
        assert await hub.send(node) is TxStatus.MAC_TRANSACTION_EXPIRED  # it sleeps again

    run_virtual(scenario())


def test_a_poll_costs_airtime_and_sleep_saves_it() -> None:
    async def polled(sleep: float) -> float:
        air, _, _ = await asleep(sleep)
        before = air.statistics.airtime
        await asyncio.sleep(600)
        return air.statistics.airtime - before

    assert run_virtual(polled(2)) == pytest.approx(5 * run_virtual(polled(10)), rel=0.1)


def test_broadcasts_to_all_wait_for_sleepers_and_others_do_not_reach_them() -> None:
    async def scenario() -> None:
        _, hub, node = await asleep()
        assert await hub.send(node, b"all", to=BROADCAST_ALL) is TxStatus.SUCCESS
        assert await hub.send(node, b"listeners", to=BROADCAST_RX_ON_WHEN_IDLE) is TxStatus.SUCCESS
        assert node.heard == []
        await asyncio.sleep(SLEEP + 0.1)
        assert [payload for _, payload in node.heard] == [b"all"]

    run_virtual(scenario())


def test_a_router_holds_for_its_child_and_the_sender_gets_its_acknowledgement_late() -> None:
    async def scenario() -> None:
        air, hub, _, node = await behind(NodeSettings(sleep=2))
        assert hub.parents[SLEEPER] == 0x1001
        before, sent_at = air.statistics.frames, now()
        assert await hub.send(node, ack=True) is TxStatus.SUCCESS
        assert 0 < now() - sent_at < 2.2
        assert [payload for _, payload in node.heard] == [b"x"]
        assert air.statistics.frames - before == 2 * 2 + 1  # frame and acknowledgement, a poll

    run_virtual(scenario())


@pytest.mark.parametrize(
    ("settings", "capabilities"),
    [(NodeSettings(sleep=2), 0x8E), (NodeSettings(keep_alive=2), 0x8C)],
    ids=["sleepy", "always listening"],
)
def test_an_end_device_whose_parent_is_gone_finds_another_and_announces(
    settings: NodeSettings, capabilities: int
) -> None:
    async def scenario() -> None:
        air, hub, router, node = await behind(settings, capabilities=capabilities)
        assert hub.announced(node) == 1
        router.power_off()
        await asyncio.sleep(30)
        assert await hub.send(node, ack=True) is not TxStatus.SUCCESS  # nobody else hears it
        air.link(HUB, SLEEPER).in_range = True
        await asyncio.sleep(30)
        assert air.network(HUB).parent_of(SLEEPER) == 0x0000
        assert hub.announced(node) == 2
        assert await hub.send(node, ack=True) is TxStatus.SUCCESS

    run_virtual(scenario())


def test_an_end_device_keeps_a_parent_that_is_well_again_before_it_gives_it_up() -> None:
    async def scenario() -> None:
        air, hub, router, node = await behind(NodeSettings(sleep=2))
        air.link(HUB, SLEEPER).in_range = True
        router.power_off()
        await asyncio.sleep(5)
        await router.power_on()
        await asyncio.sleep(30)
        assert air.network(HUB).parent_of(SLEEPER) == router.nwk
        assert hub.announced(node) == 1
        assert await hub.send(node, ack=True) is TxStatus.SUCCESS

    run_virtual(scenario())


def test_nobody_joins_or_rejoins_through_a_router_that_does_not_reach_the_coordinator() -> None:
    async def scenario() -> None:
        air, _, router, node = await behind(NodeSettings(sleep=2))
        air.partition([ROUTER, SLEEPER])
        with pytest.raises(JoinRefusedError, match="no router"):
            await node.rejoin()
        with pytest.raises(JoinRefusedError, match="no network"):
            await node.join(air)
        air.heal()
        await node.join(air)
        assert air.network(HUB).parent_of(SLEEPER) == router.nwk

    run_virtual(scenario())


def test_an_answer_reaches_the_hub_from_behind_a_router() -> None:
    async def scenario() -> None:
        _, hub, _, node = await behind(NodeSettings(sleep=2))
        node.echoes = True
        await hub.send(node, b"ping")
        await asyncio.sleep(1)
        assert [frame.payload for frame in hub.heard if frame.cluster == CLUSTER] == [b"ping"]

    run_virtual(scenario())
