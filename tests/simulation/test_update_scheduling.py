"""Many devices and an operator: fairness, quiet hours, pause, cancel, approval, upgrade-at, retries."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, cast

import pytest

from hanota.emulator.ezsp.configuration import CONFIGURATION, ConfigId, ConfigItem
from hanota.emulator.loop import run_virtual
from hanota.emulator.znp.nvram import NvTable
from hanota.emulator.znp.personality import Z_STACK_3_30, TableLayout
from hanota.gbcs.reference_test_data import HCALCS, PPMID
from hanota.hub.events import EventKind
from hanota.hub.hub import HubSettings
from hanota.hub.jobs import JobKind, JobOptions
from hanota.hub.retries import RetrySettings
from hanota.hub.scheduler import QuietHours, SchedulerSettings
from hanota.ota.build import build_ppmid_image
from hanota.ota.client_events import Activate, DownloadFailed
from hanota.ota.settings import OtaServerSettings
from hanota.timestamps import utc
from hanota.zcl import Status
from tests.radio_dongles import FAMILIES
from tests.simulation.update_support import EPOCH, update_bench

if TYPE_CHECKING:
    from hanota.hub.events import Event
    from tests.radio_dongles import Dongle
    from tests.simulation.update_support import UpdateBench

SIZE = 10_000
"""Octets of a Manufacturer Image: 6 s on the modelled radio, long enough to be cut in the middle."""
DAY = 24 * 3600.0

pytestmark = pytest.mark.parametrize("dongle", FAMILIES, ids=str)


def distribute(b: UpdateBench, options: JobOptions) -> None:
    """Begin to update the PPMID with options, which no Service Request has."""
    b.assembly.hub.distribute("of the bench", JobKind.PPMID, b.files[JobKind.PPMID].data, [PPMID], options)


def ended(b: UpdateBench) -> list[Event]:
    """The downloads that devices ended well."""
    return b.seen(EventKind.UPGRADE_END, status="SUCCESS")


def octet(b: UpdateBench) -> int:
    return b.ppmid.client.file_offset


async def settled(b: UpdateBench) -> int:
    """Return where the PPMID's download stands once what was under way has arrived."""
    await asyncio.sleep(1)
    return octet(b)


