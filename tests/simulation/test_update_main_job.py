"""The main job, whole, through the real radio libraries in virtual time: 11.4; 11.1 and 11.3; then CS08."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from hanota.demo.run import DemoOptions, run_demo
from hanota.emulator.loop import run_virtual
from hanota.gbcs.reference_test_data import HCALCS, PPMID
from hanota.hub.events import EventKind
from hanota.hub.jobs import JobKind
from tests.radio_dongles import DONGLES, FAMILIES
from tests.simulation.update_support import EPOCH, NEW, OLD, more, update_bench

if TYPE_CHECKING:
    from hanota.demo.run import DemoReport
    from hanota.hub.events import Event
    from tests.radio_dongles import Dongle

LARGE = 500_000
OLD_VERSION = int.from_bytes(OLD, "big")


def demo(dongle: Dongle, seed: int) -> tuple[DemoReport, list[Event]]:
    events: list[Event] = []
    report = run_virtual(
        run_demo(
            DemoOptions(radio=dongle.family, image_size=4_000, seed=seed, epoch=EPOCH),
            on_event=events.append,
            on_progress=lambda _: None,
            on_notice=lambda *_: None,
        )
    )
    return report, events


@pytest.mark.parametrize("dongle", DONGLES, ids=str)
def test_both_devices_end_with_the_new_version_and_every_octet_of_it(dongle: Dongle) -> None:
    async def main() -> None:
        async with update_bench(dongle, joined=False) as b:
            outcomes = await b.scenario.run()
            assert [outcome.succeeded for outcome in outcomes] == [True, True]
            assert b.scenario.refused == 0
            assert (b.ppmid.firmware_version, b.hcalcs.firmware_version) == (NEW, NEW)
            for kind, device in ((JobKind.PPMID, PPMID), (JobKind.HCALCS, HCALCS)):
                assert b.image_of(device) == b.files[kind].data
                assert b.transfer_alerts(device) == [("8F8A", "success")]
            assert b.states(PPMID)[-2:] == ["activating", "activated"]
            assert b.states(HCALCS)[-3:] == ["held", "activating", "activated"]

    run_virtual(main())


@pytest.mark.parametrize("dongle", FAMILIES, ids=str)
def test_a_500_kb_image_arrives_octet_for_octet_at_the_rate_of_the_modelled_radio(dongle: Dongle) -> None:
    async def main() -> None:
        async with update_bench(dongle, ppmids=0, size=LARGE) as b:
            loop = asyncio.get_running_loop()
            began = loop.time()
            await b.held()
            rate = LARGE / (loop.time() - began)
            assert b.hcalcs.held is not None
            assert b.hcalcs.held.file.data == b.files[JobKind.HCALCS].data
            assert 1500 < rate < 2200
            # What the progress events told meanwhile is this rate, too.
            told = [event.detail["rate"] for event in b.seen(EventKind.TRANSFER_PROGRESS, HCALCS)]
            assert len(told) > 10
            assert all(isinstance(value, float) and abs(value - rate) < 0.1 * rate for value in told)
            await b.activate(HCALCS)
            assert b.state(HCALCS) == "activated"

    run_virtual(main())


@pytest.mark.parametrize("dongle", FAMILIES, ids=str)
def test_the_same_seed_and_epoch_give_the_same_event_log(dongle: Dongle) -> None:
    (first, events), (second, again) = demo(dongle, 7), demo(dongle, 7)
    assert first.succeeded
    assert second.succeeded
    assert [event.to_json() for event in events] == [event.to_json() for event in again]
    assert len(events) > 40


@pytest.mark.parametrize("dongle", FAMILIES, ids=str)
def test_another_seed_gives_other_keys_and_another_air_and_succeeds_all_the_same(dongle: Dongle) -> None:
    (_, events), (report, others) = demo(dongle, 7), demo(dongle, 8)
    assert report.succeeded
    assert [event.at for event in events] != [event.at for event in others]


@pytest.mark.parametrize("dongle", DONGLES, ids=str)
def test_several_ppmids_and_hcalcses_are_updated_at_once_each_in_its_own_session(dongle: Dongle) -> None:
    async def main() -> None:
        ppmids, hcalcses = more(PPMID, 2), more(HCALCS, 2)
        async with update_bench(dongle, ppmids=2, hcalcses=2) as b:
            b.update(JobKind.PPMID)
            b.update(JobKind.HCALCS)
            await b.until(lambda: all("transferring" in b.states(device) for device in ppmids + hcalcses))
            # All four were served at the same time: nobody had finished when the last one began.
            assert not any("transferred" in b.states(device) for device in ppmids + hcalcses)
            for device in ppmids:
                await b.until_state(device, "activated")
            for device in hcalcses:
                await b.until_state(device, "held")
                assert b.device(device).running.file_version == OLD_VERSION
            # One command each, and only its own device obeys it.
            await b.activate(hcalcses[1])
            assert [b.state(device) for device in hcalcses] == ["held", "activated"]
            await b.activate(hcalcses[0])
            for planned in b.plan.devices:
                assert (await b.scenario.outcome(planned)).succeeded
                assert b.image_of(planned.device) == b.files[planned.kind].data
            jobs = {event.job for event in b.seen(EventKind.JOB_STATE)}
            assert len(jobs) == 4

    run_virtual(main())
