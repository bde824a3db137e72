"""The Upgrade Client: pages, what misses of them, the Minimum Block Period, and broadcasts."""

from __future__ import annotations

import pytest

from hanota.ota.client_events import DownloadComplete, DownloadFailed, DownloadFailure
from hanota.ota.commands import (
    ImageBlockRequest,
    ImageBlockResponse,
    ImageNotify,
    ImagePageRequest,
    QueryNextImageRequest,
    WaitForData,
    encode_command,
)
from hanota.ota.settings import OtaClientSettings
from hanota.zcl import Status
from tests.ota_client_support import DATA, IMAGE, NOW, RUNNING, Bench, block, wait

PAGES = OtaClientSettings(page_size=96, page_data_size=32)


@pytest.fixture
def bench() -> Bench:
    return Bench(PAGES)


def page(bench: Bench, start: int, *offsets: int) -> None:
    """Answer the page request for `start` with the blocks at `offsets`."""
    request = bench.request()
    assert isinstance(request, ImagePageRequest)
    assert request.file_offset == start
    for offset in offsets:
        bench.answer(block(offset, DATA[offset : min(offset + 32, start + request.page_size)]))


def test_pages_are_asked_for_one_after_the_other_the_last_one_shorter(bench: Bench) -> None:
    bench.offered()
    request = bench.request()
    assert request == ImagePageRequest(IMAGE, 0, 32, 96, 50)
    for offset in (0, 32, 64):
        bench.answer(block(offset, DATA[offset : offset + 32]))
    request = bench.request()
    assert request == ImagePageRequest(IMAGE, 96, 32, len(DATA) - 96, 50)
    bench.answer(block(96, DATA[96:128]))
    assert bench.answer(block(128, DATA[128:])) == [DownloadComplete(NOW, IMAGE, DATA)]


def test_blocks_of_a_page_are_taken_in_any_order_and_twice(bench: Bench) -> None:
    bench.offered()
    page(bench, 0, 32, 0, 0, 32, 64)
    assert bench.client.image == DATA[:96]


def test_what_misses_of_a_page_is_asked_for_block_by_block(bench: Bench) -> None:
    bench.offered()
    page(bench, 0, 0, 64)
    assert bench.client.file_offset == 32
    assert bench.request() == ImageBlockRequest(IMAGE, 32, 32, None, 0)
    bench.answer(block(32, DATA[32:64]))
    assert bench.client.file_offset == 96
    assert isinstance(bench.request(), ImagePageRequest)


def test_a_page_that_goes_silent_is_completed_block_by_block(bench: Bench) -> None:
    bench.offered()
    page(bench, 0, 0)
    bench.elapse(4.9)
    assert bench.frames() == []
    bench.elapse(0.1)
    assert bench.request() == ImageBlockRequest(IMAGE, 32, 63, None, 0)
    bench.answer(block(32, DATA[32:95]))
    assert bench.request() == ImageBlockRequest(IMAGE, 95, 55, None, 0)


def test_a_late_block_of_a_page_saves_its_request(bench: Bench) -> None:
    bench.offered()
    page_sequence = None
    request = bench.request()
    assert isinstance(request, ImagePageRequest)
    page_sequence = bench.sequence
    bench.answer(block(0, DATA[:32]))
    bench.answer(block(64, DATA[64:96]))
    assert isinstance(bench.request(), ImageBlockRequest)
    bench.answer(block(32, DATA[32:64]), page_sequence)
    assert bench.client.file_offset == 96
    assert isinstance(bench.request(), ImagePageRequest)


@pytest.mark.parametrize(
    "bad",
    [
        block(96, DATA[96:128]),
        block(0, DATA[:33]),
        block(0, b""),
        block(0, DATA[:32], RUNNING),
        block(2**32 - 1, DATA[:32]),
    ],
    ids=["beyond the page", "longer than asked", "empty", "another image", "far away"],
)
def test_a_block_that_is_not_of_the_page_is_refused(bench: Bench, bad: ImageBlockResponse) -> None:
    bench.offered()
    bench.request()
    assert bench.answer(bad) == []
    assert [response.status for response in bench.default_responses()] == [Status.INVALID_VALUE]
    assert bench.client.image == b""


