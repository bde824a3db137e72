"""A Coordinator on an emulated dongle, a listener that records, and scripted HAN devices."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import bellows.ash

from hanota.clock import LoopClock
from hanota.emulator.air import Air, ApsFrame
from hanota.emulator.loop import measured_by_loop
from hanota.emulator.node import HanNode
from hanota.emulator.serialx_handler import published
from hanota.emulator.zdo import SimpleDescriptor
from hanota.eui64 import Eui64
from hanota.hub.ports import Priority
from hanota.radio import Coordinator, LinkSecurity, NetworkSettings, RadioSettings, RadioUrl
from hanota.zcl import PROFILE_SMART_ENERGY, ClusterId

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from hanota.emulator.node import NodeSettings
    from hanota.hub.ports import EstablishedKey, HanFrame, RadioState
    from tests.radio_dongles import Dongle, Ncp

PPMID = Eui64.parse("00-DB-12-34-56-78-90-A4")
HCALCS = Eui64.parse("00-DB-12-34-56-78-90-B5")
INSTALL_CODES = {
    PPMID: bytes.fromhex("83FED3407A939723A5C639B26916D505"),
    HCALCS: bytes.fromhex("00112233445566778899AABBCCDDEEFF"),
}
EPOCH = 1_800_000_000.0
HUB_ENDPOINT = 3
DEVICE_ENDPOINT = 5
FRAME = b"\x19\x01\x00\x00\x64"
NETWORK_KEY = bytes.fromhex("0102030405060708090A0B0C0D0E0F10")
SETTINGS = RadioSettings(
    network=NetworkSettings(pan_id=0x8C54, network_key=NETWORK_KEY),
    link_security=LinkSecurity.INSTALL_CODE,
)
"""Of tests that are about no established key."""


@dataclass
class Listener:
    """The hub's side of the radio, writing everything down."""

    admitted: set[Eui64] = field(default_factory=lambda: {PPMID, HCALCS})
    frames: list[HanFrame] = field(default_factory=list)
    refused: list[tuple[Eui64 | None, int, str]] = field(default_factory=list)
    joined: list[Eui64] = field(default_factory=list)
    closed: list[Eui64] = field(default_factory=list)
    ready: list[Eui64] = field(default_factory=list)
    lost: list[tuple[Eui64, str]] = field(default_factory=list)
    failed: list[tuple[Eui64, str]] = field(default_factory=list)
    keys: dict[Eui64, EstablishedKey] = field(default_factory=dict)
    left: list[Eui64] = field(default_factory=list)
    states: list[tuple[RadioState, str]] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def is_admitted(self, device: Eui64) -> bool:
        return device in self.admitted

    def frame_received(self, frame: HanFrame) -> None:
        self.frames.append(frame)
        self.changed.set()

    def frame_refused(self, device: Eui64 | None, cluster: int, reason: str) -> None:
        self.refused.append((device, cluster, reason))
        self.changed.set()

    def device_joined(self, device: Eui64) -> None:
        self.joined.append(device)
        self.changed.set()

    def join_window_closed(self, device: Eui64) -> None:
        self.closed.append(device)

    def device_ready(self, device: Eui64) -> None:
        self.ready.append(device)
        self.changed.set()

    def link_key_established(self, device: Eui64, key: EstablishedKey) -> None:
        self.keys[device] = key
        self.changed.set()

    def link_key_lost(self, device: Eui64, reason: str) -> None:
        self.keys.pop(device, None)
        self.lost.append((device, reason))
        self.changed.set()

    def key_establishment_failed(self, device: Eui64, reason: str) -> None:
        self.failed.append((device, reason))
        self.changed.set()

    def established_keys(self) -> dict[Eui64, EstablishedKey]:
        return self.keys

    def device_left(self, device: Eui64) -> None:
        self.left.append(device)
        self.changed.set()

    def radio_state_changed(self, state: RadioState, reason: str) -> None:
        self.states.append((state, reason))
        self.changed.set()

    async def until(self, condition: Callable[[], object], seconds: float = 60) -> None:
        """Wait until `condition()` is true after some report."""
        async with asyncio.timeout(seconds):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


