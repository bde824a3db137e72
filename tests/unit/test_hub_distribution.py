"""From the image to the activation: what the hub sends, what becomes of the job, which CCS08 it signs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from hanota.dcc.dcc import Dcc
from hanota.errors import DeliveryError, RemoteProtocolError
from hanota.gbcs.alerts import FIRMWARE_TRANSFER_FAILED, FIRMWARE_TRANSFER_SUCCEEDED, decode_firmware_transfer
from hanota.gbcs.crypto import verify_signature
from hanota.gbcs.message import Message
from hanota.hub.events import EventKind, Party
from hanota.hub.hub import HubSettings
from hanota.hub.jobs import JobKind
from hanota.hub.retries import RetrySettings
from hanota.ota.commands import (
    NEVER,
    ImageBlockRequest,
    ImageBlockResponse,
    ImageNotify,
    QueryNextImageRequest,
    QueryNextImageResponse,
    UpgradeEndRequest,
    UpgradeEndResponse,
    decode_command,
)
from hanota.ota.fields import ImageId
from hanota.ota.settings import OtaServerSettings
from hanota.zcl import ClusterId, DefaultResponse, Status, ZclFrame
from tests.hub_parties_support import (
    BROKER,
    EPOCH,
    HCALCS,
    HCALCS_IMAGE,
    HUB,
    NEIGHBOUR,
    NEW_VERSION,
    OLD_VERSION,
    PPMID,
    PPMID_IMAGE,
    STRANGER,
    activation_alert,
    image,
)
from tests.hub_support import lab, virtual

if TYPE_CHECKING:
    from hanota.eui64 import Eui64
    from hanota.ota.commands import OtaCommand
    from tests.hub_support import Lab

PPMID_ID, HCALCS_ID = PPMID.eui64, HCALCS.eui64
OTA = ClusterId.OTA_UPGRADE
NEW = PPMID_IMAGE.header.image_id
ONCE = HubSettings(retries=RetrySettings(attempts=1, invalid_image_attempts=1))
"""No second download."""
RUNNING = ImageId(NEW.manufacturer_code, NEW.image_type, OLD_VERSION)


@pytest.fixture
def alerts(monkeypatch: pytest.MonkeyPatch) -> list[Message]:
    """The CCS08 alerts that the hub hands to the WAN."""
    handed_up: list[Message] = []
    take = Dcc.message_received

    def record(dcc: Dcc, device: Eui64, octets: bytes) -> None:
        if device == HUB.eui64:
            handed_up.append(Message.decode(octets))
        take(dcc, device, octets)

    monkeypatch.setattr(Dcc, "message_received", record)
    return handed_up


def answers(made: Lab, device: Eui64) -> list[OtaCommand]:
    """Return the OTA commands the hub sent to `device`."""
    frames = (ZclFrame.decode(data) for data in made.radio.to(device, OTA))
    return [decode_command(frame) for frame in frames if frame.cluster_specific]


async def ask(made: Lab, device: Eui64, command: OtaCommand) -> OtaCommand:
    """Have `device` ask by hand, and return the answer."""
    made.ask(device, command)
    await asyncio.sleep(1)
    return answers(made, device)[-1]


def check_ccs08(alert: Message, device: Eui64, code: int, version: int = NEW_VERSION) -> None:
    """Check one CCS08 whole: parties, signature of the hub, alert code, device, version, response code."""
    verify_signature(alert, HUB.signing_certificate.public_key)
    assert (alert.originator, alert.recipient, alert.mac) == (HUB.eui64, BROKER.eui64, None)
    assert alert.message_code == 0x0128
    payload = decode_firmware_transfer(alert.payload)
    expected = FIRMWARE_TRANSFER_FAILED if code else FIRMWARE_TRANSFER_SUCCEEDED
    assert (payload.alert_code, payload.response_code) == (expected, code)
    assert (payload.device, payload.firmware_version) == (device, version.to_bytes(4, "big"))
    assert payload.date.as_datetime().timestamp() >= EPOCH


@virtual
async def test_a_ppmid_is_served_told_to_activate_and_ends_by_its_own_alert(alerts: list[Message]) -> None:
    async with lab() as made:
        device = await made.told_to_activate()
        (end,) = [command for command in answers(made, PPMID_ID) if isinstance(command, UpgradeEndResponse)]
        assert end.upgrade_time == end.current_time != NEVER
        assert device.client.image == PPMID_IMAGE.data
        (alert,) = alerts
        check_ccs08(alert, PPMID_ID, 0)
        device.say(activation_alert())
        await asyncio.sleep(1)
        assert made.state(PPMID_ID) == "activated"
        states = [event.detail["state"] for event in made.of(EventKind.JOB_STATE, PPMID_ID)]
        assert states == [
            "accepted",
            "notified",
            "queried",
            "transferring",
            "transferred",
            "activating",
            "activated",
        ]
        assert len(alerts) == 1


@virtual
async def test_an_update_that_has_ended_serves_no_more_and_orders_no_second_activation() -> None:
    async with lab() as made:
        device = await made.told_to_activate()
        device.say(activation_alert())
        await asyncio.sleep(1)
        assert await ask(made, PPMID_ID, ImageBlockRequest(NEW, 0, 48)) == ImageBlockResponse(Status.ABORT)
        ends = answers(made, PPMID_ID)
        made.ask(PPMID_ID, UpgradeEndRequest(Status.SUCCESS, NEW))
        await asyncio.sleep(1)
        assert answers(made, PPMID_ID) == ends
        refusal = ZclFrame.decode(made.radio.to(PPMID_ID, OTA)[-1])
        assert refusal.is_default_response
        assert refusal.payload[-1] == Status.ABORT


@virtual
async def test_an_hcalcs_is_told_to_wait_at_every_re_ask_and_ccs08_is_sent_once(
    alerts: list[Message],
) -> None:
    async with lab() as made:
        await made.held()
        for _ in range(5):
            await asyncio.sleep(3600)
        ends = [command for command in answers(made, HCALCS_ID) if isinstance(command, UpgradeEndResponse)]
        assert len(ends) >= 5
        assert {end.upgrade_time for end in ends} == {NEVER}
        assert made.state(HCALCS_ID) == "held"
        (alert,) = alerts
        check_ccs08(alert, HCALCS_ID, 0)


@virtual
async def test_a_block_request_late_on_the_air_leaves_a_held_image_held() -> None:
    async with lab() as made:
        await made.held()
        made.ask(HCALCS_ID, ImageBlockRequest(HCALCS_IMAGE.header.image_id, 0, 48))
        await asyncio.sleep(3600)
        assert made.state(HCALCS_ID) == "held"
        assert not made.hub.progress()


@virtual
async def test_a_device_of_another_hardware_version_is_rejected(alerts: list[Message]) -> None:
    async with lab() as made:
        await made.joined(PPMID, JobKind.PPMID, hardware_version=9)
        made.update(JobKind.PPMID, PPMID_ID)
        await asyncio.sleep(60)
        job = made.job(PPMID_ID)
        assert job.state == "rejected"
        assert job.reason == "hardware version 0009 is outside 0001 to 0005"
        (alert,) = alerts
        check_ccs08(alert, PPMID_ID, 2)
        assert not [command for command in answers(made, PPMID_ID) if isinstance(command, ImageBlockResponse)]


@virtual
async def test_attack_tampered_image_a_device_that_cannot_verify_it_ends_the_job(
    alerts: list[Message],
) -> None:
    async with lab(settings=ONCE) as made:
        device = await made.joined(HCALCS, JobKind.HCALCS)
        device.status = Status.INVALID_IMAGE
        made.update(JobKind.HCALCS, HCALCS_ID)
        await asyncio.sleep(60)
        assert made.state(HCALCS_ID) == "invalid_image"
        (alert,) = alerts
        check_ccs08(alert, HCALCS_ID, 3)


@virtual
async def test_a_device_that_finds_its_held_image_broken_ends_the_job(alerts: list[Message]) -> None:
    async with lab() as made:
        await made.held()
        made.ask(HCALCS_ID, UpgradeEndRequest(Status.INVALID_IMAGE, HCALCS_IMAGE.header.image_id))
        await asyncio.sleep(1)
        assert made.state(HCALCS_ID) == "invalid_image"
        # The transfer itself succeeded, and that was said already.
        (alert,) = alerts
        check_ccs08(alert, HCALCS_ID, 0)


@virtual
async def test_a_device_that_aborts_ends_the_job(alerts: list[Message]) -> None:
    async with lab(settings=ONCE) as made:
        made.update(JobKind.PPMID, PPMID_ID)
        await ask(made, PPMID_ID, QueryNextImageRequest(RUNNING, 1))
        await ask(made, PPMID_ID, ImageBlockRequest(NEW, 0, 48))
        made.ask(PPMID_ID, UpgradeEndRequest(Status.ABORT, NEW))
        await asyncio.sleep(1)
        job = made.job(PPMID_ID)
        assert (job.state, job.reason) == ("aborted", "the device ended the download: ABORT")
        (alert,) = alerts
        check_ccs08(alert, PPMID_ID, 3)


@virtual
async def test_attack_slow_retrieval_a_device_that_stops_asking_is_told_stalled_then_expires(
    alerts: list[Message],
) -> None:
    async with lab() as made:
        made.update(JobKind.PPMID, PPMID_ID)
        await ask(made, PPMID_ID, QueryNextImageRequest(RUNNING, 1))
        await ask(made, PPMID_ID, ImageBlockRequest(NEW, 0, 48))
        await asyncio.sleep(600)
        (stalled,) = made.of(EventKind.TRANSFER_STALLED)
        assert (stalled.detail["octets"], stalled.detail["total"]) == (48, len(PPMID_IMAGE.data))
        assert made.state(PPMID_ID) == "transferring"
        await asyncio.sleep(24 * 3600)
        job = made.job(PPMID_ID)
        assert job.state == "expired"
        assert job.reason == f"the device stopped asking at octet 48 of {len(PPMID_IMAGE.data)}"
        (alert,) = alerts
        check_ccs08(alert, PPMID_ID, 3)


@virtual
async def test_an_offer_that_nobody_asks_for_is_notified_again_and_expires() -> None:
    async with lab() as made:
        made.update(JobKind.PPMID, PPMID_ID)
        await asyncio.sleep(7 * 24 * 3600 + 60)
        notified = [command for command in answers(made, PPMID_ID) if isinstance(command, ImageNotify)]
        assert len(notified) > 150
        assert made.state(PPMID_ID) == "expired"


@virtual
async def test_a_transfer_that_is_cancelled_is_answered_abort(alerts: list[Message]) -> None:
    async with lab() as made:
        made.update(JobKind.PPMID, PPMID_ID)
        await ask(made, PPMID_ID, ImageBlockRequest(NEW, 0, 48))
        made.hub.cancel(PPMID_ID, "the operator says so")
        job = made.job(PPMID_ID)
        assert (job.state, job.reason) == ("cancelled", "the operator says so")
        (alert,) = alerts
        check_ccs08(alert, PPMID_ID, 1)
        assert await ask(made, PPMID_ID, ImageBlockRequest(NEW, 48, 48)) == ImageBlockResponse(Status.ABORT)
        # Nothing is left to cancel.
        made.hub.cancel(PPMID_ID, "again")
        assert len(alerts) == 1


@virtual
async def test_a_newer_image_takes_the_place_of_the_one_under_way(alerts: list[Message]) -> None:
    newer = image(JobKind.PPMID, NEW_VERSION + 1)
    async with lab() as made:
        made.update(JobKind.PPMID, PPMID_ID)
        await ask(made, PPMID_ID, ImageBlockRequest(NEW, 0, 48))
        made.update(JobKind.PPMID, PPMID_ID, file=newer)
        first, second = made.store.jobs(device=PPMID_ID)
        assert (first.state, first.reason) == ("cancelled", "replaced by a newer Service Request")
        (alert,) = alerts
        check_ccs08(alert, PPMID_ID, 1)
        assert await ask(made, PPMID_ID, ImageBlockRequest(NEW, 48, 48)) == ImageBlockResponse(Status.ABORT)
        answer = await ask(made, PPMID_ID, QueryNextImageRequest(RUNNING, 1))
        size = len(newer.data)
        assert answer == QueryNextImageResponse(Status.SUCCESS, newer.header.image_id, size)
        assert made.job(PPMID_ID).id == second.id


@virtual
async def test_attack_downgrade_a_device_that_runs_a_higher_version_is_offered_nothing(
    alerts: list[Message],
) -> None:
    async with lab() as made:
        made.update(JobKind.PPMID, PPMID_ID)
        higher = ImageId(NEW.manufacturer_code, NEW.image_type, NEW_VERSION + 1)
        answer = await ask(made, PPMID_ID, QueryNextImageRequest(higher, 1))
        assert answer == QueryNextImageResponse(Status.NO_IMAGE_AVAILABLE)
        job = made.job(PPMID_ID)
        assert job.state == "rejected"
        assert "higher file version" in job.reason
        (alert,) = alerts
        check_ccs08(alert, PPMID_ID, 1)


@virtual
async def test_a_device_that_has_the_version_already_is_not_served(alerts: list[Message]) -> None:
    async with lab() as made:
        made.update(JobKind.PPMID, PPMID_ID)
        assert await ask(made, PPMID_ID, QueryNextImageRequest(NEW, 1)) == QueryNextImageResponse(
            Status.NO_IMAGE_AVAILABLE
        )
        job = made.job(PPMID_ID)
        assert (job.state, job.reason) == ("rejected", "the device says it runs 01000001 already")
        (alert,) = alerts
        check_ccs08(alert, PPMID_ID, 1)


@virtual
async def test_attack_forged_upgrade_end_what_a_device_says_it_runs_activates_nothing() -> None:
    async with lab() as made:
        await made.told_to_activate()
        await ask(made, PPMID_ID, QueryNextImageRequest(NEW, 1))
        assert made.state(PPMID_ID) == "activating"


@virtual
async def test_attack_forged_upgrade_end_success_before_the_last_block_is_not_believed(
    alerts: list[Message],
) -> None:
    async with lab() as made:
        made.update(JobKind.PPMID, PPMID_ID)
        await ask(made, PPMID_ID, ImageBlockRequest(NEW, 0, 48))
        await ask(made, PPMID_ID, UpgradeEndRequest(Status.SUCCESS, NEW))
        answer = ZclFrame.decode(made.radio.to(PPMID_ID, ClusterId.OTA_UPGRADE)[-1])
        assert DefaultResponse.decode(answer.payload) == DefaultResponse(
            UpgradeEndRequest.COMMAND, Status.ABORT
        )
        assert made.state(PPMID_ID) == "transferring"
        assert alerts == []
        (refused,) = made.of(EventKind.OTA_REFUSED)
        assert "not transferred to the device" in str(refused.detail["reason"])


@virtual
async def test_attack_forged_upgrade_end_of_another_device_moves_no_job(alerts: list[Message]) -> None:
    async with lab() as made:
        await made.held()
        made.ask(NEIGHBOUR.eui64, UpgradeEndRequest(Status.INVALID_IMAGE, HCALCS_IMAGE.header.image_id))
        await asyncio.sleep(1)
        assert made.state(HCALCS_ID) == "held"
        assert len(alerts) == 1


@virtual
async def test_attack_wrong_recipient_another_device_never_sees_the_image() -> None:
    async with lab() as made:
        made.update(JobKind.HCALCS, HCALCS_ID)
        wanted = HCALCS_IMAGE.header.image_id
        neighbour = NEIGHBOUR.eui64
        answer = await ask(made, neighbour, QueryNextImageRequest(wanted, 1))
        assert answer == QueryNextImageResponse(Status.NO_IMAGE_AVAILABLE)
        answer = await ask(made, neighbour, ImageBlockRequest(wanted, 0, 48))
        assert answer == ImageBlockResponse(Status.ABORT)
        assert made.state(HCALCS_ID) == "notified"


@virtual
async def test_attack_stranger_a_device_that_is_in_no_device_log_is_not_answered() -> None:
    async with lab() as made:
        for cluster in (OTA, ClusterId.TUNNELING):
            made.say(STRANGER.eui64, cluster, bytes.fromhex("01 01 01"))
        await asyncio.sleep(60)
        assert [frame for frame in made.radio.sent if frame.device == STRANGER.eui64] == []
        refused = made.of(EventKind.FRAME_REFUSED, STRANGER.eui64)
        assert [event.detail["cluster"] for event in refused] == [OTA, ClusterId.TUNNELING]


@virtual
async def test_a_frame_on_a_cluster_the_hub_does_not_serve_is_noted() -> None:
    async with lab() as made:
        made.say(PPMID_ID, ClusterId.PRICE, b"\x01\x01\x00")
        (refused,) = made.of(EventKind.FRAME_REFUSED, PPMID_ID)
        assert (refused.detail["cluster"], refused.source) == (ClusterId.PRICE, Party.RADIO)


@virtual
async def test_attack_block_request_flood_of_one_device_is_bounded_and_another_is_served() -> None:
    settings = HubSettings(frames_waiting=8, ota=OtaServerSettings(request_burst=50, requests_per_second=10))
    async with lab(settings=settings) as made:
        made.update(JobKind.PPMID, PPMID_ID)
        made.radio.hung.add(PPMID_ID)
        for number in range(2000):
            made.ask(PPMID_ID, ImageBlockRequest(NEW, 0, 48), sequence=number & 0xFF)
        assert made.hub._delivery.dropped[PPMID_ID] >= 1900
        await asyncio.sleep(1)
        assert len([frame for frame in made.radio.sent if frame.device == PPMID_ID]) <= 2
        assert len(made.events) < 100
        await made.held()


@virtual
async def test_a_flood_is_told_to_wait() -> None:
    settings = HubSettings(ota=OtaServerSettings(request_burst=5, requests_per_second=1))
    async with lab(settings=settings) as made:
        made.update(JobKind.PPMID, PPMID_ID)
        for _ in range(10):
            made.ask(PPMID_ID, ImageBlockRequest(NEW, 0, 48))
        await asyncio.sleep(1)
        told = [
            command.status for command in answers(made, PPMID_ID) if isinstance(command, ImageBlockResponse)
        ]
        assert told.count(Status.WAIT_FOR_DATA) == 5


@virtual
async def test_blocks_that_are_not_delivered_are_asked_for_again_until_the_image_is_whole() -> None:
    async with lab() as made:
        device = await made.joined(PPMID, JobKind.PPMID)
        made.update(JobKind.PPMID, PPMID_ID)
        await asyncio.sleep(0.05)
        made.radio.errors[PPMID_ID] = DeliveryError("no acknowledgement")
        await asyncio.sleep(12)
        assert made.state(PPMID_ID) in {"notified", "queried", "transferring"}
        del made.radio.errors[PPMID_ID]
        await asyncio.sleep(60)
        assert made.state(PPMID_ID) == "activating"
        assert device.client.image == PPMID_IMAGE.data


@virtual
async def test_a_device_that_comes_back_is_notified_again() -> None:
    async with lab() as made:
        made.update(JobKind.PPMID, PPMID_ID)
        await asyncio.sleep(1)
        made.hub.device_left(PPMID_ID)
        before = len(answers(made, PPMID_ID))
        made.hub.device_ready(PPMID_ID)
        await asyncio.sleep(1)
        assert [type(command) for command in answers(made, PPMID_ID)[before:]] == [ImageNotify]


@virtual
async def test_several_devices_get_each_their_own_job_and_one_that_fails_leaves_the_others() -> None:
    async with lab(settings=ONCE) as made:
        good = await made.joined(HCALCS, JobKind.HCALCS)
        bad = await made.joined(NEIGHBOUR, JobKind.HCALCS)
        bad.status = Status.INVALID_IMAGE
        made.update(JobKind.HCALCS, good.eui64, bad.eui64)
        await asyncio.sleep(60)
        assert (made.state(good.eui64), made.state(bad.eui64)) == ("held", "invalid_image")
        assert good.client.image == HCALCS_IMAGE.data


@virtual
async def test_image_blocks_go_as_bulk_and_all_else_before_them() -> None:
    async with lab() as made:
        await made.held()
        for frame in made.radio.sent:
            assert frame.encrypted
            zcl = ZclFrame.decode(frame.data)
            is_block = frame.cluster == OTA and isinstance(decode_command(zcl), ImageBlockResponse)
            assert frame.priority.name == (
                "CRITICAL" if frame.cluster == ClusterId.TUNNELING else "BULK" if is_block else "NORMAL"
            )


@virtual
async def test_an_image_that_names_its_device_is_for_that_device_alone() -> None:
    destined = image(JobKind.HCALCS, destination=NEIGHBOUR.eui64)
    async with lab() as made:
        with pytest.raises(RemoteProtocolError, match=f"for {NEIGHBOUR.eui64} alone"):
            made.update(JobKind.HCALCS, HCALCS_ID, file=destined)
        assert made.store.jobs() == []
        made.update(JobKind.HCALCS, NEIGHBOUR.eui64, file=destined)
        assert made.state(NEIGHBOUR.eui64) == "notified"


@virtual
async def test_no_more_updates_are_begun_than_the_server_has_sessions_for() -> None:
    async with lab(settings=HubSettings(ota=OtaServerSettings(sessions=2))) as made:
        made.update(JobKind.PPMID, PPMID_ID)
        with pytest.raises(RemoteProtocolError, match="1 updates are under way and 2 more"):
            made.update(JobKind.HCALCS, HCALCS_ID, NEIGHBOUR.eui64)
        assert made.store.jobs(device=HCALCS_ID) == []
        # Taking the place of the one under way needs no more room.
        made.update(JobKind.PPMID, PPMID_ID, file=image(JobKind.PPMID, NEW_VERSION + 1))
        made.update(JobKind.HCALCS, HCALCS_ID)


@virtual
async def test_progress_tells_octets_rate_and_time_left_and_small_journals_stay_small() -> None:
    large = image(JobKind.PPMID, size=48_000)
    async with lab(settings=HubSettings(progress_interval=10)) as made:
        await made.joined(PPMID, JobKind.PPMID)
        made.update(JobKind.PPMID, PPMID_ID, file=large)
        await asyncio.sleep(5)
        (progress,) = made.hub.progress()
        rate = 48 / made.radio.LATENCY
        assert progress.total == len(large.data)
        assert progress.rate == pytest.approx(rate, rel=0.02)
        assert progress.seconds_left == pytest.approx((len(large.data) - progress.octets) / rate, rel=0.05)
        await asyncio.sleep(20)
        assert made.state(PPMID_ID) == "activating"
        assert len(made.of(EventKind.TRANSFER_PROGRESS)) == 1
        (end,) = made.of(EventKind.UPGRADE_END)
        assert end.detail["rate"] == pytest.approx(rate, rel=0.02)
        assert not made.hub.progress()
