"""The bench's stand-in for the Central Products List: which images are for which devices."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hanota.duis.inventory import CplStatus, DeviceType
from hanota.errors import LocalProtocolError
from hanota.hub.events import EventKind, Party

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hanota.dcc.device_record import DeviceRecord
    from hanota.dcc.inventory_ports import InventoryStore
    from hanota.dcc.product_entry import ProductEntry, ProductKey
    from hanota.hub.journal import Journal
    from hanota.ota.image import OtaFile


@dataclass(frozen=True, slots=True)
class ProductsListSettings:
    """What the list takes for granted, and how much it holds."""

    require_listed: bool = False
    """Whether an image has to be listed for devices of which no image is. Without it the list restricts only
    the types of device that it has an entry of, so that a bench needs no list."""
    gbcs_version: str = "4.3"
    """The highest GBCS version of firmware that may be distributed: that of DUIS 5.4."""
    entries: int = 10_000
    """Entries; more are refused. The real list has a few thousand."""


@dataclass(frozen=True, slots=True)
class ImageListing:
    """What the list says of one image, read once for all the devices of a request."""

    manufacturer_image_hash: bytes
    entries: tuple[ProductEntry, ...]
    """The Active ones for images with its maker, image type and version."""
    restricted: frozenset[DeviceType]
    """The types of device that may be given listed images only."""

    def entry(self, device: DeviceRecord) -> ProductEntry | None:
        """Return the entry by which a device may be given the image, None where there is none."""
        return next((each for each in self._about(device) if self._is_of_image(each)), None)

    def contradicts(self, device: DeviceRecord) -> bool:
        """Tell whether the list has the image's version for a device, with other hashes alone."""
        about = self._about(device)
        return bool(about) and not any(self._is_of_image(each) for each in about)

    def _about(self, device: DeviceRecord) -> list[ProductEntry]:
        return [each for each in self.entries if each.covers(device)]

    def _is_of_image(self, entry: ProductEntry) -> bool:
        return entry.manufacturer_image_hash == self.manufacturer_image_hash


class ProductsList:
    """The list; firmware that is no longer to be given to devices stays on it, with another status.

    That of a device which runs it is told by that (8.2), and it goes on being one that its type may not be
    given. What was never meant to be an entry is removed.
    """

    def __init__(
        self, store: InventoryStore, journal: Journal, settings: ProductsListSettings | None = None
    ) -> None:
        self._store, self._journal = store, journal
        self.settings = settings or ProductsListSettings()

    def entries(self) -> Sequence[ProductEntry]:
        """Return every entry, whatever its status."""
        return self._store.products()

    def put(self, entry: ProductEntry) -> None:
        """Add an entry, or change the one with its key.

        Raise LocalProtocolError where the list is full, or an Active entry with that key has another hash:
        firmware of one version is one image.
        """
        with self._journal.transaction():
            entries = self._by_key()
            known = entries.get(entry.key)
            if (
                known is not None
                and known.status is CplStatus.ACTIVE
                and known.manufacturer_image_hash != entry.manufacturer_image_hash
            ):
                raise LocalProtocolError(
                    f"version {entry.firmware_version} is listed with hash "
                    f"{known.manufacturer_image_hash.hex()} and cannot have another",
                    hint="withdraw that entry first",
                )
            self._write(entry, entries)

    def configure(self, entries: Iterable[ProductEntry]) -> None:
        """Take entries from the settings; those of earlier settings stay.

        The settings' word goes before what is listed, but an image that was withdrawn stays so: it would be
        back at every start. Raise LocalProtocolError where the list is full.
        """
        with self._journal.transaction():
            listed = self._by_key()
            for entry in entries:
                known = listed.get(entry.key)
                same_image = (
                    known is not None and known.manufacturer_image_hash == entry.manufacturer_image_hash
                )
                if known is not None and same_image and entry.status is CplStatus.ACTIVE:
                    self._write(replace(entry, status=known.status), listed)
                else:
                    self._write(entry, listed)

    def withdraw(
        self, manufacturer_image_hash: bytes, status: CplStatus = CplStatus.WITHDRAWN
    ) -> Sequence[ProductEntry]:
        """Give an image's Active entries another status and return them; LocalProtocolError for none."""
        with self._journal.transaction():
            entries = self._by_key()
            withdrawn = [
                replace(entry, status=status)
                for entry in entries.values()
                if entry.manufacturer_image_hash == manufacturer_image_hash
                and entry.status is CplStatus.ACTIVE
            ]
            if not withdrawn:
                raise LocalProtocolError(
                    f"the products list has no Active entry with hash {manufacturer_image_hash.hex()}"
                )
            for entry in withdrawn:
                self._write(entry, entries)
        return withdrawn

    def remove(self, entries: Iterable[ProductEntry]) -> None:
        """Remove entries that are a slip, whatever their status: without one its type may be unrestricted.

        Those of the settings are back at the next start. Raise LocalProtocolError for one that is not there.
        """
        with self._journal.transaction():
            listed = self._by_key()
            for entry in entries:
                if listed.pop(entry.key, None) != entry:
                    raise LocalProtocolError(
                        f"the products list has no such entry of {entry.firmware_version}"
                    )
                self._store.remove_product(entry.key)
                self._tell(EventKind.PRODUCT_REMOVED, entry)

    def find(self, manufacturer_image_hash: bytes) -> Sequence[ProductEntry]:
        """Return the entries of an image."""
        return [entry for entry in self.entries() if entry.manufacturer_image_hash == manufacturer_image_hash]

    def status_of(self, device: DeviceRecord) -> CplStatus | None:
        """Return the status of what a device runs, None where that is not known or not listed."""
        statuses = [
            entry.status
            for entry in self.entries()
            if entry.firmware_version == device.firmware_version and entry.covers(device)
        ]
        return CplStatus.ACTIVE if CplStatus.ACTIVE in statuses else next(iter(statuses), None)

    def of_image(self, file: OtaFile) -> ImageListing:
        """Return what the list says of an image now."""
        entries = self.entries()
        return ImageListing(
            file.manufacturer_image_hash,
            tuple(e for e in entries if e.status is CplStatus.ACTIVE and e.fits(file.header)),
            frozenset(DeviceType if self.settings.require_listed else (e.device_type for e in entries)),
        )

    def _by_key(self) -> dict[ProductKey, ProductEntry]:
        return {entry.key: entry for entry in self.entries()}

    def _write(self, entry: ProductEntry, entries: dict[ProductKey, ProductEntry]) -> None:
        """Write an entry unless it is there; `entries` are those that are, and follow."""
        if entries.get(entry.key) == entry:
            return
        if entry.key not in entries and len(entries) >= self.settings.entries:
            raise LocalProtocolError(
                f"the products list has {len(entries)} entries and no room for more",
                hint="raise ProductsListSettings.entries",
            )
        entries[entry.key] = entry
        self._store.put_product(entry)
        listed = entry.status is CplStatus.ACTIVE
        self._tell(EventKind.PRODUCT_LISTED if listed else EventKind.PRODUCT_WITHDRAWN, entry)

    def _tell(self, kind: EventKind, entry: ProductEntry) -> None:
        self._journal.record(
            kind,
            Party.DCC,
            Party.DCC,
            detail={
                "manufacturer_image_hash": entry.manufacturer_image_hash.hex(),
                "device_type": str(entry.device_type),
                "manufacturer_code": entry.manufacturer_code,
                "model": entry.model,
                "firmware_version": entry.firmware_version,
                "status": str(entry.status),
            },
        )
