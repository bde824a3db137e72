"""A store that fails: nothing half done, nothing answered without its row, and all well afterwards."""

from __future__ import annotations

import asyncio
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from hanota.errors import StoreError
from hanota.hub.events import EventKind
from hanota.hub.jobs import JobKind
from hanota.ota.commands import (
    ImageBlockRequest,
    ImageBlockResponse,
    UpgradeEndRequest,
    UpgradeEndResponse,
    decode_command,
)
from hanota.zcl import ClusterId, Status, ZclFrame
from tests.hub_parties_support import (
    HCALCS,
    HCALCS_IMAGE,
    NEW_VERSION,
    PPMID,
    PPMID_IMAGE,
    activation_alert,
    image,
)
from tests.hub_support import FullDisk, lab, virtual

if TYPE_CHECKING:
    from hanota.eui64 import Eui64
    from hanota.ota.commands import OtaCommand
    from tests.hub_support import Lab

PPMID_ID, HCALCS_ID = PPMID.eui64, HCALCS.eui64
NEW = PPMID_IMAGE.header.image_id
NEWER_IMAGE = image(JobKind.PPMID, NEW_VERSION + 1)


def answers(made: Lab, device: Eui64) -> list[OtaCommand]:
    frames = (ZclFrame.decode(data) for data in made.radio.to(device, ClusterId.OTA_UPGRADE))
    return [decode_command(frame) for frame in frames if frame.cluster_specific]


@pytest.mark.parametrize(
    "failing",
    [
        "INSERT INTO image",
        "UPDATE job",
        "INSERT INTO counter",
        "INSERT INTO job",
        "INSERT INTO event",
        "COMMIT",
    ],
)
@virtual
async def test_a_disk_that_is_full_at_a_distribution_leaves_the_one_under_way_as_it_was(failing: str) -> None:
    with closing(FullDisk()) as store:
        async with lab(store=store) as made:
            made.update(JobKind.PPMID, PPMID_ID)
            made.ask(PPMID_ID, ImageBlockRequest(NEW, 0, 48))
            await asyncio.sleep(1)
            kept, told = list(store.events()), list(made.events)
            store.failing = failing
            with pytest.raises(StoreError, match="full"):
                made.hub.distribute("request", JobKind.PPMID, NEWER_IMAGE.data, [PPMID_ID])
            store.failing = None
            assert store.events() == kept
            assert made.events == told
            (job,) = store.jobs()
            assert job.state == "transferring"
            assert made.hub.jobs.open_jobs() == [job]
            made.ask(PPMID_ID, ImageBlockRequest(NEW, 48, 48))
            await asyncio.sleep(1)
            answer = answers(made, PPMID_ID)[-1]
            assert isinstance(answer, ImageBlockResponse)
            assert answer.status == Status.SUCCESS
            # And with room on the disk the newer one takes its place.
            (newer,) = made.hub.distribute("request", JobKind.PPMID, NEWER_IMAGE.data, [PPMID_ID])
            assert [job.state for job in store.jobs()] == ["cancelled", "notified"]
            assert made.hub.jobs.open_job(PPMID_ID) == made.job(PPMID_ID)
            assert newer.firmware_version == NEWER_IMAGE.firmware_version


@pytest.mark.parametrize("failing", ["UPDATE job", "INSERT INTO counter", "INSERT INTO event", "COMMIT"])
@virtual
async def test_an_upgrade_end_that_cannot_be_stored_is_not_answered_until_it_can(failing: str) -> None:
    with closing(FullDisk()) as store:
        async with lab(store=store) as made:
            device = await made.joined(HCALCS, JobKind.HCALCS)
            verified = device.client._verify

            def fill_the_disk(data: bytes) -> int:
                store.failing = failing
                return verified(data)

            device.client._verify = fill_the_disk
            made.update(JobKind.HCALCS, HCALCS_ID)
            await asyncio.sleep(12)
            assert made.state(HCALCS_ID) == "transferring"
            assert not [
                command for command in answers(made, HCALCS_ID) if isinstance(command, UpgradeEndResponse)
            ]
            store.failing = None
            await asyncio.sleep(12)
            assert made.state(HCALCS_ID) == "held"
            assert made.hub.store_fault is None
            alerts = [e for e in made.of(EventKind.DCC_ALERT) if e.detail["alert"] == "CommsHubAlert"]
            assert len(alerts) == 1
            states = [event.detail["state"] for event in made.of(EventKind.JOB_STATE, HCALCS_ID)]
            assert states[-2:] == ["transferred", "held"]


@pytest.mark.parametrize("failing", ["UPDATE job", "INSERT INTO counter", "INSERT INTO event", "COMMIT"])
@virtual
async def test_an_alert_that_cannot_be_stored_moves_nothing_and_is_no_replay_afterwards(failing: str) -> None:
    with closing(FullDisk()) as store:
        async with lab(store=store) as made:
            device = await made.told_to_activate()
            store.failing = failing
            device.say(activation_alert())
            await asyncio.sleep(1)
            store.failing = None
            assert made.state(PPMID_ID) == "activating"
            # The offer is as it was, too: a repeated question gets the same answer.
            made.ask(PPMID_ID, UpgradeEndRequest(Status.SUCCESS, NEW))
            await asyncio.sleep(1)
            assert isinstance(answers(made, PPMID_ID)[-1], UpgradeEndResponse)
            device.say(activation_alert())
            await asyncio.sleep(1)
            assert made.state(PPMID_ID) == "activated"


@virtual
async def test_a_frame_that_cannot_be_noted_does_no_harm() -> None:
    with closing(FullDisk()) as store:
        async with lab(store=store) as made:
            store.failing = "INSERT INTO event"
            made.hub.frame_refused(None, ClusterId.OTA_UPGRADE, "unknown short address")
            made.hub.device_left(PPMID_ID)
            made.say(PPMID_ID, ClusterId.TUNNELING, b"\x09\x01\x77")
            store.failing = None
            await asyncio.sleep(1)
            assert made.events == store.events()
            await made.held()


@virtual
async def test_the_hub_says_that_it_cannot_store_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with closing(FullDisk()) as store:
        async with lab(store=store) as made:
            store.failing = "COMMIT"
            made.hub.device_left(PPMID_ID)
            store.failing = None
            assert "database or disk is full" in caplog.text


@virtual
async def test_an_image_that_was_altered_in_the_store_is_not_served() -> None:
    with closing(FullDisk()) as store:
        async with lab(store=store) as made:
            made.update(JobKind.HCALCS, HCALCS_ID)
            altered = HCALCS_IMAGE.data[:-1] + bytes((HCALCS_IMAGE.data[-1] ^ 1,))
            store._database._run("UPDATE image SET data = :data", {"data": altered})
        with pytest.raises(StoreError, match="altered"):
            async with lab(store=store):
                pass
