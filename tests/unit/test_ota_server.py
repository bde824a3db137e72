"""The Upgrade Server, one exchange at a time, with a device whose every frame is made here."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hanota.errors import LocalProtocolError
from hanota.eui64 import Eui64
from hanota.ota.build import build_ppmid_image
from hanota.ota.commands import (
    NEVER,
    ImageBlock,
    ImageBlockRequest,
    ImageBlockResponse,
    ImageNotify,
    ImagePageRequest,
    OtaCommand,
    QueryNextImageRequest,
    QueryNextImageResponse,
    UpgradeEndRequest,
    UpgradeEndResponse,
    WaitForData,
    decode_command,
    encode_command,
)
from hanota.ota.events import (
    AllBlocksServed,
    AlreadyInstalled,
    BlockServed,
    DeviceDefaultResponse,
    HardwareVersionMismatch,
    ImageNotified,
    ImageQueried,
    OtaEvent,
    QueryRefused,
    Refusal,
    RequestRefused,
    TransferDelayed,
    TransferExpired,
    TransferStalled,
    TransferStarted,
    UpgradeEndAnswered,
    UpgradeEnded,
    UpgradeEndUnexpected,
)
from hanota.ota.fields import ANY_IMAGE, ImageId
from hanota.ota.header import HardwareVersions, OtaHeader
from hanota.ota.server import OtaServer
from hanota.ota.session import Activation, SessionState
from hanota.ota.settings import OtaServerSettings
from hanota.timestamps import ZIGBEE_EPOCH, zigbee_time
from hanota.zcl import DefaultResponse, Direction, GeneralCommand, Status, ZclFrame

NOW = 1_790_000_000.0
PPMID = Eui64.parse("00-DB-12-34-56-78-90-A4")
HCALCS = Eui64.parse("00-DB-12-34-56-78-90-A5")
STRANGER = Eui64.parse("00-DB-12-34-56-78-90-FF")
HEADER = OtaHeader(0x121D, 0x0084, 0x0200, hardware_versions=HardwareVersions(0x10, 0x20))
FILE = build_ppmid_image(HEADER, bytes(range(200)))
SIZE = len(FILE.data)
IMAGE = ImageId(0x121D, 0x0084, 0x0200)
RUNNING = replace(IMAGE, file_version=0x0100)


class Device:
    """Sends commands by hand and reads the answers."""

    def __init__(self, server: OtaServer, eui64: Eui64 = PPMID) -> None:
        self.server, self.eui64 = server, eui64
        self.now = NOW
        self.told: list[OtaEvent] = []

    def offered(self, activation: Activation = Activation.IMMEDIATE, **kwargs: bool) -> Device:
        self.server.offer(self.eui64, FILE, activation, self.now, **kwargs)
        self.drain()
        return self

    def drain(self) -> list[ZclFrame]:
        self.told = self.server.events()
        return [ZclFrame.decode(out.data) for out in self.server.responses() if out.device == self.eui64]

    def send_frame(self, data: bytes) -> list[ZclFrame]:
        self.server.receive(self.eui64, data, self.now)
        return self.drain()

    def ask(self, command: OtaCommand, sequence: int = 7) -> OtaCommand | DefaultResponse | None:
        frames = self.send_frame(encode_command(command, sequence))
        if not frames:
            return None
        (frame,) = frames
        assert frame.sequence == sequence
        assert frame.direction is Direction.TO_CLIENT
        assert frame.disable_default_response
        if frame.is_default_response:
            return DefaultResponse.decode(frame.payload)
        return decode_command(frame)

    def query(
        self, version: int = 0x0100, hardware: int | None = 0x11
    ) -> OtaCommand | DefaultResponse | None:
        return self.ask(QueryNextImageRequest(replace(IMAGE, file_version=version), hardware))

    def block(self, offset: int, size: int = 63) -> OtaCommand | DefaultResponse | None:
        return self.ask(ImageBlockRequest(IMAGE, offset, size))

    def download(self) -> None:
        for offset in range(0, SIZE, 48):
            self.block(offset)

    def end(self, status: int = Status.SUCCESS) -> OtaCommand | DefaultResponse | None:
        return self.ask(UpgradeEndRequest(status, IMAGE))

    def state(self) -> SessionState | None:
        return self.server.state(self.eui64)


@pytest.fixture
def server() -> OtaServer:
    return OtaServer()


@pytest.fixture
def device(server: OtaServer) -> Device:
    return Device(server).offered()


NO_IMAGE = QueryNextImageResponse(Status.NO_IMAGE_AVAILABLE)
ABORT = ImageBlockResponse(Status.ABORT)


def test_an_offer_notifies_with_everything_a_device_needs_to_decide(server: OtaServer) -> None:
    server.offer(PPMID, FILE, Activation.IMMEDIATE, NOW)
    (out,) = server.responses()
    assert decode_command(ZclFrame.decode(out.data)) == ImageNotify(100, 0x121D, 0x0084, 0x0200)
    assert not out.bulk
    assert server.events() == [ImageNotified(PPMID, NOW)]


def test_a_whole_upgrade_of_a_ppmid_ends_with_activate_now(device: Device) -> None:
    assert device.query() == QueryNextImageResponse(Status.SUCCESS, IMAGE, SIZE)
    assert device.told == [ImageQueried(PPMID, NOW, 0x0100, 0x11)]
    received = b""
    while len(received) < SIZE:
        answer = device.block(len(received))
        assert isinstance(answer, ImageBlockResponse)
        assert isinstance(answer.body, ImageBlock)
        assert answer.body.file_offset == len(received)
        received += answer.body.data
    assert received == FILE.data
    assert device.told[-1] == AllBlocksServed(PPMID, NOW)
    current = zigbee_time(NOW)
    assert device.end() == UpgradeEndResponse(IMAGE, current, current)
    assert device.told == [
        UpgradeEnded(PPMID, NOW, Status.SUCCESS),
        UpgradeEndAnswered(PPMID, NOW, current),
    ]


def test_an_hcalcs_is_told_to_wait_however_often_it_asks(server: OtaServer) -> None:
    device = Device(server, HCALCS).offered(Activation.OUT_OF_BAND)
    device.download()
    for hour in range(200):
        device.now = NOW + 3600 * hour
        server.expire(device.now)
        assert device.end() == UpgradeEndResponse(IMAGE, zigbee_time(device.now), NEVER)
    assert device.told == [UpgradeEndAnswered(HCALCS, device.now, NEVER)]
    assert server.next_timer() is None


def test_a_repeated_upgrade_end_of_a_ppmid_is_answered_again_and_told_once(device: Device) -> None:
    device.download()
    device.end()
    device.now += 5
    current = zigbee_time(device.now)
    assert device.end() == UpgradeEndResponse(IMAGE, current, current)
    assert device.told == [UpgradeEndAnswered(PPMID, device.now, current)]


def test_upgrade_end_with_a_status_alone_is_that_of_the_session(device: Device) -> None:
    device.download()
    answer = device.ask(UpgradeEndRequest(Status.SUCCESS))
    assert isinstance(answer, UpgradeEndResponse)
    assert answer.image == IMAGE


@pytest.mark.parametrize("status", [0x95, 0x96, 0x99, 0x94, 0x05, 0x87, 0xFE])
def test_a_failed_upgrade_end_of_any_status_is_acknowledged_and_told(device: Device, status: int) -> None:
    device.download()
    assert device.end(status) == DefaultResponse(0x06, Status.SUCCESS)
    assert device.told == [UpgradeEnded(PPMID, NOW, status)]
    assert device.state() is SessionState.FAILED
    assert device.end(status) == DefaultResponse(0x06, Status.SUCCESS)
    assert device.told == []
    assert device.query() == NO_IMAGE


def test_blocks_are_never_longer_than_asked_nor_than_the_setting(device: Device) -> None:
    for asked, served in ((1, 1), (16, 16), (48, 48), (63, 48), (255, 48)):
        answer = device.block(0, asked)
        assert isinstance(answer, ImageBlockResponse)
        assert answer.body == ImageBlock(IMAGE, 0, FILE.data[:served])


def test_the_last_block_is_cut_at_the_end_of_the_image(device: Device) -> None:
    answer = device.block(SIZE - 1, 63)
    assert answer == ImageBlockResponse(Status.SUCCESS, ImageBlock(IMAGE, SIZE - 1, FILE.data[-1:]))
    assert AllBlocksServed(PPMID, NOW) in device.told


def test_only_blocks_may_wait_behind_other_traffic(server: OtaServer) -> None:
    device = Device(server).offered()
    server.receive(PPMID, encode_command(QueryNextImageRequest(RUNNING), 1), NOW)
    server.receive(PPMID, encode_command(ImageBlockRequest(IMAGE, 0, 48), 2), NOW)
    assert [out.bulk for out in server.responses()] == [False, True]
    assert device.state() is SessionState.TRANSFERRING


def test_a_block_request_needs_no_query_and_tells_where_the_download_goes_on(device: Device) -> None:
    device.block(96)
    assert device.told == [
        TransferStarted(PPMID, NOW, 96, SIZE),
        BlockServed(PPMID, NOW, 96, 48, SIZE, repeated=False),
    ]
    device.block(96)
    assert device.told == [BlockServed(PPMID, NOW, 96, 48, SIZE, repeated=True)]


def test_a_query_in_the_middle_of_a_download_is_answered(device: Device) -> None:
    device.block(0)
    assert device.query() == QueryNextImageResponse(Status.SUCCESS, IMAGE, SIZE)
    assert device.state() is SessionState.TRANSFERRING


@pytest.mark.parametrize("hardware", [0x10, 0x20, None])
def test_a_hardware_version_in_range_or_unknown_is_offered_the_image(
    device: Device, hardware: int | None
) -> None:
    assert device.query(hardware=hardware) == QueryNextImageResponse(Status.SUCCESS, IMAGE, SIZE)


@pytest.mark.parametrize("hardware", [0x0F, 0x21, 0, 0xFFFF])
def test_another_hardware_version_ends_the_offer_and_is_told_once(device: Device, hardware: int) -> None:
    assert device.query(hardware=hardware) == NO_IMAGE
    assert device.told == [
        QueryRefused(PPMID, NOW, Refusal.HARDWARE_VERSION, 0x0100),
        HardwareVersionMismatch(PPMID, NOW, hardware, 0x10, 0x20),
    ]
    assert device.query(hardware=hardware) == NO_IMAGE
    assert not [event for event in device.told if isinstance(event, HardwareVersionMismatch)]
    assert device.block(0) == ABORT


def test_a_device_that_already_runs_the_version_is_told_so_once(device: Device) -> None:
    assert device.query(version=0x0200) == NO_IMAGE
    assert AlreadyInstalled(PPMID, NOW, 0x0200) in device.told
    assert device.query(version=0x0200) == NO_IMAGE
    assert device.told == [QueryRefused(PPMID, NOW, Refusal.INSTALLED, 0x0200)]


def test_a_new_version_in_a_query_after_activation_is_seen(device: Device) -> None:
    device.download()
    device.end()
    assert device.query(version=0x0200) == NO_IMAGE
    assert AlreadyInstalled(PPMID, NOW, 0x0200) in device.told


def test_a_device_that_does_not_change_its_version_does_not_download_again_and_again(device: Device) -> None:
    device.download()
    device.end()
    assert device.query() == NO_IMAGE
    assert device.told == [QueryRefused(PPMID, NOW, Refusal.ENDED, 0x0100)]


def test_a_block_request_that_was_late_on_the_air_does_no_harm_after_the_end(device: Device) -> None:
    device.download()
    device.end()
    answer = device.block(0)
    assert isinstance(answer, ImageBlockResponse)
    assert answer.status == Status.SUCCESS
    assert device.state() is SessionState.COMPLETE


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (replace(RUNNING, manufacturer_code=0x1234), Refusal.OTHER_MANUFACTURER),
        (replace(RUNNING, image_type=0x0085), Refusal.OTHER_IMAGE_TYPE),
    ],
)
def test_a_query_for_another_image_finds_none_and_leaves_the_offer(
    device: Device, asked: ImageId, reason: Refusal
) -> None:
    assert device.ask(QueryNextImageRequest(asked, 0x11)) == NO_IMAGE
    assert device.told == [QueryRefused(PPMID, NOW, reason, 0x0100)]
    assert device.query() == QueryNextImageResponse(Status.SUCCESS, IMAGE, SIZE)


def test_a_downgrade_is_refused_unless_the_offer_allows_it(server: OtaServer) -> None:
    device = Device(server).offered()
    assert device.query(version=0x0300) == NO_IMAGE
    assert device.told == [QueryRefused(PPMID, NOW, Refusal.DOWNGRADE, 0x0300)]
    assert device.state() is SessionState.REFUSED
    device.offered(allow_downgrade=True)
    assert device.query(version=0x0300) == QueryNextImageResponse(Status.SUCCESS, IMAGE, SIZE)


def test_a_stranger_gets_nothing_and_is_never_told_to_activate(server: OtaServer) -> None:
    stranger = Device(server, STRANGER)
    assert stranger.query() == NO_IMAGE
    assert stranger.told == [QueryRefused(STRANGER, NOW, Refusal.NOT_OFFERED, 0x0100)]
    assert stranger.block(0) == ABORT
    assert stranger.told == [
        RequestRefused(STRANGER, NOW, Refusal.NOT_OFFERED, Status.ABORT, "121D-0084-00000200")
    ]
    assert stranger.end() == UpgradeEndResponse(IMAGE, zigbee_time(NOW), NEVER)
    assert stranger.ask(UpgradeEndRequest(Status.SUCCESS)) == UpgradeEndResponse(
        ANY_IMAGE, zigbee_time(NOW), NEVER
    )
    assert stranger.end(Status.ABORT) == DefaultResponse(0x06, Status.SUCCESS)
    assert stranger.told == [UpgradeEndUnexpected(STRANGER, NOW, Status.ABORT, IMAGE)]


def test_a_withdrawn_offer_aborts_the_download_and_discards_the_image(device: Device) -> None:
    device.download()
    device.server.withdraw(PPMID)
    assert device.block(0) == ABORT
    assert device.query() == NO_IMAGE
    assert device.end() == DefaultResponse(0x06, Status.ABORT)
    assert device.server.next_timer() is None


def test_an_image_kept_from_an_earlier_offer_is_discarded_and_fetched_again(device: Device) -> None:
    device.download()
    device.offered()
    assert device.end() == DefaultResponse(0x06, Status.ABORT)
    assert UpgradeEndUnexpected(PPMID, NOW, Status.SUCCESS, IMAGE) in device.told
    device.download()
    assert isinstance(device.end(), UpgradeEndResponse)


def test_withdrawing_what_was_not_offered_does_nothing(server: OtaServer) -> None:
    server.withdraw(STRANGER)
    assert server.state(STRANGER) is None


def test_a_newer_offer_replaces_the_one_before(device: Device) -> None:
    device.block(0)
    newer = build_ppmid_image(replace(HEADER, file_version=0x0300), b"newer")
    device.server.offer(PPMID, newer, Activation.IMMEDIATE, NOW)
    device.drain()
    assert device.block(48) == ABORT
    assert device.told == [
        RequestRefused(PPMID, NOW, Refusal.OTHER_FILE_VERSION, Status.ABORT, "121D-0084-00000200")
    ]
    assert device.query() == QueryNextImageResponse(
        Status.SUCCESS, replace(IMAGE, file_version=0x0300), len(newer.data)
    )


def test_an_image_page_request_is_unsupported_so_that_the_client_asks_for_blocks(device: Device) -> None:
    assert device.ask(ImagePageRequest(IMAGE, 0, 48, 1024, 50)) == DefaultResponse(
        0x04, Status.UNSUP_CLUSTER_COMMAND
    )
    assert device.told == [
        RequestRefused(PPMID, NOW, Refusal.UNSUPPORTED, Status.UNSUP_CLUSTER_COMMAND, "ImagePageRequest")
    ]


@pytest.mark.parametrize(
    ("octets", "command", "status"),
    [
        ("110501", 0x01, Status.MALFORMED_COMMAND),
        ("1105031d12", 0x03, Status.MALFORMED_COMMAND),
        ("110508", 0x08, Status.UNSUP_CLUSTER_COMMAND),
        ("100500", 0x00, Status.UNSUP_GENERAL_COMMAND),
        ("1534120501", 0x01, Status.UNSUP_MANUF_CLUSTER_COMMAND),
        ("190500 0064", 0x00, Status.UNSUP_CLUSTER_COMMAND),
    ],
)
def test_what_cannot_be_taken_is_answered_by_default_response(
    device: Device, octets: str, command: int, status: Status
) -> None:
    (frame,) = device.send_frame(bytes.fromhex(octets))
    assert frame.is_default_response
    assert DefaultResponse.decode(frame.payload) == DefaultResponse(command, status)
    (event,) = device.told
    assert isinstance(event, RequestRefused)
    assert event.status == status


@pytest.mark.parametrize("octets", ["", "11", "1105", "1405", "ff05030000"])
def test_octets_that_are_no_zcl_frame_have_nobody_to_answer(device: Device, octets: str) -> None:
    assert device.send_frame(bytes.fromhex(octets)) == []
    (event,) = device.told
    assert isinstance(event, RequestRefused)
    assert event.status is None


@pytest.mark.parametrize("payload", [b"", b"\x00\x81", b"\x00\x81\x00"])
def test_a_default_response_is_never_answered(device: Device, payload: bytes) -> None:
    frame = ZclFrame(9, GeneralCommand.DEFAULT_RESPONSE, payload, cluster_specific=False)
    assert device.send_frame(replace(frame, disable_default_response=False).encode()) == []
    assert len(device.told) == 1


def test_a_default_response_is_told_with_what_it_answers(device: Device) -> None:
    device.send_frame(ZclFrame(9, 0x0B, b"\x00\x00", cluster_specific=False).encode())
    assert device.told == [DeviceDefaultResponse(PPMID, NOW, 0x00, 0x00)]


def test_a_ppmid_that_may_take_no_time_from_us_is_told_to_wait_and_activates_itself(device: Device) -> None:
    device.download()
    device.end()
    device.send_frame(ZclFrame(7, 0x0B, b"\x07\x7e", cluster_specific=False).encode())
    assert device.end() == UpgradeEndResponse(IMAGE, zigbee_time(NOW), NEVER)


def test_answers_to_reads_of_the_devices_attributes_are_left_to_whoever_read_them(device: Device) -> None:
    assert device.send_frame(ZclFrame(9, 0x01, b"\x06\x00\x86", cluster_specific=False).encode()) == []
    assert device.told == []


# -- time ----------------------------------------------------------------------------------------------------


def test_image_notify_repeats_until_the_device_asks(server: OtaServer) -> None:
    device = Device(server).offered()
    times: list[float] = []
    while len(times) < 6:
        timer = server.next_timer()
        assert timer is not None
        server.expire(timer)
        assert len(device.drain()) == 1
        times.append(timer - NOW)
    assert times == [30, 150, 750, 4350, 7950, 11550]
    device.now = NOW + times[-1]
    device.query()
    assert server.next_timer() == device.now + 300


def test_expire_before_its_time_does_nothing(device: Device) -> None:
    device.server.expire(NOW + 29.9)
    assert device.drain() == []
    assert device.told == []


def test_a_device_that_rejoins_is_notified_at_once_unless_it_is_done(device: Device) -> None:
    device.server.notify(PPMID, NOW)
    assert device.drain()
    device.download()
    device.end()
    device.server.notify(PPMID, NOW)
    device.server.notify(STRANGER, NOW)
    assert device.drain() == []


def test_a_device_that_stops_asking_is_stalled_notified_again_and_may_go_on(device: Device) -> None:
    device.block(0)
    device.server.expire(NOW + 300)
    assert len(device.drain()) == 1
    assert device.told == [TransferStalled(PPMID, NOW + 300, 48, SIZE), ImageNotified(PPMID, NOW + 300)]
    device.now = NOW + 5000
    device.server.expire(device.now)
    device.drain()
    assert not [event for event in device.told if isinstance(event, TransferStalled)]
    device.block(48)
    device.now += 300
    device.server.expire(device.now)
    device.drain()
    assert device.told[0] == TransferStalled(PPMID, device.now, 96, SIZE)


def test_an_offer_expires_after_a_day_of_silence(device: Device) -> None:
    device.block(0)
    day = NOW + 24 * 3600
    device.server.expire(day - 1)
    device.drain()
    device.server.expire(day)
    assert device.drain() == []
    assert device.told == [TransferExpired(PPMID, day, 48, SIZE)]
    assert device.server.next_timer() is None
    device.now = day
    assert device.block(48) == ABORT


def test_a_device_beyond_the_limit_waits_and_gets_the_slot_that_falls_free() -> None:
    server = OtaServer(OtaServerSettings(concurrent_transfers=1))
    first, second = Device(server).offered(), Device(server, HCALCS).offered()
    first.block(0)
    current = zigbee_time(NOW)
    assert second.query() == QueryNextImageResponse(Status.SUCCESS, IMAGE, SIZE)
    assert second.block(0) == ImageBlockResponse(Status.WAIT_FOR_DATA, WaitForData(current, current + 60))
    assert second.told == [TransferDelayed(HCALCS, NOW, 60)]
    first.download()
    first.end()
    answer = second.block(0)
    assert isinstance(answer, ImageBlockResponse)
    assert answer.status == Status.SUCCESS


def test_a_stalled_transfer_frees_its_slot() -> None:
    server = OtaServer(OtaServerSettings(concurrent_transfers=1))
    first, second = Device(server).offered(), Device(server, HCALCS).offered()
    first.block(0)
    second.now = NOW + 300
    answer = second.block(0)
    assert isinstance(answer, ImageBlockResponse)
    assert answer.status == Status.SUCCESS
    first.now = NOW + 301
    answer = first.block(48)
    assert isinstance(answer, ImageBlockResponse)
    assert answer.status == Status.WAIT_FOR_DATA


@pytest.mark.parametrize("utc", [0xFFFF_FFFF - 60, 0xFFFF_FFFF - 1, 0xFFFF_FFFF, 0x1_0000_0000])
def test_no_time_is_before_the_current_one_nor_by_accident_the_word_for_never(utc: int) -> None:
    server = OtaServer(OtaServerSettings(concurrent_transfers=0))
    device = Device(server)
    device.now = ZIGBEE_EPOCH + utc
    device.offered()
    answer = device.block(0)
    assert isinstance(answer, ImageBlockResponse)
    assert isinstance(answer.body, WaitForData)
    assert answer.body.request_time - answer.body.current_time == 60
    server.restore(PPMID, FILE, Activation.IMMEDIATE, SessionState.TRANSFERRED, device.now)
    end = device.end()
    assert isinstance(end, UpgradeEndResponse)
    assert end.upgrade_time == end.current_time != NEVER


# -- a hub that restarts -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "state", [SessionState.TRANSFERRING, SessionState.TRANSFERRED, SessionState.COMPLETE]
)
def test_a_transfer_taken_up_again_believes_its_upgrade_end_without_a_new_download(
    server: OtaServer, state: SessionState
) -> None:
    server.restore(PPMID, FILE, Activation.IMMEDIATE, state, NOW)
    assert server.responses() == []
    end = Device(server).end()
    assert isinstance(end, UpgradeEndResponse)
    assert end.upgrade_time == zigbee_time(NOW)


def test_an_offer_taken_up_again_notifies(server: OtaServer) -> None:
    server.restore(PPMID, FILE, Activation.IMMEDIATE, SessionState.OFFERED, NOW)
    assert len(server.responses()) == 1


def test_a_held_device_taken_up_again_is_left_in_peace(server: OtaServer) -> None:
    server.restore(HCALCS, FILE, Activation.OUT_OF_BAND, SessionState.COMPLETE, NOW)
    assert server.next_timer() is None


# -- our own faults ------------------------------------------------------------------------------------------


def test_an_image_destined_to_one_device_is_not_offered_to_another(server: OtaServer) -> None:
    own = build_ppmid_image(replace(HEADER, upgrade_file_destination=PPMID), b"x")
    server.offer(PPMID, own, Activation.IMMEDIATE, NOW)
    with pytest.raises(LocalProtocolError, match="for device 00-DB-12-34-56-78-90-A4 alone"):
        server.offer(HCALCS, own, Activation.IMMEDIATE, NOW)


def test_more_offers_than_places_are_refused_until_one_has_ended() -> None:
    server = OtaServer(OtaServerSettings(sessions=1))
    Device(server).offered()
    with pytest.raises(LocalProtocolError, match="1 upgrades are under way"):
        server.offer(HCALCS, FILE, Activation.IMMEDIATE, NOW)
    server.withdraw(PPMID)
    server.offer(HCALCS, FILE, Activation.IMMEDIATE, NOW)
    assert server.state(PPMID) is None
