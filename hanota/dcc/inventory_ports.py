"""What the inventory and the Central Products List keep, and what they see of the hub, as Protocols."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hanota.dcc.device_record import DeviceRecord
    from hanota.dcc.product_entry import ProductEntry, ProductKey
    from hanota.eui64 import Eui64
    from hanota.hub.ports import DeviceLogEntry


class InventoryStore(Protocol):
    """Durable state; in the transactions of the hub's store, and raising StoreError as that."""

    def inventory_device(self, device: Eui64) -> DeviceRecord | None:
        """Return the row of a device, None where there is none."""
        ...

    def inventory_devices(self) -> Sequence[DeviceRecord]:
        """Return every row, by EUI-64."""
        ...

    def inventory_count(self) -> int:
        """Return how many rows there are."""
        ...

    def put_inventory_device(self, record: DeviceRecord) -> None:
        """Add or replace a row."""
        ...

    def remove_inventory_device(self, device: Eui64) -> None:
        """Remove a row, if there."""
        ...

    def products(self) -> Sequence[ProductEntry]:
        """Return the Central Products List, by device type, manufacturer, image type, model and version."""
        ...

    def put_product(self, entry: ProductEntry) -> None:
        """Add an entry, or replace the one with its key."""
        ...

    def remove_product(self, key: ProductKey) -> None:
        """Remove an entry, if there."""
        ...


class Han(Protocol):
    """The hub, as the inventory sees it."""

    @property
    def eui64(self) -> Eui64:
        """The hub's own EUI-64; raise RadioError before its first start."""
        ...

    @property
    def device_log(self) -> Sequence[DeviceLogEntry]:
        """The CHF Device Log."""
        ...
