"""The Upgrade Client: blocks, one exchange at a time."""

from __future__ import annotations

import pytest

from hanota.ota.client_events import (
    ClientEvent,
    DownloadFailed,
    DownloadFailure,
    DownloadStarted,
)
from hanota.ota.commands import (
    NEVER,
    ImageBlockRequest,
    ImageBlockResponse,
    QueryNextImageRequest,
    QueryNextImageResponse,
    UpgradeEndRequest,
    decode_command,
)
from hanota.ota.settings import OtaClientSettings
from hanota.zcl import DefaultResponse, Status
from tests.ota_client_support import DATA, IMAGE, NOW, RUNNING, Bench, block, wait


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_blocks_without_an_answer_end_with_abort_and_the_octets_kept(bench: Bench) -> None:
    bench.downloaded(63)
    for _ in range(9):
        assert isinstance(bench.request(), ImageBlockRequest)
        bench.elapse(5)
    bench.request()
    assert bench.elapse(5) == [DownloadFailed(bench.now, DownloadFailure.BLOCKS_FAILED, Status.ABORT)]
    assert bench.request() == UpgradeEndRequest(Status.ABORT, IMAGE)
    assert bench.client.next_timer() is None
    assert bench.client.image == DATA[:63]
    bench.client.resume(bench.now)
    bench.request()
    assert bench.answer(QueryNextImageResponse(Status.SUCCESS, IMAGE, len(DATA))) == [
        DownloadStarted(bench.now, IMAGE, len(DATA), 63)
    ]


@pytest.mark.parametrize(
    "bad",
    [
        block(1, DATA[1:64]),
        block(0, DATA[:64]),
        block(0, b""),
        block(0, DATA[:63], RUNNING),
    ],
    ids=["wrong offset", "longer than asked", "empty", "another image"],
)
def test_a_bad_block_is_discarded_and_asked_for_again(bench: Bench, bad: ImageBlockResponse) -> None:
    bench.offered()
    asked = bench.request()
    assert bench.answer(bad) == []
    again, refusal = bench.frames()
    assert decode_command(again) == asked
    assert DefaultResponse.decode(refusal.payload) == DefaultResponse(0x05, Status.INVALID_VALUE)
    assert bench.client.image == b""
    bench.answer(block(0, DATA[:63]))
    assert bench.client.image == DATA[:63]


def test_bad_blocks_for_ever_end_by_name(bench: Bench) -> None:
    bench.offered()
    bench.request()
    told: list[ClientEvent] = []
    for _ in range(10):
        told = bench.answer(block(1, DATA[:1]))
    assert told == [DownloadFailed(NOW, DownloadFailure.BLOCKS_FAILED, Status.ABORT)]


def test_an_answer_to_an_earlier_request_is_ignored(bench: Bench) -> None:
    bench.downloaded(63)
    bench.request()
    assert bench.answer(block(0, DATA[:63]), bench.sequence - 1) == []
    assert bench.answer(ImageBlockResponse(Status.ABORT), bench.sequence - 1) == []
    assert bench.frames() == []
    assert bench.client.image == DATA[:63]


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        (wait(1000, 1060), 60),
        (wait(0, 60), 60),
        (wait(1000, 1000), 1),
        (wait(1000, 1000 + 7200), 3600),
        (wait(1000, 900), 300),
        (wait(0, NEVER), 3600),
    ],
)
def test_wait_for_data_is_obeyed_within_an_hour(
    bench: Bench, answer: ImageBlockResponse, seconds: float
) -> None:
    bench.offered()
    asked = bench.request()
    assert bench.answer(answer) == []
    bench.elapse(seconds - 0.1)
    assert bench.frames() == []
    bench.elapse(0.1)
    assert bench.request() == asked


def test_wait_for_data_any_number_of_times_is_no_failure(bench: Bench) -> None:
    bench.offered()
    for _ in range(100):
        bench.request()
        assert bench.answer(wait(0, 3600)) == []
        bench.elapse(3600)
    assert isinstance(bench.request(), ImageBlockRequest)


@pytest.mark.parametrize("status", [Status.ABORT, Status.NO_IMAGE_AVAILABLE, Status.NOT_AUTHORIZED])
def test_abort_ends_the_download_and_drops_the_octets(bench: Bench, status: Status) -> None:
    bench.downloaded(63)
    bench.request()
    assert bench.answer(ImageBlockResponse(status)) == [DownloadFailed(NOW, DownloadFailure.ABORTED, status)]
    assert bench.client.image == b""
    assert bench.client.next_timer() is None


def test_another_refusal_of_a_block_is_asked_again_in_a_while(bench: Bench) -> None:
    bench.offered()
    asked = bench.request()
    assert bench.answer(ImageBlockResponse(Status.MALFORMED_COMMAND)) == []
    assert bench.default(0x03, Status.FAILURE) == []
    bench.elapse(5)
    assert bench.request() == asked


def test_a_default_response_that_ends_the_download(bench: Bench) -> None:
    bench.offered()
    bench.request()
    assert bench.default(0x01, Status.UNSUP_CLUSTER_COMMAND) == []
    assert bench.default(0x03, Status.UNSUP_CLUSTER_COMMAND) == [
        DownloadFailed(NOW, DownloadFailure.ABORTED, Status.UNSUP_CLUSTER_COMMAND)
    ]


@pytest.mark.parametrize("with_query", [True, False])
def test_after_a_reboot_the_download_goes_on_at_its_offset(with_query: bool) -> None:
    bench = Bench(OtaClientSettings(resume_with_query=with_query))
    bench.downloaded(63)
    bench.frames()
    bench.client.resume(NOW + 60)
    request = bench.request()
    if with_query:
        assert request == QueryNextImageRequest(RUNNING, 0x11)
        bench.answer(QueryNextImageResponse(Status.SUCCESS, IMAGE, len(DATA)))
        request = bench.request()
    assert isinstance(request, ImageBlockRequest)
    assert request.file_offset == 63


def test_after_a_reboot_another_image_begins_at_its_first_octet(bench: Bench) -> None:
    bench.downloaded(63)
    bench.frames()
    assert bench.offered(IMAGE, len(DATA) + 1) == [DownloadStarted(NOW, IMAGE, len(DATA) + 1, 0)]
