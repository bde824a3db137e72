"""Floods: whatever one sender pours out, memory stays flat and the update goes on."""

from __future__ import annotations

import asyncio
import gc
import logging
import random
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from hanota.emulator.air import ApsFrame
from hanota.emulator.aps import Fragment
from hanota.emulator.loop import run_virtual
from hanota.emulator.node import HanNode, JoinRefusedError
from hanota.emulator.zdo import device_announcement
from hanota.eui64 import Eui64
from hanota.gbcs.reference_test_data import HCALCS, PPMID
from hanota.hub.events import EventKind
from hanota.hub.jobs import JobKind
from hanota.zcl import PROFILE_SMART_ENERGY, ClusterId
from tests.radio_dongles import EZSP_V13, EZSP_V14, ZNP
from tests.simulation.update_support import HUB_ENDPOINT, STRANGER, log_entry, more, update_bench

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.radio_dongles import Dongle
    from tests.simulation.update_support import UpdateBench

SIZE = 6_000
SENDERS = 8
"""Frames of the flood under way at once: more would only wait for the channel."""
QUEUED = 1.02
"""What the blocks of memory in use may peak at, as a ratio: what is in queues, and the update itself."""

SETTLED = 60
"""Seconds after which nothing is kept for a while only: zigpy remembers packets for 10."""
LEAK = 0.5
"""Blocks kept for each frame that count as a leak: one object each would be 1. The noise of some 250 blocks
does not grow with the flood, so there are frames enough to tell the two apart."""


@dataclass
class Insider:
    """Somebody who has the network key and nothing else."""

    b: UpdateBench
    chance: random.Random
    eui64: Eui64 = STRANGER
    nwk: int = 0x4242
    capabilities: int = 0x8E

    def __post_init__(self) -> None:
        self.b.bench.air.attach(self)

    def link_key_for(self, peer: Eui64) -> bytes | None:
        return None

    def receive(self, frame: ApsFrame) -> None:
        pass

    async def pour(self, frame: ApsFrame) -> None:
        await self.b.bench.air.transmit(frame)

    def frame(self, payload: bytes, **rest: object) -> ApsFrame:
        cluster = self.chance.choice((ClusterId.OTA_UPGRADE, ClusterId.TUNNELING, ClusterId.TIME, 0xFC00))
        return ApsFrame(self.nwk, 0, 1, HUB_ENDPOINT, PROFILE_SMART_ENERGY, cluster, payload, **rest)  # type: ignore[arg-type]


async def fragments(insider: Insider, number: int) -> None:
    """Begin a message of many blocks that never ends, half of them in the name of an admitted device."""
    device = insider.b.ppmid
    named = number % 2 == 0
    await insider.pour(
        ApsFrame(
            device.nwk if named else insider.nwk,
            0,
            1,
            HUB_ENDPOINT,
            PROFILE_SMART_ENERGY,
            ClusterId.TUNNELING,
            insider.chance.randbytes(60),
            link_key=device.link_key if named else None,
            sequence=number & 0xFF,
            fragment=Fragment(0, insider.chance.randrange(2, 256)),
        )
    )


async def joins(insider: Insider, number: int) -> None:
    """Try to join under one EUI-64 after the other, and announce one that never joined."""
    eui64 = Eui64(insider.chance.randbytes(8))
    stranger = HanNode(eui64, install_code=insider.chance.randbytes(16), endpoints=())
    with pytest.raises(JoinRefusedError):
        await stranger.join(insider.b.bench.air)
    announcement = device_announcement(number & 0xFF, insider.chance.randrange(1, 0xFFF8), eui64, 0x8E)
    await insider.pour(ApsFrame(insider.nwk, 0xFFFD, 0, 0, 0, 0x0013, announcement))


async def malformed(insider: Insider, number: int) -> None:
    """Send octets that mean nothing, to any cluster and to ZDO, some of them as an admitted device."""
    payload = insider.chance.randbytes(insider.chance.randrange(70))
    if number % 3 == 0:
        cluster = insider.chance.randrange(0x10000)
        await insider.pour(ApsFrame(insider.nwk, 0, 0, 0, 0, cluster, payload))
    elif number % 3 == 1:
        await insider.pour(insider.frame(payload))
    else:
        device = insider.b.hcalcs
        cluster = insider.chance.choice((ClusterId.OTA_UPGRADE, ClusterId.TUNNELING, ClusterId.TIME))
        await insider.b.say(device, cluster, payload)


async def flood(
    insider: Insider, kind: Callable[[Insider, int], Awaitable[None]], first: int, last: int
) -> None:
    numbers = iter(range(first, last))

    async def sender() -> None:
        for number in numbers:
            await kind(insider, number)

    async with asyncio.TaskGroup() as senders:
        for _ in range(SENDERS):
            senders.create_task(sender())


def held(b: UpdateBench) -> int:
    """Blocks of memory in use, but for most events, which a hub keeps on disk.

    Blocks and not octets: anything kept of a frame is one at least, whatever the buffers around it do.
    """
    b.events[:] = [event for event in b.events if event.kind is EventKind.JOB_STATE]
    gc.collect()
    return sys.getallocatedblocks()


async def watch(peak: list[int]) -> None:
    """Note the most blocks in use."""
    while True:
        peak[0] = max(peak[0], sys.getallocatedblocks())
        await asyncio.sleep(0.1)


@pytest.mark.parametrize(
    ("kind", "frames", "dongle"),
    [
        pytest.param(kind, frames, dongle, id=f"{kind.__name__}-{dongle}")
        for kind, frames, dongle in (
            # Enough that every queue has what it may hold; zigpy remembers packets of 10 s.
            (fragments, 1000, ZNP),
            (fragments, 1000, EZSP_V13),
            (fragments, 1000, EZSP_V14),
            (joins, 1000, ZNP),
            (joins, 1000, EZSP_V13),
            (malformed, 1200, ZNP),
            (malformed, 1200, EZSP_V13),
        )
    ],
)
def test_attack_flood_leaves_memory_flat_and_the_update_running(
    kind: Callable[[Insider, int], Awaitable[None]], frames: int, dongle: Dongle
) -> None:
    async def main() -> None:
        async with update_bench(dongle, size=SIZE) as b:
            absent = more(PPMID, 4)[3]
            await b.assembly.hub.add_device(log_entry(absent, JobKind.PPMID), 3600)  # the window is open
            insider = Insider(b, random.Random(7))
            b.update(JobKind.PPMID)
            await b.until_octet(PPMID, 500)
            await flood(insider, kind, 0, frames)
            await asyncio.sleep(SETTLED)
            before = held(b)
            peak = [before]
            watching = asyncio.create_task(watch(peak))
            await flood(insider, kind, frames, 2 * frames)
            watching.cancel()
            await asyncio.sleep(SETTLED)
            assert held(b) - before < LEAK * frames
            assert peak[0] / before < QUEUED
            await b.until_state(PPMID, "activated")
            assert b.image_of(PPMID) == b.files[JobKind.PPMID].data
            await b.still_serves(HCALCS)

    logging.disable(logging.CRITICAL)  # pytest keeps every record
    try:
        run_virtual(main())
    finally:
        logging.disable(logging.NOTSET)
