"""The Central Products List of the bench: entries, which devices they are about, and what withdraws them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from hanota.dcc.product_entry import ProductEntry
from hanota.dcc.products_list import ProductsListSettings
from hanota.duis.inventory import CplStatus, DeviceType
from hanota.errors import ConfigError, LocalProtocolError
from hanota.hub.events import EventKind
from tests.inventory_support import (
    ALTERED_IMAGE,
    HCALCS,
    HCALCS_IMAGE,
    MANUFACTURER,
    OTHER_MANUFACTURER,
    PPMID,
    PPMID_IMAGE,
    VERSION,
    bench,
    entry,
    header,
    record,
)

if TYPE_CHECKING:
    from pathlib import Path

HASH = PPMID_IMAGE.manufacturer_image_hash
IN_FULL = ProductEntry(
    HASH, DeviceType.PPMID, VERSION, MANUFACTURER, 0x0084, "a model", 2, 5, "4.1", CplStatus.ACTIVE
)


def test_every_field_of_an_entry_is_there_after_a_restart(tmp_path: Path) -> None:
    others = [entry(HCALCS_IMAGE, DeviceType.HCALCS), replace(IN_FULL, model="another")]
    with bench(path=tmp_path / "hub.db") as made:
        made.products.configure([IN_FULL, *others])
    with bench(path=tmp_path / "hub.db") as made:
        assert set(made.products.entries()) == {IN_FULL, *others}


def test_an_entry_is_told_once() -> None:
    with bench() as made:
        made.products.put(IN_FULL)
        made.products.configure([IN_FULL])
        (listed,) = made.of(EventKind.PRODUCT_LISTED)
        assert listed.detail["manufacturer_image_hash"] == HASH.hex()
        assert listed.detail["firmware_version"] == VERSION


def test_a_version_that_is_active_cannot_have_another_hash() -> None:
    with bench() as made:
        made.products.put(IN_FULL)
        other = replace(IN_FULL, manufacturer_image_hash=ALTERED_IMAGE.manufacturer_image_hash)
        with pytest.raises(LocalProtocolError, match="cannot have another") as caught:
            made.products.put(other)
        assert "withdraw" in str(caught.value.hint)
        made.products.withdraw(HASH)
        made.products.put(other)
        assert list(made.products.entries()) == [other]


def test_an_image_is_withdrawn_for_all_its_models() -> None:
    with bench() as made:
        models = [replace(IN_FULL, model=name) for name in ("one", "two")]
        made.products.configure([*models, entry(HCALCS_IMAGE, DeviceType.HCALCS)])
        withdrawn = made.products.withdraw(HASH, CplStatus.CANCELLED)
        assert {each.model for each in withdrawn} == {"one", "two"}
        assert {each.status for each in made.products.find(HASH)} == {CplStatus.CANCELLED}
        assert len(made.of(EventKind.PRODUCT_WITHDRAWN)) == 2
        with pytest.raises(LocalProtocolError, match="no Active entry"):
            made.products.withdraw(HASH)


def test_the_settings_change_an_entry_and_bring_no_withdrawn_image_back() -> None:
    rebuilt = replace(IN_FULL, manufacturer_image_hash=ALTERED_IMAGE.manufacturer_image_hash)
    with bench() as made:
        made.products.configure([IN_FULL])
        made.products.withdraw(HASH)
        made.products.configure([replace(IN_FULL, gbcs_version="4.2")])
        assert list(made.products.entries()) == [
            replace(IN_FULL, gbcs_version="4.2", status=CplStatus.WITHDRAWN)
        ]
        made.products.configure([rebuilt])
        assert list(made.products.entries()) == [rebuilt]
        made.products.configure([IN_FULL])
        assert list(made.products.entries()) == [IN_FULL]
        made.products.configure([replace(IN_FULL, status=CplStatus.EXPIRED)])
        assert [entry.status for entry in made.products.entries()] == [CplStatus.EXPIRED]


def test_no_more_entries_than_set_are_taken() -> None:
    with bench(products=ProductsListSettings(entries=1)) as made:
        made.products.put(IN_FULL)
        made.products.put(replace(IN_FULL, status=CplStatus.EXPIRED))
        with pytest.raises(LocalProtocolError, match="no room"):
            made.products.put(replace(IN_FULL, model="another"))


@pytest.mark.parametrize(
    "fields",
    [
        {"manufacturer_image_hash": bytes(31)},
        {"firmware_version": "1.2"},
        {"manufacturer_code": 65536},
        {"image_type": -1},
        {"minimum_hardware_version": 65536},
        {"maximum_hardware_version": -1},
        {"model": "m" * 31},
        {"gbcs_version": "4.x"},
    ],
    ids=str,
)
def test_an_entry_that_cannot_be_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        replace(IN_FULL, **fields)  # type: ignore[arg-type]  # one of each kind of field


@pytest.mark.parametrize(
    ("device", "covered"),
    [
        (record(PPMID), True),  # of unknown model: nothing excludes it
        (record(PPMID, manufacturer_code=MANUFACTURER, model="a model", hardware_version=2), True),
        (record(PPMID, hardware_version=5), True),
        (record(PPMID, hardware_version=1), False),
        (record(PPMID, hardware_version=6), False),
        (record(PPMID, manufacturer_code=OTHER_MANUFACTURER), False),
        (record(PPMID, model="another"), False),
        (record(HCALCS, DeviceType.HCALCS), False),
    ],
)
def test_an_entry_covers_the_devices_it_names(device: object, covered: bool) -> None:
    assert IN_FULL.covers(device) is covered  # type: ignore[arg-type]


def test_an_entry_without_bounds_covers_every_hardware() -> None:
    unbounded = replace(IN_FULL, minimum_hardware_version=None, maximum_hardware_version=None)
    assert unbounded.covers(record(PPMID, hardware_version=0xFFFF))
    assert replace(IN_FULL, minimum_hardware_version=None).covers(record(PPMID, hardware_version=0))


def test_an_entry_fits_images_of_its_maker_type_and_version() -> None:
    assert IN_FULL.fits(header())
    assert not IN_FULL.fits(header(version=0x0100_002B))
    assert not IN_FULL.fits(header(image_type=0x000D))
    assert not IN_FULL.fits(replace(header(), manufacturer_code=OTHER_MANUFACTURER))
    assert replace(IN_FULL, manufacturer_code=None, image_type=None).fits(
        replace(header(image_type=7), manufacturer_code=OTHER_MANUFACTURER)
    )


@pytest.mark.parametrize(
    ("statuses", "said"),
    [
        ([], None),
        ([CplStatus.WITHDRAWN], CplStatus.WITHDRAWN),
        ([CplStatus.EXPIRED, CplStatus.ACTIVE], CplStatus.ACTIVE),
    ],
)
def test_what_a_device_runs_has_the_status_of_its_entry(
    statuses: list[CplStatus], said: CplStatus | None
) -> None:
    with bench() as made:
        made.products.configure(
            replace(IN_FULL, model=f"{number}", status=status) for number, status in enumerate(statuses)
        )
        assert made.products.status_of(record(PPMID, firmware_version=VERSION)) is said
        assert made.products.status_of(record(PPMID, firmware_version="00000001")) is None
        assert made.products.status_of(record(PPMID)) is None
