"""The Upgrade Client, one exchange at a time, with a server whose every frame is made here."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hanota.eui64 import Eui64
from hanota.ota.client import ClientIdentity, OtaClient
from hanota.ota.client_events import (
    Activate,
    ActivationScheduled,
    ClientEvent,
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
    ImageBlock,
    ImageBlockRequest,
    ImageBlockResponse,
    ImageNotify,
    OtaCommand,
    QueryNextImageRequest,
    QueryNextImageResponse,
    UpgradeEndRequest,
    UpgradeEndResponse,
    WaitForData,
    decode_command,
    encode_command,
)
from hanota.ota.fields import ANY_IMAGE, ImageId
from hanota.ota.settings import OtaClientSettings, UpgradeActivationPolicy, UpgradeTimeoutPolicy
from hanota.zcl import DefaultResponse, GeneralCommand, Status, ZclFrame

NOW = 1_790_000_000.0
RUNNING = ImageId(0x121D, 0x0084, 1)
IMAGE = ImageId(0x121D, 0x0084, 2)
DATA = bytes(range(150))


class Bench:
    """A client, and the other side by hand."""

    def __init__(self, settings: OtaClientSettings | None = None, status: int = Status.SUCCESS) -> None:
        self.verified: list[bytes] = []
        self.client = OtaClient(ClientIdentity(RUNNING, 0x11), self.verify, settings)
        self.status = status
        self.now = NOW
        self.sequence = 0

    def verify(self, data: bytes) -> int:
        self.verified.append(data)
        return self.status

    def frames(self) -> list[ZclFrame]:
        return [ZclFrame.decode(data) for data in self.client.requests()]

    def request(self) -> OtaCommand:
        (frame,) = self.frames()
        self.sequence = frame.sequence
        return decode_command(frame)

    def answer(self, command: OtaCommand, sequence: int | None = None) -> list[ClientEvent]:
        self.client.receive(
            encode_command(command, self.sequence if sequence is None else sequence), self.now
        )
        return self.client.events()

    def default(self, command: int, status: int) -> list[ClientEvent]:
        frame = ZclFrame(self.sequence, 0x0B, bytes((command, status)), cluster_specific=False)
        self.client.receive(frame.encode(), self.now)
        return self.client.events()

    def default_responses(self) -> list[DefaultResponse]:
        return [DefaultResponse.decode(frame.payload) for frame in self.frames() if frame.is_default_response]

    def elapse(self, seconds: float) -> list[ClientEvent]:
        self.now += seconds
        self.client.expire(self.now)
        return self.client.events()

    def offered(self, image: ImageId = IMAGE, size: int = len(DATA)) -> list[ClientEvent]:
        self.client.start(self.now)
        self.request()
        return self.answer(QueryNextImageResponse(Status.SUCCESS, image, size))

    def downloaded(self, until: int = len(DATA)) -> list[ClientEvent]:
        """Answer block requests, 63 octets each, until so many octets are there."""
        self.offered()
        told: list[ClientEvent] = []
        for start in range(0, until, 63):
            assert isinstance(self.request(), ImageBlockRequest)
            told = self.answer(block(start, DATA[start : start + 63]))
        return told


def block(offset: int, data: bytes, image: ImageId = IMAGE) -> ImageBlockResponse:
    return ImageBlockResponse(Status.SUCCESS, ImageBlock(image, offset, data))


def wait(current: int, request: int) -> ImageBlockResponse:
    return ImageBlockResponse(Status.WAIT_FOR_DATA, WaitForData(current, request))


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


def test_after_a_reboot_a_countdown_is_asked_for_anew(bench: Bench) -> None:
    bench.downloaded()
    bench.request()
    bench.answer(UpgradeEndResponse(IMAGE, 0, 600))
    bench.client.resume(NOW + 60)
    assert bench.request() == UpgradeEndRequest(Status.SUCCESS, IMAGE)


@pytest.mark.parametrize(
    ("octets", "status"),
    [
        ("190505", Status.MALFORMED_COMMAND),
        ("190509", Status.UNSUP_CLUSTER_COMMAND),
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