def test_a_server_without_pages_is_asked_block_by_block_from_then_on(bench: Bench) -> None:
    bench.offered()
    assert isinstance(bench.request(), ImagePageRequest)
    bench.default(0x04, Status.UNSUP_CLUSTER_COMMAND)
    told = []
    for offset in (0, 63, 126):
        assert isinstance(bench.request(), ImageBlockRequest)
        told = bench.answer(block(offset, DATA[offset : offset + 63]))
    assert told == [DownloadComplete(NOW, IMAGE, DATA)]


def test_a_page_that_has_to_wait_is_asked_for_again(bench: Bench) -> None:
    bench.offered()
    asked = bench.request()
    bench.answer(wait(0, 60))
    bench.elapse(60)
    assert bench.request() == asked


def test_a_page_answered_abort_ends_the_download(bench: Bench) -> None:
    bench.offered()
    bench.request()
    assert bench.answer(ImageBlockResponse(Status.ABORT)) == [
        DownloadFailed(NOW, DownloadFailure.ABORTED, Status.ABORT)
    ]


def test_a_silent_server_ends_a_download_by_pages_by_name(bench: Bench) -> None:
    bench.offered()
    told = []
    for _ in range(20):
        told += bench.elapse(5)
    assert told == [DownloadFailed(NOW + 55, DownloadFailure.BLOCKS_FAILED, Status.ABORT)]


@pytest.mark.parametrize(("revision", "field", "seconds"), [(4, 500, 0.5), (1, 500, 0.5), (2, 5, 5.0)])
def test_a_minimum_block_period_is_obeyed_and_echoed_in_its_unit(
    revision: int, field: int, seconds: float
) -> None:
    bench = Bench(OtaClientSettings(cluster_revision=revision))
    bench.offered()
    bench.request()
    bench.answer(ImageBlockResponse(Status.WAIT_FOR_DATA, WaitForData(7, 7, field)))
    bench.elapse(1)
    bench.elapse(max(0, seconds - 1))
    asked = bench.request()
    assert isinstance(asked, ImageBlockRequest)
    assert asked.minimum_block_period == field
    bench.answer(block(0, DATA[:63]))
    assert bench.frames() == []
    bench.elapse(seconds - 0.01)
    assert bench.frames() == []
    bench.elapse(0.01)
    assert isinstance(bench.request(), ImageBlockRequest)


def broadcast(bench: Bench, notify: ImageNotify, draw: int = 1) -> bool:
    """Return whether the client asks."""
    frame = replace_bit(encode_command(notify, 9))
    bench.client.receive(frame, bench.now, broadcast_draw=draw)
    return [type(bench.request())] == [QueryNextImageRequest] if bench.client._outgoing else False


def replace_bit(frame: bytes) -> bytes:
    """Clear "disable default response": a broadcast is not answered even then."""
    return bytes((frame[0] & ~0x10,)) + frame[1:]


@pytest.mark.parametrize(
    ("notify", "draw", "asks"),
    [
        (ImageNotify(50), 50, True),
        (ImageNotify(50), 51, False),
        (ImageNotify(100), 100, True),
        (ImageNotify(0), 1, False),
        (ImageNotify(101), 1, False),
        (ImageNotify(100, 0x121D), 1, True),
        (ImageNotify(100, 0x9999), 1, False),
        (ImageNotify(100, 0xFFFF, 0xFFFF), 1, True),
        (ImageNotify(100, 0x121D, 0x0085), 1, False),
        (ImageNotify(100, 0x121D, 0x0084, 2), 1, True),
        (ImageNotify(100, 0x121D, 0x0084, 1), 1, False),
    ],
)
def test_a_broadcast_notify_is_a_lottery_for_those_it_means(
    bench: Bench, notify: ImageNotify, draw: int, asks: bool
) -> None:
    assert broadcast(bench, notify, draw) is asks


def test_nothing_but_an_image_notify_is_taken_from_a_broadcast(bench: Bench) -> None:
    bench.offered()
    bench.frames()
    bench.client.receive(
        encode_command(ImageBlockResponse(Status.ABORT), bench.sequence), NOW, broadcast_draw=1
    )
    assert bench.client.events() == []


def test_a_reboot_forgets_blocks_that_came_ahead(bench: Bench) -> None:
    bench.offered()
    page(bench, 0, 0, 64)
    bench.frames()
    bench.client.resume(NOW + 60)
    assert bench.client.image == DATA[:32]
    assert isinstance(bench.request(), QueryNextImageRequest)
