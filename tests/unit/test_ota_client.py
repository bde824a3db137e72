"""The Upgrade Client: queries, notifies, and frames that it cannot take."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from hanota.eui64 import Eui64
from hanota.ota.client import ClientIdentity, OtaClient
from hanota.ota.client_events import (
    DownloadFailed,
    DownloadFailure,
    ImageUpgradeStatus,
    NoImageAvailable,
    WaitForActivation,
)
from hanota.ota.commands import (
    ImageBlockRequest,
    ImageNotify,
    QueryNextImageRequest,
    QueryNextImageResponse,
    UpgradeEndResponse,
    decode_command,
    encode_command,
)
from hanota.ota.settings import OtaClientSettings, UpgradeActivationPolicy
from hanota.zcl import DefaultResponse, GeneralCommand, Status, ZclFrame
from tests.ota_client_support import IMAGE, NOW, RUNNING, Bench

if TYPE_CHECKING:
    from hanota.ota.fields import ImageId


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_query_says_what_the_device_is(bench: Bench) -> None:
    bench.client.start(NOW)
    assert bench.request() == QueryNextImageRequest(RUNNING, 0x11)


@pytest.mark.parametrize(
    "notify", [ImageNotify(1), ImageNotify(100, 0x121D, 0x0084, 2), ImageNotify(1, 0x9999)]
)
def test_a_unicast_image_notify_always_makes_it_query(bench: Bench, notify: ImageNotify) -> None:
    bench.answer(notify, 99)
    assert bench.request() == QueryNextImageRequest(RUNNING, 0x11)


def test_an_image_notify_is_acknowledged_if_the_server_asks_for_it(bench: Bench) -> None:
    frame = replace(ZclFrame.decode(encode_command(ImageNotify(1), 99)), disable_default_response=False)
    bench.client.receive(frame.encode(), NOW)
    assert [frame.is_default_response for frame in bench.frames()] == [False, True]


def test_an_image_notify_of_the_image_that_is_coming_changes_nothing(bench: Bench) -> None:
    bench.downloaded(63)
    bench.request()
    bench.answer(ImageNotify(100, 0x121D, 0x0084, 2), 99)
    assert bench.frames() == []
    bench.answer(ImageNotify(100, 0x121D, 0x0084, 3), 99)
    assert isinstance(bench.request(), QueryNextImageRequest)


def test_the_node_address_is_sent_if_there_is_one() -> None:
    eui64 = Eui64.parse("00-DB-12-34-56-78-90-A4")
    client = OtaClient(ClientIdentity(RUNNING, node_address=eui64), lambda _: 0)
    client.start(NOW)
    sequence = ZclFrame.decode(client.requests()[0]).sequence
    client.receive(encode_command(QueryNextImageResponse(0, IMAGE, 10), sequence), NOW)
    request = decode_command(ZclFrame.decode(client.requests()[0]))
    assert isinstance(request, ImageBlockRequest)
    assert request.node_address == eui64


def test_no_image_available_ends_the_matter(bench: Bench) -> None:
    bench.client.start(NOW)
    bench.request()
    assert bench.answer(QueryNextImageResponse(Status.NO_IMAGE_AVAILABLE)) == [NoImageAvailable(NOW)]
    assert bench.client.next_timer() is None


@pytest.mark.parametrize(
    ("image", "size"),
    [
        (replace(IMAGE, manufacturer_code=0xFFFF), 150),
        (replace(IMAGE, image_type=0), 150),
        (RUNNING, 150),
        (replace(IMAGE, file_version=0), 150),
        (IMAGE, 0),
        (IMAGE, 10_240_001),
        (IMAGE, 0xFFFF_FFFF),
    ],
)
def test_an_offer_that_is_not_for_this_device_is_refused(bench: Bench, image: ImageId, size: int) -> None:
    told = bench.offered(image, size)
    assert told == [DownloadFailed(NOW, DownloadFailure.OFFER_UNACCEPTABLE, Status.INVALID_VALUE)]
    assert bench.default_responses() == [DefaultResponse(0x02, Status.INVALID_VALUE)]


def test_a_request_without_an_answer_is_repeated_and_then_fails_by_name(bench: Bench) -> None:
    bench.client.start(NOW)
    first = bench.frames()
    for _ in range(9):
        assert bench.elapse(4.9) == []
        assert bench.frames() == []
        assert bench.elapse(0.1) == []
        assert bench.frames() == first
    assert bench.elapse(5) == [DownloadFailed(NOW + 50, DownloadFailure.QUERY_UNANSWERED)]
    assert bench.client.next_timer() is None


def test_a_repeated_request_takes_a_new_sequence_number_if_so_set() -> None:
    bench = Bench(OtaClientSettings(new_sequence_on_retry=True))
    bench.client.start(NOW)
    (first,) = bench.frames()
    bench.elapse(5)
    (second,) = bench.frames()
    assert (first.payload, first.sequence + 1) == (second.payload, second.sequence)


def test_an_out_of_band_device_takes_no_time_but_wait() -> None:
    bench = Bench(OtaClientSettings(upgrade_activation_policy=UpgradeActivationPolicy.OUT_OF_BAND))
    bench.downloaded()
    bench.request()
    assert bench.answer(UpgradeEndResponse(IMAGE, 0, 0)) == [WaitForActivation(NOW)]
    assert bench.default_responses() == [DefaultResponse(0x07, Status.NOT_AUTHORIZED)]
    assert bench.client.image_upgrade_status is ImageUpgradeStatus.WAITING_TO_UPGRADE_VIA_EXTERNAL_EVENT
    assert bench.client.next_timer() is None
    bench.client.resume(NOW)
    assert bench.frames() == []


@pytest.mark.parametrize(
    ("octets", "status"),
    [
        ("190505", Status.MALFORMED_COMMAND),
        ("19050b", Status.UNSUP_CLUSTER_COMMAND),
        ("1d34120505 95", Status.UNSUP_MANUF_CLUSTER_COMMAND),
        ("110501 00 1d12 8400 04030201", Status.UNSUP_CLUSTER_COMMAND),
    ],
)
def test_a_command_it_cannot_take_is_answered_by_default_response(
    bench: Bench, octets: str, status: Status
) -> None:
    bench.client.receive(bytes.fromhex(octets), NOW)
    assert [response.status for response in bench.default_responses()] == [status]


@pytest.mark.parametrize("octets", ["", "19", "18050b00", "180500"])
def test_other_octets_change_nothing(bench: Bench, octets: str) -> None:
    bench.client.receive(bytes.fromhex(octets), NOW)
    assert (bench.frames(), bench.client.events()) == ([], [])


def test_default_responses_are_never_answered(bench: Bench) -> None:
    frame = ZclFrame(9, GeneralCommand.DEFAULT_RESPONSE, b"\x03\x81", cluster_specific=False)
    bench.client.receive(replace(frame, disable_default_response=False).encode(), NOW)
    assert bench.frames() == []
