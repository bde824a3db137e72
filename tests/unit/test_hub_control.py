"""What an operator does to jobs: options, approval, pause, cancel, retries, attributes; all of it durable."""

from __future__ import annotations

import asyncio
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from hanota.errors import DeliveryError, LocalProtocolError, RemoteProtocolError, StoreError
from hanota.hub.events import EventKind, Party
from hanota.hub.hub import HubSettings
from hanota.hub.image_library import ImageLibrarySettings
from hanota.hub.jobs import JobKind, JobOptions, JobPriority
from hanota.hub.retries import RetrySettings
from hanota.ota.attributes import report_attributes
from hanota.ota.block_size import DeviceModel
from hanota.ota.client_events import Activate
from hanota.ota.commands import (
    ImageBlock,
    ImageBlockRequest,
    ImageBlockResponse,
    QueryNextImageRequest,
    UpgradeEndRequest,
    UpgradeEndResponse,
    decode_command,
)
from hanota.ota.fields import ImageId
from hanota.store.store import SqliteStore
from hanota.timestamps import zigbee_time
from hanota.zcl import ClusterId, Status, ZclFrame
from tests.hub_parties_support import (
    EPOCH,
    HCALCS,
    HCALCS_IMAGE,
    NEW_VERSION,
    OTHER_SUPPLIER,
    PPMID,
    PPMID_IMAGE,
    SUPPLIER,
    image,
)
from tests.hub_support import FullDisk, lab, virtual

if TYPE_CHECKING:
    from hanota.ota.commands import OtaCommand
    from tests.hub_support import Lab

PPMID_ID, HCALCS_ID = PPMID.eui64, HCALCS.eui64
NEW = PPMID_IMAGE.header.image_id
NEWER = ImageId(NEW.manufacturer_code, NEW.image_type, NEW_VERSION + 1)
LARGE = image(JobKind.PPMID, size=9_600)
DAY = 24 * 3600.0


def distribute(made: Lab, options: JobOptions | None = None, data: bytes = LARGE.data) -> None:
    made.hub.distribute("of the bench", JobKind.PPMID, data, [PPMID_ID], options)


def answer(made: Lab) -> OtaCommand:
    """Return the last OTA command that the hub sent to the PPMID."""
    frames = [ZclFrame.decode(data) for data in made.radio.to(PPMID_ID, ClusterId.OTA_UPGRADE)]
    return decode_command([frame for frame in frames if frame.cluster_specific][-1])


async def block(made: Lab, offset: int) -> ImageBlockResponse:
    """Have the PPMID ask for a block by hand and return what it is answered."""
    made.ask(PPMID_ID, ImageBlockRequest(NEW, offset, 48))
    await asyncio.sleep(0.1)
    command = answer(made)
    assert isinstance(command, ImageBlockResponse)
    return command


# -- options ---------------------------------------------------------------------------------------------


@virtual
async def test_options_are_kept_with_the_job() -> None:
    options = JobOptions(JobPriority.HIGH, EPOCH + DAY, True, True, EPOCH + 2 * DAY)
    with closing(SqliteStore(":memory:")) as store:
        async with lab(store=store) as made:
            distribute(made, options)
        assert store.jobs()[-1].options == options


@virtual
async def test_a_job_expires_a_week_after_the_earliest_time_of_its_end() -> None:
    async with lab() as made:
        now = made.clock.now()
        distribute(made)
        assert made.job(PPMID_ID).options.expires_at == pytest.approx(now + 7 * DAY)
        distribute(made, JobOptions(upgrade_at=now + 3 * DAY))
        assert made.job(PPMID_ID).options.expires_at == pytest.approx(now + 10 * DAY)


@virtual
async def test_a_job_ends_expired_at_its_time_over_restarts_of_the_hub() -> None:
    with closing(SqliteStore(":memory:")) as store:
        async with lab(store=store) as made:
            distribute(made, JobOptions(expires_at=made.clock.now() + 10 * DAY))
            await asyncio.sleep(6 * DAY)
        async with lab(store=store) as made:
            await asyncio.sleep(3.9 * DAY)
            assert made.state(PPMID_ID) == "notified"
            await asyncio.sleep(0.2 * DAY)
            assert made.state(PPMID_ID) == "expired"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (JobOptions(upgrade_at=EPOCH + DAY), "activates on the supplier's command alone"),
        (JobOptions(expires_at=EPOCH - 1), "would have expired before it began"),
    ],
)
@virtual
async def test_options_that_cannot_be_are_refused_and_nothing_is_begun(
    options: JobOptions, said: str
) -> None:
    async with lab() as made:
        with pytest.raises(LocalProtocolError, match=said):
            made.hub.distribute("1", JobKind.HCALCS, HCALCS_IMAGE.data, [HCALCS_ID], options)
        assert not made.store.jobs()
        assert not made.events


