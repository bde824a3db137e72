"""An HCALCS's activation by CS06, its response, and the image that it holds until then."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from hanota.conformance.case import HCALCS, Case, Need
from hanota.conformance.cases.protection import check_protection
from hanota.conformance.errors import CaseFailedError, NotApplicableError
from hanota.errors import RemoteProtocolError
from hanota.gbcs.activate_firmware import MESSAGE_CODE as CS06
from hanota.gbcs.activate_firmware import (
    ActivateImageResponseCode,
    CommandAccepted,
    ExecutionOutcome,
    decode_response,
)
from hanota.hub.events import EventKind
from hanota.ota.commands import UpgradeEndRequest
from hanota.ota.settings import UpgradeActivationPolicy
from hanota.zcl import Status

if TYPE_CHECKING:
    from hanota.conformance.messages import Heard
    from hanota.conformance.trial import Trial
    from hanota.ota.image import OtaFile

_HOUR: Final = 3600.0
_HELD: Final = 1.5 * _HOUR
"""How long a held image is watched: one hourly Upgrade End Request, and what a device might do of itself."""
_CLOCK: Final = 300.0
"""Seconds by which a device's clock may be off the hub's; it reads the Time cluster."""
_WRONG_HASH: Final = bytes(32)
"""Of no image there is."""


async def _hcalcs(trial: Trial) -> None:
    file = await trial.held()
    await trial.activate(file)
    await trial.check_runs(file.header.file_version, "the new version runs after CS06")


async def _responded(trial: Trial) -> tuple[OtaFile, Heard]:
    """Reach where the device has answered a right CS06."""
    file = await trial.held()
    since = trial.rig.traffic.mark
    await trial.activate(file)
    await trial.reach(
        "the device answers CS06", lambda: trial.messages(CS06, since=since), trial.patience.response
    )
    trial.running = file.header.file_version
    return file, trial.messages(CS06, since=since)[0]


async def _response(trial: Trial) -> None:
    file = await trial.held()
    counter = trial.rig.next_counter()
    command = trial.rig.activation_command(trial.device, file.manufacturer_image_hash, counter=counter)
    since = trial.rig.traffic.mark
    await trial.hand(command.encode())
    await trial.see("a response to CS06", lambda: trial.messages(CS06, since=since), trial.patience.response)
    trial.running = file.header.file_version
    heard = trial.messages(CS06, since=since)[0]
    told = (heard.message.recipient, heard.message.originator_counter)
    trial.check(
        told == (trial.rig.keys.supplier, counter),
        f"a response to {trial.rig.keys.supplier} with counter {counter}",
        f"to {told[0]} with counter {told[1]}",
    )
    outcome = _outcome(heard)
    code = outcome.activate_image_response_code
    trial.check(
        code == ActivateImageResponseCode.SUCCESS, "activateImageResponseCode success", f"code {code}"
    )


async def _response_version(trial: Trial) -> None:
    file, heard = await _responded(trial)
    told = _outcome(heard).firmware_version
    trial.check(
        told == file.firmware_version,
        f"firmwareVersion {file.firmware_version.hex().upper()}, which runs now",
        f"firmwareVersion {told.hex().upper()}",
    )


async def _response_signature(trial: Trial) -> None:
    _, heard = await _responded(trial)
    check_protection(trial, heard, "the CS06 response")


def _outcome(heard: Heard) -> ExecutionOutcome:
    try:
        match decode_response(heard.message.payload):
            case ExecutionOutcome() as outcome:
                return outcome
            case CommandAccepted():
                raise CaseFailedError("executionOutcome", "commandAccepted for a command to execute at once")
    except RemoteProtocolError as error:
        raise CaseFailedError("a CS06 response payload", str(error)) from error


async def _wrong_hash(trial: Trial) -> None:
    file = await trial.held()
    code = await _code_of(trial, _WRONG_HASH)
    trial.check(
        code == ActivateImageResponseCode.HASH_MISMATCH,
        "activateImageResponseCode hashMismatch",
        f"code {code}",
    )
    await trial.check_still_runs(trial.running, "the version stays as it was")
    await trial.activate(file)
    await trial.check_runs(file.header.file_version, "the right hash activates the image afterwards")


async def _none_held(trial: Trial) -> None:
    file = await trial.activated()
    await trial.check_runs(file.header.file_version, "the image is activated")
    code = await _code_of(trial, file.manufacturer_image_hash)
    trial.check(
        code == ActivateImageResponseCode.NO_IMAGE_HELD,
        "activateImageResponseCode noImageHeld",
        f"code {code}",
    )


async def _code_of(trial: Trial, image_hash: bytes) -> int:
    since = trial.rig.traffic.mark
    await trial.hand(trial.rig.activation_command(trial.device, image_hash).encode())
    await trial.see("a response to CS06", lambda: trial.messages(CS06, since=since), trial.patience.response)
    return _outcome(trial.messages(CS06, since=since)[0]).activate_image_response_code


async def _hourly(trial: Trial) -> None:
    told = trial.rig.seen(EventKind.CLIENT_ATTRIBUTES, trial.device)
    policy = told[-1].detail.get("upgrade_activation_policy") if told else None
    if policy == UpgradeActivationPolicy.OUT_OF_BAND:
        raise NotApplicableError("its UpgradeActivationPolicy is out of band: it asks no more")
    await trial.held()
    since = trial.rig.traffic.mark
    await asyncio.sleep(_HELD)
    again = [
        frame for frame, end in trial.said(UpgradeEndRequest, since=since) if end.status == Status.SUCCESS
    ]
    trial.check(again, "another Upgrade End Request within an hour and a half", f"{len(again)} more of them")


async def _of_itself(trial: Trial) -> None:
    await trial.held()
    await asyncio.sleep(_HELD)
    await trial.check_still_runs(trial.running, "a held image is not activated without CS06")


async def _held_power_cut(trial: Trial) -> None:
    file = await trial.held()
    await trial.rig.cut_power(trial.device)
    await trial.rig.join(trial.device)
    await asyncio.sleep(trial.patience.silence)
    await trial.activate(file)
    await trial.check_runs(file.header.file_version, "a held image outlasts a power cut")


ACTIVATION_CASES: Final = (
    Case("activation-command", "CS06 activates the image", HCALCS, "GBCS 11.5", _hcalcs),
    Case("response", "CS06 is answered", HCALCS, "GBCS 11.5", _response),
    Case(
        "response-version",
        "The response has the version that runs now",
        HCALCS,
        "GBCS 11.5",
        _response_version,
    ),
    Case(
        "response-signature",
        "The response is signed by the device",
        HCALCS,
        "GBCS 6.3.3",
        _response_signature,
    ),
    Case("wrong-hash", "CS06 with another hash activates nothing", HCALCS, "GBCS 11.5", _wrong_hash),
    Case("no-image-held", "CS06 without an image is answered noImageHeld", HCALCS, "GBCS 11.5", _none_held),
    Case(
        "held-hourly",
        "A device that is told to wait asks again every hour",
        HCALCS,
        "ZCL 11.13.9, GBCS 11.2.1",
        _hourly,
        frozenset({Need.HOURS}),
    ),
    Case(
        "held-stays-held",
        "A held image is not activated without CS06",
        HCALCS,
        "GBCS 11.2.1, 11.5",
        _of_itself,
        frozenset({Need.HOURS}),
    ),
    Case(
        "held-power-cut",
        "A held image outlasts a power cut",
        HCALCS,
        "GBCS 11.2",
        _held_power_cut,
        frozenset({Need.POWER}),
    ),
)
