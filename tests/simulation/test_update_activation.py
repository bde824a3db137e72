"""Activation: CS06 at once, future dated, cancelled, wrong or forged; the PPMID's own, well and badly ended."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from hanota.dcc.errors import NoResponseError
from hanota.demo.parties import BROKER, HCALCS, PPMID, SUPPLIER
from hanota.duis.request import CANCELLATION
from hanota.emulator.loop import run_virtual
from hanota.gbcs.activate_firmware import ActivateImageResponseCode, activate_firmware_precommand
from hanota.gbcs.alerts import ActivateImageResult
from hanota.gbcs.crypto import protect, sign
from hanota.gbcs.message import Message
from hanota.gbcs.read_firmware_version import read_firmware_version_command
from hanota.hub.events import EventKind
from hanota.hub.jobs import JobKind
from tests.simulation.update_support import (
    EPOCH,
    NEW,
    OLD,
    STRANGER,
    more,
    supplier_key,
    tunnelled,
    update_bench,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.update_support import UpdateBench

WRONG_HASH = bytes(32)
A_WHILE = 700
"""Seconds; longer than the DCC waits for a response."""


def in_minutes(minutes: float) -> datetime:
    """A point in time that many minutes after the simulation began."""
    return datetime.fromtimestamp(EPOCH + 60 * minutes, UTC)


def outcomes(b: UpdateBench) -> list[str]:
    """What the service user was answered to SR 11.3, in order."""
    returned = b.seen(EventKind.RESPONSE_RETURNED, HCALCS, service_reference="11.3")
    return [str(event.detail["outcome"]) for event in returned]


# -- CS06 through the DCC ----------------------------------------------------------------------------------


def test_a_held_image_stays_held_however_often_the_device_asks_and_runs_after_cs06() -> None:
    async def main() -> None:
        async with update_bench() as b:
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


def test_a_wrong_hash_is_answered_hash_mismatch_and_the_right_one_activates_afterwards() -> None:
    async def main() -> None:
        async with update_bench() as b:
            await b.held()
            await b.activate(HCALCS, WRONG_HASH)
            assert outcomes(b) == ["hash_mismatch"]
            assert (b.state(HCALCS), b.hcalcs.firmware_version) == ("held", OLD)
            assert b.hcalcs.held is not None
            await b.activate(HCALCS)
            assert outcomes(b) == ["hash_mismatch", "success"]
            assert (b.state(HCALCS), b.hcalcs.firmware_version) == ("activated", NEW)
            await b.still_serves(PPMID)

    run_virtual(main())


def test_an_activation_that_fails_on_the_device_ends_the_job_failed() -> None:
    async def main() -> None:
        async with update_bench() as b:
            await b.held()
            b.hcalcs.activation_code = ActivateImageResponseCode.ACTIVATION_FAILURE
            await b.activate(HCALCS)
            assert outcomes(b) == ["activation_failure"]
            assert (b.state(HCALCS), b.hcalcs.firmware_version) == ("failed", OLD)
            b.hcalcs.activation_code = ActivateImageResponseCode.SUCCESS
            await b.still_serves(PPMID)
            await b.still_serves(HCALCS)

    run_virtual(main())


def test_a_device_that_reports_success_but_runs_the_old_version_is_not_believed() -> None:
    async def main() -> None:
        async with update_bench() as b:
            await b.held()

            async def reboot_into_the_old_one(_: int) -> None:
                await asyncio.sleep(5)

            b.hcalcs.reboot_into = reboot_into_the_old_one  # type: ignore[method-assign]
            await b.activate(HCALCS)
            assert b.state(HCALCS) == "failed"
            assert "runs 01000000" in str(b.seen(EventKind.JOB_STATE, HCALCS)[-1].detail["cause"])

    run_virtual(main())


def test_a_future_dated_command_is_accepted_now_and_executed_once_at_its_time() -> None:
    async def main() -> None:
        async with update_bench() as b:
            await b.held()
            await b.activate(HCALCS, when=in_minutes(10))
            assert outcomes(b) == ["commandAccepted: the alert 00CA follows at the execution time"]
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


def test_a_future_dated_command_with_a_wrong_hash_alerts_8f67_at_its_time_and_the_image_stays_held() -> None:
    async def main() -> None:
        async with update_bench() as b:
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


def test_a_cancellation_takes_a_future_dated_command_back() -> None:
    async def main() -> None:
        async with update_bench() as b:
            await b.held()
            await b.activate(HCALCS, when=in_minutes(10))
            await asyncio.sleep(300)
            await b.activate(HCALCS, when=CANCELLATION)
            assert outcomes(b)[-1] == "commandAccepted: the future dated activation is cancelled"
            assert b.state(HCALCS) == "held"
            await asyncio.sleep(3600)
            assert (b.state(HCALCS), b.hcalcs.firmware_version) == ("held", OLD)
            assert b.seen(EventKind.DEVICE_ALERT) == []
            await b.activate(HCALCS)
            assert b.hcalcs.firmware_version == NEW

    run_virtual(main())


def test_a_later_future_dated_command_takes_the_place_of_the_one_before() -> None:
    async def main() -> None:
        async with update_bench() as b:
            await b.held()
            await b.activate(HCALCS, when=in_minutes(10))
            await b.activate(HCALCS, when=in_minutes(20))
            await b.until_state(HCALCS, "activated")
            (alert,) = b.seen(EventKind.DEVICE_ALERT, HCALCS)
            assert alert.at >= EPOCH + 1200

    run_virtual(main())


def test_a_power_cut_loses_neither_the_held_image_nor_the_future_dated_command() -> None:
    async def main() -> None:
        async with update_bench() as b:
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


def test_a_device_without_power_at_the_execution_time_executes_when_it_is_back_and_not_before() -> None:
    async def main() -> None:
        async with update_bench() as b:
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


@pytest.mark.parametrize("seconds", [0.5, 2.5, 4.5])
def test_attack_power_loss_while_the_new_firmware_starts_leaves_a_whole_version_behind(
    seconds: float,
) -> None:
    async def main() -> None:
        async with update_bench() as b:
            await b.held()
            response = b.activate(HCALCS)
            await b.until(lambda: not b.hcalcs.joined or b.seen(EventKind.RESPONSE_RETURNED, HCALCS))
            await asyncio.sleep(seconds)
            b.hcalcs.power_off()
            await asyncio.sleep(30)
            assert not b.hcalcs.joined
            await b.hcalcs.power_on()
            await asyncio.sleep(A_WHILE)
            # Before or after, never between: the old version with its image, or the new one.
            assert (b.hcalcs.firmware_version == NEW) is (b.hcalcs.held is None)
            if not response.done() or response.exception() is not None:
                await b.activate(HCALCS)
            assert b.hcalcs.firmware_version == NEW

    run_virtual(main())


# -- CS06 that is nobody's, or was another's ---------------------------------------------------------------


def test_attack_replay_of_a_gbcs_command_changes_nothing_even_after_a_reboot_of_the_device() -> None:
    async def main() -> None:
        async with update_bench() as b:
            await b.held()
            frames = b.overhear()
            await b.activate(HCALCS)
            (command,) = {
                octets
                for frame in frames
                if frame.destination == b.hcalcs.nwk and (octets := tunnelled(frame)) is not None
            }
            assert b.hcalcs.firmware_version == NEW
            # The same image once more, so that an activation would have something to activate.
            b.hcalcs.running = replace(b.hcalcs.running, file_version=int.from_bytes(OLD, "big"))
            b.hcalcs.client = b.hcalcs._new_client()
            await b.held()
            counters = b.hcalcs.counters.highest()
            for attempt in range(1, 3):
                said = len(b.seen(EventKind.GBCS_RECEIVED, HCALCS))
                b.assembly.hub.relay(HCALCS, command)
                await asyncio.sleep(A_WHILE)
                assert len(b.hcalcs.refused) == attempt
                assert "not higher than" in str(b.hcalcs.refused[-1])
                assert len(b.seen(EventKind.GBCS_RECEIVED, HCALCS)) == said
                assert (b.hcalcs.firmware_version, b.state(HCALCS)) == (OLD, "held")
                assert b.hcalcs.counters.highest() == counters
                b.hcalcs.power_off()
                await b.hcalcs.power_on()
                await asyncio.sleep(30)
            await b.activate(HCALCS)
            assert b.hcalcs.firmware_version == NEW

    run_virtual(main())


def test_attack_aps_replay_of_a_captured_frame_after_the_ncp_restarted_changes_nothing() -> None:
    async def main() -> None:
        async with update_bench() as b:
            await b.held()
            frames = b.overhear()
            await b.activate(HCALCS, WRONG_HASH)
            (captured,) = [f for f in frames if f.destination == b.hcalcs.nwk and tunnelled(f) is not None]
            b.bench.dongle.reset()
            await b.until(lambda: b.seen(EventKind.RADIO_STATE)[-1].detail["state"] == "online")
            answers = len(outcomes(b))
            await b.bench.air.transmit(captured)
            await asyncio.sleep(A_WHILE)
            assert [str(error) for error in b.hcalcs.refused if "not higher than" in str(error)]
            assert len(outcomes(b)) == answers
            await b.activate(HCALCS)
            assert b.hcalcs.firmware_version == NEW

    run_virtual(main())


Forge = "Callable[[UpdateBench, Message], bytes]"


def lower_counter(b: UpdateBench, command: Message) -> bytes:
    return genuine(b, counter=command.originator_counter - 1)


def equal_counter(b: UpdateBench, command: Message) -> bytes:
    return genuine(b, counter=command.originator_counter)


def fast_forward(b: UpdateBench, _: Message) -> bytes:
    return genuine(b, counter=2**63 - 1)


def genuine(b: UpdateBench, *, counter: int) -> bytes:
    """A CS06 that is right in everything but, maybe, its counter."""
    image_hash = b.files[JobKind.HCALCS].manufacturer_image_hash
    message = activate_firmware_precommand(SUPPLIER, HCALCS, counter, image_hash)
    return b.with_mac(sign(message, supplier_key(b.assembly.parties)), HCALCS).encode()


def wrong_recipient(b: UpdateBench, command: Message) -> bytes:
    """What was made for another HCALCS of the same home."""
    other = more(HCALCS, 2)[1]
    image_hash = b.files[JobKind.HCALCS].manufacturer_image_hash
    message = activate_firmware_precommand(SUPPLIER, other, command.originator_counter + 1, image_hash)
    return b.with_mac(sign(message, supplier_key(b.assembly.parties)), other).encode()


def recipient_rewritten(b: UpdateBench, command: Message) -> bytes:
    return Message.decode(wrong_recipient(b, command)).encode().replace(more(HCALCS, 2)[1], HCALCS)


def unknown_originator(b: UpdateBench, command: Message) -> bytes:
    message = Message.decode(genuine(b, counter=command.originator_counter + 1))
    unsigned = replace(message, originator=STRANGER, signature=None, mac=None)
    key = ec.generate_private_key(ec.SECP256R1())
    keys = b.assembly.parties.dcc
    return protect(sign(unsigned, key), key, keys.agreement_public_key(HCALCS)).encode()


def signed_by_another(b: UpdateBench, command: Message) -> bytes:
    message = Message.decode(genuine(b, counter=command.originator_counter + 1))
    unsigned = replace(message, signature=None, mac=None)
    return b.with_mac(sign(unsigned, ec.generate_private_key(ec.SECP256R1())), HCALCS).encode()


def without_mac(b: UpdateBench, command: Message) -> bytes:
    message = Message.decode(genuine(b, counter=command.originator_counter + 1))
    return replace(message, mac=None).encode()


def without_signature(b: UpdateBench, command: Message) -> bytes:
    message = Message.decode(genuine(b, counter=command.originator_counter + 1))
    return b.with_mac(replace(message, signature=None, mac=None), HCALCS).encode()


def from_the_broker_alone(b: UpdateBench, command: Message) -> bytes:
    """The DCC itself must not be able to activate firmware: CS06 is the supplier's."""
    message = Message.decode(genuine(b, counter=command.originator_counter + 1))
    unsigned = replace(message, originator=BROKER, signature=None, mac=None)
    return b.with_mac(sign(unsigned, b.assembly.parties.remote.signing_private_key(BROKER)), HCALCS).encode()


