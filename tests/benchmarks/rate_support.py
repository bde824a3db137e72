"""Updates of devices over one emulated dongle in virtual time, and how fast they went."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import bellows.ash

from hanota.clock import LoopClock
from hanota.demo.bench import DEVICE_TYPES
from hanota.emulator.air import Admission, Air
from hanota.emulator.airtime import AirSettings
from hanota.emulator.line import LineSettings
from hanota.emulator.loop import measured_by_loop, run_virtual
from hanota.emulator.node import COORDINATOR
from hanota.emulator.serialx_handler import published
from hanota.eui64 import Eui64
from hanota.hub.events import EventKind
from hanota.hub.hub import Hub
from hanota.hub.jobs import JobKind
from hanota.hub.journal import Journal
from hanota.hub.ports import DeviceLogEntry, Priority
from hanota.hub.settings import HubSettings
from hanota.ota.build import build_ppmid_image
from hanota.ota.settings import OtaClientSettings
from hanota.radio import Coordinator, LinkSecurity, RadioSettings, RadioUrl
from hanota.store.store import SqliteStore
from hanota.zcl import PROFILE_SMART_ENERGY, ClusterId, ZclFrame
from tests.benchmarks.bench_support import DEVICE, INSTALL_CODE, UpgradeClientNode, Wan, octets, ota_header
from tests.benchmarks.link_bounds import WIRES, Link
from tests.hub_parties_support import BROKER, EPOCH
from tests.hub_parties_support import HUB as HUB_CREDENTIALS
from tests.radio_support import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable

    from hanota.emulator.air import ApsFrame
    from hanota.hub.events import Event
    from tests.radio_dongles import Dongle, Ncp

FIRST_NWK = 0x1000
PLAIN_BLOCK, ENCRYPTED_BLOCK = 63, 56
"""Octets of a block: what common clients ask for, and the most that APS encryption leaves room for."""
PAGE = 1024
URGENT_AFTER = 3
"""Seconds after which every transfer is under way."""
CRITICAL = ZclFrame(1, 0x0B, b"\x00\x00", cluster_specific=False).encode()
"""A frame that a device takes and does not answer: a Default Response."""


@dataclass(frozen=True)
class Setup:
    """One update to be measured."""

    dongle: Dongle
    baudrate: int = 115_200
    acknowledged: bool = True
    encrypted: bool = False
    page: int | None = None
    devices: int = 1
    size: int = 12_000
    """Octets of the Manufacturer Image."""
    blocks_in_flight: int = RadioSettings().blocks_in_flight

    @property
    def block(self) -> int:
        return ENCRYPTED_BLOCK if self.encrypted else PLAIN_BLOCK

    @property
    def link(self) -> Link:
        wire = WIRES[str(self.dongle)]
        return Link(wire, self.baudrate, AirSettings(), self.encrypted, self.acknowledged)

    @property
    def client(self) -> OtaClientSettings:
        return OtaClientSettings(
            maximum_data_size=self.block, page_size=self.page, page_data_size=self.block, page_spacing=0
        )


@dataclass(frozen=True)
class Rate:
    """How the updates of one run went."""

    total: float
    """Octets a second of all devices."""
    spread: float
    """By how much the first to end was ahead of the last, as part of the time of the last."""
    urgent: tuple[int, ...]
    """Frames of the hub's that arrived between the sending of a critical one and its arrival, for each."""
    repeats: int
    """Blocks that were served again."""


def rate_of(setup: Setup, *, urgent: int = 0, meddle: Callable[[Ncp], None] | None = None) -> Rate:
    """Run the updates; send `urgent` critical commands meanwhile; `meddle` may change the dongle before."""
    return run_virtual(_run(setup, urgent, meddle))


