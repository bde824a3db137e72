"""The Smart Metering Inventory: which devices are known, how their states follow events, what 8.2 answers."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

import pytest

from hanota.dcc.codes import UNKNOWN_DEVICE
from hanota.dcc.device_record import DeviceRecord, gbcs_order
from hanota.dcc.errors import RequestRejectedError
from hanota.dcc.inventory import InventorySettings
from hanota.duis.inventory import CplStatus, DeviceStatus, DeviceType
from hanota.duis.request import Mpxn, Uprn
from hanota.errors import ConfigError, LocalProtocolError, StoreError
from hanota.eui64 import Eui64
from hanota.hub.events import EventKind, Party
from hanota.hub.ports import DeviceType as LoggedType
from tests.inventory_support import (
    DCC,
    HCALCS,
    HUB,
    MANUFACTURER,
    NOW,
    PPMID,
    PPMID_2,
    PPMID_IMAGE,
    STRANGER,
    Bench,
    bench,
    entry,
    record,
)

if TYPE_CHECKING:
    from pathlib import Path

    from hanota.hub.events import Json

IN_FULL = DeviceRecord(
    PPMID,
    DeviceType.PPMID,
    DeviceStatus.COMMISSIONED,
    MANUFACTURER,
    "a model",
    3,
    "0100002A",
    "4.1",
    "SMETS2 V5.1",
    "1234567890123",
    NOW,
)


def add(made: Bench, device: Eui64, device_type: str = "PPMID") -> None:
    made.journal.record(
        EventKind.DEVICE_ADDED, Party.HUB, Party.HUB, device=device, detail={"device_type": device_type}
    )
    made.hub.log(device, device_type=LoggedType[device_type])


def tell(made: Bench, kind: EventKind, device: Eui64, detail: dict[str, Json] | None = None) -> None:
    made.journal.record(kind, Party.DEVICE, Party.HUB, device=device, detail=detail)


def received(made: Bench, use_case: str, payload: Json, device: Eui64 = PPMID) -> None:
    tell(made, EventKind.GBCS_RECEIVED, device, {"use_case": use_case, "payload": payload})


# -- which devices are known -----------------------------------------------------------------------------


def test_a_device_of_the_device_log_alone_counts_as_commissioned() -> None:
    with bench() as made:
        made.hub.log(HCALCS, device_type=LoggedType.HCALCS)
        assert made.inventory.device(HCALCS) == record(HCALCS, DeviceType.HCALCS)


def test_a_device_of_the_device_log_alone_is_unknown_where_the_inventory_is_required() -> None:
    with bench(InventorySettings(require_inventory=True)) as made:
        made.hub.log(HCALCS, device_type=LoggedType.HCALCS)
        assert made.inventory.device(HCALCS) is None
        assert [known.eui64 for known in made.inventory.devices()] == [HUB]


def test_the_hub_itself_is_a_commissioned_chf() -> None:
    with bench(InventorySettings(require_inventory=True)) as made:
        assert made.inventory.device(HUB) == record(HUB, DeviceType.CHF)


def test_before_its_first_start_the_hub_is_nobody() -> None:
    with bench() as made:
        made.hub.own = None
        made.hub.log(PPMID)
        assert [known.eui64 for known in made.inventory.devices()] == [PPMID]


def test_a_row_goes_before_what_the_device_log_says() -> None:
    with bench() as made:
        made.hub.log(PPMID)
        made.inventory.put(record(PPMID, status=DeviceStatus.SUSPENDED))
        assert made.status(PPMID) is DeviceStatus.SUSPENDED
        made.inventory.remove(PPMID)
        assert made.status(PPMID) is DeviceStatus.COMMISSIONED


def test_every_field_of_a_record_is_there_after_a_restart(tmp_path: Path) -> None:
    with bench(path=tmp_path / "hub.db") as made:
        made.inventory.put(IN_FULL)
        made.inventory.put(record(PPMID_2))
    with bench(path=tmp_path / "hub.db") as made:
        assert made.rows.inventory_devices() == [IN_FULL, record(PPMID_2)]


def test_no_more_devices_than_set_are_taken() -> None:
    with bench(InventorySettings(devices=1)) as made:
        made.inventory.put(record(PPMID))
        made.inventory.put(record(PPMID, status=DeviceStatus.SUSPENDED))
        with pytest.raises(LocalProtocolError, match="no room for") as caught:
            made.inventory.put(record(PPMID_2))
        assert caught.value.hint
        add(made, HCALCS, "HCALCS")
        assert [known.eui64 for known in made.rows.inventory_devices()] == [PPMID]


@pytest.mark.parametrize(
    "fields",
    [
        {"manufacturer_code": 0x10000},
        {"hardware_version": -1},
        {"model": "m" * 31},
        {"model": "no XML\x00"},
        {"smets_chts_version": "\ud800"},
        {"import_mpxn": "12\x0834"},
        {"firmware_version": "0100002a"},
        {"firmware_version": "1"},
        {"gbcs_version": "four"},
        {"smets_chts_version": ""},
        {"import_mpxn": "12345678901234"},
    ],
    ids=str,
)
def test_a_record_that_duis_could_not_carry_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        replace(IN_FULL, **fields)  # type: ignore[arg-type]  # one of each kind of field


def test_gbcs_versions_are_ordered_by_their_numbers() -> None:
    assert gbcs_order("4.2") < gbcs_order("4.10")
    assert gbcs_order("4.1") == gbcs_order("4.1.0")
    assert gbcs_order("3.9.9") < gbcs_order("4")


@pytest.mark.parametrize("column", ["device_type", "status", "firmware_version"])
def test_a_row_that_cannot_be_read_is_a_store_error(tmp_path: Path, column: str) -> None:
    with bench(path=tmp_path / "hub.db") as made:
        made.inventory.put(IN_FULL)
    with closing(sqlite3.connect(tmp_path / "hub.db")) as other, other:
        other.execute(f"UPDATE inventory SET {column} = 'nonsense'")
    with bench(path=tmp_path / "hub.db") as made, pytest.raises(StoreError, match="cannot be read"):
        made.inventory.device(PPMID)


# -- states ----------------------------------------------------------------------------------------------


def test_a_device_is_whitelisted_when_added_and_commissioned_when_it_joins() -> None:
    with bench() as made:
        add(made, PPMID)
        assert made.status(PPMID) is DeviceStatus.WHITELISTED
        tell(made, EventKind.DEVICE_JOINED, PPMID)
        found = made.inventory.device(PPMID)
        assert found == record(PPMID, commissioned=NOW)
        changes = [event.detail for event in made.of(EventKind.DEVICE_STATUS)]
        assert changes == [
            {"status": "Whitelisted", "device_type": "PPMID"},
            {"status": "Commissioned", "device_type": "PPMID", "before": "Whitelisted"},
        ]


@pytest.mark.parametrize("kind", [EventKind.KEY_ESTABLISHED, EventKind.TUNNEL_OPENED])
def test_a_device_that_joined_while_the_hub_was_down_is_commissioned_when_it_is_heard(
    kind: EventKind,
) -> None:
    with bench() as made:
        add(made, PPMID)
        tell(made, kind, PPMID)
        assert made.status(PPMID) is DeviceStatus.COMMISSIONED


def test_a_join_of_a_device_that_is_not_in_the_device_log_changes_nothing() -> None:
    with bench() as made:
        made.inventory.put(record(PPMID, status=DeviceStatus.PENDING))
        tell(made, EventKind.DEVICE_JOINED, PPMID)
        assert made.status(PPMID) is DeviceStatus.PENDING


def test_a_device_that_joins_waits_to_be_commissioned_where_that_is_set() -> None:
    with bench(InventorySettings(commission_on_join=False)) as made:
        add(made, PPMID)
        tell(made, EventKind.DEVICE_JOINED, PPMID)
        assert made.status(PPMID) is DeviceStatus.INSTALLED_NOT_COMMISSIONED
        made.inventory.set_status(PPMID, DeviceStatus.COMMISSIONED)
        assert made.inventory.device(PPMID) == record(PPMID, commissioned=NOW)


def test_a_device_that_rejoins_stays_what_it_is() -> None:
    with bench() as made:
        made.inventory.put(IN_FULL)
        add(made, PPMID)
        tell(made, EventKind.DEVICE_JOINED, PPMID)
        tell(made, EventKind.DEVICE_LEFT, PPMID)
        assert made.inventory.device(PPMID) == IN_FULL


@pytest.mark.parametrize(
    "decided",
    [DeviceStatus.SUSPENDED, DeviceStatus.WITHDRAWN, DeviceStatus.DECOMMISSIONED, DeviceStatus.RECOVERY],
)
def test_what_somebody_decided_no_join_changes(decided: DeviceStatus) -> None:
    with bench() as made:
        made.hub.log(PPMID)
        made.inventory.put(record(PPMID, status=decided))
        for kind in (EventKind.DEVICE_JOINED, EventKind.DEVICE_REMOVED):
            tell(made, kind, PPMID)
        add(made, PPMID)
        assert made.status(PPMID) is decided


def test_a_device_that_was_removed_is_pending_and_may_be_added_again() -> None:
    with bench() as made:
        made.inventory.put(IN_FULL)
        tell(made, EventKind.DEVICE_REMOVED, PPMID)
        assert made.inventory.device(PPMID) == replace(IN_FULL, status=DeviceStatus.PENDING)
        add(made, PPMID)
        assert made.status(PPMID) is DeviceStatus.WHITELISTED


def test_a_device_of_an_older_database_that_is_added_again_stays_commissioned() -> None:
    with bench() as made:
        made.hub.log(PPMID)
        add(made, PPMID)
        assert made.status(PPMID) is DeviceStatus.COMMISSIONED


def test_a_state_is_kept_with_the_event_it_follows_from_or_not_at_all() -> None:
    def cut_off(made: Bench) -> None:
        with made.journal.transaction():
            add(made, PPMID)
            raise StoreError("power cut")

    with bench() as made:
        with pytest.raises(StoreError, match="power cut"):
            cut_off(made)
        assert not made.rows.inventory_devices()
        assert not made.store.events()


def test_a_status_of_an_unknown_device_cannot_be_set() -> None:
    with bench() as made, pytest.raises(LocalProtocolError, match="not in the inventory"):
        made.inventory.set_status(STRANGER, DeviceStatus.SUSPENDED)


def test_the_same_status_again_tells_nothing() -> None:
    with bench() as made:
        made.inventory.put(IN_FULL)
        assert made.inventory.set_status(PPMID, DeviceStatus.COMMISSIONED) == IN_FULL
        assert len(made.of(EventKind.DEVICE_STATUS)) == 1


# -- versions --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("use_case", "payload"),
    [
        ("CS08", {"firmwareVersion": "0100002b", "responseCode": 0}),
        ("CS06", {"executionOutcome": {"activateImageResponseCode": 0, "firmwareVersion": "0100002b"}}),
        ("CS09", {"alertCode": 0x8F8B, "firmwareVersion": "0100002b", "activateImageResult": 0}),
    ],
)
def test_the_version_follows_what_the_device_says_it_runs(use_case: str, payload: Json) -> None:
    with bench() as made:
        made.hub.log(PPMID)
        received(made, use_case, payload)
        found = made.inventory.device(PPMID)
        assert found == record(PPMID, firmware_version="0100002B")


@pytest.mark.parametrize(
    ("use_case", "payload"),
    [
        ("CS08", {"firmwareVersion": "00000000", "responseCode": 1}),
        ("CS06", {"executionOutcome": {"activateImageResponseCode": 2, "firmwareVersion": "0100002b"}}),
        ("CS06", {"commandAccepted": None}),
        ("CS09", {"firmwareVersion": "0100002b", "activateImageResult": 1}),
        ("CCS08", {"firmwareVersion": "0100002b", "responseCode": 0}),
        ("1000", "00ff"),
        ("CS06", {"executionOutcome": None}),
    ],
)
def test_no_other_message_changes_the_version(use_case: str, payload: Json) -> None:
    with bench() as made:
        made.inventory.put(IN_FULL)
        received(made, use_case, payload)
        assert made.inventory.device(PPMID) == IN_FULL


def test_a_version_of_an_unknown_device_is_not_kept() -> None:
    with bench() as made:
        received(made, "CS08", {"firmwareVersion": "0100002b", "responseCode": 0}, STRANGER)
        assert not made.rows.inventory_devices()


# -- the settings' devices -------------------------------------------------------------------------------


def test_devices_of_the_settings_keep_how_they_are_at_the_next_start() -> None:
    with bench() as made:
        configured = record(PPMID, status=DeviceStatus.PENDING, model="a model", firmware_version="01000001")
        made.inventory.configure([configured])
        assert made.inventory.device(PPMID) == configured
        made.hub.log(PPMID)
        tell(made, EventKind.DEVICE_JOINED, PPMID)
        received(made, "CS08", {"firmwareVersion": "0100002b", "responseCode": 0})
        made.inventory.configure([replace(configured, model="another")])
        assert made.inventory.device(PPMID) == record(
            PPMID, model="another", firmware_version="0100002B", commissioned=NOW
        )
        assert len(made.of(EventKind.DEVICE_STATUS)) == 2


def test_a_device_of_an_older_database_that_the_settings_name_stays_commissioned() -> None:
    with bench() as made:
        made.hub.log(PPMID)
        made.inventory.configure(
            [
                record(PPMID, status=DeviceStatus.PENDING, model="a model"),
                record(PPMID_2, status=DeviceStatus.PENDING),
            ]
        )
        assert made.inventory.device(PPMID) == record(PPMID, model="a model")
        assert made.status(PPMID_2) is DeviceStatus.PENDING


# -- Read Inventory (8.2) --------------------------------------------------------------------------------


def test_read_inventory_answers_the_device_first_and_then_its_han() -> None:
    with bench() as made:
        made.hub.log(PPMID)
        made.hub.log(HCALCS, device_type=LoggedType.HCALCS)
        made.inventory.put(IN_FULL)
        made.inventory.put(record(STRANGER))
        made.products.put(entry(PPMID_IMAGE))
        first, *others = made.inventory.report(PPMID, made.products)
        assert {other.device_id for other in others} == {HUB, HCALCS}
        assert first.device_id == PPMID
        assert first.device_type is DeviceType.PPMID
        assert first.device_status is DeviceStatus.COMMISSIONED
        assert first.device_manufacturer == "121D"
        assert first.device_model == "a model"
        assert first.smets_chts_version == "SMETS2 V5.1"
        assert first.device_firmware_version == "0100002A"
        assert first.device_firmware_version_status is CplStatus.ACTIVE
        assert first.cpl_status is CplStatus.ACTIVE
        assert first.date_commissioned == date(2027, 1, 15)
        assert first.import_mpxn == "1234567890123"
        assert first.device_gbcs_version == "4.1"


@pytest.mark.parametrize(("required", "answered"), [(False, [HUB, PPMID, PPMID_2]), (True, [HUB, PPMID])])
def test_read_inventory_of_the_hub_answers_all_its_known_devices(
    required: bool, answered: list[Eui64]
) -> None:
    with bench(InventorySettings(require_inventory=required)) as made:
        made.hub.log(PPMID, PPMID_2)
        made.inventory.put(IN_FULL)
        reported = made.inventory.report(HUB, made.products)
        assert [device.device_id for device in reported] == answered


def test_read_inventory_of_a_device_that_is_on_no_han_answers_it_alone() -> None:
    with bench() as made:
        made.hub.log(PPMID)
        made.inventory.put(record(PPMID_2, status=DeviceStatus.PENDING))
        (device,) = made.inventory.report(PPMID_2, made.products)
        assert (device.device_id, device.device_status) == (PPMID_2, DeviceStatus.PENDING)
        assert device.device_firmware_version_status is None


def test_read_inventory_by_mpxn_answers_the_devices_of_that_supply() -> None:
    with bench() as made:
        made.inventory.put(IN_FULL)
        (device,) = made.inventory.report(Mpxn("1234567890123"), made.products)
        assert device.device_id == PPMID


@pytest.mark.parametrize("criterion", [STRANGER, DCC, Mpxn("1"), Uprn(1)], ids=str)
def test_read_inventory_of_what_is_not_there_is_e19(criterion: Eui64 | Mpxn | Uprn) -> None:
    with bench() as made:
        made.inventory.put(IN_FULL)
        with pytest.raises(RequestRejectedError) as caught:
            made.inventory.report(criterion, made.products)
        assert caught.value.code == UNKNOWN_DEVICE == "E19"


def test_an_answer_ends_at_the_17_devices_of_the_schema() -> None:
    with bench() as made:
        made.hub.log(*(Eui64(b"ppmid%03d" % number) for number in range(40)))
        last = Eui64(b"ppmid039")
        reported = made.inventory.report(last, made.products)
        assert len(reported) == 17
        assert reported[0].device_id == last
