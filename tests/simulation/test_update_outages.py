"""Power cuts, silent devices, a dongle that hangs, is pulled out or restarts: transfers go on."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from hanota.dcc.errors import RequestRejectedError
from hanota.duis.request import ActivateFirmware, SignedPreCommand
from hanota.emulator.loop import run_virtual
from hanota.gbcs.crypto import sign
from hanota.gbcs.reference_test_data import HCALCS, PPMID
from hanota.hub.events import EventKind
from hanota.hub.jobs import JobKind
from tests.radio_dongles import FAMILIES
from tests.simulation.update_support import NEW, WRONG_HASH, supplier_key, update_bench

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.radio_dongles import Dongle
    from tests.simulation.update_support import UpdateBench

pytestmark = pytest.mark.parametrize("dongle", FAMILIES, ids=str)

SIZE = 10_000
"""Octets of a Manufacturer Image: 6 s on the modelled radio, long enough to be cut in the middle."""
MIDDLE = SIZE // 2
DEVICES = {JobKind.PPMID: PPMID, JobKind.HCALCS: HCALCS}


def radio_states(b: UpdateBench) -> list[str]:
    return [str(event.detail["state"]) for event in b.seen(EventKind.RADIO_STATE)]


# -- the device --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", JobKind)
@pytest.mark.parametrize("percent", [10, 50, 90])
def test_a_device_cut_from_power_goes_on_at_the_octet_it_had(
    dongle: Dongle, kind: JobKind, percent: int
) -> None:
    device = DEVICES[kind]

    async def main() -> None:
        async with update_bench(dongle, size=SIZE) as b:
            b.update(kind)
            await b.until_octet(device, SIZE * percent // 100)
            b.device(device).power_off()
            kept = b.device(device).client.file_offset
            await asyncio.sleep(60)
            assert b.device(device).client.file_offset == kept
            await b.device(device).power_on()
            if kind is JobKind.HCALCS:
                await b.until_state(device, "held")
                await b.activate(device)
            await b.until_state(device, "activated")
            assert b.image_of(device) == b.files[kind].data
            assert b.device(device).firmware_version == NEW
            assert b.blocks_again(device) <= 2, "nothing that had arrived was sent again"
            assert b.transfer_alerts(device) == [("8F8A", "success")]

    run_virtual(main())


def test_a_device_that_is_switched_on_and_off_again_and_again_gets_there_in_the_end(dongle: Dongle) -> None:
    async def main() -> None:
        async with update_bench(dongle, size=SIZE) as b:
            b.update(JobKind.PPMID)
            for offset in range(1_000, SIZE, 1_000):
                await b.until_octet(PPMID, offset)
                b.ppmid.power_off()
                await asyncio.sleep(1)
                await b.ppmid.power_on()
            await b.until_state(PPMID, "activated")
            assert b.image_of(PPMID) == b.files[JobKind.PPMID].data

    run_virtual(main())


# -- the dongle --------------------------------------------------------------------------------------------


def hang(b: UpdateBench) -> None:
    b.bench.dongle.line.to_host.muted = True


def hang_up(b: UpdateBench) -> None:
    b.bench.dongle.line.to_ncp.muted = True


def recover(b: UpdateBench) -> None:
    b.bench.dongle.line.to_host.muted = b.bench.dongle.line.to_ncp.muted = False


def unplug(b: UpdateBench) -> None:
    b.bench.dongle.line.unplug()


def plug(b: UpdateBench) -> None:
    b.bench.dongle.line.plug()


def restart(b: UpdateBench) -> None:
    b.bench.dongle.reset()


def nothing(_: UpdateBench) -> None:
    pass


MISHAPS: dict[str, tuple[Callable[[UpdateBench], None], Callable[[UpdateBench], None], float]] = {
    "the line falls silent for 26 s": (hang, recover, 26),
    "the line falls silent for an hour": (hang, recover, 3600),
    "the dongle hears nothing for a minute": (hang_up, recover, 60),
    "the dongle is pulled out for 5 s": (unplug, plug, 5),
    "the dongle is pulled out for an hour": (unplug, plug, 3600),
    "the dongle restarts by itself": (restart, nothing, 0),
}


@pytest.mark.parametrize("kind", JobKind)
@pytest.mark.parametrize("mishap", MISHAPS)
def test_the_coordinator_lost_in_mid_update_is_taken_up_again_and_the_update_ends_well(
    dongle: Dongle, mishap: str, kind: JobKind
) -> None:
    break_it, mend_it, seconds = MISHAPS[mishap]
    device = DEVICES[kind]

    async def main() -> None:
        async with update_bench(dongle, size=SIZE) as b:
            b.update(kind)
            await b.until_octet(device, MIDDLE)
            break_it(b)
            await asyncio.sleep(seconds)
            mend_it(b)
            await b.until(lambda: radio_states(b)[-1] == "online" and "lost" in radio_states(b))
            if kind is JobKind.HCALCS:
                await b.until_state(device, "held", 2 * 3600)
                await b.activate(device)
            await b.until_state(device, "activated", 2 * 3600)
            assert b.image_of(device) == b.files[kind].data
            assert b.transfer_alerts(device) == [("8F8A", "success")]
            assert radio_states(b) == ["starting", "online", "lost", "online"]
            await b.still_serves(DEVICES[JobKind.PPMID if kind is JobKind.HCALCS else JobKind.HCALCS])

    run_virtual(main())


def test_a_dongle_that_restarts_again_and_again_delays_the_update_and_does_not_end_it(dongle: Dongle) -> None:
    async def main() -> None:
        async with update_bench(dongle, size=SIZE) as b:
            b.update(JobKind.HCALCS)
            for offset in (2_000, 4_000, 6_000, 8_000):
                await b.until_octet(HCALCS, offset)
                restart(b)
                await b.until(lambda: radio_states(b)[-1] == "lost")
                await b.until(lambda: radio_states(b)[-1] == "online")
            await b.until_state(HCALCS, "held")
            await b.activate(HCALCS)
            assert b.image_of(HCALCS) == b.files[JobKind.HCALCS].data
            assert radio_states(b).count("lost") == 4

    run_virtual(main())


def test_a_command_that_meets_a_lost_coordinator_goes_out_when_it_is_back(dongle: Dongle) -> None:
    async def main() -> None:
        async with update_bench(dongle) as b:
            await b.held()
            restart(b)
            await b.until(lambda: radio_states(b)[-1] == "lost")
            await b.activate(HCALCS)
            assert (b.state(HCALCS), b.hcalcs.firmware_version) == ("activated", NEW)

    run_virtual(main())


# -- the hub -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", JobKind)
@pytest.mark.parametrize("percent", [0, 50, 90])
def test_a_hub_that_is_started_again_in_mid_transfer_goes_on_with_it(
    dongle: Dongle, kind: JobKind, percent: int
) -> None:
    device = DEVICES[kind]

    async def main() -> None:
        async with update_bench(dongle, size=SIZE) as b:
            b.update(kind)
            await b.until_octet(device, SIZE * percent // 100)
            await b.restart_hub()
            if kind is JobKind.HCALCS:
                await b.until_state(device, "held")
                await b.activate(device)
            await b.until_state(device, "activated")
            assert b.image_of(device) == b.files[kind].data
            assert b.transfer_alerts(device) == [("8F8A", "success")]
            assert [event.seq for event in b.events] == sorted({event.seq for event in b.events})
            await b.still_serves(DEVICES[JobKind.PPMID if kind is JobKind.HCALCS else JobKind.HCALCS])

    run_virtual(main())


def test_a_hub_that_is_started_again_while_an_image_is_held_keeps_it_held_and_activates_it(
    dongle: Dongle,
) -> None:
    async def main() -> None:
        async with update_bench(dongle) as b:
            await b.held()
            await b.restart_hub()
            await asyncio.sleep(3 * 3600)
            assert (b.state(HCALCS), len(b.transfer_alerts(HCALCS))) == ("held", 1)
            await b.activate(HCALCS)
            assert (b.state(HCALCS), b.hcalcs.firmware_version) == ("activated", NEW)

    run_virtual(main())


def test_attack_replay_of_a_signed_pre_command_is_refused_by_a_dcc_that_was_started_again(
    dongle: Dongle,
) -> None:
    async def main() -> None:
        async with update_bench(dongle) as b:
            await b.held()
            request = ActivateFirmware(b.request_id(HCALCS), WRONG_HASH)
            pre_command = b.pre_command(request)
            signed = sign(pre_command, supplier_key(b.assembly.parties)).encode()
            await b.send_signed(request.request_id, signed)
            other = replace(request.request_id, counter=request.request_id.counter + 1)
            for again in (b.assembly.dcc, None):
                if again is None:
                    await b.restart_hub()
                assert b.assembly.dcc.submit(SignedPreCommand(request.request_id, signed)).repeated
                with pytest.raises(RequestRejectedError, match="not higher than"):
                    _ = b.send_signed(other, signed)
            assert b.cs06_outcomes() == ["hash_mismatch"]
            await b.activate(HCALCS)
            assert b.hcalcs.firmware_version == NEW

    run_virtual(main())
