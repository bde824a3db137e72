"""One update over one emulated dongle, by hanota's hub or by stock zigpy, and what the host's part costs."""

from __future__ import annotations

import asyncio
import gc
import importlib
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import bellows.ash
import zigpy.types as t
from zigpy.ota import OtaImageWithMetadata
from zigpy.ota.image import OTAImage
from zigpy.ota.providers import BaseOtaImageMetadata

from hanota.clock import LoopClock
from hanota.demo.bench import DEVICE_TYPES
from hanota.emulator.air import Air
from hanota.emulator.devices import attributes
from hanota.emulator.loop import measured_by_loop
from hanota.emulator.node import HanNode
from hanota.emulator.serialx_handler import published
from hanota.emulator.zdo import SimpleDescriptor
from hanota.eui64 import Eui64
from hanota.hub.events import EventKind
from hanota.hub.hub import Hub, HubSettings
from hanota.hub.jobs import JobKind
from hanota.hub.journal import Journal
from hanota.hub.ports import DeviceLogEntry
from hanota.ota.attributes import AttributeId, encode_value
from hanota.ota.build import build_ppmid_image, build_tagged_image
from hanota.ota.client import ClientIdentity, OtaClient
from hanota.ota.elements import SubElement
from hanota.ota.fields import ImageId
from hanota.ota.header import OtaHeader
from hanota.ota.image import IMAGE_TYPE_HCALCS, IMAGE_TYPE_PPMID
from hanota.ota.settings import OtaClientSettings, OtaServerSettings
from hanota.radio import Coordinator, RadioUrl
from hanota.store.store import SqliteStore
from hanota.zcl import PROFILE_SMART_ENERGY, ClusterId, GeneralCommand, Status, ZclFrame
from tests.benchmarks.metered_loop import Share, metered_loop
from tests.emulator import ezsp_support, znp_support
from tests.hub_parties_support import BROKER, EPOCH
from tests.hub_parties_support import HUB as HUB_CREDENTIALS
from tests.radio_support import INSTALL_CODES, SETTINGS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
    from pathlib import Path

    from hanota.emulator.air import ApsFrame
    from hanota.ota.image import OtaFile
    from tests.radio_dongles import Dongle

T = TypeVar("T")

HOME_AUTOMATION = 0x0104
BLOCK = 50
"""Octets of a block: what zigpy's manager sends at most, and room enough under APS encryption."""
MANUFACTURER = 0x121D
OLD_VERSION, NEW_VERSION = 0x0100_0000, 0x0100_0001
DEVICE = Eui64.parse("00-DB-12-34-56-78-90-A4")
INSTALL_CODE = INSTALL_CODES[DEVICE]
SETTLED = 10
"""Seconds after a join when the interview is over."""
ATTRIBUTES: Mapping[tuple[int, int], bytes] = {
    (ClusterId.BASIC, 0x0004): attributes.character_string("emulated"),
    (ClusterId.BASIC, 0x0005): attributes.character_string("emulated"),
    (ClusterId.OTA_UPGRADE, AttributeId.CURRENT_FILE_VERSION): encode_value(
        AttributeId.CURRENT_FILE_VERSION, NEW_VERSION
    ),
}
"""What zigpy reads of a device, in its interview and after an update."""


