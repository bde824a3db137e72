"""An inventory and a products list on a store of their own; the hub is only its Device Log and its jobs."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hanota.dcc.device_record import DeviceRecord
from hanota.dcc.inventory import Inventory, InventorySettings
from hanota.dcc.product_entry import ProductEntry
from hanota.dcc.products_list import ProductsList, ProductsListSettings
from hanota.duis.inventory import DeviceStatus, DeviceType
from hanota.errors import RadioError
from hanota.eui64 import Eui64
from hanota.hub.journal import Journal
from hanota.hub.ports import DeviceLogEntry
from hanota.hub.ports import DeviceType as LoggedType
from hanota.ota.build import build_ppmid_image, build_signed_image
from hanota.ota.header import HardwareVersions, OtaHeader
from hanota.store.inventory_store import SqliteInventoryStore
from hanota.store.store import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hanota.hub.events import Event, EventKind
    from hanota.hub.jobs import Job
    from hanota.ota.image import OtaFile

NOW = 1_800_000_000.0
DCC = Eui64(b"ac-broke")
HUB = Eui64(b"comms-hb")
USER = Eui64(b"supplier")
PPMID, PPMID_2, PPMID_3, PPMID_4, PPMID_5, PPMID_6 = (Eui64(b"ppmid--%d" % number) for number in range(1, 7))
HCALCS, HCALCS_2 = Eui64(b"hcalcs-1"), Eui64(b"hcalcs-2")
STRANGER = Eui64(b"stranger")

MANUFACTURER, OTHER_MANUFACTURER = 0x121D, 0x1337
VERSION = "0100002A"
HARDWARE = HardwareVersions(2, 5)


def header(version: int = 0x0100_002A, image_type: int = 0x0084) -> OtaHeader:
    return OtaHeader(MANUFACTURER, image_type, version, hardware_versions=HARDWARE)


PPMID_IMAGE = build_ppmid_image(header(), b"firmware of a PPMID")
ALTERED_IMAGE = build_ppmid_image(header(), b"firmware of a PPMIE")
HCALCS_IMAGE = build_signed_image(header(image_type=0x000D), b"firmware of an HCALCS", lambda _: bytes(64))


def record(
    eui64: Eui64,
    device_type: DeviceType = DeviceType.PPMID,
    status: DeviceStatus = DeviceStatus.COMMISSIONED,
    **fields: object,
) -> DeviceRecord:
    return DeviceRecord(eui64, device_type, status, **fields)  # type: ignore[arg-type]


def entry(
    file: OtaFile = PPMID_IMAGE, device_type: DeviceType = DeviceType.PPMID, **fields: object
) -> ProductEntry:
    """Return the entry that lists an image for a type of device."""
    version = file.firmware_version.hex().upper()
    return ProductEntry(file.manufacturer_image_hash, device_type, version, **fields)  # type: ignore[arg-type]


class FixedClock:
    """A clock that stands still."""

    def now(self) -> float:
        return NOW


@dataclass
class FakeJobs:
    """The open job of each device."""

    open: dict[Eui64, Job] = field(default_factory=dict)

    def open_job(self, device: Eui64) -> Job | None:
        return self.open.get(device)


@dataclass
class FakeHub:
    """A hub that has not been started before `own` is set."""

    own: Eui64 | None = HUB
    device_log: list[DeviceLogEntry] = field(default_factory=list)
    jobs: FakeJobs = field(default_factory=FakeJobs)

    @property
    def eui64(self) -> Eui64:
        if self.own is None:
            raise RadioError("the coordinator was not started yet")
        return self.own

    def is_admitted(self, device: Eui64) -> bool:
        return any(entry.device == device for entry in self.device_log)

    def log(self, *devices: Eui64, device_type: LoggedType = LoggedType.PPMID) -> None:
        self.device_log += [DeviceLogEntry(device, device_type, bytes(16)) for device in devices]


class Bench:
    """One store and what stands on it."""

    def __init__(
        self,
        store: SqliteStore,
        inventory: InventorySettings | None = None,
        products: ProductsListSettings | None = None,
    ) -> None:
        self.store, self.hub = store, FakeHub()
        self.journal = Journal(store, FixedClock())
        self.rows = SqliteInventoryStore(store.database)
        self.inventory = Inventory(self.rows, self.journal, FixedClock(), self.hub, inventory)
        self.products = ProductsList(self.rows, self.journal, products)

    def of(self, kind: EventKind) -> list[Event]:
        return [event for event in self.store.events() if event.kind is kind]

    def status(self, device: Eui64) -> DeviceStatus | None:
        found = self.inventory.device(device)
        return None if found is None else found.status


@contextmanager
def bench(
    inventory: InventorySettings | None = None,
    products: ProductsListSettings | None = None,
    path: str | Path = ":memory:",
) -> Iterator[Bench]:
    store = SqliteStore(path)
    try:
        yield Bench(store, inventory, products)
    finally:
        store.close()