def truncated(b: UpdateBench, command: Message) -> bytes:
    return genuine(b, counter=command.originator_counter + 1)[:-1]


FORGERIES: dict[str, tuple[Callable[[UpdateBench, Message], bytes], str]] = {
    "lower counter": (lower_counter, "not higher than"),
    "the same counter": (equal_counter, "not higher than"),
    "counter fast-forward": (fast_forward, "would leave no higher one"),
    "wrong recipient": (wrong_recipient, "the command is for"),
    "recipient rewritten": (recipient_rewritten, "the signature is not that of"),
    "unknown originator": (unknown_originator, "is unknown"),
    "signed by another": (signed_by_another, "the signature is not that of"),
    "without MAC": (without_mac, "a command with a MAC was expected"),
    "without signature": (without_signature, "must be signed"),
    "from the broker alone": (from_the_broker_alone, "is not in the role"),
    "truncated": (truncated, ""),
}


async def ignores(b: UpdateBench, forged: bytes, reason: str) -> None:
    """The HCALCS, told to activate by forged octets, stays silent, holds its image and names the reason."""
    refused, counters = len(b.hcalcs.refused), b.hcalcs.counters.highest()
    said = len(b.seen(EventKind.GBCS_RECEIVED, HCALCS))
    b.assembly.hub.relay(HCALCS, forged)
    await asyncio.sleep(30)
    assert len(b.hcalcs.refused) == refused + 1
    assert reason in str(b.hcalcs.refused[-1])
    assert len(b.seen(EventKind.GBCS_RECEIVED, HCALCS)) == said
    assert b.seen(EventKind.GBCS_REFUSED) == []
    assert b.hcalcs.counters.highest() == counters
    assert (b.hcalcs.firmware_version, b.state(HCALCS)) == (OLD, "held")


