"""The Upgrade Server: notifies, stalls, expiry, slots, and a hub that restarts."""

from __future__ import annotations

import pytest

from hanota.ota.commands import (
    NEVER,
    ImageBlockResponse,
    QueryNextImageResponse,
    UpgradeEndResponse,
    WaitForData,
)
from hanota.ota.events import (
    ImageNotified,
    TransferDelayed,
    TransferExpired,
    TransferStalled,
)
from hanota.ota.server import OtaServer
from hanota.ota.session import Activation, SessionState
from hanota.ota.settings import OtaServerSettings
from hanota.timestamps import ZIGBEE_EPOCH, zigbee_time
from hanota.zcl import Status
from tests.ota_support import (
    ABORT,
    FILE,
    HCALCS,
    IMAGE,
    NOW,
    PPMID,
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


def test_an_offer_taken_up_again_notifies(server: OtaServer) -> None:
    server.restore(PPMID, FILE, Activation.IMMEDIATE, SessionState.OFFERED, NOW)
    assert len(server.responses()) == 1


def test_a_held_device_taken_up_again_is_left_in_peace(server: OtaServer) -> None:
    server.restore(HCALCS, FILE, Activation.OUT_OF_BAND, SessionState.COMPLETE, NOW)
    assert server.next_timer() is None