@pytest.mark.parametrize("allowed", [False, True])
@virtual
async def test_a_downgrade_needs_the_explicit_option(allowed: bool) -> None:
    async with lab() as made:
        distribute(made, JobOptions(allow_downgrade=allowed), PPMID_IMAGE.data)
        made.ask(PPMID_ID, QueryNextImageRequest(NEWER, 1))
        await asyncio.sleep(1)
        assert made.state(PPMID_ID) == ("queried" if allowed else "rejected")


# -- approval and times ----------------------------------------------------------------------------------


@virtual
async def test_approval_where_nothing_waits_for_it_is_refused() -> None:
    async with lab() as made:
        with pytest.raises(LocalProtocolError, match="waits for approval"):
            made.hub.approve(PPMID_ID)
        distribute(made)
        with pytest.raises(LocalProtocolError, match="waits for approval"):
            made.hub.approve(PPMID_ID)
        distribute(made, JobOptions(needs_approval=True))
        made.hub.approve(PPMID_ID)
        with pytest.raises(LocalProtocolError, match="waits for approval"):
            made.hub.approve(PPMID_ID)


@virtual
async def test_an_approval_that_could_not_be_stored_releases_nothing() -> None:
    with closing(FullDisk()) as store:
        async with lab(store=store) as made:
            device = await made.joined(PPMID, JobKind.PPMID)
            distribute(made, JobOptions(needs_approval=True))
            await asyncio.sleep(60)
            store.failing = "INSERT INTO event"
            with pytest.raises(StoreError):
                made.hub.approve(PPMID_ID)
            store.failing = None
            await asyncio.sleep(DAY)
            assert made.state(PPMID_ID) == "transferring"
            made.hub.approve(PPMID_ID)
            await asyncio.sleep(300)
            assert made.state(PPMID_ID) == "activating"
            assert [event for event in device.client.events() if isinstance(event, Activate)]


@virtual
async def test_an_approved_job_with_a_time_waits_for_the_time_too() -> None:
    async with lab() as made:
        await made.joined(PPMID, JobKind.PPMID)
        at = made.clock.now() + 2 * DAY
        distribute(made, JobOptions(upgrade_at=at, needs_approval=True))
        await asyncio.sleep(DAY)
        made.hub.approve(PPMID_ID)
        await asyncio.sleep(DAY - 900)
        assert made.state(PPMID_ID) == "transferring"
        await asyncio.sleep(600)
        assert made.state(PPMID_ID) == "activating"
        end = answer(made)
        assert isinstance(end, UpgradeEndResponse)
        assert end.upgrade_time == pytest.approx(zigbee_time(at), abs=1)
        assert end.current_time < end.upgrade_time


@virtual
async def test_an_upgrade_time_that_has_passed_is_now_and_never_before_the_current_time() -> None:
    async with lab() as made:
        await made.joined(PPMID, JobKind.PPMID)
        distribute(made, JobOptions(upgrade_at=made.clock.now() - DAY))
        await asyncio.sleep(60)
        end = answer(made)
        assert isinstance(end, UpgradeEndResponse)
        assert end.upgrade_time == end.current_time


# -- pause and cancel ------------------------------------------------------------------------------------


@virtual
async def test_a_paused_device_waits_and_the_others_are_served() -> None:
    async with lab() as made:
        await made.joined(PPMID, JobKind.PPMID)
        await made.joined(HCALCS, JobKind.HCALCS)
        distribute(made)
        made.hub.pause([PPMID_ID, HCALCS_ID], reason="noise on the channel")
        made.update(JobKind.HCALCS, HCALCS_ID)
        await asyncio.sleep(60)
        assert made.state(HCALCS_ID) == "held"
        assert made.state(PPMID_ID) == "queried"
        (told,) = made.of(EventKind.TRANSFER_DELAYED)
        assert (told.device, told.detail["reason"]) == (PPMID_ID, "the job is paused")
        made.hub.go_on()
        await asyncio.sleep(240)
        assert made.state(PPMID_ID) == "activating"


@virtual
async def test_pausing_twice_is_told_once() -> None:
    async with lab() as made:
        distribute(made)
        for _ in range(2):
            made.hub.pause(reason="twice")
        for _ in range(2):
            made.hub.go_on()
        assert len(made.of(EventKind.JOB_PAUSED)) == len(made.of(EventKind.JOB_RESUMED)) == 1


