"""The Upgrade Server: blocks, one exchange at a time."""

from __future__ import annotations

import pytest

from hanota.ota.commands import (
    ImageBlock,
    ImageBlockRequest,
    ImageBlockResponse,
    ImagePageRequest,
    QueryNextImageRequest,
    encode_command,
)
from hanota.ota.events import (
    AllBlocksServed,
    BlockServed,
    Refusal,
    RequestRefused,
    TransferStarted,
)
from hanota.ota.server import OtaServer
from hanota.ota.session import SessionState
from hanota.ota.settings import OtaServerSettings
from hanota.zcl import DefaultResponse, Status
from tests.ota_support import (
    FILE,
    IMAGE,
    NOW,
    PPMID,
    RUNNING,
    SIZE,
    Device,
)


@pytest.fixture
def server() -> OtaServer:
    return OtaServer()


@pytest.fixture
def device(server: OtaServer) -> Device:
    return Device(server).offered()


def test_blocks_are_never_longer_than_asked_nor_than_the_setting(device: Device) -> None:
    for offset, (asked, served) in enumerate(((1, 1), (16, 16), (48, 48), (63, 48), (255, 48))):
        answer = device.block(offset, asked)
        assert isinstance(answer, ImageBlockResponse)
        assert answer.body == ImageBlock(IMAGE, offset, FILE.data[offset : offset + served])


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


def test_a_block_request_that_was_late_on_the_air_does_no_harm_after_the_end(device: Device) -> None:
    device.download()
    device.end()
    answer = device.block(0)
    assert isinstance(answer, ImageBlockResponse)
    assert answer.status == Status.SUCCESS
    assert device.state() is SessionState.COMPLETE


def test_a_server_without_pages_says_so_so_that_the_client_asks_for_blocks() -> None:
    device = Device(OtaServer(OtaServerSettings(page_requests=False))).offered()
    assert device.ask(ImagePageRequest(IMAGE, 0, 48, 1024, 50)) == DefaultResponse(
        0x04, Status.UNSUP_CLUSTER_COMMAND
    )
    assert device.told == [
        RequestRefused(PPMID, NOW, Refusal.UNSUPPORTED, Status.UNSUP_CLUSTER_COMMAND, "ImagePageRequest")
    ]
