"""Which devices of a DeviceIDList get an image: every warning list, and what refuses the whole request."""

from __future__ import annotations

import time
from dataclasses import astuple, replace
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hanota.dcc.eligibility import Eligibility, eligible_devices
from hanota.dcc.errors import RequestRejectedError
from hanota.dcc.inventory import InventorySettings
from hanota.dcc.products_list import ProductsListSettings
from hanota.duis.inventory import CplStatus, DeviceStatus, DeviceType
from hanota.duis.request import RequestId, UpdateFirmware, UpdatePpmidFirmware
from hanota.duis.response import UpdateFirmwareWarning
from hanota.eui64 import Eui64
from hanota.hub.jobs import Job, JobKind, JobState
from hanota.hub.ports import DeviceType as LoggedType
from tests.inventory_support import (
    ALTERED_IMAGE,
    DCC,
    HCALCS,
    HCALCS_2,
    HCALCS_IMAGE,
    MANUFACTURER,
    NOW,
    OTHER_MANUFACTURER,
    PPMID,
    PPMID_2,
    PPMID_3,
    PPMID_4,
    PPMID_5,
    PPMID_6,
    PPMID_IMAGE,
    STRANGER,
    USER,
    VERSION,
    Bench,
    bench,
    entry,
    record,
)

if TYPE_CHECKING:
    from hanota.hub.hub import Hub
    from hanota.ota.image import OtaFile

REQUEST_ID = RequestId(USER, DCC, 7)


def looked_at(
    made: Bench, *devices: Eui64, file: OtaFile = PPMID_IMAGE, version: str = VERSION
) -> Eligibility:
    make = UpdateFirmware if file is HCALCS_IMAGE else UpdatePpmidFirmware
    return eligible_devices(
        make(REQUEST_ID, file.data, version, devices),
        file,
        inventory=made.inventory,
        products=made.products,
        hub=cast("Hub", made.hub),
    )


def refused(made: Bench, *devices: Eui64, file: OtaFile = PPMID_IMAGE, version: str = VERSION) -> str:
    with pytest.raises(RequestRejectedError) as caught:
        looked_at(made, *devices, file=file, version=version)
    assert str(caught.value)
    return str(caught.value.code)


def holding(made: Bench, device: Eui64, file: OtaFile, state: JobState, kind: JobKind) -> None:
    made.hub.jobs.open[device] = Job(
        1,
        str(REQUEST_ID),
        kind,
        device,
        bytes(32),
        file.firmware_version,
        file.manufacturer_image_hash,
        state,
        NOW,
        NOW,
    )


# -- devices -----------------------------------------------------------------------------------------------


def test_a_bench_without_lists_updates_what_its_hub_has() -> None:
    with bench() as made:
        made.hub.log(PPMID, PPMID_2)
        assert looked_at(made, PPMID_2, PPMID) == Eligibility((PPMID_2, PPMID), UpdateFirmwareWarning())


def test_a_device_that_is_named_twice_is_updated_once() -> None:
    with bench() as made:
        made.hub.log(PPMID)
        found = looked_at(made, PPMID, STRANGER, PPMID, STRANGER)
        assert found == Eligibility((PPMID,), UpdateFirmwareWarning(invalid=(STRANGER,)))


def test_unknown_devices_and_those_of_another_type_are_invalid() -> None:
    with bench() as made:
        made.hub.log(PPMID)
        made.hub.log(HCALCS, device_type=LoggedType.HCALCS)
        everybody = (STRANGER, HCALCS, PPMID)
        assert looked_at(made, *everybody).warning == UpdateFirmwareWarning(invalid=(STRANGER, HCALCS))
        found = looked_at(made, *everybody, file=HCALCS_IMAGE)
        assert found == Eligibility((HCALCS,), UpdateFirmwareWarning(invalid=(STRANGER, PPMID)))