@pytest.mark.parametrize("forgery", FORGERIES)
def test_attack_forged_cs06_is_refused_in_silence_and_the_genuine_one_still_works(forgery: str) -> None:
    forge, reason = FORGERIES[forgery]

    async def main() -> None:
        async with update_bench(hcalcses=2) as b:
            b.update(JobKind.HCALCS, devices=[HCALCS])
            await b.until_state(HCALCS, "held")
            await b.activate(HCALCS, WRONG_HASH)  # so that a counter of the supplier's is known
            last = activate_firmware_precommand(
                SUPPLIER, HCALCS, b.hcalcs.counters.highest()[SUPPLIER], WRONG_HASH
            )
            await ignores(b, forge(b, last), reason)
            await b.activate(HCALCS)
            assert (b.hcalcs.firmware_version, b.state(HCALCS)) == (NEW, "activated")
            await b.still_serves(PPMID)

    run_virtual(main())


def test_attack_tampered_cs06_no_octet_of_it_can_be_altered() -> None:
    async def main() -> None:
        async with update_bench() as b:
            await b.held()
            octets = genuine(b, counter=5000)
            # Four at a time, as a device's queue takes them, with pauses for the air between.
            for position in range(len(octets)):
                altered = bytearray(octets)
                altered[position] ^= 1 << position % 8
                b.assembly.hub.relay(HCALCS, bytes(altered))
                if position % 4 == 3:
                    await asyncio.sleep(2)
            await asyncio.sleep(30)
            assert len(b.hcalcs.refused) == min(len(octets), b.hcalcs.device_settings.refusals)
            assert (b.hcalcs.firmware_version, b.state(HCALCS)) == (OLD, "held")
            assert SUPPLIER not in b.hcalcs.counters.highest()
            b.assembly.hub.relay(HCALCS, octets)
            await asyncio.sleep(30)
            assert b.hcalcs.firmware_version == NEW

    run_virtual(main())


