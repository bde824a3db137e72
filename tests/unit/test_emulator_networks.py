"""Two hubs on one air: each hears its own network alone, and both share the channel."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from hanota.emulator.air import BROADCAST_ALL, Admission, Air, ApsFrame, TxStatus
from hanota.emulator.loop import run_virtual
from hanota.emulator.node import HanNode, JoinRefusedError
from hanota.errors import LocalProtocolError
from hanota.eui64 import Eui64
from hanota.zse.install_code import install_code_key

ONE = Eui64.parse("00-12-4B-00-00-00-00-01")
OTHER = Eui64.parse("00-12-4B-00-00-00-00-02")
DEVICE = Eui64.parse("00-DB-12-34-56-78-90-A4")
NWK = 0x1234
CODE = bytes(range(16))


@dataclass
class Hub:
    """A coordinator with a network of its own, which admits whom it has a key for."""

    air: Air
    eui64: Eui64
    keys: dict[Eui64, bytes] = field(default_factory=dict)
    permits_joining: bool = True
    heard: list[ApsFrame] = field(default_factory=list)
    nwk = 0x0000
    capabilities = 0x8F

    def __post_init__(self) -> None:
        self.network = self.air.network(self.eui64)
        self.network.attach(self)
        self.network.trust_centre = self

    def admit(self, eui64: Eui64, capabilities: int) -> Admission | None:
        key = self.keys.get(eui64)
        return None if key is None else Admission(NWK, self.eui64, key)

    def departed(self, eui64: Eui64, nwk: int, *, rejoin: bool) -> None:
        pass

    def link_key_for(self, peer: Eui64) -> bytes | None:
        return self.keys.get(peer)

    def receive(self, frame: ApsFrame) -> None:
        self.heard.append(frame)

    async def send(self, destination: int) -> TxStatus:
        return await self.network.transmit(ApsFrame(0, destination, 3, 1, 0x0109, 0x0019, b"x"))


class Device(HanNode):
    """A device that counts what it hears."""

    def __init__(self, eui64: Eui64 = DEVICE, code: bytes = CODE) -> None:
        super().__init__(eui64, install_code=code, endpoints=())
        self.heard = 0

    def receive(self, frame: ApsFrame) -> None:
        self.heard += 1


def two_hubs() -> tuple[Air, Hub, Hub]:
    air = Air(seed=3)
    return air, Hub(air, ONE), Hub(air, OTHER)


def test_a_device_joins_the_network_that_has_its_install_code() -> None:
    async def scenario(home: Eui64) -> None:
        air, *hubs = two_hubs()
        (hub,) = [hub for hub in hubs if hub.eui64 == home]
        hub.keys[DEVICE] = install_code_key(CODE)
        device = Device()
        await device.join(air)
        await asyncio.sleep(0)
        assert device.trust_centre == home
        assert [bool(hub.heard) for hub in hubs] == [hub.eui64 == home for hub in hubs]

    run_virtual(scenario(ONE))
    run_virtual(scenario(OTHER))


def test_a_network_that_encrypts_with_another_key_is_passed_by() -> None:
    async def scenario() -> None:
        air, one, other = two_hubs()
        one.keys[DEVICE] = bytes(16)
        other.keys[DEVICE] = install_code_key(CODE)
        device = Device()
        await device.join(air)
        assert device.trust_centre == OTHER
        other.permits_joining = False
        with pytest.raises(JoinRefusedError, match="not encrypted"):
            await device.join(air)
        one.permits_joining = False
        with pytest.raises(JoinRefusedError, match="no network permits"):
            await device.join(air)

    run_virtual(scenario())


def test_short_addresses_and_broadcasts_belong_to_one_network() -> None:
    async def scenario() -> None:
        air, one, other = two_hubs()
        devices = {ONE: Device(), OTHER: Device(Eui64(bytes(reversed(DEVICE))))}
        for hub in (one, other):
            device = devices[hub.eui64]
            hub.keys[device.eui64] = install_code_key(CODE)
            await device.join(air)
        assert devices[ONE].nwk == devices[OTHER].nwk == NWK
        assert await one.send(NWK) is TxStatus.SUCCESS
        assert await one.send(BROADCAST_ALL) is TxStatus.SUCCESS
        await asyncio.sleep(0)
        assert (devices[ONE].heard, devices[OTHER].heard) == (2, 0)
        devices[ONE].power_off()
        assert await one.send(NWK) is TxStatus.NO_ROUTE
        assert await other.send(NWK) is TxStatus.SUCCESS

    run_virtual(scenario())


def test_frames_tell_their_network_to_whoever_watches_the_air() -> None:
    async def scenario() -> None:
        air, one, other = two_hubs()
        seen: list[Eui64 | None] = []
        air.observe = lambda _now, frame, _status: seen.append(frame.network)
        for hub in (one, other):
            await hub.send(BROADCAST_ALL)
        assert seen == [ONE, OTHER]

    run_virtual(scenario())


def test_both_networks_wait_for_one_channel() -> None:
    async def scenario() -> None:
        air, one, other = two_hubs()
        await asyncio.gather(*(hub.send(BROADCAST_ALL) for hub in (one, other) for _ in range(20)))
        assert asyncio.get_running_loop().time() == pytest.approx(air.statistics.airtime)
        assert air.statistics.frames == 40

    run_virtual(scenario())


def test_a_coordinator_that_comes_back_finds_its_devices() -> None:
    async def scenario() -> None:
        air, one, _ = two_hubs()
        one.keys[DEVICE] = install_code_key(CODE)
        device = Device()
        await device.join(air)
        one.network.detach(one)
        again = Hub(air, ONE)
        assert await again.send(NWK) is TxStatus.SUCCESS

    run_virtual(scenario())


def test_an_air_with_two_networks_stands_for_neither() -> None:
    async def scenario() -> None:
        air, _, _ = two_hubs()
        with pytest.raises(LocalProtocolError, match="2 networks"):
            await air.transmit(ApsFrame(0, NWK, 3, 1, 0x0109, 0x0019, b"x"))

    run_virtual(scenario())