def test_a_device_without_a_row_is_invalid_where_the_inventory_is_required() -> None:
    with bench(InventorySettings(require_inventory=True)) as made:
        made.hub.log(PPMID)
        assert looked_at(made, PPMID).warning == UpdateFirmwareWarning(invalid=(PPMID,))


@pytest.mark.parametrize("status", [each for each in DeviceStatus if each is not DeviceStatus.COMMISSIONED])
def test_only_commissioned_devices_are_updated(status: DeviceStatus) -> None:
    with bench() as made:
        made.hub.log(PPMID)
        made.inventory.put(record(PPMID, status=status))
        assert looked_at(made, PPMID) == Eligibility((), UpdateFirmwareWarning(not_commissioned=(PPMID,)))


def test_a_device_of_another_hub_is_not_commissioned_here() -> None:
    with bench() as made:
        made.inventory.put(record(PPMID))
        assert looked_at(made, PPMID).warning == UpdateFirmwareWarning(not_commissioned=(PPMID,))


def test_an_image_of_another_maker_or_hardware_is_not_applicable() -> None:
    with bench() as made:
        made.hub.log(PPMID, PPMID_2, PPMID_3, PPMID_4)
        made.inventory.put(record(PPMID, manufacturer_code=OTHER_MANUFACTURER))
        made.inventory.put(record(PPMID_2, hardware_version=1))
        made.inventory.put(record(PPMID_3, manufacturer_code=MANUFACTURER, hardware_version=2))
        found = looked_at(made, PPMID, PPMID_2, PPMID_3, PPMID_4)
        assert found == Eligibility(
            (PPMID_3, PPMID_4), UpdateFirmwareWarning(not_applicable_firmware=(PPMID, PPMID_2))
        )


def test_an_unlisted_image_is_not_applicable_where_its_type_has_a_list() -> None:
    with bench() as made:
        made.hub.log(PPMID)
        made.products.put(replace(entry(), firmware_version="00000001"))
        assert looked_at(made, PPMID).warning == UpdateFirmwareWarning(not_applicable_firmware=(PPMID,))


def test_the_list_of_one_type_does_not_restrict_another() -> None:
    with bench() as made:
        made.hub.log(PPMID)
        made.products.put(entry(HCALCS_IMAGE, DeviceType.HCALCS))
        assert looked_at(made, PPMID).eligible == (PPMID,)


def test_an_empty_list_lets_nothing_pass_where_it_is_required() -> None:
    with bench(products=ProductsListSettings(require_listed=True)) as made:
        made.hub.log(PPMID)
        assert looked_at(made, PPMID).warning == UpdateFirmwareWarning(not_applicable_firmware=(PPMID,))
        made.products.put(entry())
        assert looked_at(made, PPMID).eligible == (PPMID,)


@pytest.mark.parametrize("status", CplStatus)
def test_only_an_active_entry_lets_an_image_pass(status: CplStatus) -> None:
    with bench() as made:
        made.hub.log(PPMID)
        made.products.put(entry(status=status))
        assert bool(looked_at(made, PPMID).eligible) is (status is CplStatus.ACTIVE)


def test_an_image_listed_for_one_model_is_not_for_another() -> None:
    with bench() as made:
        made.hub.log(PPMID, PPMID_2)
        made.inventory.put(record(PPMID, model="one"))
        made.inventory.put(record(PPMID_2, model="two"))
        made.products.put(entry(model="one"))
        found = looked_at(made, PPMID, PPMID_2)
        assert found == Eligibility((PPMID,), UpdateFirmwareWarning(not_applicable_firmware=(PPMID_2,)))


