"""The table of faults: each strikes, each is taken back, a seed replays it."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest

from hanota.emulator.air import Air
from hanota.emulator.faults import CUT_PATIENCE, FAULTS, LONGEST, FaultTarget, FaultTargets, apply, possible
from hanota.emulator.line import Direction
from hanota.emulator.loop import run_virtual
from hanota.emulator.node import HanNode
from hanota.emulator.stations import Admission
from hanota.emulator.znp.coordinator import ZnpCoordinator
from hanota.errors import ConfigError
from hanota.eui64 import Eui64
from hanota.zse.install_code import install_code_key

HUB = Eui64.parse("00-12-4B-00-AA-BB-CC-DD")
DEVICES = (Eui64.parse("00-DB-12-34-56-78-90-A4"), Eui64.parse("00-DB-12-34-56-78-90-A5"))
CODE = bytes(16)


class Dongle(ZnpCoordinator):
    """A dongle on the air that counts its restarts."""

    restarts = 0
    permits_joining = True

    def admit(self, eui64: Eui64, capabilities: int) -> Admission:
        return Admission(0x1000 + eui64[7], HUB, install_code_key(CODE))

    def departed(self, eui64: Eui64, nwk: int, *, rejoin: bool) -> None:
        pass

    def reset(self, *_: object) -> None:
        self.restarts += 1


@dataclass
class Bench:
    """What faults are done to, and what is seen of it."""

    air: Air
    dongle: Dongle
    devices: dict[Eui64, Any]
    heard: list[bytes] = field(default_factory=list)
    lost: int = 0
    steps: list[float] = field(default_factory=list)
    full: bool = False

    def targets(self) -> FaultTargets:
        return FaultTargets(self.air, self.dongle, self.devices, self.steps.append, self._fill)

    def _fill(self, full: bool) -> None:
        self.full = full

    def data_received(self, data: bytes) -> None:
        self.heard.append(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost += 1

    def state(self) -> list[object]:
        """Everything that a fault can alter."""
        line = self.dongle.line
        pairs = [self.air.link(HUB, device) for device in DEVICES]
        return [
            *(replace(faults) for faults in (line.to_host, line.to_ncp)),
            *(replace(self.air.faults[device]) for device in DEVICES),
            *(replace(pair) for pair in pairs),
            *(self.air.links.in_range(HUB, device) for device in DEVICES),
            *(device.joined for device in self.devices.values()),
            self.dongle.restarts,
            self.dongle.buffers_full,
            self.air.intercept,
            self.lost,
            self.full,
            list(self.steps),
        ]


async def bench() -> Bench:
    air = Air(seed=1)
    dongle = Dongle(air, eui64=HUB)
    dongle.go_on_air(dongle, takes_blocks=False)
    devices = {}
    for eui64 in DEVICES:
        devices[eui64] = HanNode(eui64, install_code=CODE, endpoints=())
        await devices[eui64].join(air)
        devices[eui64].client = SimpleNamespace(image_size=100, file_offset=60)  # type: ignore[attr-defined]
    made = Bench(air, dongle, devices)
    await asyncio.sleep(1)
    dongle.line.open(made)
    return made


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_strikes_and_is_taken_back(name: str) -> None:
    async def scenario() -> None:
        made = await bench()
        before = made.state()
        striking = asyncio.create_task(apply(name, made.targets(), random.Random(5)))
        seen = []
        while not striking.done():
            await asyncio.sleep(0.1)
            seen.append(made.state())
        await striking
        assert any(state != before for state in seen)
        # What cannot be taken back: that a dongle restarted, was pulled out, that a clock jumped.
        events = {"ncp_reset", "unplug", "clock_step"}
        assert (made.state() == before) == (name not in events)
        if name == "unplug":
            made.dongle.line.open(made)

    run_virtual(scenario())


@pytest.mark.parametrize(
    "name", [name for name in FAULTS if name not in {"ncp_reset", "clock_step", "flicker"}]
)
def test_a_fault_that_is_cancelled_is_taken_back_at_once(name: str) -> None:
    async def scenario() -> None:
        made = await bench()
        before = made.state()
        striking = asyncio.create_task(apply(name, made.targets(), random.Random(5)))
        await asyncio.sleep(0.5)
        striking.cancel()
        await asyncio.gather(striking, return_exceptions=True)
        if name == "unplug":
            made.dongle.line.open(made)
            made.lost = 0
        assert made.state() == before

    run_virtual(scenario())


def test_the_same_seed_does_the_same() -> None:
    async def scenario(seed: int) -> list[float]:
        made = await bench()
        loop, rng, times = asyncio.get_running_loop(), random.Random(seed), []
        for name in FAULTS:
            await apply(name, made.targets(), rng)
            times.append(loop.time())
        return times + made.steps

    assert run_virtual(scenario(1)) == run_virtual(scenario(1))
    assert run_virtual(scenario(1)) != run_virtual(scenario(2))


@pytest.mark.parametrize(("offset", "waits"), [(0, True), (60, False)])
def test_power_is_cut_when_the_device_has_its_share_of_the_image(offset: int, waits: bool) -> None:
    async def scenario() -> None:
        made = await bench()
        for device in made.devices.values():
            device.client.file_offset = offset
        rng = random.Random(1)
        rng.random = lambda: 0.5  # type: ignore[method-assign]
        striking = asyncio.create_task(apply("power_cut", made.targets(), rng))
        await asyncio.sleep(0.5)
        assert all(device.joined for device in made.devices.values()) == waits
        for device in made.devices.values():
            device.client.file_offset = 50
        await asyncio.sleep(0.5)
        assert not all(device.joined for device in made.devices.values())
        await striking
        assert all(device.joined for device in made.devices.values())

    run_virtual(scenario())


def test_acknowledgements_are_lost_and_doubled_and_longer_frames_are_not() -> None:
    async def scenario() -> None:
        made = await bench()
        line = made.dongle.line
        short, long = b"\xfe\x01\x64\x02\x00\x67", bytes(20)
        line.to_host.lose_short = 1.0
        for data in (short, long):
            line.write(Direction.TO_HOST, data)
        await asyncio.sleep(1)
        line.to_host.lose_short, line.to_host.double_short = 0.0, 1.0
        for data in (short, long):
            line.write(Direction.TO_HOST, data)
        await asyncio.sleep(1)
        assert made.heard == [long, short, short, long]

    run_virtual(scenario())


def test_a_dongle_without_buffers_refuses_messages() -> None:
    async def scenario() -> None:
        made = await bench()
        made.dongle.buffers_full = True
        register = bytes((3,)) + bytes(8)
        assert made.dongle.af.handlers()[0x00](register) == b"\x00"
        request = bytes.fromhex("a4100103190001100500")
        assert made.dongle.af.handlers()[0x01](request) == b"\x11"

    run_virtual(scenario())


def test_faults_of_what_is_not_there_are_not_possible() -> None:
    async def scenario() -> None:
        made = await bench()
        assert possible(made.targets()) == list(FAULTS)
        bare = possible(FaultTargets(made.air, made.dongle, {}))
        assert {FAULTS[name].target for name in bare} == {FaultTarget.LINE, FaultTarget.NCP}

    run_virtual(scenario())


def test_an_unknown_fault_is_a_clear_error() -> None:
    async def scenario() -> None:
        made = await bench()
        with pytest.raises(ConfigError, match="earthquake") as caught:
            await apply("earthquake", made.targets(), random.Random(1))
        assert "power_cut" in str(caught.value.hint)

    run_virtual(scenario())


def test_every_fault_ends_in_bounded_time() -> None:
    async def scenario() -> None:
        made = await bench()
        for name in FAULTS:
            async with asyncio.timeout(CUT_PATIENCE + LONGEST + 1):
                await apply(name, made.targets(), random.Random(9))

    run_virtual(scenario())
