"""Updates of devices that sleep, that only a router hears, or that lose their parent on the way."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from hanota.emulator.loop import run_virtual
from hanota.emulator.node import NodeSettings
from hanota.gbcs.reference_test_data import HCALCS, PPMID
from hanota.hub.events import EventKind
from hanota.hub.jobs import JobKind
from tests.radio_dongles import FAMILIES
from tests.simulation.update_support import UpdateBench, more, update_bench

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from hanota.demo.bench import Bench
    from tests.radio_dongles import Dongle

pytestmark = pytest.mark.parametrize("dongle", FAMILIES, ids=str)

SIZE = 4_000
MIDDLE = SIZE // 2
SLEEP = 3.0
SECOND_ROUTER = more(HCALCS, 2)[1]


def laid_out(
    dongle: Dongle, *, sleep: float | None = None, behind: bool = False, routers: int = 1
) -> AbstractAsyncContextManager[UpdateBench]:
    """Start a bench whose PPMID sleeps, or is out of the dongle's range, or both; HCALCSs are routers."""

    def prepare(bench: Bench) -> None:
        bench.devices[PPMID].settings = NodeSettings(sleep=sleep)
        bench.air.link(bench.dongle.eui64, PPMID).in_range = not behind

    return update_bench(dongle, size=SIZE, hcalcses=routers, prepare=prepare, joined=False)


async def join(b: UpdateBench) -> None:
    """Let the routers join first."""
    for planned in reversed(b.plan.devices):
        await b.scenario.join(planned)


def parent(b: UpdateBench) -> int | None:
    return b.bench.air.network(b.bench.dongle.eui64).parent_of(PPMID)


@pytest.mark.parametrize("behind", [False, True], ids=["", "behind a router"])
@pytest.mark.parametrize("sleep", [None, SLEEP], ids=["listening", "sleepy"])
def test_a_device_is_updated_wherever_it_is_and_however_it_sleeps(
    dongle: Dongle, sleep: float | None, behind: bool
) -> None:
    async def main() -> None:
        async with laid_out(dongle, sleep=sleep, behind=behind) as b:
            await join(b)
            await b.still_serves(PPMID)
            (ended,) = b.seen(EventKind.UPGRADE_END, PPMID)
            rate = ended.detail["rate"]
            assert isinstance(rate, float | int)
            # A block a poll, 0.25 s apart, where it sleeps; a hop more takes its time on the air.
            assert (100 < rate < 56 / 0.25) if sleep else (1000 < rate < 2200), rate

    run_virtual(main())


def test_a_relayed_transfer_takes_longer_than_a_direct_one(dongle: Dongle) -> None:
    async def rate(behind: bool) -> float:
        async with laid_out(dongle, behind=behind) as b:
            await join(b)
            b.update(JobKind.PPMID)
            await b.until_state(PPMID, "activated")
            (ended,) = b.seen(EventKind.UPGRADE_END, PPMID)
            value = ended.detail["rate"]
            assert isinstance(value, float | int)
            return value

    assert run_virtual(rate(behind=True)) < 0.8 * run_virtual(rate(behind=False))


def test_a_sleepy_device_whose_router_loses_power_goes_on_through_another(dongle: Dongle) -> None:
    async def main() -> None:
        async with laid_out(dongle, sleep=SLEEP, behind=True, routers=2) as b:
            await join(b)
            routers = {b.device(router).nwk: b.device(router) for router in (HCALCS, SECOND_ROUTER)}
            first = parent(b)
            assert first in routers
            b.update(JobKind.PPMID)
            await b.until_octet(PPMID, MIDDLE)
            routers[first].power_off()
            await b.until_state(PPMID, "activated")
            assert parent(b) in routers.keys() - {first}
            assert b.image_of(PPMID) == b.files[JobKind.PPMID].data

    run_virtual(main())


def test_a_router_out_of_range_is_reached_by_another_way_at_once(dongle: Dongle) -> None:
    async def main() -> None:
        async with laid_out(dongle) as b:
            await join(b)
            b.update(JobKind.PPMID)
            await b.until_octet(PPMID, MIDDLE)
            b.bench.air.link(b.bench.dongle.eui64, PPMID).in_range = False
            left_at = asyncio.get_running_loop().time()
            await b.until_state(PPMID, "activated")
            assert asyncio.get_running_loop().time() - left_at < 30
            assert b.image_of(PPMID) == b.files[JobKind.PPMID].data

    run_virtual(main())


def test_an_update_cut_in_two_by_a_partition_goes_on_when_it_is_healed(dongle: Dongle) -> None:
    async def main() -> None:
        async with laid_out(dongle) as b:
            await join(b)
            b.update(JobKind.PPMID)
            await b.until_octet(PPMID, MIDDLE)
            b.bench.air.partition([PPMID, HCALCS])
            await asyncio.sleep(20)
            held = b.ppmid.client.file_offset
            await asyncio.sleep(10)
            assert b.ppmid.client.file_offset == held
            b.bench.air.heal()
            await b.until_state(PPMID, "activated")
            assert b.image_of(PPMID) == b.files[JobKind.PPMID].data

    run_virtual(main())


@pytest.mark.parametrize("behind", [False, True], ids=["", "behind a router"])
def test_a_hub_that_is_started_again_finds_a_device_that_sleeps(dongle: Dongle, behind: bool) -> None:
    async def main() -> None:
        async with laid_out(dongle, sleep=SLEEP, behind=behind) as b:
            await join(b)
            await b.restart_hub()
            await b.still_serves(PPMID)

    run_virtual(main())