@pytest.mark.parametrize(
    ("listed", "runs", "passes"),
    [
        (None, "4.2", True),
        ("4.1", None, True),
        ("4.1", "4.1", True),
        ("4.3", "4.1", True),
        ("4.3.0", "4.1", True),
        ("4.4", "4.1", False),
        ("4.10", None, False),
        ("4.0", "4.1", False),
    ],
)
def test_firmware_is_of_a_gbcs_version_from_the_devices_to_the_dccs(
    listed: str | None, runs: str | None, passes: bool
) -> None:
    with bench() as made:
        made.hub.log(PPMID)
        made.inventory.put(record(PPMID, gbcs_version=runs))
        made.products.put(entry(gbcs_version=listed))
        warning = UpdateFirmwareWarning(invalid_gbcs_version=() if passes else (PPMID,))
        assert looked_at(made, PPMID) == Eligibility((PPMID,) if passes else (), warning)


def test_an_hcalcs_that_holds_the_image_is_not_given_it_again() -> None:
    with bench() as made:
        made.hub.log(HCALCS, HCALCS_2, device_type=LoggedType.HCALCS)
        holding(made, HCALCS, HCALCS_IMAGE, JobState.HELD, JobKind.HCALCS)
        holding(made, HCALCS_2, HCALCS_IMAGE, JobState.TRANSFERRING, JobKind.HCALCS)
        found = looked_at(made, HCALCS, HCALCS_2, file=HCALCS_IMAGE)
        assert found == Eligibility((HCALCS_2,), UpdateFirmwareWarning(other_request_in_progress=(HCALCS,)))


def test_a_device_that_holds_another_image_or_activates_by_itself_is_given_this_one() -> None:
    with bench() as made:
        made.hub.log(HCALCS, device_type=LoggedType.HCALCS)
        made.hub.log(PPMID)
        holding(made, HCALCS, PPMID_IMAGE, JobState.HELD, JobKind.HCALCS)
        holding(made, PPMID, PPMID_IMAGE, JobState.ACTIVATING, JobKind.PPMID)
        assert looked_at(made, HCALCS, file=HCALCS_IMAGE).eligible == (HCALCS,)
        assert looked_at(made, PPMID).eligible == (PPMID,)


def test_every_device_is_on_the_first_list_that_applies() -> None:
    with bench() as made:
        made.hub.log(PPMID, PPMID_2, PPMID_3, PPMID_4, PPMID_5, PPMID_6)
        made.products.put(entry(gbcs_version="4.1"))
        made.inventory.put(record(PPMID_2, manufacturer_code=OTHER_MANUFACTURER, gbcs_version="4.2"))
        made.inventory.put(
            record(PPMID_3, status=DeviceStatus.SUSPENDED, manufacturer_code=OTHER_MANUFACTURER)
        )
        made.inventory.put(record(PPMID_4, gbcs_version="4.2"))
        made.inventory.put(record(PPMID_5, DeviceType.IHD, DeviceStatus.PENDING))
        found = looked_at(made, PPMID, PPMID_2, PPMID_3, PPMID_4, PPMID_5, PPMID_6)
        assert found == Eligibility(
            (PPMID, PPMID_6),
            UpdateFirmwareWarning(
                invalid=(PPMID_5,),
                not_commissioned=(PPMID_3,),
                not_applicable_firmware=(PPMID_2,),
                invalid_gbcs_version=(PPMID_4,),
            ),
        )


