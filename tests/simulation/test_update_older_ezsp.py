"""The hub on older EmberZNet coordinators: EZSP 8 to 12 have other frames for keys than later versions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hanota.emulator.ezsp.coordinator import EzspCoordinator
from hanota.emulator.loop import run_virtual
from hanota.gbcs.reference_test_data import HCALCS, PPMID
from hanota.hub.events import EventKind
from hanota.hub.jobs import JobKind
from hanota.radio.settings import LinkSecurity
from hanota.zse.cbke import Suite
from tests.radio_dongles import EzspDongle
from tests.simulation.update_support import NEW, update_bench

if TYPE_CHECKING:
    from hanota.eui64 import Eui64
    from tests.simulation.update_support import UpdateBench

DONGLES = (EzspDongle(8), EzspDongle(12))
each_dongle = pytest.mark.parametrize("dongle", DONGLES, ids=str)


def coordinator(b: UpdateBench) -> EzspCoordinator:
    assert isinstance(b.bench.dongle, EzspCoordinator)
    return b.bench.dongle


def key_in_table(b: UpdateBench, device: Eui64) -> bytes | None:
    ncp = coordinator(b)
    index = ncp.keys.index(device)
    entry = None if index is None else ncp.keys.at(index)
    return None if entry is None else entry.key


@pytest.mark.parametrize("suite", Suite)
@each_dongle
def test_both_devices_are_updated_under_established_keys(dongle: EzspDongle, suite: Suite) -> None:
    async def main() -> None:
        async with update_bench(dongle, suite=suite, joined=False) as b:
            outcomes = await b.scenario.run()
            assert [outcome.succeeded for outcome in outcomes] == [True, True]
            assert (b.ppmid.firmware_version, b.hcalcs.firmware_version) == (NEW, NEW)
            for kind, device in ((JobKind.PPMID, PPMID), (JobKind.HCALCS, HCALCS)):
                assert len(b.seen(EventKind.KEY_ESTABLISHED, device)) == 1
                assert key_in_table(b, device) == b.device(device).link_key
                assert b.image_of(device) == b.files[kind].data
            assert coordinator(b).layout.version == dongle.version

    run_virtual(main())


@each_dongle
def test_both_devices_are_updated_under_the_keys_of_their_install_codes(dongle: EzspDongle) -> None:
    async def main() -> None:
        async with update_bench(dongle, security=LinkSecurity.INSTALL_CODE, joined=False) as b:
            outcomes = await b.scenario.run()
            assert [outcome.succeeded for outcome in outcomes] == [True, True]
            assert b.seen(EventKind.KEY_ESTABLISHED) == []
            assert key_in_table(b, PPMID) == b.ppmid.link_key

    run_virtual(main())


@each_dongle
def test_established_keys_are_recognised_after_hub_and_coordinator_restarted(dongle: EzspDongle) -> None:
    async def main() -> None:
        async with update_bench(dongle) as b:
            keys = {device: key_in_table(b, device) for device in (PPMID, HCALCS)}
            await b.restart_hub()
            await b.still_serves(PPMID)
            b.bench.dongle.reset()
            await b.still_serves(HCALCS)
            assert {device: key_in_table(b, device) for device in keys} == keys
            assert b.seen(EventKind.LINK_KEY_LOST) == []
            assert [len(b.seen(EventKind.KEY_ESTABLISHED, device)) for device in keys] == [1, 1]

    run_virtual(main())


@each_dongle
def test_a_key_that_the_coordinator_has_no_more_is_lost_and_told(dongle: EzspDongle) -> None:
    async def main() -> None:
        async with update_bench(dongle) as b:
            index = coordinator(b).keys.index(PPMID)
            assert index is not None
            coordinator(b).keys.erase(index)
            await b.restart_hub()
            await b.until(lambda: b.seen(EventKind.LINK_KEY_LOST, PPMID))
            assert b.seen(EventKind.LINK_KEY_LOST, HCALCS) == []

    run_virtual(main())


@each_dongle
def test_eight_devices_join_at_once_and_each_has_its_own_key(dongle: EzspDongle) -> None:
    async def main() -> None:
        async with update_bench(dongle, ppmids=4, hcalcses=4) as b:
            devices = [planned.device for planned in b.plan.devices]
            keys = {device: key_in_table(b, device) for device in devices}
            assert keys == {device: b.device(device).link_key for device in devices}
            assert len(set(keys.values())) == len(devices)

    run_virtual(main())
