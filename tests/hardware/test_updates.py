"""Updates as SECMP0007 has them: a PPMID by 11.4, an HCALCS by 11.1 and 11.3, and what disturbs them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from hanota.hub.events import EventKind
from hanota.hub.jobs import JobState

if TYPE_CHECKING:
    from hanota.conformance.rig import Rig, RigDevice
    from hanota.ota.image import OtaFile
    from hanota.testing.device_power import DevicePower
    from hanota.testing.images import DeviceImages

PATIENCE = 1800
"""Seconds for what a device does by itself: a display that sleeps polls every few minutes."""


async def until(rig: Rig, device: RigDevice, *states: JobState) -> None:
    def is_reached() -> bool:
        job = rig.job(device)
        assert job is not None
        assert job.state in states or not job.state.is_end, f"the job ended {job.state}: {job.reason}"
        return job.state in states

    await rig.until(is_reached, PATIENCE)


async def assert_runs(rig: Rig, device: RigDevice, image: OtaFile) -> None:
    assert (await rig.read_version(device)).hex() == image.firmware_version.hex()


async def test_a_ppmid_gets_an_image_and_starts_it(rig: Rig, ppmid: RigDevice, images: DeviceImages) -> None:
    image = await images.newer(ppmid)
    rig.update(ppmid, image.data)
    await until(rig, ppmid, JobState.ACTIVATED)
    await assert_runs(rig, ppmid, image)


async def test_an_hcalcs_holds_its_image_until_the_supplier_activates_it(
    rig: Rig, hcalcs: RigDevice, images: DeviceImages
) -> None:
    before = await rig.read_version(hcalcs)
    image = await images.newer(hcalcs)
    rig.update(hcalcs, image.data)
    await until(rig, hcalcs, JobState.HELD)
    assert await rig.read_version(hcalcs) == before
    await rig.activate(hcalcs, image.manufacturer_image_hash)
    await until(rig, hcalcs, JobState.ACTIVATED)
    await assert_runs(rig, hcalcs, image)


async def test_a_power_cut_in_mid_download_costs_nothing_but_time(
    rig: Rig, ppmid: RigDevice, power: DevicePower, images: DeviceImages
) -> None:
    image = await images.newer(ppmid)
    rig.update(ppmid, image.data)
    octets = await power.cut_at(50, patience=PATIENCE)
    assert octets < len(image.data)
    await until(rig, ppmid, JobState.ACTIVATED)
    await assert_runs(rig, ppmid, image)


async def test_a_hub_that_restarts_in_mid_download_goes_on_with_it(
    rig: Rig, hcalcs: RigDevice, power: DevicePower, images: DeviceImages
) -> None:
    image = await images.newer(hcalcs)
    rig.update(hcalcs, image.data)
    await power.reached(30, patience=PATIENCE)
    await rig.restart_hub(pause=2)
    await until(rig, hcalcs, JobState.HELD)
    await rig.activate(hcalcs, image.manufacturer_image_hash)
    await until(rig, hcalcs, JobState.ACTIVATED)
    await assert_runs(rig, hcalcs, image)


@pytest.mark.emulated
async def test_a_dongle_unplugged_in_mid_download_goes_on_with_it(
    rig: Rig, ppmid: RigDevice, power: DevicePower, images: DeviceImages
) -> None:
    assert rig.dongle is not None
    image = await images.newer(ppmid)
    rig.update(ppmid, image.data)
    await power.reached(40, patience=PATIENCE)
    rig.dongle.line.unplug()
    await asyncio.sleep(20)
    rig.dongle.line.plug()
    await until(rig, ppmid, JobState.ACTIVATED)
    await assert_runs(rig, ppmid, image)


async def test_an_update_that_is_cancelled_leaves_the_device_as_it_was(
    rig: Rig, hcalcs: RigDevice, power: DevicePower, images: DeviceImages
) -> None:
    before = await rig.read_version(hcalcs)
    image = await images.newer(hcalcs, size=20_000)
    rig.update(hcalcs, image.data)
    await power.reached(10, patience=PATIENCE)
    rig.hub.cancel(hcalcs.eui64, "the test wants it")
    await rig.until(lambda: rig.seen(EventKind.TRANSFER_ABORTED, hcalcs), PATIENCE)
    assert await rig.read_version(hcalcs) == before
