"""The Smart Metering Inventory: the devices the DCC knows, their states and what they run."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from hanota.dcc import codes
from hanota.dcc.device_record import DeviceRecord
from hanota.dcc.errors import RequestRejectedError
from hanota.duis.inventory import MAXIMUM_DEVICES, DeviceStatus, DeviceType, InventoryDevice
from hanota.duis.request import Mpxn
from hanota.errors import LocalProtocolError, RadioError
from hanota.eui64 import Eui64
from hanota.hub.events import EventKind, Party
from hanota.timestamps import utc

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hanota.clock import Clock
    from hanota.dcc.inventory_ports import Han, InventoryStore
    from hanota.dcc.products_list import ProductsList
    from hanota.duis.request import InventoryCriterion
    from hanota.hub.events import Event, Json
    from hanota.hub.journal import Journal

_JOINS_FROM: Final = frozenset(
    {DeviceStatus.PENDING, DeviceStatus.WHITELISTED, DeviceStatus.INSTALLED_NOT_COMMISSIONED}
)
"""The states that a join changes; in the others it was somebody's decision."""
_LEAVES_FROM: Final = _JOINS_FROM | {DeviceStatus.COMMISSIONED}
_SUCCESS: Final = 0
"""`responseCode`, `activateImageResponseCode` and `activateImageResult` of a version that runs."""


@dataclass(frozen=True, slots=True)
class InventorySettings:
    """What the inventory takes for granted, and how much it holds."""

    require_inventory: bool = False
    """Whether a device of the hub's Device Log without a row of its own is unknown. Without it such a device
    counts as Commissioned and of unknown model, so that a bench needs no list of its devices."""
    commission_on_join: bool = True
    """Whether a device that joins is Commissioned at once. A bench has no installer who sends Commission
    Device (8.1.1)."""
    devices: int = 1000
    """Rows; a request that would need more is refused."""


