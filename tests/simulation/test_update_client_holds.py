"""Downloads held on their last block, and devices held for CS06, with every client there is."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from hanota.emulator.devices.client_shapes import CLIENTS
from hanota.emulator.loop import run_virtual
from hanota.gbcs.reference_test_data import HCALCS, PPMID
from hanota.hub.events import EventKind
from hanota.hub.jobs import JobKind, JobOptions
from hanota.ota.commands import (
    NEVER,
    UpgradeEndRequest,
    UpgradeEndResponse,
)
from tests.radio_dongles import FAMILIES
from tests.simulation.client_shape_support import (
    DAY,
    HCALCS_WAY,
    HOUR,
    PPMID_WAY,
    bench_of,
    said,
    told,
    with_client,
)
from tests.simulation.update_support import (
    NEW,
    OLD,
    more,
    update_bench,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from hanota.eui64 import Eui64
    from tests.radio_dongles import Dongle
    from tests.simulation.update_support import UpdateBench


@asynccontextmanager
async def held_last_blocks(dongle: Dongle) -> AsyncIterator[tuple[UpdateBench, list[Eui64]]]:
    """A PPMID of each client, all with their last block held until somebody approves."""
    devices = more(PPMID, len(CLIENTS))
    async with update_bench(dongle, ppmids=len(devices), hcalcses=0) as b:
        for device, client in zip(devices, CLIENTS.values(), strict=True):
            b.device(device).act_as(with_client(client))
        image = b.files[JobKind.PPMID].data
        options = JobOptions(needs_approval=True)
        b.assembly.hub.distribute("held", JobKind.PPMID, image, devices, options)
        await b.until(lambda: len(b.seen(EventKind.TRANSFER_HELD)) == len(devices))
        yield b, devices


@pytest.mark.parametrize("dongle", FAMILIES, ids=str)
def test_jobs_that_wait_for_approval_hold_the_last_block_for_two_days_and_then_end(dongle: Dongle) -> None:
    async def main() -> None:
        async with held_last_blocks(dongle) as (b, devices):
            known = len(b.events)
            await asyncio.sleep(2 * DAY)
            assert len(b.events) - known < 100, "a hold costs the journal nothing"
            for device in devices:
                assert b.states(device) == PPMID_WAY[:4]
                assert b.device(device).firmware_version == OLD
                assert not b.transfer_alerts(device)
                b.assembly.hub.approve(device)
            approved = b.system_clock.now()
            for device in devices:
                await b.until_state(device, "activated")
                assert b.seen(EventKind.UPGRADE_END, device)[0].at - approved < 300
                assert b.image_of(device) == b.files[JobKind.PPMID].data
                assert b.transfer_alerts(device) == [("8F8A", "success")]
                assert b.states(device) == PPMID_WAY
            assert not b.seen(EventKind.TRANSFER_STALLED)
            assert not b.seen(EventKind.OTA_REFUSED)
            assert b.scenario.refused == 0

    run_virtual(main())


@pytest.mark.parametrize("dongle", FAMILIES, ids=str)
def test_jobs_that_wait_for_approval_can_be_cancelled_hours_later(dongle: Dongle) -> None:
    async def main() -> None:
        async with held_last_blocks(dongle) as (b, devices):
            await asyncio.sleep(12 * HOUR)
            for device in devices:
                b.assembly.hub.cancel(device, "not approved")
            await b.until(lambda: len(b.seen(EventKind.TRANSFER_ABORTED)) == len(devices))
            await asyncio.sleep(HOUR)
            for device in devices:
                assert b.state(device) == "cancelled"
                assert b.device(device).firmware_version == OLD
                assert b.transfer_alerts(device) == [("8F89", "image_discarded")]
                b.update(JobKind.PPMID, devices=[device])
                await b.until_state(device, "activated")

    run_virtual(main())


@pytest.mark.parametrize("dongle", FAMILIES, ids=str)
def test_a_device_that_asks_every_hour_is_held_for_cs06_for_110_hours(dongle: Dongle) -> None:
    async def main() -> None:
        async with bench_of(dongle, "silicon-labs", ppmids=0) as b:
            await b.held()
            await asyncio.sleep(60)  # the first answer has arrived
            frames = b.overhear()
            await asyncio.sleep(110 * HOUR)
            asked = [command for _, command in said(frames, b.hcalcs)]
            answers = [
                command for _, command in told(frames, b.hcalcs) if isinstance(command, UpgradeEndResponse)
            ]
            assert [type(command) for command in asked] == [UpgradeEndRequest] * 110
            assert len(answers) == 110
            assert {answer.upgrade_time for answer in answers} == {NEVER}
            assert b.states(HCALCS) == HCALCS_WAY[:6]
            assert b.hcalcs.firmware_version == OLD
            assert b.transfer_alerts(HCALCS) == [("8F8A", "success")], "it belongs to the first time alone"
            await b.activate(HCALCS)
            assert b.states(HCALCS) == HCALCS_WAY
            assert b.hcalcs.firmware_version == NEW
            assert b.scenario.refused == 0

    run_virtual(main())


@pytest.mark.parametrize("dongle", FAMILIES, ids=str)
def test_an_hcalcs_whose_client_would_activate_itself_still_waits_for_cs06(dongle: Dongle) -> None:
    """Two hours of 0xFFFFFFFF are enough for the Telink client; the application obeys its supplier."""

    async def main() -> None:
        async with bench_of(dongle, "telink", ppmids=0) as b:
            await b.held()
            await asyncio.sleep(3 * HOUR)
            assert b.hcalcs.firmware_version == OLD
            assert b.state(HCALCS) == "held"
            await b.activate(HCALCS)
            assert b.states(HCALCS) == HCALCS_WAY
            assert b.hcalcs.firmware_version == NEW

    run_virtual(main())
