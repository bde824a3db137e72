"""A hub that is stopped anywhere and started on the same store goes on, and does nothing twice."""

from __future__ import annotations

import asyncio
from contextlib import closing
from typing import TYPE_CHECKING

from hanota.hub.events import EventKind
from hanota.hub.jobs import JobKind, Trigger
from hanota.ota.client_events import DownloadFailed, DownloadStarted
from hanota.ota.commands import (
    NEVER,
    ImageBlock,
    ImageBlockRequest,
    ImageBlockResponse,
    UpgradeEndRequest,
    UpgradeEndResponse,
    decode_command,
)
from hanota.store.store import SqliteStore
from hanota.zcl import ClusterId, Status, ZclFrame
from tests.hub_parties_support import (
    HCALCS,
    HCALCS_IMAGE,
    PPMID,
    PPMID_IMAGE,
    activation_alert,
    image,
    outcome,
)
from tests.hub_support import lab, virtual

if TYPE_CHECKING:
    from hanota.eui64 import Eui64
    from hanota.hub.events import Event
    from hanota.hub.ports import RadioListener
    from tests.hub_support import FakeRadio, Lab

PPMID_ID, HCALCS_ID = PPMID.eui64, HCALCS.eui64


def transfer_alerts(store: SqliteStore) -> list[Event]:
    """Return every DCC alert that renders a CCS08, over all restarts."""
    return [
        event
        for event in store.events(limit=10_000)
        if event.kind is EventKind.DCC_ALERT and event.detail["alert"] == "CommsHubAlert"
    ]


def upgrade_times(made: Lab, device: Eui64) -> list[int]:
    """Return the Upgrade Times the hub answered to `device`."""
    frames = (ZclFrame.decode(data) for data in made.radio.to(device, ClusterId.OTA_UPGRADE))
    commands = [decode_command(frame) for frame in frames if frame.cluster_specific]
    return [command.upgrade_time for command in commands if isinstance(command, UpgradeEndResponse)]


@virtual
async def test_a_transfer_goes_on_at_the_octet_the_device_asks_for() -> None:
    large = image(JobKind.PPMID, size=20_000)
    with closing(SqliteStore(":memory:")) as store:
        async with lab(store=store) as made:
            device = await made.joined(PPMID, JobKind.PPMID)
            made.update(JobKind.PPMID, PPMID_ID, file=large)
            await asyncio.sleep(2)
            assert 5_000 < device.client.file_offset < 15_000
        reached = device.client.file_offset
        async with lab(store=store) as made:
            made.adopt(device)
            await asyncio.sleep(60)
            assert made.state(PPMID_ID) == "activating"
            (end,) = made.of(EventKind.UPGRADE_END)
            assert isinstance(end.detail["rate"], float)
            assert end.detail["rate"] < 5_000
        assert reached > 5_000
        assert device.client.image == large.data
        told = device.client.events()
        assert len([event for event in told if isinstance(event, DownloadStarted)]) == 1
        assert not [event for event in told if isinstance(event, DownloadFailed)]
        assert len(transfer_alerts(store)) == 1


@virtual
async def test_a_held_device_is_told_to_wait_and_no_second_ccs08_is_sent() -> None:
    with closing(SqliteStore(":memory:")) as store:
        async with lab(store=store) as made:
            device = await made.held()
        async with lab(store=store) as made:
            made.adopt(device)
            await asyncio.sleep(2 * 3600)
            times = upgrade_times(made, HCALCS_ID)
            assert len(times) >= 2
            assert set(times) == {NEVER}
            assert made.state(HCALCS_ID) == "held"
            response = made.activate()
            await asyncio.sleep(1)
            device.say(outcome(device.messages[-1]))
            await response
            assert made.state(HCALCS_ID) == "activated"
        assert len(transfer_alerts(store)) == 1


@virtual
async def test_a_hub_killed_between_upgrade_end_and_its_answer_answers_and_alerts_no_second_time() -> None:
    with closing(SqliteStore(":memory:")) as store:
        async with lab(store=store) as made:
            made.update(JobKind.HCALCS, HCALCS_ID)
            made.ask(HCALCS_ID, ImageBlockRequest(HCALCS_IMAGE.header.image_id, 0, 48))
            job = made.hub.jobs.open_job(HCALCS_ID)
            assert job is not None
            made.hub.jobs.move(job, Trigger.UPGRADE_END)  # with this the alert was sent; then the power went
        async with lab(store=store) as made:
            made.ask(HCALCS_ID, UpgradeEndRequest(Status.SUCCESS, HCALCS_IMAGE.header.image_id))
            await asyncio.sleep(1)
            assert upgrade_times(made, HCALCS_ID) == [NEVER]
            assert made.state(HCALCS_ID) == "held"
        assert transfer_alerts(store) == []


