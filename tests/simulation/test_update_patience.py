"""Devices that take hours, or for ever: stalls, sessions and jobs that expire, whichever the radio."""

from __future__ import annotations

import asyncio

import pytest

from hanota.emulator.loop import run_virtual
from hanota.gbcs.reference_test_data import HCALCS, PPMID
from hanota.hub.events import EventKind
from hanota.hub.hub import HubSettings
from hanota.hub.jobs import JobKind
from hanota.ota.settings import OtaServerSettings
from tests.simulation.update_support import update_bench

SIZE = 10_000
"""Octets of a Manufacturer Image: 6 s on the modelled radio, long enough to be cut in the middle."""
MIDDLE = SIZE // 2


def test_a_device_that_stops_asking_is_told_as_stalled_and_its_job_expires() -> None:
    async def main() -> None:
        settings = HubSettings(ota=OtaServerSettings(stall_seconds=300, session_timeout=2 * 3600))
        async with update_bench(size=SIZE, settings=settings) as b:
            b.update(JobKind.PPMID)
            await b.until_octet(PPMID, MIDDLE)
            b.ppmid.power_off()
            silent = b.events[-1].at
            await b.until(lambda: b.seen(EventKind.TRANSFER_STALLED, PPMID))
            (stalled,) = b.seen(EventKind.TRANSFER_STALLED, PPMID)
            assert stalled.at - silent == pytest.approx(300, abs=15)
            octets = stalled.detail["octets"]
            assert isinstance(octets, int)
            assert MIDDLE <= octets <= MIDDLE + 1000
            assert b.state(PPMID) == "transferring", "a stall is an event, not a state: it may be asleep"
            await b.still_serves(HCALCS)
            await b.until_state(PPMID, "expired", 3 * 3600)
            assert b.events[-1].at - silent == pytest.approx(2 * 3600, abs=15)
            assert b.transfer_alerts(PPMID) == [("8F89", "file_transfer_failure")]
            await b.ppmid.power_on()
            await b.still_serves(PPMID)

    run_virtual(main())


def test_a_device_that_slept_past_the_stall_goes_on_where_it_was() -> None:
    async def main() -> None:
        async with update_bench(size=SIZE) as b:
            b.update(JobKind.PPMID)
            await b.until_octet(PPMID, MIDDLE)
            b.ppmid.power_off()
            await asyncio.sleep(4 * 3600)
            assert len(b.seen(EventKind.TRANSFER_STALLED, PPMID)) == 1
            await b.ppmid.power_on()
            await b.until_state(PPMID, "activated")
            assert b.image_of(PPMID) == b.files[JobKind.PPMID].data
            assert b.blocks_again(PPMID) <= 2

    run_virtual(main())


def test_attack_slow_retrieval_a_device_that_asks_once_an_hour_holds_no_session_for_ever() -> None:
    async def main() -> None:
        settings = HubSettings(ota=OtaServerSettings(session_lifetime=24 * 3600))
        async with update_bench(size=SIZE, settings=settings) as b:
            b.update(JobKind.PPMID)
            await b.until_octet(PPMID, 1000)
            for _ in range(30):
                b.ppmid.power_off()
                await asyncio.sleep(3600)
                await b.ppmid.power_on()
                await asyncio.sleep(0.1)
                if b.state(PPMID) == "expired":
                    break
            assert b.state(PPMID) == "expired"
            assert b.transfer_alerts(PPMID) == [("8F89", "file_transfer_failure")]
            await b.still_serves(HCALCS)

    run_virtual(main())


def test_a_ppmid_that_never_tells_of_its_activation_ends_expired() -> None:
    async def main() -> None:
        async with update_bench() as b:
            b.ppmid.send_message = lambda message: None  # type: ignore[method-assign]
            b.update(JobKind.PPMID)
            await asyncio.sleep(26 * 3600)
            assert b.state(PPMID) == "expired"

    run_virtual(main())
