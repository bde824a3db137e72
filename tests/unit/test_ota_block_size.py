"""How long a block is: what was asked, what fits, and what gets through."""

from __future__ import annotations

import itertools

import pytest

from hanota.ota.block_size import BLOCK_OVERHEAD, BlockSizeBook, DeviceModel
from hanota.ota.build import build_ppmid_image
from hanota.ota.commands import (
    ImageBlock,
    ImageBlockRequest,
    ImageBlockResponse,
    decode_command,
    encode_command,
)
from hanota.ota.events import BlockSizeLearnt
from hanota.ota.header import OtaHeader
from hanota.ota.request import Outgoing
from hanota.ota.server import OtaServer
from hanota.ota.session import Activation
from hanota.ota.settings import OtaServerSettings
from hanota.zcl import ZclFrame
from tests.ota_support import FILE, IMAGE, NOW, PPMID, Device

LONG = build_ppmid_image(OtaHeader(0x121D, 0x0084, 0x0200), bytes(5000))


class Asking:
    """A device that asks block by block."""

    def __init__(self, server: OtaServer, manufacturer: int = 0x121D) -> None:
        self.server, self.offset = server, 0
        self.image = build_ppmid_image(OtaHeader(manufacturer, 0x0084, 0x0200), bytes(5000))
        server.offer(PPMID, self.image, Activation.IMMEDIATE, NOW)
        server.responses()

    def ask(self, size: int = 63, room: int | None = None) -> int:
        """Return the octets of the block at the offset."""
        request = ImageBlockRequest(self.image.header.image_id, self.offset, size)
        self.server.receive(PPMID, encode_command(request, 1), NOW, room)
        (self.out,) = self.server.responses()
        answer = decode_command(ZclFrame.decode(self.out.data))
        assert isinstance(answer, ImageBlockResponse)
        assert isinstance(answer.body, ImageBlock)
        return len(answer.body.data)

    def take(self, count: int, size: int = 63) -> set[int]:
        """Ask for `count` blocks one after the other; return their sizes."""
        sizes = set()
        for _ in range(count):
            taken = self.ask(size)
            self.offset += taken
            sizes.add(taken)
        return sizes

    def lose(self, times: int = 3) -> int:
        """Ask for the same block so many times more; return its size in the end."""
        return [self.ask() for _ in range(1 + times)][-1]


@pytest.fixture
def asking() -> Asking:
    return Asking(OtaServer())


@pytest.mark.parametrize(
    ("asked", "room", "size"),
    [
        (63, None, 48),
        (63, 73, 56),
        (63, 82, 63),
        (255, 82, 65),
        (50, 82, 50),
        (63, 73 - 8, 48),
        (63, 20, 16),
        (7, 20, 7),
        (63, 0, 16),
    ],
)
def test_a_block_is_what_was_asked_and_fits_the_frame(
    asking: Asking, asked: int, room: int | None, size: int
) -> None:
    assert asking.ask(asked, room) == size
    if room is not None and size > 16:
        assert len(asking.out.data) <= room
    assert len(asking.out.data) - size == BLOCK_OVERHEAD


def test_a_block_that_is_lost_three_times_is_reduced_and_not_before(asking: Asking) -> None:
    asking.take(3)
    assert asking.lose(2) == 48
    assert asking.lose(1) == 40


def test_a_block_is_reduced_by_steps_down_to_16(asking: Asking) -> None:
    asking.take(3)
    sizes = [asking.ask() for _ in range(13)]
    assert [size for size, _ in itertools.groupby(sizes)] == [48, 40, 32, 16, 48]


def test_a_link_that_was_out_leaves_no_trace(asking: Asking) -> None:
    """Nothing got through for minutes; then everything does, and blocks grow back to what they were."""
    asking.take(3)
    for _ in range(8):
        asking.ask()
    assert asking.take(60) == {32, 40, 48}
    assert asking.take(5) == {48}
    assert asking.server.block_sizes.entries() == ()


def test_a_size_that_the_device_does_not_take_is_learnt_for_its_model(asking: Asking) -> None:
    def taken_up_to_40(blocks: int) -> None:
        for _ in range(blocks):
            size = asking.ask()
            if size <= 40:
                asking.offset += size

    taken_up_to_40(60)
    model = DeviceModel(0x121D, 0x0084, None)
    assert asking.server.block_sizes.entries() == ((model, 40),)
    assert [e.size for e in asking.server.events() if isinstance(e, BlockSizeLearnt)] == [40]
    assert asking.take(10) == {40}


def test_what_was_learnt_holds_for_the_next_device_of_the_model_and_after_a_restart() -> None:
    book = BlockSizeBook(8, [(DeviceModel(0x121D, 0x0084, 0x11), 32)])
    device = Device(OtaServer(block_sizes=book)).offered()
    device.query(hardware=0x12)
    other = device.block(0)
    assert isinstance(other, ImageBlockResponse)
    assert other.body == ImageBlock(IMAGE, 0, FILE.data[:48])
    device.query(hardware=0x11)
    same = device.block(48)
    assert isinstance(same, ImageBlockResponse)
    assert same.body == ImageBlock(IMAGE, 48, FILE.data[48:80])


def test_the_book_is_bounded_and_forgets_the_oldest() -> None:
    book = BlockSizeBook(2)
    for hardware in range(5):
        book.learn(DeviceModel(1, 2, hardware), 40)
    assert [model.hardware_version for model, _ in book.entries()] == [3, 4]


def test_a_radio_that_cannot_deliver_says_so_sooner_than_the_device(asking: Asking) -> None:
    asking.take(3)
    asking.ask()
    for _ in range(3):
        asking.server.confirm(asking.out, NOW, delivered=False)
    assert asking.ask() == 40
    statistics = asking.server.statistics(PPMID, NOW)
    assert statistics is not None
    assert statistics.undelivered == 3


def test_a_loss_that_radio_and_device_both_tell_counts_once(asking: Asking) -> None:
    asking.take(3)
    asking.ask()
    for _ in range(2):
        asking.server.confirm(asking.out, NOW, delivered=False)
        assert asking.ask() == 48


def test_a_confirmation_for_an_unknown_device_changes_nothing() -> None:
    server = OtaServer()
    server.confirm(Outgoing(PPMID, b"", bulk=True, page=True), NOW, delivered=False)
    assert server.events() == []


@pytest.mark.parametrize(("manufacturer", "size"), [(4474, 40), (4405, 40), (0x121D, 48)])
def test_manufacturers_that_are_known_for_it_get_shorter_blocks_at_once(manufacturer: int, size: int) -> None:
    assert Asking(OtaServer(), manufacturer).ask() == size


@pytest.mark.parametrize(
    ("asked", "room", "size"), [(63, 73, 48), (50, None, 48), (40, None, 32), (15, None, 15)]
)
def test_an_image_that_is_decrypted_block_by_block_gets_multiples_of_16(
    asked: int, room: int | None, size: int
) -> None:
    body = bytes.fromhex("00f0 40000000") + bytes(500)
    file = build_ppmid_image(OtaHeader(0x1141, 0x0201, 2), body)
    server = OtaServer(OtaServerSettings())
    server.offer(PPMID, file, Activation.IMMEDIATE, NOW)
    server.responses()
    server.receive(PPMID, encode_command(ImageBlockRequest(file.header.image_id, 0, asked), 1), NOW, room)
    (out,) = server.responses()
    assert len(out.data) - BLOCK_OVERHEAD == size