async def _run(setup: Setup, urgent: int, meddle: Callable[[Ncp], None] | None) -> Rate:
    loop = asyncio.get_running_loop()
    file = build_ppmid_image(ota_header(), octets(setup.size))
    async with AsyncExitStack() as stack:
        air = Air()
        ncp = setup.dongle.make(air, line=LineSettings(baudrate=setup.baudrate))
        stack.callback(ncp.stop)
        stack.enter_context(published("bench", ncp))
        stack.enter_context(measured_by_loop(bellows.ash))
        store = SqliteStore(":memory:")
        stack.callback(store.close)
        clock = LoopClock(loop, EPOCH)
        journal = Journal(store, clock)
        nodes = [
            UpgradeClientNode(
                PROFILE_SMART_ENERGY,
                encrypted=setup.encrypted,
                device=Eui64(DEVICE[:7] + bytes((number,))),
                acknowledged=setup.acknowledged,
                settings=setup.client,
            )
            for number in range(setup.devices)
        ]
        for node in nodes:
            store.put_device(DeviceLogEntry(node.eui64, DEVICE_TYPES[JobKind.PPMID], INSTALL_CODE))
        security = LinkSecurity.INSTALL_CODE if setup.encrypted else LinkSecurity.NONE
        radio = Coordinator(
            RadioUrl.parse(f"{setup.dongle.family}+emulator://bench"),
            replace(SETTINGS, link_security=security, blocks_in_flight=setup.blocks_in_flight),
            clock=clock,
        )
        hub = Hub(
            radio=radio,
            store=store,
            journal=journal,
            clock=clock,
            credentials=HUB_CREDENTIALS,
            broker=BROKER.eui64,
            settings=HubSettings(acknowledge_blocks=setup.acknowledged),
        )
        await hub.start(Wan())
        stack.push_async_callback(hub.stop)
        await _arrive(hub, journal, ncp, air, nodes, encrypted=setup.encrypted)
        if meddle is not None:
            meddle(ncp)
        again: list[int] = []
        journal.subscribe(partial(_count_repeats, again))
        hub.distribute("request", JobKind.PPMID, file.data, [node.eui64 for node in nodes])
        if urgent:
            await asyncio.sleep(URGENT_AFTER)
        before = await _urgent(radio, air, nodes, urgent)
        while any(node.ended is None for node in nodes):  # noqa: ASYNC110  # in virtual time
            await asyncio.sleep(0.1)
        assert all(node.image == file.data for node in nodes)
        began = min(node.began or 0 for node in nodes)
        ended = [node.ended or 0 for node in nodes]
        await asyncio.sleep(5)
        for node in nodes:
            node.power_off()
        # The first block came before the clock started.
        received = len(nodes) * len(file.data) - setup.block
        return Rate(
            total=received / (max(ended) - began),
            spread=(max(ended) - min(ended)) / (max(ended) - began),
            urgent=tuple(before),
            repeats=sum(again),
        )


async def _arrive(
    hub: Hub, journal: Journal, ncp: Ncp, air: Air, nodes: list[UpgradeClientNode], *, encrypted: bool
) -> None:
    """Have every node on the network and interviewed, one after the other."""
    for number, node in enumerate(nodes):
        joined = asyncio.Event()
        journal.subscribe(partial(_told, joined))
        if encrypted:
            await hub.add_device(DeviceLogEntry(node.eui64, DEVICE_TYPES[JobKind.PPMID], INSTALL_CODE), 60)
            await node.join(air)
        else:
            node.commission(air, Admission(FIRST_NWK + number, ncp.eui64, node.link_key))
            await node.power_on()
        await joined.wait()
    await asyncio.sleep(10)


def _count_repeats(again: list[int], event: Event) -> None:
    if event.kind is EventKind.UPGRADE_END:
        repeats = event.detail["repeats"]
        assert isinstance(repeats, int)
        again.append(repeats)


def _told(joined: asyncio.Event, event: Event) -> None:
    if event.kind is EventKind.DEVICE_JOINED:
        joined.set()


async def _urgent(radio: Coordinator, air: Air, nodes: list[UpgradeClientNode], count: int) -> list[int]:
    """Send critical frames at odd times; return how many frames of the hub arrived before each."""
    before: list[int] = []
    chance = random.Random(1)
    frames: list[ApsFrame] = []

    def keep(frame: ApsFrame) -> list[ApsFrame]:
        if frame.source == COORDINATOR:
            frames.append(frame)
        return [frame]

    air.intercept = keep
    for number in range(count):
        await asyncio.sleep(0.5 + chance.random())
        node = nodes[number % len(nodes)]
        assert node.began is not None
        assert node.ended is None
        frames.clear()
        await radio.send(node.eui64, ClusterId.OTA_UPGRADE, CRITICAL, priority=Priority.CRITICAL)
        before.append(next(place for place, frame in enumerate(frames) if frame.payload == CRITICAL))
    air.intercept = None
    return before