def test_attack_replay_two_originators_interleaved_keep_counters_of_their_own() -> None:
    async def main() -> None:
        async with update_bench() as b:
            await b.held()
            await b.activate(HCALCS, WRONG_HASH)
            await b.scenario.outcome(b.planned(HCALCS))
            before = b.hcalcs.counters.highest()
            assert before[BROKER] < before[SUPPLIER]
            # CS08 again with the counter just used: refused though the supplier's is far above.
            replayed = read_firmware_version_command(BROKER, HCALCS, before[BROKER], SUPPLIER, 1)
            b.assembly.hub.relay(HCALCS, b.with_mac(replayed, HCALCS).encode())
            await asyncio.sleep(30)
            assert "not higher than" in str(b.hcalcs.refused[-1])
            await b.activate(HCALCS)
            assert b.hcalcs.firmware_version == NEW

    run_virtual(main())


# -- the PPMID ---------------------------------------------------------------------------------------------


def test_a_ppmid_that_cannot_start_the_new_firmware_says_so_and_the_job_fails() -> None:
    async def main() -> None:
        async with update_bench() as b:
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


def test_attack_forged_alert_a_cs09_signed_with_another_key_activates_no_job() -> None:
    async def main() -> None:
        async with update_bench() as b:
            stolen = ec.generate_private_key(ec.SECP256R1())
            b.ppmid.encode_message = lambda message: sign(replace(message, signature=None), stolen).encode()
            b.update(JobKind.PPMID)
            await b.until(lambda: b.seen(EventKind.GBCS_REFUSED, PPMID))
            (refused,) = b.seen(EventKind.GBCS_REFUSED, PPMID)
            assert f"the signature is not that of {PPMID}" in str(refused.detail["reason"])
            assert b.seen(EventKind.DCC_ALERT, PPMID, alert="PPMIDAlert") == []
            assert b.state(PPMID) == "activating"
            b.ppmid.encode_message = Message.encode
            await b.still_serves(HCALCS)

    run_virtual(main())


