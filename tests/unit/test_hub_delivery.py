"""Frames on their way: in order, the critical ones first, bounded, and one device never holds up another."""

from __future__ import annotations

import asyncio

from hanota.errors import DeliveryError, LocalProtocolError, RadioError
from hanota.hub.delivery import Delivery
from hanota.hub.ports import Priority
from hanota.zcl import ClusterId
from tests.hub_parties_support import HCALCS, PPMID
from tests.hub_support import FakeRadio, virtual

CLUSTER = ClusterId.OTA_UPGRADE
PPMID_ID, HCALCS_ID = PPMID.eui64, HCALCS.eui64


class Post:
    """A Delivery on a radio in memory, and how each frame ended."""

    def __init__(self, limit: int = 4) -> None:
        self.radio = FakeRadio()
        self.tasks: list[asyncio.Task[None]] = []
        self.ends: list[tuple[bytes, Exception | None]] = []
        self.delivery = Delivery(
            self.radio, limit, lambda work: self.tasks.append(asyncio.get_running_loop().create_task(work))
        )

    def post(self, data: bytes, priority: Priority = Priority.NORMAL, device=PPMID_ID) -> None:  # type: ignore[no-untyped-def]
        self.delivery.post(device, CLUSTER, data, priority, lambda error: self.ends.append((data, error)))


@virtual
async def test_frames_of_one_priority_go_in_order_and_critical_ones_before_image_blocks() -> None:
    post = Post(limit=8)
    post.post(b"in the air", Priority.BULK)
    await asyncio.sleep(0)
    post.post(b"block 1", Priority.BULK)
    post.post(b"answer 1")
    post.post(b"block 2", Priority.BULK)
    post.post(b"CS06", Priority.CRITICAL)
    post.post(b"answer 2")
    await asyncio.sleep(1)
    sent = [frame.data for frame in post.radio.sent]
    assert sent == [b"in the air", b"CS06", b"answer 1", b"answer 2", b"block 1", b"block 2"]
    assert post.ends == [(data, None) for data in sent]


@virtual
async def test_a_critical_frame_does_not_wait_for_the_block_on_its_way_to_its_device() -> None:
    post = Post()
    post.radio.hung.add(PPMID_ID)
    post.post(b"block", Priority.BULK)
    await asyncio.sleep(1)
    post.post(b"CS06", Priority.CRITICAL)
    await asyncio.sleep(0)
    assert [frame.data for frame in post.radio.sent] == [b"block", b"CS06"]


@virtual
async def test_one_frame_of_a_device_is_in_the_air_at_a_time() -> None:
    post = Post()
    post.radio.hung.add(PPMID_ID)
    post.post(b"1")
    post.post(b"2")
    await asyncio.sleep(60)
    assert [frame.data for frame in post.radio.sent] == [b"1"]


@virtual
async def test_a_device_that_asks_faster_than_the_radio_carries_loses_the_rest_and_is_told_apart() -> None:
    post = Post(limit=4)
    post.radio.hung.add(PPMID_ID)
    for number in range(1000):
        post.post(bytes((number & 0xFF,)))
    await asyncio.sleep(1)
    post.post(b"served", device=HCALCS_ID)
    await asyncio.sleep(1)
    assert (b"served", None) in post.ends
    assert post.delivery.dropped == {PPMID_ID: 996}
    refused = [error for _, error in post.ends if error is not None]
    assert len(refused) == 996
    assert all(isinstance(error, RadioError) for error in refused)


@virtual
async def test_a_frame_that_cannot_be_delivered_says_why_and_the_next_one_goes() -> None:
    post = Post()
    for error in (DeliveryError("no acknowledgement"), LocalProtocolError("too large"), RadioError("lost")):
        post.radio.errors[PPMID_ID] = error
        post.post(b"fails")
        await asyncio.sleep(1)
        assert post.ends.pop() == (b"fails", error)
    del post.radio.errors[PPMID_ID]
    post.post(b"goes")
    await asyncio.sleep(1)
    assert post.ends == [(b"goes", None)]


@virtual
async def test_a_queue_that_ran_empty_leaves_nothing_behind() -> None:
    post = Post()
    for number in range(10):
        post.post(bytes((number,)))
        await asyncio.sleep(1)
    assert len(post.radio.sent) == 10
    assert all(task.done() for task in post.tasks)
    assert not post.delivery._queues


@virtual
async def test_frames_that_nobody_acknowledges_do_not_wait_for_each_other_up_to_the_limit() -> None:
    post = Post(limit=3)
    post.radio.hung.add(PPMID_ID)
    for data in (b"1", b"2", b"3", b"4"):
        post.delivery.post(
            PPMID_ID,
            CLUSTER,
            data,
            Priority.BULK,
            lambda _: post.ends.append((b"", None)),
            acknowledged=False,
        )
    await asyncio.sleep(0)
    assert [(frame.data, frame.acknowledged) for frame in post.radio.sent] == [
        (b"1", False),
        (b"2", False),
        (b"3", False),
    ]
    assert post.delivery.dropped[PPMID_ID] == 1
