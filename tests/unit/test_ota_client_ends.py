"""The Upgrade Client: from the last octet to the activation."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hanota.ota.client_events import (
    Activate,
    ActivationScheduled,
    DownloadComplete,
    DownloadFailed,
    DownloadFailure,
    DownloadStarted,
    ImageUpgradeStatus,
    NoImageAvailable,
    WaitForActivation,
)
from hanota.ota.commands import (
    NEVER,
    ImageBlockRequest,
    ImageNotify,
    QueryNextImageResponse,
    UpgradeEndRequest,
    UpgradeEndResponse,
)
from hanota.ota.fields import ANY_IMAGE, ImageId
from hanota.ota.settings import OtaClientSettings, UpgradeTimeoutPolicy
from hanota.zcl import DefaultResponse, Status
from tests.ota_client_support import DATA, IMAGE, NOW, RUNNING, Bench, block


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_whole_download_ends_with_every_octet_verified_and_an_upgrade_end(bench: Bench) -> None:
    told = bench.offered()
    assert told == [DownloadStarted(NOW, IMAGE, len(DATA), 0)]
    asked = []
    while bench.client.file_offset < len(DATA):
        request = bench.request()
        assert isinstance(request, ImageBlockRequest)
        asked.append((request.file_offset, request.maximum_data_size, request.minimum_block_period))
        start = request.file_offset
        told = bench.answer(block(start, DATA[start : start + 63]))
    assert asked == [(0, 63, 0), (63, 63, 0), (126, 24, 0)]
    assert told == [DownloadComplete(NOW, IMAGE, DATA)]
    assert bench.verified == [DATA]
    assert bench.request() == UpgradeEndRequest(Status.SUCCESS, IMAGE)
    assert bench.client.image_upgrade_status is ImageUpgradeStatus.DOWNLOAD_COMPLETE


def test_an_image_that_does_not_verify_is_told_to_the_server_until_it_hears(bench: Bench) -> None:
    bench.status = Status.INVALID_IMAGE
    assert bench.downloaded() == [DownloadFailed(NOW, DownloadFailure.INVALID_IMAGE, Status.INVALID_IMAGE)]
    assert bench.request() == UpgradeEndRequest(Status.INVALID_IMAGE, IMAGE)
    assert bench.client.image == b""
    bench.elapse(5)
    assert bench.request() == UpgradeEndRequest(Status.INVALID_IMAGE, IMAGE)
    assert bench.default(0x06, Status.SUCCESS) == []
    assert bench.client.next_timer() is None
    assert bench.answer(UpgradeEndResponse(IMAGE, 0, 0)) == []


def test_a_failure_that_the_server_never_hears_of_is_told_only_so_often(bench: Bench) -> None:
    bench.status = Status.INVALID_IMAGE
    bench.downloaded()
    for _ in range(10):
        assert isinstance(bench.request(), UpgradeEndRequest)
        assert bench.elapse(5) == []
    assert bench.frames() == []
    assert bench.client.next_timer() is None


@pytest.mark.parametrize("image", [IMAGE, ANY_IMAGE])
@pytest.mark.parametrize("current", [0, 1000])
def test_upgrade_now_activates_once(bench: Bench, image: ImageId, current: int) -> None:
    bench.downloaded()
    bench.request()
    now = UpgradeEndResponse(image, current, current)
    assert bench.answer(now) == [ActivationScheduled(NOW, NOW), Activate(NOW, IMAGE)]
    assert bench.answer(now) == []
    assert bench.client.image == DATA
    assert bench.client.next_timer() is None


def test_upgrade_later_counts_down_and_is_not_moved_any_more(bench: Bench) -> None:
    bench.downloaded()
    bench.request()
    assert bench.answer(UpgradeEndResponse(IMAGE, 1000, 1600)) == [ActivationScheduled(NOW, NOW + 600)]
    assert bench.client.image_upgrade_status is ImageUpgradeStatus.COUNT_DOWN
    assert bench.answer(UpgradeEndResponse(IMAGE, 0, 0)) == []
    assert bench.answer(ImageNotify(100, 0x121D, 0x0084, 3), 99) == []
    assert bench.frames() == []
    assert bench.elapse(599) == []
    assert bench.elapse(1) == [Activate(NOW + 600, IMAGE)]


def test_an_upgrade_time_in_the_past_is_the_servers_error_and_not_now(bench: Bench) -> None:
    bench.downloaded()
    bench.request()
    assert bench.answer(UpgradeEndResponse(IMAGE, 1000, 999)) == [ActivationScheduled(NOW, NOW + 300)]


def test_a_held_image_asks_every_hour_until_it_may(bench: Bench) -> None:
    bench.downloaded()
    bench.request()
    assert bench.answer(UpgradeEndResponse(IMAGE, 1000, NEVER)) == [WaitForActivation(NOW)]
    for _ in range(48):
        assert bench.elapse(3599) == []
        assert bench.frames() == []
        assert bench.elapse(1) == []
        assert bench.request() == UpgradeEndRequest(Status.SUCCESS, IMAGE)
        assert bench.answer(UpgradeEndResponse(IMAGE, 1000, NEVER)) == []
    assert bench.client.image_upgrade_status is ImageUpgradeStatus.WAITING_TO_UPGRADE
    assert bench.answer(UpgradeEndResponse(IMAGE, 0, 50), 200) == [
        ActivationScheduled(bench.now, bench.now + 50)
    ]


def test_a_held_image_survives_a_query_for_a_newer_one(bench: Bench) -> None:
    bench.downloaded()
    bench.request()
    bench.answer(UpgradeEndResponse(IMAGE, 0, NEVER))
    bench.answer(ImageNotify(100, 0x121D, 0x0084, 3), 99)
    bench.request()
    assert bench.answer(QueryNextImageResponse(Status.NO_IMAGE_AVAILABLE)) == [NoImageAvailable(NOW)]
    assert bench.client.image == DATA
    bench.elapse(3600)
    assert bench.request() == UpgradeEndRequest(Status.SUCCESS, IMAGE)


def test_a_held_image_survives_a_query_that_is_refused(bench: Bench) -> None:
    bench.downloaded()
    bench.request()
    bench.answer(UpgradeEndResponse(IMAGE, 0, NEVER))
    bench.client.start(NOW)
    bench.request()
    assert bench.default(0x01, Status.NOT_AUTHORIZED) == [
        DownloadFailed(NOW, DownloadFailure.ABORTED, Status.NOT_AUTHORIZED)
    ]
    assert bench.client.image == DATA
    bench.elapse(3600)
    assert bench.request() == UpgradeEndRequest(Status.SUCCESS, IMAGE)


def test_a_held_image_that_is_offered_again_is_not_downloaded_again(bench: Bench) -> None:
    bench.downloaded()
    bench.request()
    bench.answer(UpgradeEndResponse(IMAGE, 0, NEVER))
    assert bench.offered() == []
    assert bench.request() == UpgradeEndRequest(Status.SUCCESS, IMAGE)


def test_a_newer_image_replaces_a_held_one(bench: Bench) -> None:
    bench.downloaded()
    bench.request()
    bench.answer(UpgradeEndResponse(IMAGE, 0, NEVER))
    newer = replace(IMAGE, file_version=3)
    assert bench.offered(newer, 10) == [DownloadStarted(NOW, newer, 10, 0)]


@pytest.mark.parametrize("policy", UpgradeTimeoutPolicy)
def test_an_upgrade_end_that_stays_unanswered_is_decided_by_policy(policy: UpgradeTimeoutPolicy) -> None:
    bench = Bench(OtaClientSettings(upgrade_timeout_policy=policy, upgrade_end_attempts=2))
    bench.downloaded()
    assert bench.elapse(5) == []
    told = bench.elapse(5)
    match policy:
        case UpgradeTimeoutPolicy.APPLY:
            assert told == [Activate(NOW + 10, IMAGE)]
        case UpgradeTimeoutPolicy.DO_NOT_APPLY:
            assert told == [DownloadFailed(NOW + 10, DownloadFailure.UPGRADE_END_UNANSWERED)]
            bench.frames()
            bench.client.resume(bench.now)
            assert bench.request() == UpgradeEndRequest(Status.SUCCESS, IMAGE)


def test_an_upgrade_end_response_for_another_image_is_refused(bench: Bench) -> None:
    bench.downloaded()
    bench.request()
    assert bench.answer(UpgradeEndResponse(RUNNING, 0, 0)) == []
    assert bench.default_responses() == [DefaultResponse(0x07, Status.INVALID_VALUE)]
    bench.elapse(5)
    assert bench.request() == UpgradeEndRequest(Status.SUCCESS, IMAGE)


def test_attack_forged_upgrade_end_response_without_a_verified_image_activates_nothing(bench: Bench) -> None:
    assert bench.answer(UpgradeEndResponse(ANY_IMAGE, 0, 0)) == []
    bench.downloaded(63)
    bench.request()
    assert bench.answer(UpgradeEndResponse(IMAGE, 0, 0)) == []
    assert bench.client.image_upgrade_status is ImageUpgradeStatus.DOWNLOAD_IN_PROGRESS


def test_abort_of_an_upgrade_end_discards_the_image(bench: Bench) -> None:
    bench.downloaded()
    bench.request()
    assert bench.default(0x06, Status.ABORT) == [DownloadFailed(NOW, DownloadFailure.ABORTED, Status.ABORT)]
    assert bench.client.image == b""
    assert bench.answer(UpgradeEndResponse(IMAGE, 0, 0)) == []


def test_after_a_reboot_a_countdown_is_asked_for_anew(bench: Bench) -> None:
    bench.downloaded()
    bench.request()
    bench.answer(UpgradeEndResponse(IMAGE, 0, 600))
    bench.client.resume(NOW + 60)
    assert bench.request() == UpgradeEndRequest(Status.SUCCESS, IMAGE)
