"""A PPMID's activation, on the hub's word, and the alert CS09 that tells of it."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Final

from hanota.conformance.case import PPMID, Case
from hanota.conformance.cases.protection import check_protection
from hanota.conformance.errors import CaseFailedError
from hanota.errors import RemoteProtocolError
from hanota.gbcs import alerts
from hanota.gbcs.alerts import PPMID_ACTIVATION_MESSAGE_CODE as CS09
from hanota.gbcs.alerts import ActivateImageResult, decode_ppmid_activation

if TYPE_CHECKING:
    from hanota.conformance.messages import Heard
    from hanota.conformance.trial import Trial
    from hanota.gbcs.alerts import PpmidFirmwareActivationAlert
    from hanota.ota.image import OtaFile

_HOUR: Final = 3600.0
_HELD: Final = 1.5 * _HOUR
"""How long a held image is watched: one hourly Upgrade End Request, and what a device might do of itself."""
_CLOCK: Final = 300.0
"""Seconds by which a device's clock may be off the hub's; it reads the Time cluster."""
_WRONG_HASH: Final = bytes(32)
"""Of no image there is."""


async def _ppmid(trial: Trial) -> None:
    file = await trial.transferred()
    await trial.check_runs(file.header.file_version, "the new version runs once the hub has said so")


async def _alert(trial: Trial) -> None:
    file = await trial.transferred()
    await trial.see("CS09 after the activation", lambda: trial.messages(CS09), trial.patience.activation)
    heard = trial.messages(CS09)[0]
    alert = _payload(heard)
    trial.running = file.header.file_version
    trial.check(
        alert.alert_code == alerts.PPMID_FIRMWARE_ACTIVATION,
        f"alert code {alerts.PPMID_FIRMWARE_ACTIVATION:04X}",
        f"alert code {alert.alert_code:04X}",
    )
    trial.check(
        alert.activate_image_result == ActivateImageResult.SUCCESS,
        "activateImageResult success",
        f"activateImageResult {alert.activate_image_result}",
    )
    trial.check(
        heard.message.recipient == trial.rig.keys.broker,
        f"CS09 to the access control broker {trial.rig.keys.broker}",
        f"CS09 to {heard.message.recipient}",
    )


async def _alert_version(trial: Trial) -> None:
    file, heard = await _alerted(trial)
    told = _payload(heard).firmware_version
    trial.check(
        told == file.firmware_version,
        f"firmwareVersion {file.firmware_version.hex().upper()} in CS09",
        f"firmwareVersion {told.hex().upper()}",
    )


async def _alert_time(trial: Trial) -> None:
    _, heard = await _alerted(trial)
    told = _payload(heard).activation_date_time.as_datetime()
    off = abs(told.replace(tzinfo=UTC).timestamp() - heard.at)
    trial.check(
        off <= _CLOCK,
        f"an activationDateTime within {_CLOCK:.0f} s of the alert",
        f"{told:%Y-%m-%dT%H:%M:%SZ}, {off:.0f} s off",
    )


async def _alert_signature(trial: Trial) -> None:
    _, heard = await _alerted(trial)
    check_protection(trial, heard, "CS09")


async def _alert_counter(trial: Trial) -> None:
    _, first = await _alerted(trial)
    since = trial.rig.traffic.mark
    await trial.rig.join(trial.device)
    _, second = await _alerted(trial, since)
    low, high = first.message.originator_counter, second.message.originator_counter
    trial.check(
        high > low,
        "a higher Originator Counter in each alert",
        f"{high} after {low}",
    )


async def _alerted(trial: Trial, since: int | None = None) -> tuple[OtaFile, Heard]:
    """Reach where the device has activated an image and said so."""
    file = await trial.transferred()
    await trial.reach(
        "the device sends CS09", lambda: trial.messages(CS09, since=since), trial.patience.activation
    )
    trial.running = file.header.file_version
    return file, trial.messages(CS09, since=since)[0]


def _payload(heard: Heard) -> PpmidFirmwareActivationAlert:
    try:
        return decode_ppmid_activation(heard.message.payload)
    except RemoteProtocolError as error:
        raise CaseFailedError("a CS09 payload", str(error)) from error


ALERT_CASES: Final = (
    Case("activation", "The image runs on the hub's word", PPMID, "GBCS 11.6, SECMP0007", _ppmid),
    Case("alert", "CS09 tells of the activation", PPMID, "GBCS 11.9, SECMP0007", _alert),
    Case("alert-version", "CS09 has the version that runs now", PPMID, "GBCS 11.9", _alert_version),
    Case("alert-time", "CS09 has the time of the activation", PPMID, "GBCS 11.9", _alert_time),
    Case("alert-signature", "CS09 is signed by the device", PPMID, "GBCS 6.3.3", _alert_signature),
    Case("alert-counter", "The counters of its alerts rise", PPMID, "GBCS 4.3.1.5", _alert_counter),
)
