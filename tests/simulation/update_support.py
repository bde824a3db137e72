"""Hub, radio library, emulated dongle and devices around the steps of an update; events are kept in order."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING

from hanota.clock import LoopClock
from hanota.demo.assembly import assembled
from hanota.demo.bench import DEVICE_TYPES, make_bench
from hanota.demo.parties import make_parties
from hanota.demo.plan import MANUFACTURER, NEW_VERSION, plan_of
from hanota.demo.scenario import Scenario
from hanota.duis.request import (
    ActivateFirmware,
    RequestId,
    SignedPreCommand,
    UpdateFirmware,
    UpdatePpmidFirmware,
)
from hanota.duis.response import PreCommand, ResponseMessage
from hanota.emulator.devices import Hcalcs, Ppmid
from hanota.emulator.emulation.entries import default_install_code
from hanota.emulator.fragments import Reassembly
from hanota.eui64 import Eui64
from hanota.gbcs.crypto import protect, sign
from hanota.gbcs.message import Message
from hanota.gbcs.reference_test_data import BROKER, HCALCS, HUB, PPMID, SUPPLIER
from hanota.hub.events import EventKind
from hanota.hub.jobs import JobKind
from hanota.hub.journal import Journal
from hanota.hub.ports import DeviceLogEntry
from hanota.ota.build import build_ppmid_image, build_signed_image
from hanota.ota.client_events import DownloadComplete
from hanota.ota.header import HardwareVersions, OtaHeader
from hanota.ota.image import IMAGE_TYPE_HCALCS, IMAGE_TYPE_PPMID
from hanota.ota.signature import supplier_signer
from hanota.radio.settings import LinkSecurity
from hanota.radio.url import RadioUrl
from hanota.store.store import SqliteStore
from hanota.zcl import PROFILE_SMART_ENERGY, ClusterId, ZclFrame
from hanota.zse.cbke import Suite
from hanota.zse.tunneling.commands import TransferData, decode_command
from tests.radio_dongles import ZNP

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime

    from hanota.demo.assembly import Assembly
    from hanota.demo.bench import Bench
    from hanota.demo.parties import Parties
    from hanota.demo.plan import Plan, PlannedDevice
    from hanota.duis.request import ServiceRequest
    from hanota.emulator.air import ApsFrame
    from hanota.emulator.airtime import AirSettings
    from hanota.emulator.devices import DeviceSettings, FirmwareDevice
    from hanota.emulator.line import Line, LineSettings
    from hanota.gbcs.crypto import PrivateKey
    from hanota.hub.events import Event, Json
    from hanota.hub.hub import HubSettings
    from hanota.ota.image import OtaFile
    from tests.radio_dongles import Dongle

EPOCH = 1_800_000_000.0
SIZE = 3_000
"""Octets of a Manufacturer Image where its length does not matter."""
OLD = (NEW_VERSION - 1).to_bytes(4, "big")
NEW = NEW_VERSION.to_bytes(4, "big")
WRONG_HASH = bytes(32)
"""Of no image there is."""
STRANGER = Eui64.parse("00-DB-12-34-56-78-90-FF")
HUB_ENDPOINT = 3


class SystemClock(LoopClock):
    """The clock of machine and devices; a hub reads it once, at its start, as `hanota.clock.SystemClock`."""

    def step(self, seconds: float) -> None:
        """Jump forward, or back."""
        self._offset += seconds


def more(device: Eui64, count: int) -> list[Eui64]:
    """Return `count` devices, `device` and the EUI-64s 16, 32, ... above it."""
    return [Eui64(device[:6] + bytes((device[6] + number, device[7]))) for number in range(count)]


@cache
def lab_parties(devices: tuple[Eui64, ...]) -> Parties:
    """The lab's keys, the same in every test."""
    return make_parties(
        supplier=SUPPLIER, broker=BROKER, hub=HUB, devices=devices, keystore=None, now=EPOCH, seed=1
    )


def supplier_key(parties: Parties) -> PrivateKey:
    return parties.remote.signing_private_key(SUPPLIER)