@settings(max_examples=50)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(DeviceType),
            st.sampled_from(DeviceStatus),
            st.sampled_from([None, MANUFACTURER, OTHER_MANUFACTURER]),
            st.sampled_from([None, 1, 2]),
            st.sampled_from([None, "4.0", "4.2"]),
        ),
        max_size=8,
    ),
    st.sampled_from([None, "4.1"]),
    st.data(),
)
def test_every_named_device_is_eligible_or_on_one_list(
    devices: list[tuple[DeviceType, DeviceStatus, int | None, int | None, str | None]],
    listed: str | None,
    data: st.DataObject,
) -> None:
    with bench() as made:
        made.products.put(entry(gbcs_version=listed))
        for number, (device_type, status, maker, hardware, gbcs) in enumerate(devices):
            known = record(
                Eui64(b"device-%d" % number),
                device_type,
                status,
                manufacturer_code=maker,
                hardware_version=hardware,
                gbcs_version=gbcs,
            )
            made.inventory.put(known)
            made.hub.log(known.eui64)
        named = data.draw(st.lists(st.sampled_from([Eui64(b"device-%d" % number) for number in range(9)])))
        found = looked_at(made, *named)
        warning = [device for devices in astuple(found.warning) for device in devices]
        assert sorted([*found.eligible, *warning]) == sorted(set(named))
        for devices_ in (found.eligible, *astuple(found.warning)):
            assert list(devices_) == sorted(devices_, key=named.index)
        for device in found.eligible:
            known = made.rows.inventory_device(device) or record(STRANGER)
            assert (known.device_type, known.status) == (DeviceType.PPMID, DeviceStatus.COMMISSIONED)


def test_the_longest_list_of_the_schema_is_looked_at_in_a_moment() -> None:
    with bench() as made:
        made.hub.log(PPMID)
        made.products.configure(entry(model=f"{number}") for number in range(1000))
        strangers = [Eui64(number.to_bytes(8, "big")) for number in range(50_000)]
        began = time.process_time()
        found = looked_at(made, *strangers, PPMID)
        assert time.process_time() - began < 1
        assert found.eligible == (PPMID,)
        assert len(found.warning.invalid) == 50_000


# -- the whole request -------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [VERSION, VERSION.lower(), "00000000"])
def test_a_firmware_version_is_the_ota_headers_or_unsaid(version: str) -> None:
    with bench() as made:
        made.hub.log(PPMID)
        assert looked_at(made, PPMID, version=version).eligible == (PPMID,)


@pytest.mark.parametrize("version", ["0100002B", "1", "2A000001", "v1.2"])
def test_an_image_of_another_version_than_the_request_says_is_refused(version: str) -> None:
    with bench() as made:
        made.hub.log(PPMID)
        made.hub.log(HCALCS, device_type=LoggedType.HCALCS)
        assert refused(made, PPMID, version=version) == "E110405"
        assert refused(made, HCALCS, file=HCALCS_IMAGE, version=version) == "E110105"


def test_an_image_with_another_hash_than_its_version_is_listed_with_is_refused() -> None:
    with bench() as made:
        made.hub.log(PPMID)
        made.products.put(entry(ALTERED_IMAGE))
        assert refused(made, STRANGER, PPMID) == "E110402"
        made.products.withdraw(ALTERED_IMAGE.manufacturer_image_hash)
        assert looked_at(made, PPMID).warning == UpdateFirmwareWarning(not_applicable_firmware=(PPMID,))


def test_an_hcalcs_image_with_another_hash_has_the_code_of_11_1() -> None:
    with bench() as made:
        made.hub.log(HCALCS, device_type=LoggedType.HCALCS)
        made.products.put(replace(entry(HCALCS_IMAGE, DeviceType.HCALCS), manufacturer_image_hash=bytes(32)))
        assert refused(made, HCALCS, file=HCALCS_IMAGE) == "E110102"


def test_the_version_of_another_model_or_maker_is_no_contradiction() -> None:
    with bench() as made:
        made.hub.log(PPMID)
        made.inventory.put(record(PPMID, model="one"))
        made.products.put(entry(ALTERED_IMAGE, model="two"))
        made.products.put(entry(ALTERED_IMAGE, manufacturer_code=OTHER_MANUFACTURER))
        assert looked_at(made, PPMID).warning == UpdateFirmwareWarning(not_applicable_firmware=(PPMID,))


def test_a_version_listed_with_two_hashes_for_two_models_is_good_for_either() -> None:
    with bench() as made:
        made.hub.log(PPMID)
        made.products.put(entry(ALTERED_IMAGE, model="two"))
        made.products.put(entry(model="one"))
        assert looked_at(made, PPMID).eligible == (PPMID,)
