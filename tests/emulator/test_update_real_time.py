"""The main job in real time, hub and emulated dongle joined by a pseudo terminal or by TCP."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from hanota.emulator.loop import loop_factory
from hanota.emulator.tty import served_on_pty, served_on_tcp
from hanota.gbcs.reference_test_data import HCALCS, PPMID
from hanota.hub.events import EventKind
from hanota.hub.jobs import JobKind
from tests.radio_dongles import FAMILIES
from tests.simulation.update_support import NEW, OLD, WRONG_HASH, more, update_bench

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from contextlib import AbstractAsyncContextManager

    from hanota.emulator.line import Line
    from tests.radio_dongles import Dongle
    from tests.simulation.update_support import UpdateBench

pytestmark = pytest.mark.parametrize("dongle", FAMILIES, ids=str)
SPEED = 4
"""How much faster than the wall these tests run. ASH wants acknowledgements within 0.4 s: 100 ms of the wall,
which a busy machine still gives."""
DEVICES = {JobKind.PPMID: PPMID, JobKind.HCALCS: HCALCS}
PORTS: dict[str, Callable[[Line], AbstractAsyncContextManager[str]]] = {
    "pty": served_on_pty,
    "tcp": served_on_tcp,
}


def run_scaled(main: Coroutine[object, object, None]) -> None:
    with asyncio.Runner(loop_factory=loop_factory(SPEED)) as runner:
        runner.run(main)


def assert_updated(b: UpdateBench, kind: JobKind) -> None:
    device = DEVICES[kind]
    assert b.image_of(device) == b.files[kind].data
    assert (b.state(device), b.device(device).firmware_version) == ("activated", NEW)
    assert b.transfer_alerts(device) == [("8F8A", "success")]


async def until_lost_and_online(b: UpdateBench, times: int) -> None:
    """Wait until the hub has lost its coordinator so often and found it again."""

    def is_back() -> bool:
        states = [event.detail["state"] for event in b.seen(EventKind.RADIO_STATE)]
        return states.count("lost") == times and states[-1] == "online"

    await b.until(is_back, 120)


@pytest.mark.parametrize("port", PORTS)
def test_both_devices_are_updated(dongle: Dongle, port: str) -> None:
    async def main() -> None:
        async with update_bench(dongle, served=PORTS[port], joined=False) as b:
            outcomes = await b.scenario.run()
            assert [outcome.succeeded for outcome in outcomes] == [True, True]
            assert b.scenario.refused == 0
            for kind in DEVICES:
                assert_updated(b, kind)

    run_scaled(main())


def test_several_devices_are_updated_at_once_each_in_its_own_session(dongle: Dongle) -> None:
    async def main() -> None:
        async with update_bench(dongle, ppmids=2, hcalcses=2, served=served_on_pty, joined=False) as b:
            outcomes = await b.scenario.run()
            assert [outcome.succeeded for outcome in outcomes] == [True] * 4
            for kind, first in DEVICES.items():
                for device in more(first, 2):
                    assert b.image_of(device) == b.files[kind].data

    run_scaled(main())


def test_device_dongle_and_hub_restart_in_mid_transfer_and_no_octet_is_wrong(dongle: Dongle) -> None:
    async def main() -> None:
        async with update_bench(dongle, served=served_on_pty, size=6_000) as b:
            b.update(JobKind.HCALCS)
            await b.until_octet(HCALCS, 1_500)
            b.hcalcs.power_off()
            await asyncio.sleep(1)
            await b.hcalcs.power_on()
            await b.until_octet(HCALCS, 3_000)
            b.bench.dongle.reset()
            await until_lost_and_online(b, 1)
            await b.until_octet(HCALCS, 4_500)
            await b.restart_hub()
            await b.until_state(HCALCS, "held", 120)
            await b.activate(HCALCS)
            assert_updated(b, JobKind.HCALCS)
            assert [event.seq for event in b.events] == list(range(1, len(b.events) + 1))

    run_scaled(main())


def test_a_bridge_that_goes_away_in_mid_transfer_is_connected_to_again(dongle: Dongle) -> None:
    async def main() -> None:
        async with update_bench(dongle, served=served_on_tcp, size=6_000) as b:
            b.update(JobKind.PPMID)
            await b.until_octet(PPMID, 3_000)
            b.bench.dongle.line.unplug()
            await asyncio.sleep(5)
            b.bench.dongle.line.plug()
            await until_lost_and_online(b, 1)
            await b.until_state(PPMID, "activated", 120)
            assert_updated(b, JobKind.PPMID)

    run_scaled(main())


def test_a_wrong_hash_and_an_altered_image_are_refused_by_name(dongle: Dongle) -> None:
    async def main() -> None:
        async with update_bench(dongle, served=served_on_pty) as b:
            image = bytearray(b.files[JobKind.HCALCS].data)
            image[-1] ^= 0x01
            b.update(JobKind.HCALCS, image=bytes(image))
            await b.until_state(HCALCS, "invalid_image", 120)
            assert b.transfer_alerts(HCALCS) == [("8F89", "file_transfer_failure")]
            await b.held()
            await b.activate(HCALCS, WRONG_HASH)
            assert b.cs06_outcomes() == ["hash_mismatch"]
            assert (b.state(HCALCS), b.hcalcs.firmware_version) == ("held", OLD)

    run_scaled(main())
