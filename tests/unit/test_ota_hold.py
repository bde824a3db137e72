"""The Upgrade Server: jobs that wait for approval, held by WAIT_FOR_DATA on the last block."""

from __future__ import annotations

import pytest

from hanota.ota.client import ClientIdentity, OtaClient
from hanota.ota.client_events import Activate, DownloadFailed
from hanota.ota.commands import (
    ImageBlock,
    ImageBlockResponse,
    ImagePageRequest,
    QueryNextImageResponse,
    UpgradeEndResponse,
    WaitForData,
)
from hanota.ota.events import TransferExpired, TransferHeld, TransferStalled
from hanota.ota.quirks import SILICON_LABS_CLIENT, TELINK_CLIENT
from hanota.ota.server import OtaServer
from hanota.ota.session import Activation, SessionState
from hanota.ota.settings import OtaClientSettings, OtaServerSettings
from hanota.timestamps import zigbee_time
from hanota.zcl import Status
from tests.ota_support import ABORT, FILE, HCALCS, IMAGE, NO_IMAGE, NOW, PPMID, RUNNING, SIZE, Device

LAST = SIZE - SIZE % 48
HELD = ImageBlockResponse(Status.WAIT_FOR_DATA, WaitForData(zigbee_time(NOW), zigbee_time(NOW) + 240))


@pytest.fixture
def device() -> Device:
    device = Device(OtaServer())
    device.server.offer(PPMID, FILE, Activation.IMMEDIATE, NOW, hold=True)
    device.drain()
    return device


def test_every_block_but_the_last_is_served_and_the_last_one_waits(device: Device) -> None:
    device.download()
    assert device.state() is SessionState.HELD
    assert device.told[0] == TransferHeld(PPMID, NOW)
    assert device.block(LAST) == HELD
    assert not [event for event in device.told if isinstance(event, TransferHeld)]


def test_a_released_device_gets_its_last_block_and_activates(device: Device) -> None:
    device.download()
    device.server.release(PPMID, NOW)
    answer = device.block(LAST)
    assert answer == ImageBlockResponse(Status.SUCCESS, ImageBlock(IMAGE, LAST, FILE.data[LAST:]))
    assert isinstance(device.end(), UpgradeEndResponse)


def test_a_cancelled_device_is_aborted(device: Device) -> None:
    device.download()
    device.server.withdraw(PPMID)
    assert device.block(LAST) == ABORT
    assert device.query() == NO_IMAGE


def test_an_offer_may_be_held_later_until_its_last_block_has_gone() -> None:
    device = Device(OtaServer()).offered()
    device.block(0)
    assert device.server.hold(PPMID)
    device.download()
    assert device.state() is SessionState.HELD
    device.server.release(PPMID, NOW)
    device.block(LAST)
    assert not device.server.hold(PPMID)
    assert not device.server.hold(HCALCS)


def test_a_held_device_is_neither_silent_nor_too_old_for_weeks(device: Device) -> None:
    device.download()
    for _ in range(21 * 360):
        device.now += 240
        device.server.expire(device.now)
        device.drain()
        assert not [e for e in device.told if isinstance(e, TransferStalled | TransferExpired)]
        device.block(LAST)
    assert device.state() is SessionState.HELD


def test_a_held_device_that_goes_silent_expires_as_any_other(device: Device) -> None:
    device.download()
    device.server.expire(NOW + 24 * 3600)
    device.drain()
    assert device.state() is SessionState.EXPIRED


def test_a_held_device_needs_no_slot() -> None:
    server = OtaServer(OtaServerSettings(concurrent_transfers=1))
    server.offer(PPMID, FILE, Activation.IMMEDIATE, NOW, hold=True)
    held, other = Device(server), Device(server, HCALCS).offered()
    held.download()
    answer = other.block(0)
    assert isinstance(answer, ImageBlockResponse)
    assert answer.status == Status.SUCCESS


def test_a_held_device_that_lost_its_octets_starts_again(device: Device) -> None:
    device.download()
    assert device.query() == QueryNextImageResponse(Status.SUCCESS, IMAGE, SIZE)
    device.block(0)
    assert device.state() is SessionState.TRANSFERRING
    device.download()
    assert device.state() is SessionState.HELD


def test_a_page_stops_before_the_block_that_is_held(device: Device) -> None:
    device.block(0)
    device.ask(ImagePageRequest(IMAGE, 240 - 48, 48, 1024, 0))
    device.server.expire(NOW)
    assert len(device.drain()) == 1
    assert device.ask(ImagePageRequest(IMAGE, LAST, 48, 1024, 0)) == HELD


@pytest.mark.parametrize("state", [SessionState.TRANSFERRING, SessionState.HELD])
def test_a_hold_outlives_a_restart_of_the_hub(state: SessionState) -> None:
    device = Device(OtaServer())
    device.server.restore(PPMID, FILE, Activation.IMMEDIATE, state, NOW, hold=True)
    assert device.block(LAST) == HELD
    assert not isinstance(device.end(), UpgradeEndResponse)


@pytest.mark.parametrize("settings", [OtaClientSettings(), TELINK_CLIENT, SILICON_LABS_CLIENT])
@pytest.mark.parametrize("released", [True, False])
def test_both_measured_stacks_keep_the_hold_for_a_week_and_end_with_it(
    settings: OtaClientSettings, released: bool
) -> None:
    server = OtaServer()
    client = OtaClient(ClientIdentity(RUNNING, 0x11), lambda _: Status.SUCCESS, settings)
    server.offer(PPMID, FILE, Activation.IMMEDIATE, NOW, hold=True)
    now, told = NOW, []
    release_at = NOW + 7 * 24 * 3600
    while now < release_at + 3600:
        while (answers := server.responses()) or (requests := client.requests()):
            for out in answers:
                client.receive(out.data, now)
            for data in client.requests() if answers else requests:
                server.receive(PPMID, data, now)
        told += client.events()
        server.events()
        timers = [at for at in (server.next_timer(), client.next_timer()) if at is not None]
        step = min(timers, default=release_at + 3600)
        if now < release_at <= step:
            assert not [event for event in told if isinstance(event, Activate | DownloadFailed)]
            now = release_at
            if released:
                server.release(PPMID, now)
            else:
                server.withdraw(PPMID)
            continue
        now = max(now, step)
        server.expire(now)
        client.expire(now)
    ended = [event for event in told if isinstance(event, Activate | DownloadFailed)]
    assert isinstance(ended[0], Activate if released else DownloadFailed)
    assert ended[0].at <= release_at + 300