@virtual
async def test_an_activation_that_was_ordered_before_ends_after_the_restart() -> None:
    with closing(SqliteStore(":memory:")) as store:
        async with lab(store=store) as made:
            device = await made.told_to_activate()
        async with lab(store=store) as made:
            made.adopt(device)
            device.reboot()
            await asyncio.sleep(5)
            device.say(activation_alert())
            await asyncio.sleep(5)
            assert made.state(PPMID_ID) == "activated"
        assert len(transfer_alerts(store)) == 1


@virtual
async def test_a_device_that_asks_while_the_radio_still_starts_keeps_its_download() -> None:
    block = ImageBlockRequest(PPMID_IMAGE.header.image_id, 48, 48)
    with closing(SqliteStore(":memory:")) as store:
        async with lab(store=store) as made:
            made.update(JobKind.PPMID, PPMID_ID)
            made.ask(PPMID_ID, ImageBlockRequest(PPMID_IMAGE.header.image_id, 0, 48))
            await asyncio.sleep(1)

        def ask_early(radio: FakeRadio) -> None:
            def ask(listener: RadioListener) -> None:
                made.hub = listener  # type: ignore[assignment]  # the new hub hears what the device sends
                made.ask(PPMID_ID, block, sequence=9)

            radio.while_starting = ask

        async with lab(store=store, prepare=ask_early) as again:
            await asyncio.sleep(1)
            frames = (ZclFrame.decode(data) for data in again.radio.to(PPMID_ID, ClusterId.OTA_UPGRADE))
            (answer,) = [decode_command(frame) for frame in frames if frame.sequence == 9]
        assert isinstance(answer, ImageBlockResponse)
        assert (answer.status, answer.body) == (
            Status.SUCCESS,
            ImageBlock(PPMID_IMAGE.header.image_id, 48, PPMID_IMAGE.data[48:96]),
        )


@virtual
async def test_tunnels_are_opened_at_power_on_for_every_device_of_the_device_log() -> None:
    async with lab() as made:
        await asyncio.sleep(1)
        asked = {frame.device for frame in made.radio.sent if frame.cluster == ClusterId.TUNNELING}
        assert asked == {entry.device for entry in made.hub.device_log}


@virtual
async def test_a_stopped_hub_sends_nothing_and_waits_for_nothing_whatever_still_arrives() -> None:
    async with lab() as made:
        made.update(JobKind.PPMID, PPMID_ID)
        _ = made.activate()
        await asyncio.sleep(0)
        await made.hub.stop()
        sent = len(made.radio.sent)
        made.ask(PPMID_ID, ImageBlockRequest(PPMID_IMAGE.header.image_id, 0, 48))
        made.hub.device_joined(HCALCS_ID)
        made.hub.device_ready(HCALCS_ID)
        await asyncio.sleep(3600)
        assert len(made.radio.sent) == sent
        assert made.hub._pump.timer is None
        assert not made.hub._pump.tasks


@virtual
async def test_the_device_log_is_that_of_the_store() -> None:
    with closing(SqliteStore(":memory:")) as store:
        async with lab(store=store) as made:
            log = made.hub.device_log
            entry = log[0]
            await made.hub.add_device(entry, 90)
            assert made.radio.permitted == [(entry.device, entry.install_code, 90)]
            kinds = [event.kind for event in made.events if event.device == entry.device]
            assert kinds[:2] == [EventKind.DEVICE_ADDED, EventKind.JOIN_PERMITTED]
        async with lab(store=store) as made:
            assert made.hub.device_log == log
            assert made.hub.is_admitted(HCALCS_ID)


@virtual
async def test_two_hcalcs_images_in_turn_leave_one_open_job_over_a_restart() -> None:
    newer = image(JobKind.HCALCS, HCALCS_IMAGE.header.file_version + 1)
    with closing(SqliteStore(":memory:")) as store:
        async with lab(store=store) as made:
            await made.held()
            made.update(JobKind.HCALCS, HCALCS_ID, file=newer)
        async with lab(store=store) as made:
            (job,) = made.hub.jobs.open_jobs()
            assert job.firmware_version == newer.firmware_version