def header(kind: JobKind, **changes: object) -> OtaHeader:
    made = OtaHeader(
        manufacturer_code=MANUFACTURER,
        image_type=IMAGE_TYPE_PPMID if kind is JobKind.PPMID else IMAGE_TYPE_HCALCS,
        file_version=NEW_VERSION,
        hardware_versions=HardwareVersions(1, 2),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def firmware(
    kind: JobKind, key: PrivateKey, *, size: int = SIZE, seed: int = 0, head: OtaHeader | None = None
) -> OtaFile:
    """An Upgrade Image of the shape for `kind`, signed with `key` where the shape has a signature."""
    octets = random.Random(seed).randbytes(size)
    head = head or header(kind)
    if kind is JobKind.PPMID:
        return build_ppmid_image(head, octets)
    return build_signed_image(head, octets, supplier_signer(key))


@dataclass
class UpdateBench:
    """A started hub and its devices, joined; what happened, and the steps of a service user."""

    plan: Plan
    assembly: Assembly
    scenario: Scenario
    events: list[Event]
    files: dict[JobKind, OtaFile]
    start_hub: Callable[[], Awaitable[Assembly]]
    system_clock: SystemClock
    _counter: int = 1000
    _told: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.assembly.journal.subscribe(lambda _: self._told.set())

    async def restart_hub(self) -> None:
        """End the hub with its DCC and start another on the same database, dongle and devices."""
        self.assembly = await self.start_hub()
        self.assembly.journal.subscribe(lambda _: self._told.set())
        self.scenario = Scenario(self.plan, self.assembly)

    async def restart_dongle(self) -> None:
        """Restart the dongle and return when the hub has taken it up again."""
        known = len(self.seen(EventKind.RADIO_STATE, state="online"))
        self.bench.dongle.reset()
        await self.until(lambda: len(self.seen(EventKind.RADIO_STATE, state="online")) > known)

    # -- who is there ------------------------------------------------------------------------------------

    @property
    def bench(self) -> Bench:
        return self.assembly.bench

    def device(self, eui64: Eui64) -> FirmwareDevice:
        return self.bench.devices[eui64]

    @property
    def ppmid(self) -> Ppmid:
        device = self.device(PPMID)
        assert isinstance(device, Ppmid)
        return device

    @property
    def hcalcs(self) -> Hcalcs:
        device = self.device(HCALCS)
        assert isinstance(device, Hcalcs)
        return device

    def planned(self, eui64: Eui64) -> PlannedDevice:
        return next(planned for planned in self.plan.devices if planned.device == eui64)

    # -- what a service user does --------------------------------------------------------------------------

    def request_id(self, target: Eui64 = BROKER) -> RequestId:
        self._counter += 1
        return RequestId(SUPPLIER, target, self._counter)

    def update(
        self, kind: JobKind, *, image: bytes | None = None, devices: Sequence[Eui64] | None = None
    ) -> None:
        """Send SR 11.4 or 11.1 for the devices of `kind`, with the bench's image unless one is given."""
        image = self.files[kind].data if image is None else image
        chosen = tuple(devices or [planned.device for planned in self.plan.devices if planned.kind is kind])
        shape = UpdatePpmidFirmware if kind is JobKind.PPMID else UpdateFirmware
        self.assembly.dcc.submit(shape(self.request_id(), image, "00000000", chosen))

    def activate(
        self, device: Eui64, image_hash: bytes | None = None, when: datetime | None = None
    ) -> asyncio.Future[Message]:
        """Send SR 11.3, sign its Pre-Command and return it; the future gives the device's response."""
        file_hash = self.files[JobKind.HCALCS].manufacturer_image_hash
        request = ActivateFirmware(self.request_id(device), image_hash or file_hash, when)
        signed = sign(self.pre_command(request), supplier_key(self.assembly.parties))
        return self.send_signed(request.request_id, signed.encode())

    def pre_command(self, request: ActivateFirmware) -> Message:
        """Send SR 11.3 and return its Pre-Command."""
        body = self.assembly.dcc.submit(request).response.body
        assert isinstance(body, ResponseMessage)
        assert isinstance(body.content, PreCommand)
        return Message.decode(body.content.gbcs_payload)

    def send_signed(self, request_id: RequestId, octets: bytes) -> asyncio.Future[Message]:
        """Send a Signed Pre-Command; the future gives the device's response."""
        outcome = self.assembly.dcc.submit(SignedPreCommand(request_id, octets)).outcome
        assert outcome is not None
        return outcome

    def with_mac(self, message: Message, device: Eui64) -> Message:
        """Add the access control broker's MAC for `device`, as the DCC would."""
        keys = self.assembly.parties.dcc
        return protect(message, keys.agreement_private_key(BROKER), keys.agreement_public_key(device))

    # -- what happened -------------------------------------------------------------------------------------

    def seen(self, kind: EventKind, device: Eui64 | None = None, **detail: Json) -> list[Event]:
        """The events of `kind`, of `device` and with this detail where given."""
        return [
            event
            for event in self.events
            if event.kind is kind
            and (device is None or event.device == device)
            and detail.items() <= event.detail.items()
        ]

    def states(self, device: Eui64) -> list[str]:
        """The states the device's jobs went through."""
        return [str(event.detail["state"]) for event in self.seen(EventKind.JOB_STATE, device)]

    def state(self, device: Eui64) -> str:
        """The state of the device's last job."""
        return self.states(device)[-1]

    def transfer_alerts(self, device: Eui64) -> list[tuple[str, str]]:
        """Alert Code and outcome of each CCS08 about `device`, as the service user was told."""
        return [
            (str(event.detail["alert_code"]), str(event.detail["outcome"]))
            for event in self.seen(EventKind.DCC_ALERT, device, alert="CommsHubAlert")
        ]

    def blocks_again(self, device: Eui64) -> int:
        """Blocks that were served more than once in the device's transfer."""
        (ended,) = self.seen(EventKind.UPGRADE_END, device, status="SUCCESS")
        repeats = ended.detail["repeats"]
        assert isinstance(repeats, int)
        return repeats

    def image_of(self, device: Eui64) -> bytes:
        """The octets of the last image the device downloaded whole."""
        return next(
            event.data for event in reversed(self.device(device).log) if isinstance(event, DownloadComplete)
        )

    def cs06_outcomes(self) -> list[str]:
        """What the service user was answered to SR 11.3 for the HCALCS, in order."""
        returned = self.seen(EventKind.RESPONSE_RETURNED, HCALCS, service_reference="11.3")
        return [str(event.detail["outcome"]) for event in returned]

    async def until(self, holds: Callable[[], object], seconds: float = 3600) -> None:
        """Wait until `holds()`, looked at after every event; fail with the last events."""
        try:
            async with asyncio.timeout(seconds):
                while not holds():
                    self._told.clear()
                    await self._told.wait()
        except TimeoutError:
            last = "\n".join(str(event.to_json()) for event in self.events[-12:])
            raise AssertionError(
                f"it did not come to that within {seconds} s; the last events:\n{last}"
            ) from None

    async def until_state(self, device: Eui64, state: str, seconds: float = 3600) -> None:
        await self.until(lambda: self.states(device)[-1:] == [state], seconds)

    async def until_octet(self, device: Eui64, offset: int) -> None:
        """Wait until the device has received `offset` octets of its image."""
        async with asyncio.timeout(3600):
            while self.device(device).client.file_offset < offset:  # noqa: ASYNC110  # it tells of no octet
                await asyncio.sleep(0.01)

    async def held(self) -> None:
        """Bring the HCALCS to where it holds the image and waits for CS06."""
        self.update(JobKind.HCALCS)
        await self.until_state(HCALCS, "held")

    async def still_serves(self, device: Eui64) -> None:
        """The hub does its whole job for `device`, whatever happened before."""
        planned = self.planned(device)
        self.update(planned.kind, devices=[device])
        if planned.kind is JobKind.HCALCS:
            await self.until_state(device, "held")
            await self.activate(device)
        await self.until_state(device, "activated")
        assert (await self.scenario.outcome(planned)).succeeded
        assert self.image_of(device) == self.files[planned.kind].data

    # -- the radio -----------------------------------------------------------------------------------------

    def overhear(self) -> list[ApsFrame]:
        """Return a list that every message on the air is added to when it has arrived whole.

        To an EmberZNet dongle it comes block by block.
        """
        loop = asyncio.get_running_loop()
        messages: list[ApsFrame] = []
        reassembly = Reassembly()

        def keep(frame: ApsFrame) -> list[ApsFrame]:
            if frame.fragment is None:
                messages.append(frame)
            else:
                key = (frame.source, frame.destination, frame.sequence)
                whole = reassembly.add(key, frame.fragment, frame.payload, loop.time())
                if whole is not None:
                    messages.append(replace(frame, payload=whole, fragment=None))
            return [frame]

        self.bench.air.intercept = keep
        return messages

    async def say(self, device: FirmwareDevice, cluster: int, data: bytes, *, encrypted: bool = True) -> None:
        """Send a frame from the device's address past its protocols."""
        await device.send(PROFILE_SMART_ENERGY, cluster, 1, HUB_ENDPOINT, data, encrypted=encrypted)


def tunnelled(frame: ApsFrame) -> bytes | None:
    """The GBCS message that a frame carries, None where it carries none."""
    if frame.cluster != ClusterId.TUNNELING:
        return None
    zcl = ZclFrame.decode(frame.payload)
    if not zcl.cluster_specific:
        return None
    command = decode_command(zcl)
    return command.data if isinstance(command, TransferData) else None


@asynccontextmanager
async def update_bench(
    dongle: Dongle = ZNP,
    *,
    ppmids: int = 1,
    hcalcses: int = 1,
    size: int = SIZE,
    seed: int = 1,
    settings: HubSettings | None = None,
    store: SqliteStore | None = None,
    prepare: Callable[[Bench], None] | None = None,
    joined: bool = True,
    line: LineSettings | None = None,
    air: AirSettings | None = None,
    served: Callable[[Line], AbstractAsyncContextManager[str]] | None = None,
    security: LinkSecurity = LinkSecurity.KEY_ESTABLISHMENT,
    suite: Suite = Suite.TWO,
    device_settings: DeviceSettings | None = None,
) -> AsyncIterator[UpdateBench]:
    """Start everything and let the devices join; `prepare` may meddle with the bench before that.

    `served` offers the dongle's port to the hub as to any other program, None within this process.
    """
    loop = asyncio.get_running_loop()
    system_clock = SystemClock(loop, EPOCH)
    devices = {JobKind.PPMID: more(PPMID, ppmids), JobKind.HCALCS: more(HCALCS, hcalcses)}
    parties = lab_parties(tuple(devices[JobKind.PPMID] + devices[JobKind.HCALCS]))
    files = {
        kind: firmware(kind, supplier_key(parties), size=size, seed=10 * seed + number)
        for number, kind in enumerate(devices)
    }
    plan = plan_of(_requests(files, devices))
    async with AsyncExitStack() as stack:
        store = store or SqliteStore(":memory:")
        stack.callback(store.close)
        bench = make_bench(
            plan,
            parties,
            system_clock,
            seed,
            radio=dongle.family,
            version=dongle.version,
            security=security,
            suite=suite,
            settings=device_settings,
            line=line,
            air=air,
        )
        stack.callback(bench.switch_off)
        if prepare is not None:
            prepare(bench)
        url = None
        if served is not None:
            port = await stack.enter_async_context(served(bench.dongle.line))
            url = RadioUrl.parse(f"{bench.radio}+{port}" if "://" in port else f"{bench.radio}://{port}")
        events: list[Event] = []
        running = await stack.enter_async_context(AsyncExitStack())

        async def start_hub() -> Assembly:
            await running.aclose()
            clock = LoopClock(loop, system_clock.now())
            journal = Journal(store, clock)
            journal.subscribe(events.append)
            return await running.enter_async_context(
                assembled(
                    parties,
                    bench,
                    store=store,
                    journal=journal,
                    clock=clock,
                    seed=seed,
                    settings=settings,
                    url=url,
                )
            )

        assembly = await start_hub()
        b = UpdateBench(plan, assembly, Scenario(plan, assembly), events, files, start_hub, system_clock)
        if joined:
            for planned in plan.devices:
                await b.scenario.join(planned)
        yield b


def _requests(files: dict[JobKind, OtaFile], devices: dict[JobKind, list[Eui64]]) -> list[ServiceRequest]:
    requests: list[ServiceRequest] = []
    if devices[JobKind.PPMID]:
        ids = tuple(devices[JobKind.PPMID])
        image = files[JobKind.PPMID].data
        requests.append(UpdatePpmidFirmware(RequestId(SUPPLIER, BROKER, 1), image, NEW.hex(), ids))
    if devices[JobKind.HCALCS]:
        ids = tuple(devices[JobKind.HCALCS])
        image = files[JobKind.HCALCS].data
        requests.append(UpdateFirmware(RequestId(SUPPLIER, BROKER, 2), image, NEW.hex(), ids))
    return requests


def log_entry(device: Eui64, kind: JobKind) -> DeviceLogEntry:
    """A Device Log entry as the demonstration makes it."""
    return DeviceLogEntry(device, DEVICE_TYPES[kind], default_install_code(device))