@virtual
async def test_an_abort_that_was_not_delivered_is_not_told_as_such() -> None:
    async with lab() as made:
        distribute(made, data=PPMID_IMAGE.data)
        await block(made, 0)
        made.hub.cancel(PPMID_ID, "the operator")
        made.radio.errors[PPMID_ID] = DeliveryError("no acknowledgement")
        assert (await block(made, 48)).status == Status.ABORT
        assert not made.of(EventKind.TRANSFER_ABORTED)
        del made.radio.errors[PPMID_ID]
        for _ in range(3):
            assert (await block(made, 48)).status == Status.ABORT
        (told,) = made.of(EventKind.TRANSFER_ABORTED)
        assert (told.source, told.job) == (Party.DEVICE, made.job(PPMID_ID).id)
        assert made.job(PPMID_ID).abort_told


# -- retries ---------------------------------------------------------------------------------------------


@virtual
async def test_a_failed_download_is_offered_again_after_its_delay_and_not_before() -> None:
    async with lab(settings=HubSettings(retries=RetrySettings(attempts=2, delays=(600,)))) as made:
        distribute(made, data=PPMID_IMAGE.data)
        await block(made, 0)
        made.ask(PPMID_ID, UpgradeEndRequest(Status.ABORT, NEW))
        await asyncio.sleep(1)
        job = made.job(PPMID_ID)
        assert (job.state, job.failures) == ("accepted", 1)
        assert (await block(made, 0)).status == Status.ABORT
        await asyncio.sleep(600)
        assert made.state(PPMID_ID) == "notified"
        assert (await block(made, 0)).status == Status.SUCCESS
        made.ask(PPMID_ID, UpgradeEndRequest(Status.ABORT, NEW))
        await asyncio.sleep(1)
        assert made.state(PPMID_ID) == "aborted"
        assert len(made.of(EventKind.DCC_ALERT)) == 1


@pytest.mark.parametrize(
    ("statuses", "state"),
    [
        ([Status.INVALID_IMAGE, Status.INVALID_IMAGE], "invalid_image"),
        ([Status.ABORT, Status.INVALID_IMAGE], "invalid_image"),
        ([Status.INVALID_IMAGE, Status.ABORT], "accepted"),
        ([Status.ABORT, Status.ABORT, Status.ABORT], "accepted"),
        ([Status.ABORT, Status.ABORT, Status.ABORT, Status.ABORT], "aborted"),
    ],
)
@virtual
async def test_an_image_that_is_refused_is_tried_twice_and_one_that_is_aborted_four_times(
    statuses: list[int], state: str
) -> None:
    async with lab() as made:
        distribute(made, data=PPMID_IMAGE.data)
        for status in statuses:
            await asyncio.sleep(2 * 3600)
            await block(made, 0)
            made.ask(PPMID_ID, UpgradeEndRequest(status, NEW))
            await asyncio.sleep(1)
        assert made.state(PPMID_ID) == state


@virtual
async def test_a_job_that_backs_off_can_be_cancelled() -> None:
    async with lab() as made:
        distribute(made, data=PPMID_IMAGE.data)
        await block(made, 0)
        made.ask(PPMID_ID, UpgradeEndRequest(Status.ABORT, NEW))
        await asyncio.sleep(1)
        made.hub.cancel(PPMID_ID, "the operator")
        await asyncio.sleep(DAY)
        assert made.state(PPMID_ID) == "cancelled"
        assert (await block(made, 0)).status == Status.ABORT


# -- what the hub learns ---------------------------------------------------------------------------------


@virtual
async def test_client_attributes_are_noted_when_they_were_asked_for_alone() -> None:
    async with lab() as made:
        device = await made.joined(PPMID, JobKind.PPMID)
        distribute(made, JobOptions(needs_approval=True))
        await asyncio.sleep(60)
        made.hub.read_client_attributes(PPMID_ID)
        await asyncio.sleep(1)
        (told,) = made.of(EventKind.CLIENT_ATTRIBUTES)
        assert told.detail["file_offset"] == device.client.file_offset
        assert told.detail["image_upgrade_status"] == "download_in_progress"
        assert told.detail["current_file_version"] == "01000000"
        assert "upgrade_timeout_policy" in told.detail
        for sequence in range(100):
            made.say(PPMID_ID, ClusterId.OTA_UPGRADE, report_attributes(device.client.attributes(), sequence))
        await asyncio.sleep(1)
        assert len(made.of(EventKind.CLIENT_ATTRIBUTES)) == 1


@virtual
async def test_a_device_that_falls_silent_is_asked_for_its_attributes() -> None:
    async with lab() as made:
        distribute(made, data=PPMID_IMAGE.data)
        await block(made, 0)
        before = len(made.radio.to(PPMID_ID, ClusterId.OTA_UPGRADE))
        await asyncio.sleep(310)
        sent = made.radio.to(PPMID_ID, ClusterId.OTA_UPGRADE)[before:]
        assert [data for data in sent if data[0] & 0x03 == 0 and data[2] == 0x00]