@pytest.fixture
def many_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dongles built with room for the keys of more devices than the usual 8 to 12."""
    monkeypatch.setitem(CONFIGURATION, ConfigId.KEY_TABLE_SIZE, ConfigItem(16))
    for table in (NvTable.TCLK_IC_TABLE, NvTable.APS_KEY_DATA_TABLE):
        tables = cast("dict[NvTable, TableLayout]", Z_STACK_3_30.tables)
        monkeypatch.setitem(tables, table, replace(tables[table], rows=16))


@pytest.mark.usefixtures("many_keys")
def test_sixteen_devices_at_once_end_within_a_tenth_of_each_other(dongle: Dongle) -> None:
    async def main() -> None:
        async with update_bench(dongle, ppmids=8, hcalcses=8, size=SIZE) as b:
            begun = b.system_clock.now()
            b.update(JobKind.PPMID)
            b.update(JobKind.HCALCS)
            await b.until(lambda: len(ended(b)) == 16)
            times = [event.at - begun for event in ended(b)]
            assert min(times) >= 0.9 * max(times)
            assert len({event.device for event in ended(b)}) == 16

    run_virtual(main())


def test_no_block_is_served_in_quiet_hours_and_the_download_goes_on_by_itself(dongle: Dongle) -> None:
    async def main() -> None:
        now = utc(EPOCH)
        quiet = QuietHours((now + timedelta(minutes=10)).time(), (now + timedelta(minutes=70)).time())
        settings = HubSettings(scheduler=SchedulerSettings(quiet_hours=(quiet,)))
        async with update_bench(dongle, size=100_000, settings=settings) as b:
            await asyncio.sleep(EPOCH + 580 - b.system_clock.now())
            b.update(JobKind.PPMID)
            await asyncio.sleep(25)
            before = octet(b)
            assert before > 0
            await asyncio.sleep(EPOCH + 4190 - b.system_clock.now())
            assert octet(b) == before
            (told,) = b.seen(EventKind.TRANSFER_DELAYED, PPMID)
            assert told.detail["reason"] == "quiet hours"
            assert not b.seen(EventKind.TRANSFER_STALLED)
            await asyncio.sleep(30)
            assert octet(b) > before
            await b.until_state(PPMID, "activated")

    run_virtual(main())


def test_a_paused_job_waits_even_over_a_restart_and_goes_on_where_it_was(dongle: Dongle) -> None:
    async def main() -> None:
        async with update_bench(dongle, size=SIZE) as b:
            b.update(JobKind.PPMID)
            await b.until_octet(PPMID, SIZE // 2)
            b.assembly.hub.pause(reason="the bench is needed")
            before = await settled(b)
            await asyncio.sleep(3600)
            await b.restart_hub()
            await asyncio.sleep(3600)
            assert octet(b) == before
            assert b.state(PPMID) == "transferring"
            b.assembly.hub.go_on([PPMID])
            await b.until_state(PPMID, "activated", 600)
            assert b.image_of(PPMID) == b.files[JobKind.PPMID].data
            assert len(b.seen(EventKind.JOB_PAUSED)) == len(b.seen(EventKind.JOB_RESUMED)) == 1

    run_virtual(main())


@pytest.mark.parametrize("restart", [False, True], ids=["same hub", "restarted hub"])
def test_a_download_cancelled_in_flight_is_aborted_and_the_device_confirms_it(
    dongle: Dongle, restart: bool
) -> None:
    async def main() -> None:
        async with update_bench(dongle, size=SIZE) as b:
            b.update(JobKind.PPMID)
            await b.until_octet(PPMID, SIZE // 2)
            b.assembly.hub.cancel(PPMID, "the operator")
            if restart:
                await b.restart_hub()
            await b.until(lambda: b.seen(EventKind.TRANSFER_ABORTED, PPMID), 60)
            await asyncio.sleep(60)
            (confirmed,) = b.seen(EventKind.TRANSFER_ABORTED, PPMID)
            (cancelled,) = b.seen(EventKind.JOB_STATE, PPMID, state="cancelled")
            assert confirmed.job == cancelled.job
            assert [event for event in b.ppmid.log if isinstance(event, DownloadFailed)]
            assert b.transfer_alerts(PPMID) == [("8F89", "image_discarded")]
            await b.still_serves(PPMID)

    run_virtual(main())


@pytest.mark.parametrize("restart", [False, True], ids=["", "hub restarted"])
def test_an_image_rebuilt_with_the_same_version_is_downloaded_from_its_start(
    dongle: Dongle, restart: bool
) -> None:
    async def main() -> None:
        async with update_bench(dongle, size=SIZE) as b:
            first = b.files[JobKind.PPMID]
            rebuilt = build_ppmid_image(first.header, bytes(SIZE))
            b.update(JobKind.PPMID)
            await b.until_octet(PPMID, SIZE // 2)
            b.update(JobKind.PPMID, image=rebuilt.data)
            if restart:
                await b.restart_hub()
            await b.until_state(PPMID, "activated", 3600)
            assert b.image_of(PPMID) == rebuilt.data
            assert len(ended(b)) == 1
            assert not b.seen(EventKind.JOB_STATE, PPMID, state="invalid_image")

    run_virtual(main())


def test_a_job_waits_for_approval_over_a_restart_and_activates_after_it(dongle: Dongle) -> None:
    async def main() -> None:
        async with update_bench(dongle, size=SIZE) as b:
            distribute(b, JobOptions(needs_approval=True))
            await b.until(lambda: b.seen(EventKind.TRANSFER_HELD, PPMID))
            await asyncio.sleep(2 * DAY)
            await b.restart_hub()
            await asyncio.sleep(DAY)
            assert b.state(PPMID) == "transferring"
            assert not [event for event in b.ppmid.log if isinstance(event, Activate)]
            b.assembly.hub.approve(PPMID)
            await b.restart_hub()
            await b.until_state(PPMID, "activated", 600)
            assert b.image_of(PPMID) == b.files[JobKind.PPMID].data

    run_virtual(main())


def test_the_hub_reads_what_a_held_device_says_of_itself_and_how_it_is_heard(dongle: Dongle) -> None:
    async def main() -> None:
        async with update_bench(dongle, size=SIZE) as b:
            distribute(b, JobOptions(needs_approval=True))
            await b.until(lambda: b.seen(EventKind.TRANSFER_HELD, PPMID))
            (progress,) = b.assembly.hub.progress()
            assert 99 < progress.percentage < 100
            assert progress.signal.lqi is not None
            b.assembly.hub.read_client_attributes(PPMID)
            await b.until(lambda: b.seen(EventKind.CLIENT_ATTRIBUTES, PPMID), 60)
            (told,) = b.seen(EventKind.CLIENT_ATTRIBUTES, PPMID)
            assert told.detail["image_upgrade_status"] == "download_in_progress"
            assert told.detail["file_offset"] == octet(b)
            b.assembly.hub.approve(PPMID)
            await b.until_state(PPMID, "activated")
            (end,) = b.seen(EventKind.UPGRADE_END, PPMID)
            assert end.detail["octets"] == len(b.files[JobKind.PPMID].data)
            assert end.detail["waits"] == 1
            assert end.detail["weakest_lqi"] is not None

    run_virtual(main())


def test_a_job_that_is_not_approved_can_be_cancelled_when_only_the_last_block_misses(dongle: Dongle) -> None:
    async def main() -> None:
        async with update_bench(dongle, size=SIZE) as b:
            distribute(b, JobOptions(needs_approval=True))
            await b.until(lambda: b.seen(EventKind.TRANSFER_HELD, PPMID))
            b.assembly.hub.cancel(PPMID, "the operator")
            await b.until(lambda: b.seen(EventKind.TRANSFER_ABORTED, PPMID), 300)
            await asyncio.sleep(DAY)
            assert not [event for event in b.ppmid.log if isinstance(event, Activate)]
            assert b.ppmid.firmware_version != b.files[JobKind.PPMID].firmware_version

    run_virtual(main())


def test_a_ppmid_activates_at_its_time_over_a_restart_and_not_a_second_before(dongle: Dongle) -> None:
    async def main() -> None:
        async with update_bench(dongle, size=SIZE) as b:
            at = b.system_clock.now() + 3 * DAY
            distribute(b, JobOptions(upgrade_at=at))
            await b.until(lambda: b.seen(EventKind.TRANSFER_HELD, PPMID))
            await b.restart_hub()
            await b.until_state(PPMID, "activating", 4 * DAY)
            assert at - 600 <= b.events[-1].at <= at
            await b.restart_hub()
            await b.until_state(PPMID, "activated", 1200)
            (activate,) = [event for event in b.ppmid.log if isinstance(event, Activate)]
            assert at <= activate.at <= at + 2

    run_virtual(main())


def test_an_image_that_the_device_refuses_once_is_fetched_again(dongle: Dongle) -> None:
    async def main() -> None:
        async with update_bench(dongle, size=SIZE) as b:
            verify, refusals = b.ppmid.verify_image, [Status.INVALID_IMAGE]
            b.ppmid.verify_image = lambda data: refusals.pop() if refusals else verify(data)
            b.update(JobKind.PPMID)
            await b.until(lambda: b.seen(EventKind.UPGRADE_END, PPMID, status="INVALID_IMAGE"))
            assert b.state(PPMID) == "accepted"
            await b.restart_hub()
            await b.until_state(PPMID, "activated", 900)
            assert b.transfer_alerts(PPMID) == [("8F8A", "success")]

    run_virtual(main())


def test_a_device_that_aborts_every_time_is_tried_at_growing_intervals_and_ends_by_name(
    dongle: Dongle,
) -> None:
    async def main() -> None:
        settings = HubSettings(retries=RetrySettings(attempts=3, delays=(60, 600)))
        async with update_bench(dongle, settings=settings) as b:
            b.ppmid.verify_image = lambda _: Status.ABORT
            b.update(JobKind.PPMID)
            await b.until_state(PPMID, "aborted", 3600)
            first, second, third = (event.at for event in b.seen(EventKind.UPGRADE_END, PPMID))
            assert second - first == pytest.approx(60, abs=15)
            assert third - second == pytest.approx(600, abs=15)
            assert b.transfer_alerts(PPMID) == [("8F89", "file_transfer_failure")]

    run_virtual(main())


@pytest.mark.parametrize("begun", [False, True], ids=["before it asked", "in the middle"])
def test_a_device_that_is_switched_off_for_three_days_is_updated_when_it_is_back(
    dongle: Dongle, begun: bool
) -> None:
    async def main() -> None:
        settings = HubSettings(ota=OtaServerSettings(session_timeout=7 * 24 * 3600))
        async with update_bench(dongle, size=SIZE, settings=settings if begun else None) as b:
            if not begun:
                b.ppmid.power_off()
            b.update(JobKind.PPMID)
            if begun:
                await b.until_octet(PPMID, SIZE // 2)
                b.ppmid.power_off()
            await asyncio.sleep(3 * DAY)
            await b.ppmid.power_on()
            await b.until_state(PPMID, "activated", 2 * 3600)
            assert b.image_of(PPMID) == b.files[JobKind.PPMID].data
            await b.still_serves(HCALCS)

    run_virtual(main())