class ScriptedNode(HanNode):
    """A device with an OTA client and a Tunneling server that records what it receives."""

    def __init__(
        self, eui64: Eui64 = PPMID, endpoint: int = DEVICE_ENDPOINT, settings: NodeSettings | None = None
    ) -> None:
        descriptor = SimpleDescriptor(
            endpoint,
            PROFILE_SMART_ENERGY,
            0x0502,
            input_clusters=(ClusterId.BASIC, ClusterId.TUNNELING),
            output_clusters=(ClusterId.OTA_UPGRADE, ClusterId.TIME),
        )
        code = INSTALL_CODES.get(eui64, bytes(16))
        super().__init__(
            eui64, install_code=code, endpoints=[descriptor], manufacturer_code=0x1234, settings=settings
        )
        self.endpoint = endpoint
        self.received: list[ApsFrame] = []
        self.arrived = asyncio.Event()

    def on_frame(self, frame: ApsFrame) -> None:
        self.received.append(frame)
        self.arrived.set()

    async def say(self, cluster: int, data: bytes, *, encrypted: bool = True) -> None:
        """Send a frame to the hub's Smart Energy endpoint."""
        await self.send(PROFILE_SMART_ENERGY, cluster, self.endpoint, HUB_ENDPOINT, data, encrypted=encrypted)

    async def hears(self, seconds: float = 30) -> ApsFrame:
        """Return the next frame."""
        async with asyncio.timeout(seconds):
            while not self.received:
                self.arrived.clear()
                await self.arrived.wait()
        return self.received.pop(0)


@dataclass
class Bench:
    """A coordinator, its dongle and the air between it and the devices."""

    air: Air
    ncp: Ncp
    radio: Coordinator
    listener: Listener

    async def joined(self, device: Eui64 = PPMID) -> ScriptedNode:
        """Let a new device join and return it once the hub knows it."""
        node = ScriptedNode(device)
        await self.radio.permit_joining(device, INSTALL_CODES[device], 60)
        await node.join(self.air)
        await self.listener.until(lambda: device in self.listener.joined)
        return node

    async def until_state(self, state: RadioState, seconds: float = 120) -> str:
        """Wait for a state that is new and return the reason given."""
        states = self.listener.states
        known = len(states)
        await self.listener.until(lambda: any(s is state for s, _ in states[known:]), seconds)
        return next(reason for s, reason in states[known:] if s is state)

    async def still_works(self, node: ScriptedNode) -> None:
        """See a frame go each way."""
        node.received.clear()
        self.listener.frames.clear()
        await self.radio.send(node.eui64, ClusterId.OTA_UPGRADE, FRAME, priority=Priority.NORMAL)
        assert (await node.hears()).payload == FRAME
        await node.say(ClusterId.TUNNELING, FRAME)
        await self.listener.until(lambda: self.listener.frames)


@asynccontextmanager
async def bench(
    dongle: Dongle, settings: RadioSettings = SETTINGS, *, ncp: Ncp | None = None, air: Air | None = None
) -> AsyncIterator[Bench]:
    """Start a coordinator on an emulated dongle and stop it afterwards."""
    air = air or Air()
    ncp = ncp or dongle.make(air)
    loop = asyncio.get_running_loop()
    url = RadioUrl.parse(f"{dongle.family}+emulator://dongle")
    radio = Coordinator(url, settings, clock=LoopClock(loop, EPOCH))
    with published("dongle", ncp), measured_by_loop(bellows.ash):
        async with started(Bench(air, ncp, radio, Listener())) as running:
            yield running


@asynccontextmanager
async def started(stopped: Bench) -> AsyncIterator[Bench]:
    """Start a coordinator and stop it afterwards."""
    await stopped.radio.start(stopped.listener)
    try:
        yield stopped
    finally:
        await stopped.radio.stop()
        stopped.ncp.stop()
