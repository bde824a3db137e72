"""What is killed: hub, DCC and delivery put together by the tests, or the daemon's own composition."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from importlib import import_module
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import httpx

from hanota.api.delivery import OutboxDelivery
from hanota.config.load import load_settings
from hanota.daemon import build as composition_root
from hanota.daemon.daemon import at_work
from hanota.daemon.devices import add_devices
from hanota.daemon.emulated import lab_keys
from hanota.daemon.lab import FILE as LAB_FILE
from hanota.daemon.lab import Lab
from hanota.dcc.service_users import ServiceUser, ServiceUsers
from hanota.dcc.services import service_of
from hanota.dcc.submission import Submission
from hanota.demo.assembly import assembled
from hanota.demo.bench import make_bench
from hanota.demo.plan import plan_of
from hanota.demo.scenario import Scenario
from hanota.duis.build import build_request
from hanota.duis.request import RequestId, UpdateFirmware, UpdatePpmidFirmware
from hanota.duis.signature import sign_document
from hanota.emulator.devices import FirmwareDevice
from hanota.emulator.emulation.entries import default_han
from hanota.emulator.emulation.han import Han
from hanota.emulator.loop import measured_by_loop
from hanota.emulator.serialx_handler import published
from hanota.gbcs.reference_test_data import BROKER, HCALCS, PPMID, SUPPLIER
from hanota.hub.jobs import JobKind
from hanota.hub.journal import Journal
from hanota.store.dcc_store import SqliteDccStore
from tests.simulation.crash_support import ADDRESS, World, alive, cancelled
from tests.simulation.update_support import EPOCH, NEW, SystemClock, firmware, lab_parties, supplier_key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager, AsyncExitStack
    from pathlib import Path

    from hanota.api.delivery_settings import DeliverySettings
    from hanota.clock import Clock
    from hanota.daemon.build import Parts
    from hanota.dcc.dcc import Dcc
    from hanota.dcc.ports import DccStore
    from hanota.duis.request import ServiceRequest
    from hanota.gbcs.certificates import Credentials
    from hanota.hub.hub import Hub
    from tests.radio_dongles import Dongle
    from tests.simulation.crash_support import MortalStore

    Composition = Callable[[Dongle, Path, JobKind], AbstractAsyncContextManager[World]]
    """Gives a running process and one joined device of a kind; what it keeps is in a folder."""

SIZE = 150
"""Octets of a Manufacturer Image: a few blocks, each of which is one of many alike."""
DEVICES = {JobKind.HCALCS: HCALCS, JobKind.PPMID: PPMID}


# -- hub, DCC and delivery -----------------------------------------------------------------------------------


@dataclass
class BareProcess:
    """Hub, DCC and delivery on one store; requests are given to the DCC as if they had been verified."""

    store: MortalStore
    hub: Hub
    dcc: Dcc

    async def ask(self, request: ServiceRequest) -> bytes:
        digest = sha256(build_request(request)).digest()
        return self.dcc.receive(Submission(request, service_of(request), SUPPLIER, digest)).document


@asynccontextmanager
async def bare(dongle: Dongle, folder: Path, kind: JobKind) -> AsyncIterator[World]:
    """Hub, DCC and delivery, as the demonstration puts them together."""
    loop = asyncio.get_running_loop()
    clock = SystemClock(loop, EPOCH)
    device = DEVICES[kind]
    parties = lab_parties((device,))
    file = firmware(kind, supplier_key(parties), size=SIZE)
    shape = UpdateFirmware if kind is JobKind.HCALCS else UpdatePpmidFirmware
    plan = plan_of([shape(RequestId(SUPPLIER, BROKER, 1), file.data, NEW.hex(), (device,))])
    bench = make_bench(plan, parties, clock, 1, radio=dongle.family, version=dongle.version)

    async def launch(world: World, stack: AsyncExitStack) -> BareProcess:
        store, process_clock = world.open_store(world.path), world.process_clock()
        journal = Journal(store, process_clock)
        users = ServiceUsers([ServiceUser(SUPPLIER, answer_url=ADDRESS)])
        assembly = await stack.enter_async_context(
            assembled(parties, bench, store=store, journal=journal, clock=process_clock, seed=1, users=users)
        )
        delivery = OutboxDelivery(
            SqliteDccStore(store.database), journal, users, process_clock, transport=world.address()
        )
        stack.push_async_callback(cancelled, loop.create_task(delivery.run()))
        if world.lives == 1:
            await Scenario(plan, assembly).join(plan.devices[0])
        return BareProcess(store, assembly.hub, assembly.dcc)

    world = World(
        folder / "hub.db",
        clock,
        bench.air,
        bench.dongle.line,
        bench.devices,
        supplier_key(parties),
        launch,
    )
    async with alive(world):
        yield world
    bench.switch_off()


# -- the daemon ----------------------------------------------------------------------------------------------


@dataclass
class DaemonProcess:
    """The daemon but for its socket: documents are signed, and posted to its ASGI app."""

    store: MortalStore
    parts: Parts
    supplier: Credentials

    @property
    def hub(self) -> Hub:
        return self.parts.hub

    async def ask(self, request: ServiceRequest) -> bytes | None:
        document = sign_document(
            build_request(request), self.supplier.signing_key, self.supplier.signing_certificate
        )
        transport = httpx.ASGITransport(self.parts.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8079") as client:
            answer = await client.post(
                f"/api/v1/{service_of(request)}",
                content=document,
                headers={"Content-Type": "application/xml"},
            )
        assert answer.status_code in {200, 503}, answer.text
        return answer.content if answer.status_code == 200 else None


@asynccontextmanager
async def daemon(dongle: Dongle, folder: Path, kind: JobKind) -> AsyncIterator[World]:
    """What `hanota run` runs, built of its settings; the emulated bench outlives it."""
    clock = SystemClock(asyncio.get_running_loop(), EPOCH)
    (folder / "lab").mkdir(parents=True, mode=0o700)
    secret = folder / "lab" / LAB_FILE
    secret.write_text(f'secret = "{"5A" * 32}"\nmade = {int(EPOCH)}\n')
    secret.chmod(0o600)
    (folder / "bench.toml").write_text(f"""
        keys = {{ lab = "lab" }}
        store = {{ path = "data/hub.sqlite" }}
        radio = {{ url = "{dongle.family}+emulator://bench" }}
        emulation = {{ state = "han.json", join_seconds = 60 }}
        service_users = [{{ eui64 = "{SUPPLIER}", answer_url = "{ADDRESS}" }}]
        """)
    settings = load_settings(folder / "bench.toml")
    lab = Lab.at(folder / "lab")
    file = default_han(2)
    han = Han(file, dongle.family, keys=lab_keys(file, lab), clock=clock, tell=lambda *_: None)
    nodes = {eui64: member.node for eui64, member in han.members.items()}
    devices = {eui64: node for eui64, node in nodes.items() if isinstance(node, FirmwareDevice)}

    async def launch(world: World, stack: AsyncExitStack) -> DaemonProcess:
        stack.enter_context(published("bench", han.dongle))
        if dongle.family == "ezsp":
            stack.enter_context(measured_by_loop(import_module("bellows.ash")))
        with (
            patch.object(composition_root, "SqliteStore", world.open_store),
            patch.object(composition_root, "OutboxDelivery", _Delivery(world)),
        ):
            parts = composition_root.build(
                settings, stack.enter_context(ExitStack()), clock=world.process_clock(), alive=lambda: None
            )
        await stack.enter_async_context(at_work(parts))
        await add_devices(parts)
        if world.lives == 1:
            await join(parts.hub, world.devices[DEVICES[kind]], world)
        assert world._store is not None
        return DaemonProcess(world._store, parts, lab.remote.credentials(SUPPLIER))

    world = World(
        settings.store.path,
        clock,
        han.air,
        han.dongle.line,
        devices,
        lab.remote.signing_private_key(SUPPLIER),
        launch,
    )
    async with alive(world):
        yield world
    han.switch_off()


@dataclass
class _Delivery:
    """Makes delivery with the way to the service user's address in place of the internet."""

    world: World

    def __call__(
        self,
        store: DccStore,
        journal: Journal,
        users: ServiceUsers,
        clock: Clock,
        settings: DeliverySettings,
        **more: Any,
    ) -> OutboxDelivery:
        return OutboxDelivery(store, journal, users, clock, settings, transport=self.world.address(), **more)


def fresh(folder: Path) -> Path:
    """Make a folder."""
    folder.mkdir()
    return folder


async def join(hub: Hub, device: FirmwareDevice, world: World) -> None:
    """Have a device join and be there for whoever wants something of it."""
    await device.join(world.air)
    async with asyncio.timeout(60):
        while not hub.is_ready(device.eui64):  # noqa: ASYNC110  # nothing tells of it here
            await asyncio.sleep(0.5)
    await asyncio.sleep(5)  # its tunnel is open by then
