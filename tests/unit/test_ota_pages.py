"""The Upgrade Server: Image Page Requests, their spacing, their window, and what they leave to others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hanota.ota.commands import (
    ImageBlock,
    ImageBlockRequest,
    ImageBlockResponse,
    ImagePageRequest,
    decode_command,
    encode_command,
)
from hanota.ota.events import Refusal, RequestRefused
from hanota.ota.server import OtaServer
from hanota.ota.session import SessionState
from hanota.ota.settings import OtaServerSettings
from hanota.zcl import Status, ZclFrame
from tests.ota_support import ABORT, FILE, HCALCS, IMAGE, NOW, PPMID, SIZE, STRANGER, Device

if TYPE_CHECKING:
    from hanota.ota.request import Outgoing

WINDOW = 4


@pytest.fixture
def server() -> OtaServer:
    return OtaServer()


@pytest.fixture
def device(server: OtaServer) -> Device:
    return Device(server).offered()


def begin(device: Device, offset: int = 0, page: int = 200, spacing: int = 50, size: int = 48) -> None:
    request = ImagePageRequest(IMAGE, offset, size, page, spacing)
    device.server.receive(device.eui64, encode_command(request, 9), device.now)


def served(outs: list[Outgoing]) -> list[ImageBlock]:
    blocks = []
    for out in outs:
        assert out.bulk
        assert out.page
        frame = ZclFrame.decode(out.data)
        assert frame.sequence == 9
        command = decode_command(frame)
        assert isinstance(command, ImageBlockResponse)
        assert isinstance(command.body, ImageBlock)
        blocks.append(command.body)
    return blocks


def run(
    server: OtaServer, *, confirm: bool = True, until: float = NOW + 60
) -> list[tuple[float, ImageBlock]]:
    """Let time pass until no page is under way; confirm each response a moment after it was sent."""
    told = []
    while (at := server.next_timer()) is not None and at <= until:
        server.expire(at)
        for out in server.responses():
            if out.page:
                told += [(at, block) for block in served([out])]
                if confirm:
                    server.confirm(out, at, delivered=True)
    return told


def test_a_page_is_served_block_by_block_at_the_spacing_that_the_client_asks(device: Device) -> None:
    begin(device, page=144)
    told = run(device.server, until=NOW + 10)
    assert [block.file_offset for _, block in told] == [0, 48, 96]
    assert [at - NOW for at, _ in told] == pytest.approx([0, 0.05, 0.1])
    assert b"".join(block.data for _, block in told) == FILE.data[:144]


def test_the_last_block_of_a_page_ends_with_the_page_and_the_last_page_with_the_image(device: Device) -> None:
    begin(device, page=100)
    assert [len(block.data) for _, block in run(device.server, until=NOW + 10)] == [48, 48, 4]
    device.now = NOW + 10
    begin(device, offset=240, page=1024)
    assert [len(block.data) for _, block in run(device.server, until=NOW + 20)] == [SIZE - 240]
    assert device.state() is SessionState.TRANSFERRED


def test_only_so_many_responses_are_under_way_until_some_are_confirmed(server: OtaServer) -> None:
    device = Device(server).offered()
    begin(device, page=256, spacing=0)
    server.expire(NOW)
    first = server.responses()
    assert len(served(first)) == WINDOW
    server.expire(NOW + 0.2)
    assert server.responses() == []
    server.confirm(first[0], NOW + 0.3, delivered=True)
    assert server.next_timer() == NOW + 0.3
    server.expire(NOW + 0.3)
    assert [block.file_offset for block in served(server.responses())] == [48 * WINDOW]


def test_responses_that_are_never_confirmed_hold_their_place_for_a_second(device: Device) -> None:
    begin(device, page=240, spacing=0)
    told = run(device.server, confirm=False, until=NOW + 10)
    assert [block.file_offset for _, block in told] == [0, 48, 96, 144, 192]
    assert told[4][0] == NOW + 1


def test_pages_of_many_devices_share_one_window(server: OtaServer) -> None:
    devices = [Device(server, eui64).offered() for eui64 in (PPMID, HCALCS, STRANGER)]
    for device in devices:
        begin(device, spacing=0)
    server.expire(NOW)
    outs = server.responses()
    assert len(outs) == OtaServerSettings().pages_window
    assert {out.device for out in outs} == {PPMID, HCALCS, STRANGER}


def test_blocks_whose_time_is_past_are_skipped_for_others_and_asked_for_by_block(server: OtaServer) -> None:
    device = Device(server).offered()
    begin(device, page=256, spacing=500)
    server.expire(NOW)
    server.responses()
    server.expire(NOW + 2.6)
    assert [block.file_offset for block in served(server.responses())] == [192, 240]
    statistics = server.statistics(PPMID, NOW + 2.6)
    assert statistics is not None
    assert statistics.skipped == 3
    answer = device.block(48)
    assert isinstance(answer, ImageBlockResponse)
    assert answer.body == ImageBlock(IMAGE, 48, FILE.data[48:96])


def test_a_block_request_ends_the_page(device: Device) -> None:
    begin(device)
    device.server.expire(NOW)
    device.drain()
    device.block(48)
    assert [out for _, out in run(device.server, until=NOW + 10)] == []


def test_a_page_asked_for_again_begins_again(device: Device) -> None:
    begin(device, page=96)
    device.server.expire(NOW)
    device.drain()
    begin(device, page=96)
    assert [block.file_offset for _, block in run(device.server, until=NOW + 10)] == [0, 48]


def test_a_page_of_a_withdrawn_offer_stops_in_the_middle(device: Device) -> None:
    begin(device)
    device.server.expire(NOW)
    device.drain()
    device.server.withdraw(PPMID)
    assert run(device.server) == []
    assert device.block(0) == ABORT


def test_a_page_of_a_replaced_offer_stops_in_the_middle(device: Device) -> None:
    begin(device)
    device.offered()
    assert run(device.server, until=NOW + 20) == []


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (ImagePageRequest(IMAGE, SIZE, 48, 1024, 50), Refusal.OFFSET_PAST_END),
        (ImagePageRequest(IMAGE, 0, 0, 1024, 50), Refusal.NO_DATA_ASKED),
        (ImagePageRequest(IMAGE, 0, 48, 0, 50), Refusal.NO_DATA_ASKED),
        (ImagePageRequest(IMAGE, 0, 48, 1024, 50, HCALCS), Refusal.OTHER_NODE_ADDRESS),
    ],
)
def test_a_page_that_cannot_be_served_is_refused_by_abort(
    device: Device, request_: ImagePageRequest, reason: Refusal
) -> None:
    assert device.ask(request_) == ABORT
    assert device.told == [RequestRefused(PPMID, NOW, reason, Status.ABORT, str(IMAGE))]


def test_a_page_without_a_slot_waits() -> None:
    server = OtaServer(OtaServerSettings(concurrent_transfers=1))
    Device(server).offered().block(0)
    second = Device(server, HCALCS).offered()
    answer = second.ask(ImagePageRequest(IMAGE, 0, 48, 1024, 50))
    assert isinstance(answer, ImageBlockResponse)
    assert answer.status == Status.WAIT_FOR_DATA


def test_attack_page_of_single_octets_at_no_spacing_sends_no_more_than_the_window(server: OtaServer) -> None:
    device = Device(server).offered()
    for _ in range(1000):
        begin(device, page=0xFFFF, spacing=0, size=1)
        server.expire(NOW)
        server.events()
    assert len(server.responses()) <= OtaServerSettings().pending + WINDOW


def test_a_slow_page_is_no_silent_device(device: Device) -> None:
    begin(device, page=200, spacing=60_000)
    told = run(device.server, until=NOW + 241)
    assert [at - NOW for at, _ in told] == pytest.approx([0, 60, 120, 180, 240])


def test_other_devices_are_served_while_a_page_is_under_way(server: OtaServer) -> None:
    page, other = Device(server).offered(), Device(server, HCALCS).offered()
    begin(page, spacing=10)
    server.expire(NOW)
    server.receive(HCALCS, encode_command(ImageBlockRequest(IMAGE, 0, 48), 3), NOW)
    assert [frame.sequence for frame in other.drain()] == [3]