@virtual
async def test_the_block_size_that_a_model_takes_outlives_the_hub() -> None:
    with closing(SqliteStore(":memory:")) as store:
        async with lab(store=store) as made:
            distribute(made, data=LARGE.data)
            made.ask(PPMID_ID, QueryNextImageRequest(ImageId(*_running()), 1))
            for offset in [0] * 4 + [48 * n for n in range(1, 18)] + [48 * 18] * 4 + [48 * 19]:
                await block(made, offset)
            (learnt,) = made.of(EventKind.BLOCK_SIZE_LEARNT)
            assert learnt.detail["octets"] == 40
        model = DeviceModel(NEW.manufacturer_code, NEW.image_type, 1)
        assert store.block_sizes() == [(model, 40)]
        async with lab(store=store) as made:
            distribute(made, data=PPMID_IMAGE.data)
            made.ask(PPMID_ID, QueryNextImageRequest(ImageId(*_running()), 1))
            response = await block(made, 0)
            assert isinstance(response.body, ImageBlock)
            assert len(response.body.data) == 40


def _running() -> tuple[int, int, int]:
    return NEW.manufacturer_code, NEW.image_type, NEW_VERSION - 1


# -- the library -----------------------------------------------------------------------------------------


@virtual
async def test_the_image_of_a_service_request_is_in_the_library_once() -> None:
    async with lab() as made:
        for _ in range(2):
            made.update(JobKind.PPMID, PPMID_ID)
        (kept,) = made.hub.library.images()
        assert kept.manufacturer_image_hash == PPMID_IMAGE.manufacturer_image_hash
        assert made.hub.library.file(kept.digest) == PPMID_IMAGE


@virtual
async def test_a_retired_image_serves_its_open_job_to_the_end_and_is_freed_then() -> None:
    async with lab() as made:
        made.update(JobKind.HCALCS, HCALCS_ID)
        (kept,) = made.hub.library.images()
        with pytest.raises(LocalProtocolError, match="used by 1 open jobs"):
            made.hub.library.retire(kept.digest)
        made.hub.library.retire(kept.digest, force=True)
        assert not made.hub.library.images()
        await made.joined(HCALCS, JobKind.HCALCS)
        await asyncio.sleep(120)
        assert made.state(HCALCS_ID) == "held"
        assert made.store.image(kept.digest) == HCALCS_IMAGE.data
        made.hub.cancel(HCALCS_ID, "the end")
        with pytest.raises(StoreError, match="was retired"):
            made.store.image(kept.digest)
        with pytest.raises(LocalProtocolError, match="was retired"):
            made.hub.library.file(kept.digest)
        with pytest.raises(LocalProtocolError, match="retired already"):
            made.hub.library.retire(kept.digest)
        assert made.hub.library.add(HCALCS_IMAGE.data, JobKind.HCALCS).retired is None
        assert made.store.image(kept.digest) == HCALCS_IMAGE.data


@virtual
async def test_the_library_verifies_what_it_is_given() -> None:
    async with lab() as made:
        library, key = made.hub.library, SUPPLIER.signing_key.public_key()
        assert library.add(HCALCS_IMAGE.data, JobKind.HCALCS).signature == "not checked"
        assert library.verify(library.images()[0].digest, key).signature == "verified"
        assert library.images()[0].signature == "verified"
        with pytest.raises(RemoteProtocolError):
            library.verify(library.images()[0].digest, OTHER_SUPPLIER.signing_key.public_key())
        with pytest.raises(RemoteProtocolError, match="carries no supplier signature"):
            library.add(PPMID_IMAGE.data, JobKind.PPMID, key)
        with pytest.raises(RemoteProtocolError):
            library.add(PPMID_IMAGE.data[:-1], JobKind.PPMID)
        assert len(library.images(retired=True)) == 1


@virtual
async def test_an_image_above_the_limit_is_refused_in_words_and_so_is_one_too_many() -> None:
    limits = ImageLibrarySettings(image_octets=5_000, library_octets=6_000)
    async with lab(settings=HubSettings(images=limits)) as made:
        with pytest.raises(RemoteProtocolError, match=r"oversized image: \d+ octets, the limit is 5000"):
            distribute(made)
        made.hub.library.add(image(JobKind.PPMID, size=4_000).data, JobKind.PPMID)
        with pytest.raises(LocalProtocolError, match="more do not fit"):
            made.hub.library.add(image(JobKind.PPMID, size=4_001).data, JobKind.PPMID)
        assert not made.store.jobs()