class Inventory:
    """The inventory; it follows the journal, and its rows are committed with the event they follow from.

    | event | state before | after |
    |---|---|---|
    | added to the Device Log | Pending, or no row | Whitelisted |
    | on the HAN | Pending, Whitelisted, InstalledNotCommissioned | Commissioned |
    | on the HAN, `commission_on_join` off | the same | InstalledNotCommissioned |
    | removed from the Device Log | the same, and Commissioned | Pending |

    A device is on the HAN when it joins, and when it establishes a key or opens a tunnel: it may have joined
    while the hub was down.

    The firmware version is that of the device's last verified message that tells one as running: CS08, CS06
    and CS09, successful ones.
    """

    def __init__(
        self,
        store: InventoryStore,
        journal: Journal,
        clock: Clock,
        han: Han,
        settings: InventorySettings | None = None,
    ) -> None:
        self._store, self._journal, self._clock, self._han = store, journal, clock, han
        self._settings = settings or InventorySettings()
        journal.accompany(self.follow)

    def device(self, eui64: Eui64) -> DeviceRecord | None:
        """Return what is known of a device, None for one that is not."""
        return self._store.inventory_device(eui64) or self._of_han(eui64).get(eui64)

    def devices(self) -> Sequence[DeviceRecord]:
        """Return every known device, by EUI-64."""
        known = self._of_han() | {record.eui64: record for record in self._store.inventory_devices()}
        return [known[eui64] for eui64 in sorted(known)]

    def put(self, record: DeviceRecord) -> None:
        """Add or replace a device; raise LocalProtocolError where there is no room for another."""
        with self._journal.transaction():
            known = self._store.inventory_device(record.eui64)
            if known is None and self._store.inventory_count() >= self._settings.devices:
                raise LocalProtocolError(
                    f"the inventory has {self._settings.devices} devices and no room for {record.eui64}",
                    hint="remove some, or raise InventorySettings.devices",
                )
            self._store.put_inventory_device(record)
            if known is None or known.status is not record.status:
                self._tell(record, None if known is None else known.status)

    def configure(self, records: Iterable[DeviceRecord]) -> None:
        """Take devices from the settings: what they are is as said there, how they are stays as it is."""
        with self._journal.transaction():
            for record in records:
                known = self._store.inventory_device(record.eui64)
                if known is None:
                    # A device that the hub of an older database has counted as Commissioned until now.
                    counted = record.status is DeviceStatus.PENDING and self._is_logged(record.eui64)
                    self.put(replace(record, status=DeviceStatus.COMMISSIONED) if counted else record)
                    continue
                kept = replace(
                    record,
                    status=known.status,
                    firmware_version=known.firmware_version or record.firmware_version,
                    commissioned=known.commissioned,
                )
                if kept != known:
                    self._store.put_inventory_device(kept)

    def set_status(self, eui64: Eui64, status: DeviceStatus) -> DeviceRecord:
        """Change a device's state and return it; raise LocalProtocolError for an unknown device."""
        record = self.device(eui64)
        if record is None:
            raise LocalProtocolError(f"{eui64} is not in the inventory")
        commissioned = record.commissioned
        if status is DeviceStatus.COMMISSIONED and record.status is not status:
            commissioned = self._clock.now()
        changed = replace(record, status=status, commissioned=commissioned)
        if changed != record:
            self.put(changed)
        return changed

    def remove(self, eui64: Eui64) -> None:
        """Forget a device, if it is there; one of the Device Log counts as one without a row then."""
        self._store.remove_inventory_device(eui64)

    def report(self, criterion: InventoryCriterion, products: ProductsList) -> tuple[InventoryDevice, ...]:
        """Return what Read Inventory (8.2) answers: the device asked for first, and those on its HAN.

        Raise RequestRejectedError where there is no such device.
        """
        known = self.devices()
        match criterion:
            case Eui64():
                found = [record for record in known if record.eui64 == criterion]
            case Mpxn():
                found = [record for record in known if record.import_mpxn == criterion.value]
            case _:
                found = []  # a bench has devices, and no premises
        if not found:
            raise RequestRejectedError("the inventory has no such device", code=codes.UNKNOWN_DEVICE)
        on_han = set(self._of_han()) | {entry.device for entry in self._han.device_log}
        if any(record.eui64 in on_han for record in found):
            found += [record for record in known if record.eui64 in on_han]
        # By its MPxN a device may be found twice; the schema ends a list at 17.
        return tuple(_reported(record, products) for record in list(dict.fromkeys(found))[:MAXIMUM_DEVICES])

    def follow(self, event: Event) -> None:
        """Take what an event tells of a device; called within its transaction."""
        if event.device is None:
            return
        match event.kind:
            case EventKind.DEVICE_ADDED:
                self._added(event.device, str(event.detail["device_type"]))
            case EventKind.DEVICE_JOINED | EventKind.KEY_ESTABLISHED | EventKind.TUNNEL_OPENED:
                self._on_han(event.device)
            case EventKind.DEVICE_REMOVED:
                self._removed(event.device)
            case EventKind.GBCS_RECEIVED:
                version = _version_told(event.detail)
                if version is not None:
                    self._runs(event.device, version)
            case _:
                return

    def _added(self, eui64: Eui64, device_type: str) -> None:
        record = self._store.inventory_device(eui64)
        if record is None:
            # One that was in the Device Log already, of an older database, has joined long ago.
            if not self._is_logged(eui64):
                self._follow_up(DeviceRecord(eui64, DeviceType(device_type)), DeviceStatus.WHITELISTED)
        elif record.status is DeviceStatus.PENDING:
            self._follow_up(record, DeviceStatus.WHITELISTED)

    def _on_han(self, eui64: Eui64) -> None:
        record = self._store.inventory_device(eui64)
        if record is None or record.status not in _JOINS_FROM or not self._is_logged(eui64):
            return
        if self._settings.commission_on_join:
            self._follow_up(record, DeviceStatus.COMMISSIONED)
        else:
            self._follow_up(record, DeviceStatus.INSTALLED_NOT_COMMISSIONED)

    def _removed(self, eui64: Eui64) -> None:
        record = self._store.inventory_device(eui64)
        if record is not None and record.status in _LEAVES_FROM:
            self._follow_up(record, DeviceStatus.PENDING)

    def _runs(self, eui64: Eui64, firmware_version: str) -> None:
        record = self.device(eui64)
        if record is not None and record.firmware_version != firmware_version:
            self._store.put_inventory_device(replace(record, firmware_version=firmware_version))

    def _follow_up(self, record: DeviceRecord, status: DeviceStatus) -> None:
        """Write what an event has made of a device; beyond `devices` rows nothing is kept of it."""
        known = self._store.inventory_device(record.eui64)
        if known is None and self._store.inventory_count() >= self._settings.devices:
            return
        commissioned = self._clock.now() if status is DeviceStatus.COMMISSIONED else record.commissioned
        changed = replace(record, status=status, commissioned=commissioned)
        if changed != known:
            self._store.put_inventory_device(changed)
            if known is None or known.status is not status:
                self._tell(changed, None if known is None else known.status)

    def _is_logged(self, eui64: Eui64) -> bool:
        return any(entry.device == eui64 for entry in self._han.device_log)

    def _of_han(self, *only: Eui64) -> dict[Eui64, DeviceRecord]:
        """Return the hub and, unless the inventory has to have them, the devices of its Device Log."""
        types: dict[Eui64, DeviceType] = {}
        with suppress(RadioError):  # before its first start nobody knows the hub's EUI-64
            types[self._han.eui64] = DeviceType.CHF
        if not self._settings.require_inventory:
            types.update((entry.device, DeviceType(entry.device_type.name)) for entry in self._han.device_log)
        return {
            eui64: DeviceRecord(eui64, device_type, DeviceStatus.COMMISSIONED)
            for eui64, device_type in types.items()
            if not only or eui64 in only
        }

    def _tell(self, record: DeviceRecord, before: DeviceStatus | None) -> None:
        detail: dict[str, Json] = {"status": str(record.status), "device_type": str(record.device_type)}
        if before is not None:
            detail["before"] = str(before)
        self._journal.record(
            EventKind.DEVICE_STATUS, Party.DCC, Party.DCC, device=record.eui64, detail=detail
        )


def _version_told(detail: Mapping[str, Json]) -> str | None:
    """Return the firmware version that a verified message tells as running, None where it tells none."""
    payload = detail.get("payload")
    if not isinstance(payload, Mapping) or detail.get("use_case") == "CCS08":
        return None  # CCS08 tells of an image that another device was sent
    outcome = payload.get("executionOutcome", payload)
    if not isinstance(outcome, Mapping):
        return None
    names = ("responseCode", "activateImageResponseCode", "activateImageResult")
    code = next((outcome[name] for name in names if name in outcome), None)
    version = outcome.get("firmwareVersion")
    return version.upper() if code == _SUCCESS and isinstance(version, str) else None


def _reported(record: DeviceRecord, products: ProductsList) -> InventoryDevice:
    listed = products.status_of(record)
    commissioned = None if record.commissioned is None else utc(record.commissioned).date()
    return InventoryDevice(
        record.eui64,
        record.device_type,
        record.status,
        "" if record.manufacturer_code is None else f"{record.manufacturer_code:04X}",
        record.model,
        smets_chts_version=record.smets_chts_version,
        device_firmware_version=record.firmware_version,
        device_firmware_version_status=listed,
        cpl_status=listed,
        date_commissioned=commissioned,
        import_mpxn=record.import_mpxn,
        device_gbcs_version=record.gbcs_version,
    )