class UpgradeClientNode(HanNode):
    """An Upgrade Client on one profile and nothing else; it answers Basic, as zigpy's interview asks."""

    def __init__(
        self,
        profile: int,
        *,
        encrypted: bool,
        kind: JobKind = JobKind.PPMID,
        device: Eui64 = DEVICE,
        acknowledged: bool = True,
        settings: OtaClientSettings | None = None,
    ) -> None:
        descriptor = SimpleDescriptor(
            1, profile, 0x0502, input_clusters=(ClusterId.BASIC,), output_clusters=(ClusterId.OTA_UPGRADE,)
        )
        super().__init__(
            device, install_code=INSTALL_CODE, endpoints=[descriptor], manufacturer_code=MANUFACTURER
        )
        image_type = IMAGE_TYPE_PPMID if kind is JobKind.PPMID else IMAGE_TYPE_HCALCS
        image = ImageId(MANUFACTURER, image_type, OLD_VERSION)
        settings = settings or OtaClientSettings(maximum_data_size=BLOCK)
        self.image: bytes | None = None
        self.began: float | None = None
        """When it had its first block, by the loop's time."""
        self.ended: float | None = None
        """When it had its last."""
        self.client = OtaClient(ClientIdentity(image, 1), self._verify, settings)
        self._profile, self._encrypted, self._acknowledged = profile, encrypted, acknowledged
        self._retry: asyncio.TimerHandle | None = None

    def on_frame(self, frame: ApsFrame) -> None:
        """Take a frame of the hub's Upgrade Server, or answer what zigpy reads."""
        request = ZclFrame.decode(frame.payload)
        if not request.cluster_specific and request.command == GeneralCommand.READ_ATTRIBUTES:
            answer = attributes.read_attributes_response(request, frame.cluster, ATTRIBUTES)
            self.spawn(self._answer(frame, answer.encode()))
        elif frame.cluster == ClusterId.OTA_UPGRADE:
            self.client.receive(frame.payload, asyncio.get_running_loop().time())
            self._pump(frame)

    def _pump(self, frame: ApsFrame) -> None:
        for data in self.client.requests():
            self.spawn(self._answer(frame, data))
        self.client.events()
        if self.began is None and self.client.file_offset:
            self.began = asyncio.get_running_loop().time()
        if self._retry is not None:
            self._retry.cancel()
        loop = asyncio.get_running_loop()
        due = self.client.next_timer()
        self._retry = None if due is None else loop.call_at(due, self._expire, frame)

    def _expire(self, frame: ApsFrame) -> None:
        self.client.expire(asyncio.get_running_loop().time())
        self._pump(frame)

    async def _answer(self, frame: ApsFrame, data: bytes) -> None:
        await self.send(
            self._profile,
            frame.cluster,
            1,
            frame.source_endpoint,
            data,
            encrypted=self._encrypted,
            ack=self._acknowledged,
        )

    def _verify(self, data: bytes) -> Status:
        self.image = data
        self.ended = asyncio.get_running_loop().time()
        return Status.SUCCESS


@dataclass(frozen=True)
class Cost:
    """Seconds of processor time for a block, and octets a second of virtual time."""

    host: float
    emulator: float
    rate: float


async def hanota_update(dongle: Dongle, size: int, database: Path) -> Cost:
    """Update a PPMID by hanota's hub, with its journal in `database` and APS encryption."""
    file = build_ppmid_image(ota_header(), octets(size))
    async with hub_bench(dongle, database) as (hub, journal, node):
        done = asyncio.Event()
        journal.subscribe(lambda event: done.set() if event.kind is EventKind.UPGRADE_END else None)

        async def update() -> None:
            hub.distribute("request", JobKind.PPMID, file.data, [DEVICE])
            await done.wait()

        return await measured(node, file, update)


@asynccontextmanager
async def hub_bench(
    dongle: Dongle, database: Path | str, kind: JobKind = JobKind.PPMID
) -> AsyncIterator[tuple[Hub, Journal, UpgradeClientNode]]:
    """A started hub with its journal in `database`, and a device that has joined it."""
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        air = Air()
        ncp = dongle.make(air)
        stack.callback(ncp.stop)
        stack.enter_context(published("bench", ncp))
        stack.enter_context(measured_by_loop(bellows.ash))
        store = SqliteStore(database)
        stack.callback(store.close)
        clock = LoopClock(loop, EPOCH)
        journal = Journal(store, clock)
        url = RadioUrl.parse(f"{dongle.family}+emulator://bench")
        hub = Hub(
            radio=Coordinator(url, SETTINGS, clock=clock),
            store=store,
            journal=journal,
            clock=clock,
            credentials=HUB_CREDENTIALS,
            broker=BROKER.eui64,
            settings=HubSettings(ota=OtaServerSettings(block_size=BLOCK)),
        )
        await hub.start(Wan())
        stack.push_async_callback(hub.stop)
        node = UpgradeClientNode(PROFILE_SMART_ENERGY, encrypted=True, kind=kind)
        joined = asyncio.Event()
        journal.subscribe(lambda event: joined.set() if event.kind is EventKind.DEVICE_JOINED else None)
        await hub.add_device(DeviceLogEntry(DEVICE, DEVICE_TYPES[kind], INSTALL_CODE), 60)
        await emulated(node.join(air))
        await joined.wait()
        await asyncio.sleep(SETTLED)
        yield hub, journal, node
        await asyncio.sleep(1)
        node.power_off()