def test_attack_forged_alert_another_devices_genuine_cs09_says_nothing_about_this_one() -> None:
    async def main() -> None:
        first, second = more(PPMID, 2)
        async with update_bench(ppmids=2) as b:
            frames = b.overhear()
            b.update(JobKind.PPMID, devices=[first])
            await b.until_state(first, "activated")
            alerts = [octets for frame in frames if (octets := tunnelled(frame)) and frame.destination == 0]
            b.bench.air.intercept = None
            other = b.device(second)
            other.encode_message = lambda _: alerts[-1]
            b.update(JobKind.PPMID, devices=[second])
            await b.until(lambda: b.seen(EventKind.GBCS_REFUSED, second))
            reason = str(b.seen(EventKind.GBCS_REFUSED, second)[0].detail["reason"])
            assert f"the message is from {first}" in reason
            assert b.state(second) == "activating"

    run_virtual(main())


def test_attack_forged_alert_an_old_cs09_again_does_not_end_the_next_job() -> None:
    async def main() -> None:
        async with update_bench() as b:
            frames = b.overhear()
            b.update(JobKind.PPMID)
            await b.until_state(PPMID, "activated")
            old = [octets for frame in frames if (octets := tunnelled(frame)) and frame.destination == 0][-1]
            b.bench.air.intercept = None
            b.ppmid.running = replace(b.ppmid.running, file_version=int.from_bytes(OLD, "big"))
            b.ppmid.client = b.ppmid._new_client()
            b.ppmid.encode_message = lambda _: old
            b.ppmid.activation_result = ActivateImageResult.FAILURE
            b.update(JobKind.PPMID)
            await b.until(lambda: b.seen(EventKind.GBCS_REFUSED, PPMID))
            assert "an old one again" in str(b.seen(EventKind.GBCS_REFUSED, PPMID)[0].detail["reason"])
            assert b.state(PPMID) == "activating"

    run_virtual(main())


def test_a_device_that_does_not_answer_cs06_is_told_to_the_service_user() -> None:
    async def main() -> None:
        async with update_bench() as b:
            await b.held()
            b.hcalcs.on_command = lambda _: None  # type: ignore[method-assign]
            with pytest.raises(NoResponseError, match="did not answer CS06"):
                await b.activate(HCALCS)
            assert outcomes(b)[0].startswith("no response")
            await b.still_serves(PPMID)
            del b.hcalcs.on_command  # type: ignore[method-assign]
            await b.activate(HCALCS)
            assert (b.state(HCALCS), b.hcalcs.firmware_version) == ("activated", NEW)

    run_virtual(main())
