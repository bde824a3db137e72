"""The hub on an older Z-Stack coordinator: release 3.0 on a CC2531, with little memory and packed structs."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from hanota.emulator.loop import run_virtual
from hanota.emulator.znp.coordinator import ZnpCoordinator
from hanota.emulator.znp.personality import Z_STACK_3_0
from hanota.gbcs.reference_test_data import HCALCS, PPMID
from hanota.hub.events import EventKind
from hanota.hub.jobs import JobKind
from hanota.radio.settings import LinkSecurity
from tests.radio_dongles import ZNP_3_0
from tests.simulation.update_support import NEW, log_entry, update_bench

if TYPE_CHECKING:
    import pytest

LINK_KEYS = Z_STACK_3_0.link_key_entries
"""The devices it holds an established key for."""


def test_both_devices_are_updated_through_it() -> None:
    async def main() -> None:
        async with update_bench(ZNP_3_0, joined=False) as b:
            assert isinstance(b.bench.dongle, ZnpCoordinator)
            assert b.bench.dongle.personality is Z_STACK_3_0
            outcomes = await b.scenario.run()
            assert [outcome.succeeded for outcome in outcomes] == [True, True]
            assert (b.ppmid.firmware_version, b.hcalcs.firmware_version) == (NEW, NEW)
            for kind, device in ((JobKind.PPMID, PPMID), (JobKind.HCALCS, HCALCS)):
                assert b.image_of(device) == b.files[kind].data
            assert b.bench.dongle.statistics.malformed_commands == 0

    run_virtual(main())


def test_several_devices_at_once_are_not_more_than_it_holds() -> None:
    async def main() -> None:
        security = LinkSecurity.INSTALL_CODE
        async with update_bench(ZNP_3_0, ppmids=4, size=2_000, security=security) as b:
            b.update(JobKind.PPMID)
            for planned in b.plan.devices:
                if planned.kind is JobKind.PPMID:
                    await b.until_state(planned.device, "activated")

    run_virtual(main())


def test_a_device_more_than_it_holds_link_keys_gets_none_and_the_others_keep_theirs() -> None:
    async def main() -> None:
        async with update_bench(ZNP_3_0, ppmids=LINK_KEYS + 1, hcalcses=0, size=2_000, joined=False) as b:
            *served, last = b.plan.devices
            for planned in served:
                await b.scenario.join(planned)
            await b.assembly.hub.add_device(log_entry(last.device, last.kind), 90)
            await b.device(last.device).join(b.bench.air)
            await b.until(lambda: b.seen(EventKind.KEY_ESTABLISHMENT_FAILED, last.device))
            assert not b.assembly.hub.is_ready(last.device)
            b.update(JobKind.PPMID, devices=[planned.device for planned in served])
            for planned in served:
                await b.until_state(planned.device, "activated")
            assert not b.seen(EventKind.LINK_KEY_LOST)

    run_virtual(main())


def test_a_download_goes_on_after_it_restarted_by_itself() -> None:
    async def main() -> None:
        async with update_bench(ZNP_3_0) as b:
            b.update(JobKind.PPMID)
            await b.until_octet(PPMID, 1_500)
            b.bench.dongle.reset()
            await b.until_state(PPMID, "activated")
            assert b.image_of(PPMID) == b.files[JobKind.PPMID].data

    run_virtual(main())


def test_a_restarted_hub_finds_its_devices_without_a_word_it_cannot_read(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        async with update_bench(ZNP_3_0) as b:
            await b.restart_hub()
            await b.still_serves(PPMID)
            await b.still_serves(HCALCS)

    caplog.set_level(logging.ERROR)
    run_virtual(main())
    assert caplog.records == []
