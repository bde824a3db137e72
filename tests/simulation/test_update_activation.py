"""Activation: CS06 at once, future dated, cancelled or wrong; the PPMID's own; power cuts meanwhile."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from hanota.dcc.errors import NoResponseError
from hanota.duis.request import CANCELLATION
from hanota.emulator.loop import run_virtual
from hanota.gbcs.activate_firmware import ActivateImageResponseCode
from hanota.gbcs.alerts import ActivateImageResult
from hanota.gbcs.reference_test_data import HCALCS, PPMID
from hanota.hub.events import EventKind
from hanota.hub.jobs import JobKind
from tests.radio_dongles import FAMILIES
from tests.simulation.update_support import (
    EPOCH,
    NEW,
    OLD,
    WRONG_HASH,
    update_bench,
)

if TYPE_CHECKING:
    from tests.radio_dongles import Dongle

pytestmark = pytest.mark.parametrize("dongle", FAMILIES, ids=str)


def in_minutes(minutes: float) -> datetime:
    """A point in time that many minutes after the simulation began."""
    return datetime.fromtimestamp(EPOCH + 60 * minutes, UTC)


# -- CS06 through the DCC ----------------------------------------------------------------------------------


def test_a_held_image_stays_held_however_often_the_device_asks_and_runs_after_cs06(dongle: Dongle) -> None:
    async def main() -> None:
        async with update_bench(dongle) as b:
            await b.held()
            await asyncio.sleep(5 * 3600)
            answers = b.seen(EventKind.UPGRADE_END_ANSWERED, HCALCS)
            assert len(answers) >= 5
            assert {event.detail["meaning"] for event in answers} == {
                "wait for the Activate Firmware command (0xFFFFFFFF)"
            }
            assert len(b.transfer_alerts(HCALCS)) == 1
            assert (b.state(HCALCS), b.hcalcs.firmware_version) == ("held", OLD)
            await b.activate(HCALCS)
            assert (b.state(HCALCS), b.hcalcs.firmware_version) == ("activated", NEW)

    run_virtual(main())


def test_a_wrong_hash_is_answered_hash_mismatch_and_the_right_one_activates_afterwards(
    dongle: Dongle,
) -> None:
    async def main() -> None:
        async with update_bench(dongle) as b:
            await b.held()
            await b.activate(HCALCS, WRONG_HASH)
            assert b.cs06_outcomes() == ["hash_mismatch"]
            assert (b.state(HCALCS), b.hcalcs.firmware_version) == ("held", OLD)
            assert b.hcalcs.held is not None
            await b.activate(HCALCS)
            assert b.cs06_outcomes() == ["hash_mismatch", "success"]
            assert (b.state(HCALCS), b.hcalcs.firmware_version) == ("activated", NEW)
            await b.still_serves(PPMID)

    run_virtual(main())


def test_an_activation_that_fails_on_the_device_ends_the_job_failed(dongle: Dongle) -> None:
    async def main() -> None:
        async with update_bench(dongle) as b:
            await b.held()
            b.hcalcs.activation_code = ActivateImageResponseCode.ACTIVATION_FAILURE
            await b.activate(HCALCS)
            assert b.cs06_outcomes() == ["activation_failure"]
            assert (b.state(HCALCS), b.hcalcs.firmware_version) == ("failed", OLD)
            await b.still_serves(PPMID)
            # The job has ended; the image is still there for another CS06.
            b.hcalcs.activation_code = ActivateImageResponseCode.SUCCESS
            await b.activate(HCALCS)
            assert b.cs06_outcomes() == ["activation_failure", "success"]
            assert (b.state(HCALCS), b.hcalcs.firmware_version) == ("failed", NEW)

    run_virtual(main())


def test_a_device_that_reports_success_but_runs_the_old_version_is_not_believed(dongle: Dongle) -> None:
    async def main() -> None:
        async with update_bench(dongle) as b:
            await b.held()

            b.hcalcs.reboot_into = lambda _, started: started()  # type: ignore[method-assign,assignment]
            await b.activate(HCALCS)
            assert b.state(HCALCS) == "failed"
            assert "runs 01000000" in str(b.seen(EventKind.JOB_STATE, HCALCS)[-1].detail["cause"])

    run_virtual(main())


def test_a_future_dated_command_is_accepted_now_and_executed_once_at_its_time(dongle: Dongle) -> None:
    async def main() -> None:
        async with update_bench(dongle) as b:
            await b.held()
            await b.activate(HCALCS, when=in_minutes(10))
            assert b.cs06_outcomes() == ["commandAccepted: the alert 00CA follows at the execution time"]
            await b.until(lambda: b.seen(EventKind.DEVICE_ALERT, HCALCS))
            (alert,) = b.seen(EventKind.DEVICE_ALERT, HCALCS)
            assert EPOCH + 600 <= alert.at < EPOCH + 620
            assert (alert.detail["alert_code"], alert.detail["firmware_version"]) == (
                "8F66",
                NEW.hex().upper(),
            )
            assert (b.state(HCALCS), b.hcalcs.firmware_version) == ("activated", NEW)
            await asyncio.sleep(3600)
            assert len(b.seen(EventKind.DEVICE_ALERT)) == 1

    run_virtual(main())


def test_a_future_dated_command_with_a_wrong_hash_alerts_8f67_at_its_time_and_the_image_stays_held(
    dongle: Dongle,
) -> None:
    async def main() -> None:
        async with update_bench(dongle) as b:
            await b.held()
            await b.activate(HCALCS, WRONG_HASH, in_minutes(10))
            assert b.state(HCALCS) == "activating"
            await b.until(lambda: b.seen(EventKind.DEVICE_ALERT, HCALCS))
            (alert,) = b.seen(EventKind.DEVICE_ALERT, HCALCS)
            assert (alert.detail["alert_code"], alert.detail["outcome"]) == ("8F67", "hash_mismatch")
            assert b.state(HCALCS) == "held"
            await b.activate(HCALCS)
            assert b.hcalcs.firmware_version == NEW

    run_virtual(main())


def test_a_cancellation_takes_a_future_dated_command_back(dongle: Dongle) -> None:
    async def main() -> None:
        async with update_bench(dongle) as b:
            await b.held()
            await b.activate(HCALCS, when=in_minutes(10))
            await asyncio.sleep(300)
            await b.activate(HCALCS, when=CANCELLATION)
            assert b.cs06_outcomes()[-1] == "commandAccepted: the future dated activation is cancelled"
            assert b.state(HCALCS) == "held"
            await asyncio.sleep(3600)
            assert (b.state(HCALCS), b.hcalcs.firmware_version) == ("held", OLD)
            assert b.seen(EventKind.DEVICE_ALERT) == []
            await b.activate(HCALCS)
            assert b.hcalcs.firmware_version == NEW

    run_virtual(main())


def test_a_later_future_dated_command_takes_the_place_of_the_one_before(dongle: Dongle) -> None:
    async def main() -> None:
        async with update_bench(dongle) as b:
            await b.held()
            await b.activate(HCALCS, when=in_minutes(10))
            await b.activate(HCALCS, when=in_minutes(20))
            await b.until_state(HCALCS, "activated")
            (alert,) = b.seen(EventKind.DEVICE_ALERT, HCALCS)
            assert alert.at >= EPOCH + 1200

    run_virtual(main())


def test_a_power_cut_loses_neither_the_held_image_nor_the_future_dated_command(dongle: Dongle) -> None:
    async def main() -> None:
        async with update_bench(dongle) as b:
            await b.held()
            await b.activate(HCALCS, when=in_minutes(10))
            b.hcalcs.power_off()
            await asyncio.sleep(120)
            await b.hcalcs.power_on()
            await b.until_state(HCALCS, "activated")
            (alert,) = b.seen(EventKind.DEVICE_ALERT, HCALCS)
            assert EPOCH + 600 <= alert.at < EPOCH + 620
            assert b.hcalcs.firmware_version == NEW

    run_virtual(main())


def test_a_device_without_power_at_the_execution_time_executes_when_it_is_back_and_not_before(
    dongle: Dongle,
) -> None:
    async def main() -> None:
        async with update_bench(dongle) as b:
            await b.held()
            await b.activate(HCALCS, when=in_minutes(10))
            b.hcalcs.power_off()
            await asyncio.sleep(1200)
            assert not b.hcalcs.joined
            assert b.hcalcs.firmware_version == OLD
            await b.hcalcs.power_on()
            await b.until_state(HCALCS, "activated")
            assert b.hcalcs.firmware_version == NEW

    run_virtual(main())


@pytest.mark.parametrize("seconds", [0, 2.5, 4.5])
def test_attack_power_loss_while_the_hcalcs_starts_loses_neither_version_nor_response(
    dongle: Dongle,
    seconds: float,
) -> None:
    async def main() -> None:
        async with update_bench(dongle) as b:
            await b.held()
            response = b.activate(HCALCS)
            while b.hcalcs.joined:  # noqa: ASYNC110  # a reboot is no event
                await asyncio.sleep(0.01)
            await asyncio.sleep(seconds)
            b.hcalcs.power_off()
            await asyncio.sleep(30)
            assert not b.hcalcs.joined
            await b.hcalcs.power_on()
            await response
            assert (b.hcalcs.firmware_version, b.state(HCALCS)) == (NEW, "activated")

    run_virtual(main())


@pytest.mark.parametrize("seconds", [0, 2.5, 4.5])
def test_attack_power_loss_while_the_ppmid_starts_does_not_lose_its_alert(
    dongle: Dongle, seconds: float
) -> None:
    async def main() -> None:
        async with update_bench(dongle) as b:
            b.update(JobKind.PPMID)
            await b.until_state(PPMID, "activating")
            while b.ppmid.joined:  # noqa: ASYNC110  # a reboot is no event
                await asyncio.sleep(0.01)
            await asyncio.sleep(seconds)
            b.ppmid.power_off()
            await asyncio.sleep(30)
            await b.ppmid.power_on()
            await b.until_state(PPMID, "activated")
            assert b.ppmid.firmware_version == NEW

    run_virtual(main())


# -- the PPMID ---------------------------------------------------------------------------------------------


def test_a_ppmid_that_cannot_start_the_new_firmware_says_so_and_the_job_fails(dongle: Dongle) -> None:
    async def main() -> None:
        async with update_bench(dongle) as b:
            b.ppmid.activation_result = ActivateImageResult.FAILURE
            b.update(JobKind.PPMID)
            await b.until_state(PPMID, "failed")
            (alert,) = b.seen(EventKind.DCC_ALERT, PPMID, alert="PPMIDAlert")
            assert (alert.detail["alert_code"], alert.detail["outcome"]) == ("8F8B", "ActivationFailure")
            assert alert.detail["firmware_version"] == OLD.hex().upper()
            assert not (await b.scenario.outcome(b.planned(PPMID))).succeeded
            await b.still_serves(HCALCS)
            b.ppmid.activation_result = ActivateImageResult.SUCCESS
            await b.still_serves(PPMID)

    run_virtual(main())


def test_a_device_that_does_not_answer_cs06_is_told_to_the_service_user(dongle: Dongle) -> None:
    async def main() -> None:
        async with update_bench(dongle) as b:
            await b.held()
            b.hcalcs.on_command = lambda message: None  # type: ignore[method-assign]
            with pytest.raises(NoResponseError, match="did not answer CS06"):
                await b.activate(HCALCS)
            assert b.cs06_outcomes()[0].startswith("no response")
            await b.still_serves(PPMID)
            del b.hcalcs.on_command
            await b.activate(HCALCS)
            assert (b.state(HCALCS), b.hcalcs.firmware_version) == ("activated", NEW)

    run_virtual(main())