class Wan:
    """Takes what the hub sends upwards."""

    def message_received(self, device: Eui64, octets: bytes) -> None: ...

    def message_delivered(self, device: Eui64, octets: bytes) -> None: ...

    def message_undelivered(self, device: Eui64, octets: bytes, reason: str) -> None: ...


async def zigpy_update(dongle: Dongle, size: int) -> Cost:
    """Update a device of the Home Automation profile by stock zigpy."""
    element = SubElement(0, octets(size))
    file = build_tagged_image(ota_header(), [element])
    firmware, _ = OTAImage.deserialize(file.data)
    image = OtaImageWithMetadata(BaseOtaImageMetadata(file_version=NEW_VERSION), firmware)
    air = Air()
    ncp = dongle.make(air)
    with published("bench", ncp) as url, measured_by_loop(bellows.ash):
        application = stock_application(dongle, url)
        await application.startup(auto_form=True)
        if dongle.family == "ezsp":
            # Forming loses the endpoints.
            await application.shutdown()
            application = stock_application(dongle, url)
            await application.startup(auto_form=False)
        try:
            node = UpgradeClientNode(HOME_AUTOMATION, encrypted=False)
            support = znp_support if dongle.family == "znp" else ezsp_support
            await support.join(application, air, _Emulated(node), INSTALL_CODE)
            device = application.get_device(t.EUI64(DEVICE.to_zigbee()))
            await asyncio.sleep(SETTLED)
            assert device.is_initialized

            async def update() -> None:
                assert await device.update_firmware(image) == Status.SUCCESS

            cost = await measured(node, file, update)
            await asyncio.sleep(1)
            node.power_off()
        finally:
            await application.shutdown()
            ncp.stop()
    return cost


class _Emulated:
    """A node whose joining is the emulator's work."""

    def __init__(self, node: HanNode) -> None:
        self._node, self.eui64 = node, node.eui64

    async def join(self, air: Air) -> None:
        await emulated(self._node.join(air))


def stock_application(dongle: Dongle, url: str) -> Any:
    """Return the radio library's own application, as it comes, without thread or database."""
    library = "zigpy_znp" if dongle.family == "znp" else "bellows"
    support = znp_support if dongle.family == "znp" else ezsp_support
    config = support.configuration(url) | {"additional_endpoints": []}
    config.pop("znp_config", None)
    return importlib.import_module(f"{library}.zigbee.application").ControllerApplication(config)


async def measured(
    node: UpgradeClientNode, file: OtaFile, update: Callable[[], Coroutine[Any, Any, None]]
) -> Cost:
    """Run `update`, which brings `file` to `node`, and return what it costs."""
    loop = metered_loop()
    gc.collect()
    before, began = loop.read(), loop.time()
    await update()
    after = loop.read()
    assert node.image == file.data
    blocks = len(file.data) / BLOCK
    spent = {share: (after[share] - before[share]) / blocks for share in Share}
    return Cost(spent[Share.HOST], spent[Share.EMULATOR], len(file.data) / (loop.time() - began))


async def emulated(work: Coroutine[Any, Any, T]) -> T:
    """Await `work` as work of the emulator."""
    with metered_loop().charging(Share.EMULATOR):
        task = asyncio.ensure_future(work)
    return await task


def ota_header() -> OtaHeader:
    return OtaHeader(MANUFACTURER, IMAGE_TYPE_PPMID, NEW_VERSION)


def octets(size: int) -> bytes:
    return bytes(range(256)) * (size // 256) + bytes(size % 256)
