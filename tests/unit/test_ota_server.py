"""The Upgrade Server: offers, queries, and frames that it cannot take."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hanota.errors import LocalProtocolError
from hanota.ota.build import build_ppmid_image
from hanota.ota.commands import (
    NEVER,
    ImageNotify,
    QueryNextImageRequest,
    QueryNextImageResponse,
    UpgradeEndRequest,
    UpgradeEndResponse,
    decode_command,
)
from hanota.ota.events import (
    AlreadyInstalled,
    DeviceDefaultResponse,
    HardwareVersionMismatch,
    ImageNotified,
    QueryRefused,
    Refusal,
    RequestRefused,
    UpgradeEndUnexpected,
)
from hanota.ota.fields import ANY_IMAGE, ImageId
from hanota.ota.server import OtaServer
from hanota.ota.session import Activation, SessionState
from hanota.ota.settings import OtaServerSettings
from hanota.timestamps import zigbee_time
from hanota.zcl import DefaultResponse, GeneralCommand, Status, ZclFrame
from tests.ota_support import (
    ABORT,
    FILE,
    HCALCS,
    HEADER,
    IMAGE,
    NO_IMAGE,
    NOW,
    PPMID,
    RUNNING,
    SIZE,
    STRANGER,
    Device,
)


@pytest.fixture
def server() -> OtaServer:
    return OtaServer()


@pytest.fixture
def device(server: OtaServer) -> Device:
    return Device(server).offered()


def test_an_offer_notifies_with_everything_a_device_needs_to_decide(server: OtaServer) -> None:
    server.offer(PPMID, FILE, Activation.IMMEDIATE, NOW)
    (out,) = server.responses()
    assert decode_command(ZclFrame.decode(out.data)) == ImageNotify(100, 0x121D, 0x0084, 0x0200)
    assert not out.bulk
    assert server.events() == [ImageNotified(PPMID, NOW)]


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


@pytest.mark.parametrize(
    ("octets", "command", "status"),
    [
        ("110501", 0x01, Status.MALFORMED_COMMAND),
        ("1105031d12", 0x03, Status.MALFORMED_COMMAND),
        ("11050a", 0x0A, Status.UNSUP_CLUSTER_COMMAND),
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


def test_answers_to_reads_of_the_devices_attributes_are_left_to_whoever_read_them(device: Device) -> None:
    assert device.send_frame(ZclFrame(9, 0x01, b"\x06\x00\x86", cluster_specific=False).encode()) == []
    assert device.told == []


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
