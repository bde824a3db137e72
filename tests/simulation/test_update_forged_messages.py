"""Replayed, forged and altered GBCS messages, put on the tunnel behind the DCC's back."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from hanota.emulator.aps_security import ApsRefusal
from hanota.emulator.loop import run_virtual
from hanota.gbcs.activate_firmware import activate_firmware_precommand
from hanota.gbcs.alerts import ActivateImageResult
from hanota.gbcs.crypto import protect, sign
from hanota.gbcs.message import Message
from hanota.gbcs.read_firmware_version import read_firmware_version_command
from hanota.gbcs.reference_test_data import BROKER, HCALCS, PPMID, SUPPLIER
from hanota.hub.events import EventKind
from hanota.hub.jobs import JobKind
from tests.radio_dongles import FAMILIES
from tests.simulation.update_support import (
    NEW,
    OLD,
    STRANGER,
    WRONG_HASH,
    more,
    supplier_key,
    tunnelled,
    update_bench,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.radio_dongles import Dongle
    from tests.simulation.update_support import UpdateBench

A_WHILE = 700
"""Seconds; longer than the DCC waits for a response."""


@pytest.mark.parametrize("dongle", FAMILIES, ids=str)
def test_attack_replay_of_a_gbcs_command_changes_nothing_even_after_a_reboot_of_the_device(
    dongle: Dongle,
) -> None:
    async def main() -> None:
        async with update_bench(dongle) as b:
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


@pytest.mark.parametrize("dongle", FAMILIES, ids=str)
def test_attack_aps_replay_of_a_captured_frame_after_the_ncp_restarted_changes_nothing(
    dongle: Dongle,
) -> None:
    async def main() -> None:
        async with update_bench(dongle) as b:
            await b.held()
            frames = b.overhear()
            await b.activate(HCALCS, WRONG_HASH)
            (captured,) = [f for f in frames if f.destination == b.hcalcs.nwk and tunnelled(f) is not None]
            await b.restart_dongle()
            answers = len(b.cs06_outcomes())
            assert not await b.bench.air.inject(captured)
            assert b.hcalcs.aps_refused == {ApsRefusal.REPLAYED: 1}
            # As somebody sends it who has the link key: only the Originator Counter is in his way.
            await b.bench.air.transmit(replace(captured, frame_counter=None))
            await asyncio.sleep(A_WHILE)
            assert [str(error) for error in b.hcalcs.refused if "not higher than" in str(error)]
            assert len(b.cs06_outcomes()) == answers
            await b.activate(HCALCS)
            assert b.hcalcs.firmware_version == NEW

    run_virtual(main())


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


@pytest.mark.parametrize("dongle", FAMILIES, ids=str)
def test_attack_forged_alert_another_devices_genuine_cs09_says_nothing_about_this_one(dongle: Dongle) -> None:
    async def main() -> None:
        first, second = more(PPMID, 2)
        async with update_bench(dongle, ppmids=2) as b:
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


@pytest.mark.parametrize("dongle", FAMILIES, ids=str)
def test_attack_forged_alert_an_old_cs09_again_does_not_end_the_next_job(dongle: Dongle) -> None:
    async def main() -> None:
        async with update_bench(dongle) as b:
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
            assert "not higher than" in str(b.seen(EventKind.GBCS_REFUSED, PPMID)[0].detail["reason"])
            assert b.state(PPMID) == "activating"

    run_virtual(main())
