"""Image Notify one by one or by broadcast, device specific files, and what a transfer has seen."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hanota.errors import LocalProtocolError
from hanota.eui64 import Eui64
from hanota.ota.build import build_ppmid_image
from hanota.ota.commands import (
    ImageBlock,
    ImageBlockRequest,
    ImageBlockResponse,
    ImageNotify,
    QueryDeviceSpecificFileRequest,
    QueryDeviceSpecificFileResponse,
    UpgradeEndRequest,
    UpgradeEndResponse,
    decode_command,
)
from hanota.ota.events import DeviceFileEnded, DeviceFileQueried, Refusal, RequestRefused
from hanota.ota.fields import ImageId
from hanota.ota.header import OtaHeader
from hanota.ota.server import OtaServer
from hanota.ota.session import Activation
from hanota.ota.settings import OtaServerSettings
from hanota.timestamps import zigbee_time
from hanota.zcl import DefaultResponse, Status, ZclFrame
from tests.ota_support import ABORT, FILE, HCALCS, NOW, PPMID, SIZE, Device


@pytest.mark.parametrize(
    ("payload_type", "notify"),
    [
        (0, ImageNotify(100)),
        (1, ImageNotify(100, 0x121D)),
        (2, ImageNotify(100, 0x121D, 0x0084)),
        (3, ImageNotify(100, 0x121D, 0x0084, 0x0200)),
    ],
)
def test_a_notify_says_as_much_as_is_set(payload_type: int, notify: ImageNotify) -> None:
    server = OtaServer(OtaServerSettings(notify_payload_type=payload_type))
    server.offer(PPMID, FILE, Activation.IMMEDIATE, NOW)
    (out,) = server.responses()
    assert decode_command(ZclFrame.decode(out.data)) == notify


def waiting(count: int, settings: OtaServerSettings) -> OtaServer:
    """Return a server with `count` devices that were notified and are due again."""
    server = OtaServer(settings)
    for number in range(count):
        server.offer(Eui64(number.to_bytes(8, "big")), FILE, Activation.IMMEDIATE, NOW)
    assert len(server.responses()) == count
    server.expire(NOW + 30)
    return server


def test_many_devices_are_notified_by_one_broadcast_whose_jitter_lets_a_few_ask_at_once() -> None:
    server = waiting(40, OtaServerSettings(broadcast_devices=10, broadcast_queries=10))
    assert server.responses() == []
    (frame,) = server.broadcasts()
    assert decode_command(ZclFrame.decode(frame)) == ImageNotify(25, 0x121D, 0x0084, 0x0200)
    assert server.broadcasts() == []


@pytest.mark.parametrize(("count", "least"), [(9, 10), (40, 0)])
def test_few_devices_are_notified_one_by_one_and_all_of_them_where_nothing_may_be_plain(
    count: int, least: int
) -> None:
    server = waiting(count, OtaServerSettings(broadcast_devices=least))
    assert len(server.responses()) == count
    assert server.broadcasts() == []


# -- device specific files --

FILE_ID = ImageId(0x121D, 0xFFC1, 7)
CONFIGURATION = build_ppmid_image(OtaHeader(0x121D, 0xFFC1, 7, upgrade_file_destination=PPMID), bytes(100))


@pytest.fixture
def device() -> Device:
    device = Device(OtaServer())
    device.server.add_device_file(PPMID, CONFIGURATION)
    return device


@pytest.mark.parametrize("version", [7, 0xFFFF_FFFF])
def test_a_device_specific_file_is_found_and_served_to_its_end(device: Device, version: int) -> None:
    query = QueryDeviceSpecificFileRequest(PPMID, replace(FILE_ID, file_version=version), 2)
    total = len(CONFIGURATION.data)
    assert device.ask(query) == QueryDeviceSpecificFileResponse(Status.SUCCESS, FILE_ID, total)
    assert device.told == [DeviceFileQueried(PPMID, NOW, query.image, found=True)]
    received = b""
    while len(received) < total:
        answer = device.ask(ImageBlockRequest(FILE_ID, len(received), 63))
        assert isinstance(answer, ImageBlockResponse)
        assert isinstance(answer.body, ImageBlock)
        received += answer.body.data
    assert received == CONFIGURATION.data
    current = zigbee_time(NOW)
    end = device.ask(UpgradeEndRequest(Status.SUCCESS, FILE_ID))
    assert end == UpgradeEndResponse(FILE_ID, current, current)
    assert device.told == [DeviceFileEnded(PPMID, NOW, FILE_ID, Status.SUCCESS)]


@pytest.mark.parametrize(
    ("asking", "address", "image"),
    [
        (PPMID, PPMID, replace(FILE_ID, file_version=8)),
        (PPMID, PPMID, replace(FILE_ID, image_type=0xFFC0)),
        (PPMID, PPMID, replace(FILE_ID, manufacturer_code=0xFFFF)),
        (HCALCS, HCALCS, FILE_ID),
        (HCALCS, PPMID, FILE_ID),
        (PPMID, HCALCS, FILE_ID),
    ],
)
def test_attack_wrong_recipient_no_device_finds_anothers_file_or_another_file(
    device: Device, asking: Eui64, address: Eui64, image: ImageId
) -> None:
    device.eui64 = asking
    answer = device.ask(QueryDeviceSpecificFileRequest(address, image, 2))
    assert answer == QueryDeviceSpecificFileResponse(Status.NO_IMAGE_AVAILABLE)
    if asking == HCALCS:
        assert device.ask(ImageBlockRequest(FILE_ID, 0, 48)) == ABORT


@pytest.mark.parametrize(("offset", "size", "address"), [(10**6, 48, None), (0, 0, None), (0, 48, HCALCS)])
def test_a_block_of_such_a_file_that_cannot_be_served_is_refused(
    device: Device, offset: int, size: int, address: Eui64 | None
) -> None:
    assert device.ask(ImageBlockRequest(FILE_ID, offset, size, address)) == ABORT
    assert isinstance(device.told[0], RequestRefused)


def test_a_failed_end_of_such_a_file_is_acknowledged_and_a_removed_one_refused(device: Device) -> None:
    answer = device.ask(UpgradeEndRequest(Status.INVALID_IMAGE, FILE_ID))
    assert answer == DefaultResponse(0x06, Status.SUCCESS)
    device.server.remove_device_files(PPMID)
    assert device.ask(ImageBlockRequest(FILE_ID, 0, 48)) == ABORT
    assert isinstance(device.told[0], RequestRefused)
    assert device.told[0].reason is Refusal.NOT_OFFERED


def test_device_specific_files_are_bounded() -> None:
    server = OtaServer(OtaServerSettings(device_files=1))
    server.add_device_file(PPMID, CONFIGURATION)
    server.add_device_file(PPMID, CONFIGURATION)
    with pytest.raises(LocalProtocolError, match="1 device specific files"):
        server.add_device_file(HCALCS, FILE)


# -- statistics --


def test_statistics_count_what_the_transfer_saw() -> None:
    server = OtaServer(OtaServerSettings(concurrent_transfers=1))
    device, other = Device(server).offered(), Device(server, HCALCS).offered()
    for second, offset in enumerate((0, 48, 48, 96)):
        device.now = other.now = NOW + second
        device.block(offset)
        other.block(0)
    seen, waited = server.statistics(PPMID, NOW + 4), server.statistics(HCALCS, NOW + 4)
    assert seen is not None
    assert waited is not None
    assert (seen.octets, seen.total, seen.blocks, seen.repeats, seen.waits) == (144, SIZE, 4, 1, 0)
    assert seen.percentage == pytest.approx(100 * 144 / SIZE)
    assert seen.rate == pytest.approx((144 - 48) / 4)
    assert seen.seconds_left == pytest.approx((SIZE - 144) / 24)
    assert seen.mean_rate == pytest.approx(144 / 4)
    assert (waited.octets, waited.waits, waited.rate, waited.seconds_left) == (0, 4, None, None)
    assert server.statistics(Eui64(bytes(8)), NOW) is None


def test_the_rate_is_that_of_the_last_quarter_minute() -> None:
    device = Device(OtaServer()).offered()
    for second in range(5):
        device.now = NOW + second
        device.block(48 * second)
    statistics = device.server.statistics(PPMID, NOW + 4)
    assert statistics is not None
    assert statistics.rate == pytest.approx(4 * 48 / 4)
    device.now = NOW + 1000
    device.block(240)
    later = device.server.statistics(PPMID, NOW + 1001)
    assert later is not None
    assert later.rate == 0
