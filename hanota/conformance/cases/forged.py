"""Commands that are not to be obeyed: replayed, forged, or somebody else's."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric import ec

from hanota.conformance.case import BOTH, HCALCS, Case
from hanota.eui64 import Eui64
from hanota.gbcs.activate_firmware import (
    CANCELLATION,
)
from hanota.gbcs.activate_firmware import MESSAGE_CODE as CS06
from hanota.gbcs.crypto import sign
from hanota.gbcs.read_firmware_version import MESSAGE_CODE as CS08
from hanota.gbcs.read_firmware_version import read_firmware_version_command

if TYPE_CHECKING:
    from hanota.conformance.trial import Trial
    from hanota.gbcs.message import Message

_STRAY_KEY: Final = 0xC0FFEE
"""The private key of a party that no device knows."""
_NEIGHBOUR: Final = Eui64.parse("00-DB-12-34-56-78-90-FE")
"""A device of another home."""
_LATER: Final = 300.0
"""Seconds to the execution of a future dated command: a nightly run has that time."""
_PUNCTUAL: Final = 60.0
"""Seconds by which a device may be late for it, and its clock be off."""
_WRONG_HASH: Final = bytes(32)


async def _silent(trial: Trial, octets: bytes, what: str, *codes: int) -> None:
    """Hand the device a message; it has to say nothing to it, and to run on as it is."""
    since = trial.rig.traffic.mark
    await trial.hand(octets)
    await asyncio.sleep(trial.patience.silence)
    said = trial.messages(*codes, since=since)
    trial.check(not said, f"silence to {what}", f"{len(said)} messages within {trial.patience.silence:.0f} s")
    await trial.check_still_runs(trial.running, f"{what} changes nothing")


async def _replayed_read(trial: Trial) -> None:
    command = _read_command(trial)
    since = trial.rig.traffic.mark
    await trial.hand(command.encode())
    await trial.reach(
        "the device answers CS08", lambda: trial.messages(CS08, since=since), trial.patience.response
    )
    await _silent(trial, command.encode(), "a CS08 that comes a second time", CS08)


async def _wrong_mac(trial: Trial) -> None:
    command = _read_command(trial)
    octets = command.encode()
    await _silent(trial, octets[:-1] + bytes((octets[-1] ^ 1,)), "a CS08 with a wrong MAC", CS08)


def _read_command(trial: Trial) -> Message:
    rig = trial.rig
    made = read_firmware_version_command(
        rig.keys.broker,
        trial.device.eui64,
        rig.next_broker_counter(),
        rig.keys.supplier,
        rig.next_counter(),
    )
    return rig.with_mac(made, trial.device)


async def _replayed_activation(trial: Trial) -> None:
    # A cancellation of nothing: it is answered, and changes nothing.
    file = await trial.held()
    made = trial.rig.activation_command(trial.device, file.manufacturer_image_hash, when=CANCELLATION)
    command = made.encode()
    since = trial.rig.traffic.mark
    await trial.hand(command)
    await trial.reach(
        "the device answers CS06", lambda: trial.messages(CS06, since=since), trial.patience.response
    )
    await _silent(trial, command, "a CS06 that comes a second time", CS06)


async def _rolled_back(trial: Trial) -> None:
    file = await trial.held()
    low, high = trial.rig.next_counter(), trial.rig.next_counter()
    since = trial.rig.traffic.mark
    first = trial.rig.activation_command(
        trial.device, file.manufacturer_image_hash, counter=high, when=CANCELLATION
    )
    await trial.hand(first.encode())
    await trial.reach(
        "the device answers CS06", lambda: trial.messages(CS06, since=since), trial.patience.response
    )
    trial.saw(f"CS06 with counter {high} was answered")
    second = trial.rig.activation_command(trial.device, file.manufacturer_image_hash, counter=low)
    await _silent(trial, second.encode(), f"a right CS06 with the lower counter {low}", CS06)


async def _forged_mac(trial: Trial) -> None:
    file = await trial.held()
    octets = trial.rig.activation_command(trial.device, file.manufacturer_image_hash).encode()
    await _silent(trial, octets[:-1] + bytes((octets[-1] ^ 1,)), "a CS06 with a wrong MAC", CS06)


async def _forged_signature(trial: Trial) -> None:
    file = await trial.held()
    key = ec.derive_private_key(_STRAY_KEY, ec.SECP256R1())
    command = trial.rig.activation_command(trial.device, file.manufacturer_image_hash, signing_key=key)
    await _silent(trial, command.encode(), "a CS06 that the supplier has not signed", CS06)


async def _unsigned(trial: Trial) -> None:
    file = await trial.held()
    right = trial.rig.activation_command(trial.device, file.manufacturer_image_hash)
    command = trial.rig.with_mac(replace(right, signature=None, mac=None), trial.device)
    await _silent(trial, command.encode(), "a CS06 without a signature", CS06)


async def _of_broker(trial: Trial) -> None:
    file = await trial.held()
    broker = trial.rig.keys.broker
    right = trial.rig.activation_command(
        trial.device, file.manufacturer_image_hash, counter=trial.rig.next_broker_counter()
    )
    unsigned = replace(right, originator=broker, signature=None, mac=None)
    signed = sign(unsigned, trial.rig.keys.dcc.signing_private_key(broker))
    command = trial.rig.with_mac(signed, trial.device)
    await _silent(trial, command.encode(), "a CS06 of the access control broker's own", CS06)


async def _for_neighbour(trial: Trial) -> None:
    file = await trial.held()
    command = trial.rig.activation_command(trial.device, file.manufacturer_image_hash, recipient=_NEIGHBOUR)
    await _silent(trial, command.encode(), "a CS06 for another device", CS06)


FORGED_CASES: Final = (
    Case(
        "replayed-command", "A command that comes again is not obeyed", BOTH, "GBCS 4.3.1.5", _replayed_read
    ),
    Case("command-mac", "A command with a wrong MAC is not obeyed", BOTH, "GBCS 6.2.3, 6.2.4", _wrong_mac),
    Case(
        "replayed-activation",
        "A CS06 that comes again is not obeyed",
        HCALCS,
        "GBCS 4.3.1.5",
        _replayed_activation,
    ),
    Case(
        "activation-counter",
        "A CS06 with a lower counter is not obeyed",
        HCALCS,
        "GBCS 4.3.1.5",
        _rolled_back,
    ),
    Case("activation-mac", "A CS06 with a wrong MAC is not obeyed", HCALCS, "GBCS 6.2.4, 11.5", _forged_mac),
    Case(
        "activation-signature",
        "A CS06 that the supplier has not signed is not obeyed",
        HCALCS,
        "GBCS 6.3.3, 11.5",
        _forged_signature,
    ),
    Case(
        "activation-unsigned", "A CS06 without signature is not obeyed", HCALCS, "GBCS 6.3.3, 11.5", _unsigned
    ),
    Case(
        "activation-role",
        "A CS06 of who is no supplier is not obeyed",
        HCALCS,
        "GBCS 6.2.4, 11.5",
        _of_broker,
    ),
    Case(
        "activation-recipient",
        "A CS06 for another device is not obeyed",
        HCALCS,
        "GBCS 6.2.4",
        _for_neighbour,
    ),
)
