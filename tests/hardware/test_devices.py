"""Devices on the HAN: they join, tell their version, and come back after a power cut."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from hanota.bench.errors import ConsoleTimeoutError

if TYPE_CHECKING:
    from hanota.bench.console import Console
    from hanota.conformance.rig import Rig, RigDevice
    from hanota.testing.device_power import DevicePower
    from hanota.testing.images import DeviceImages

SILENCE = 10
"""Seconds in which any device that has power answers."""
PATIENCE = 1800
"""Seconds for what a device does by itself: a display that sleeps polls every few minutes."""


async def test_a_ppmid_joins_with_its_install_code(rig: Rig, ppmid: RigDevice) -> None:
    assert rig.hub.is_ready(ppmid.eui64)
    assert ppmid.eui64 in {entry.device for entry in rig.hub.device_log}


async def test_an_hcalcs_joins_with_its_install_code(rig: Rig, hcalcs: RigDevice) -> None:
    assert rig.hub.is_ready(hcalcs.eui64)
    assert hcalcs.eui64 in {entry.device for entry in rig.hub.device_log}


async def test_a_ppmid_tells_its_version_under_its_own_key(rig: Rig, ppmid: RigDevice) -> None:
    assert len(await rig.read_version(ppmid)) == 4


async def test_an_hcalcs_tells_its_version_under_its_own_key(rig: Rig, hcalcs: RigDevice) -> None:
    assert len(await rig.read_version(hcalcs)) == 4


async def test_a_device_without_power_is_silent_and_comes_back_with_it(
    rig: Rig, ppmid: RigDevice, power: DevicePower
) -> None:
    version = await rig.read_version(ppmid)
    await power.off()
    try:
        answer = asyncio.ensure_future(rig.read_version(ppmid))
        done, _ = await asyncio.wait([answer], timeout=SILENCE)
        assert not done
    finally:
        await power.on()
    assert await answer == version


async def test_a_device_says_on_its_console_what_it_does_about_an_update(
    rig: Rig, ppmid: RigDevice, console: Console, images: DeviceImages
) -> None:
    with suppress(ConsoleTimeoutError):
        while True:
            await console.expect(r".+", 1)  # what it said before
    rig.update(ppmid, (await images.newer(ppmid)).data)
    await console.expect(r".*\S.*", PATIENCE)
    await rig.until(lambda: (job := rig.job(ppmid)) is not None and job.state.is_end, PATIENCE)
