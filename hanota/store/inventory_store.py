"""The inventory and the Central Products List, in the database of the hub's store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hanota.dcc.device_record import DeviceRecord
from hanota.dcc.product_entry import ProductEntry
from hanota.duis.inventory import CplStatus, DeviceStatus, DeviceType
from hanota.eui64 import Eui64

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hanota.dcc.product_entry import ProductKey
    from hanota.store.database import Database, Row

_ANY: Final = -1
"""Stands for any manufacturer or image type: a part of a primary key, so not NULL."""


class SqliteInventoryStore:
    """`hanota.dcc.inventory_ports.InventoryStore` on `SqliteStore.database`: in the hub's transactions."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def inventory_device(self, device: Eui64) -> DeviceRecord | None:
        """Return the row of a device, None where there is none."""
        return next(iter(self._database.read(_record, "inventory_device", device=device)), None)

    def inventory_devices(self) -> Sequence[DeviceRecord]:
        """Return every row, by EUI-64."""
        return self._database.read(_record, "inventory_devices")

    def inventory_count(self) -> int:
        """Return how many rows there are."""
        [(count,)] = self._database.rows("inventory_count")
        return int(count)

    def put_inventory_device(self, record: DeviceRecord) -> None:
        """Add or replace a row."""
        self._database.rows(
            "put_inventory_device",
            device=record.eui64,
            device_type=record.device_type,
            status=record.status,
            manufacturer_code=record.manufacturer_code,
            model=record.model,
            hardware_version=record.hardware_version,
            firmware_version=record.firmware_version,
            gbcs_version=record.gbcs_version,
            smets_chts_version=record.smets_chts_version,
            import_mpxn=record.import_mpxn,
            commissioned=record.commissioned,
        )

    def remove_inventory_device(self, device: Eui64) -> None:
        """Remove a row, if there."""
        self._database.rows("remove_inventory_device", device=device)

    def products(self) -> Sequence[ProductEntry]:
        """Return the Central Products List, by device type, manufacturer, image type, model and version."""
        return self._database.read(_product, "products")

    def put_product(self, entry: ProductEntry) -> None:
        """Add an entry, or replace the one with its key."""
        self._database.rows(
            "put_product",
            device_type=entry.device_type,
            manufacturer_code=_stored(entry.manufacturer_code),
            image_type=_stored(entry.image_type),
            model=entry.model,
            firmware_version=entry.firmware_version,
            manufacturer_image_hash=entry.manufacturer_image_hash,
            minimum_hardware_version=entry.minimum_hardware_version,
            maximum_hardware_version=entry.maximum_hardware_version,
            gbcs_version=entry.gbcs_version,
            status=entry.status,
        )

    def remove_product(self, key: ProductKey) -> None:
        """Remove an entry, if there."""
        self._database.rows(
            "remove_product",
            device_type=key.device_type,
            manufacturer_code=_stored(key.manufacturer_code),
            image_type=_stored(key.image_type),
            model=key.model,
            firmware_version=key.firmware_version,
        )


def _stored(code: int | None) -> int:
    return _ANY if code is None else code


def _record(row: Row) -> DeviceRecord:
    device, device_type, status, *rest = row
    return DeviceRecord(Eui64(device), DeviceType(device_type), DeviceStatus(status), *rest)


def _product(row: Row) -> ProductEntry:
    image_hash, device_type, version, manufacturer, image_type, model, *hardware_and_gbcs, status = row
    minimum, maximum, gbcs_version = hardware_and_gbcs
    return ProductEntry(
        image_hash,
        DeviceType(device_type),
        version,
        None if manufacturer == _ANY else manufacturer,
        None if image_type == _ANY else image_type,
        model,
        minimum,
        maximum,
        gbcs_version,
        CplStatus(status),
    )
