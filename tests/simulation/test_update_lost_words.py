"""What a device said and nobody heard: the hub asks, and the update ends well all the same."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from hanota.dcc.errors import RequestRejectedError
from hanota.emulator.air import BROADCAST_RX_ON_WHEN_IDLE
from hanota.emulator.loop import run_virtual
from hanota.gbcs.reference_test_data import HCALCS, PPMID
from hanota.hub.jobs import JobKind
from hanota.ota.client_events import DownloadFailed
from hanota.ota.commands import CommandId
from hanota.zcl import ClusterId
from tests.radio_dongles import FAMILIES
from tests.simulation.update_support import NEW, UpdateBench, update_bench

if TYPE_CHECKING:
    from hanota.emulator.air import ApsFrame
    from tests.radio_dongles import Dongle

pytestmark = pytest.mark.parametrize("dongle", FAMILIES, ids=str)


async def activated_and_rebooting(b: UpdateBench) -> None:
    """The HCALCS holds the image, has taken CS06, and is off the HAN to start the new firmware."""
    await b.held()
    _response = b.activate(HCALCS)
    async with asyncio.timeout(60):
        while b.hcalcs.joined:  # noqa: ASYNC110  # it tells of no such moment
            await asyncio.sleep(0.01)


def test_a_lost_device_annce_after_the_reboot_does_not_lose_cs09(dongle: Dongle) -> None:
    async def main() -> None:
        async with update_bench(dongle) as b:
            b.bench.air.intercept = lambda frame: (
                [] if frame.destination == BROADCAST_RX_ON_WHEN_IDLE else [frame]
            )
            b.update(JobKind.PPMID)
            await asyncio.sleep(600)
            assert b.state(PPMID) == "activated"

    run_virtual(main())


def test_a_lost_device_annce_after_the_reboot_does_not_lose_the_response_to_cs06(dongle: Dongle) -> None:
    async def main() -> None:
        async with update_bench(dongle) as b:
            await b.held()
            b.bench.air.intercept = lambda frame: (
                [] if frame.destination == BROADCAST_RX_ON_WHEN_IDLE else [frame]
            )
            await b.activate(HCALCS)
            assert b.state(HCALCS) == "activated"

    run_virtual(main())


def test_an_11_1_sent_again_for_an_image_that_is_held_is_refused_and_the_image_stays_held(
    dongle: Dongle,
) -> None:
    async def main() -> None:
        async with update_bench(dongle) as b:
            await b.held()
            with pytest.raises(RequestRejectedError, match="held already"):
                b.update(JobKind.HCALCS)
            assert b.state(HCALCS) == "held"
            await b.activate(HCALCS)
            assert b.state(HCALCS) == "activated"

    run_virtual(main())


def test_a_hub_started_again_between_cs06_and_its_response_learns_that_the_device_runs_it(
    dongle: Dongle,
) -> None:
    async def main() -> None:
        async with update_bench(dongle) as b:
            await activated_and_rebooting(b)
            await b.restart_hub()
            await asyncio.sleep(1000)
            assert b.hcalcs.firmware_version == NEW
            await b.scenario.outcome(b.planned(HCALCS))  # reads the version by CS08
            assert b.state(HCALCS) == "activated"

    run_virtual(main())


def test_cs06_sent_again_after_its_response_was_lost_finds_the_device_activated(dongle: Dongle) -> None:
    async def main() -> None:
        async with update_bench(dongle) as b:
            await activated_and_rebooting(b)
            await b.restart_hub()
            await asyncio.sleep(1000)
            await b.activate(HCALCS)
            assert b.state(HCALCS) == "activated"

    run_virtual(main())


def test_a_ppmid_that_gave_up_asking_when_to_activate_is_told_unasked(dongle: Dongle) -> None:
    """As where the hub was off, or the air was: its image is kept, and it would wait for ever."""

    def without_upgrade_end_response(frame: ApsFrame) -> list[ApsFrame]:
        command = frame.payload[2] if frame.cluster == ClusterId.OTA_UPGRADE else None
        return [] if command == CommandId.UPGRADE_END_RESPONSE else [frame]

    async def main() -> None:
        async with update_bench(dongle, size=2_000) as b:
            b.bench.air.intercept = without_upgrade_end_response
            b.update(JobKind.PPMID)
            await b.until(lambda: any(isinstance(event, DownloadFailed) for event in b.ppmid.log))
            assert b.state(PPMID) == "activating"
            b.bench.air.intercept = None
            await b.until_state(PPMID, "activated")
            assert b.ppmid.firmware_version == NEW

    run_virtual(main())
