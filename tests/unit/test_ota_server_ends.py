"""The Upgrade Server: what an Upgrade End Request is answered."""

from __future__ import annotations

import pytest

from hanota.ota.commands import (
    NEVER,
    ImageBlock,
    ImageBlockResponse,
    QueryNextImageResponse,
    UpgradeEndRequest,
    UpgradeEndResponse,
    decode_command,
)
from hanota.ota.events import (
    AllBlocksServed,
    ImageQueried,
    UpgradeEndAnswered,
    UpgradeEnded,
    UpgradeEndUnexpected,
)
from hanota.ota.server import OtaServer
from hanota.ota.session import Activation, SessionState
from hanota.timestamps import zigbee_time
from hanota.zcl import DefaultResponse, Status, ZclFrame
from tests.ota_support import (
    FILE,
    HCALCS,
    IMAGE,
    NO_IMAGE,
    NOW,
    PPMID,
    SIZE,
    Device,
)


@pytest.fixture
def server() -> OtaServer:
    return OtaServer()


@pytest.fixture
def device(server: OtaServer) -> Device:
    return Device(server).offered()


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


def test_an_image_kept_from_an_earlier_offer_is_discarded_and_fetched_again(device: Device) -> None:
    device.download()
    device.offered()
    assert device.end() == DefaultResponse(0x06, Status.ABORT)
    assert UpgradeEndUnexpected(PPMID, NOW, Status.SUCCESS, IMAGE) in device.told
    device.download()
    assert isinstance(device.end(), UpgradeEndResponse)


def test_a_ppmid_that_may_take_no_time_from_us_is_told_to_wait_and_activates_itself(device: Device) -> None:
    device.download()
    device.end()
    device.send_frame(ZclFrame(7, 0x0B, b"\x07\x7e", cluster_specific=False).encode())
    assert device.end() == UpgradeEndResponse(IMAGE, zigbee_time(NOW), NEVER)


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


def test_a_ppmid_whose_answer_is_lost_is_told_again_unasked_when_to_activate(
    server: OtaServer,
) -> None:
    device = Device(server)
    server.offer(PPMID, FILE, Activation.IMMEDIATE, NOW, upgrade_at=NOW + 600)
    device.drain()
    device.download()
    device.end()
    device.now = NOW + 60
    server.tell_upgrade_time(PPMID, device.now)
    (frame,) = device.drain()
    current = zigbee_time(device.now)
    assert decode_command(frame) == UpgradeEndResponse(IMAGE, current, current + 540)
    assert device.told == [UpgradeEndAnswered(PPMID, device.now, current + 540)]


@pytest.mark.parametrize("activation", Activation)
def test_nobody_is_told_a_time_before_he_has_the_image_or_to_activate_what_cs06_is_for(
    server: OtaServer, activation: Activation
) -> None:
    device = Device(server).offered(activation)
    server.tell_upgrade_time(PPMID, NOW)
    device.download()
    server.tell_upgrade_time(PPMID, NOW)
    if activation is Activation.OUT_OF_BAND:
        device.end()
        server.tell_upgrade_time(PPMID, NOW)
    server.tell_upgrade_time(HCALCS, NOW)
    assert device.drain() == []
