"""CS06 for later, with an executionDateTime: accepted now, executed then, cancelled, told by an alert."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from hanota.conformance.case import HCALCS, Case, Need
from hanota.conformance.cases.protection import check_protection
from hanota.conformance.errors import CaseFailedError
from hanota.errors import RemoteProtocolError
from hanota.eui64 import Eui64
from hanota.gbcs.activate_firmware import ALERT_MESSAGE_CODE as ALERT
from hanota.gbcs.activate_firmware import (
    CANCELLATION,
    FUTURE_DATED_COMMAND_ACTIONED,
    FUTURE_DATED_COMMAND_NOT_ACTIONED,
    CommandAccepted,
    decode_alert,
    decode_response,
)
from hanota.gbcs.activate_firmware import MESSAGE_CODE as CS06

if TYPE_CHECKING:
    from hanota.conformance.messages import Heard
    from hanota.conformance.trial import Trial
    from hanota.gbcs.activate_firmware import FutureDatedAlert

_STRAY_KEY: Final = 0xC0FFEE
"""The private key of a party that no device knows."""
_NEIGHBOUR: Final = Eui64.parse("00-DB-12-34-56-78-90-FE")
"""A device of another home."""
_LATER: Final = 300.0
"""Seconds to the execution of a future dated command: a nightly run has that time."""
_PUNCTUAL: Final = 60.0
"""Seconds by which a device may be late for it, and its clock be off."""
_WRONG_HASH: Final = bytes(32)


async def _dated(trial: Trial, image_hash: bytes, *, how: str = "reach") -> datetime:
    """Hand the device a future dated CS06 that it has to accept; return its executionDateTime."""
    now = datetime.fromtimestamp(trial.rig.clock.now(), UTC)
    when = (now + timedelta(seconds=_LATER)).replace(microsecond=0)
    heard = await _accepted(trial, image_hash, when, how)
    trial.saw(f"CS06 for {when:%H:%M:%S} was answered in frame {heard.frame}")
    return when


async def _accepted(trial: Trial, image_hash: bytes, when: datetime, how: str) -> Heard:
    since = trial.rig.traffic.mark
    await trial.hand(trial.rig.activation_command(trial.device, image_hash, when=when).encode())
    wait = trial.see if how == "see" else trial.reach
    await wait(
        "the device answers a future dated CS06",
        lambda: trial.messages(CS06, since=since),
        trial.patience.response,
    )
    return trial.messages(CS06, since=since)[0]


async def _until(trial: Trial, when: datetime, offset: float) -> None:
    await asyncio.sleep(max(0.0, when.timestamp() + offset - trial.rig.clock.now()))


async def _future_response(trial: Trial) -> None:
    file = await trial.held()
    now = datetime.fromtimestamp(trial.rig.clock.now(), UTC)
    when = (now + timedelta(seconds=_LATER)).replace(microsecond=0)
    heard = await _accepted(trial, file.manufacturer_image_hash, when, "see")
    try:
        payload = decode_response(heard.message.payload)
    except RemoteProtocolError as error:
        raise CaseFailedError("a CS06 response payload", str(error)) from error
    trial.check(
        isinstance(payload, CommandAccepted), "commandAccepted, and no outcome", type(payload).__name__
    )


async def _future(trial: Trial) -> None:
    file = await trial.held()
    when = await _dated(trial, file.manufacturer_image_hash)
    await _until(trial, when, -_PUNCTUAL)
    await trial.check_still_runs(trial.running, "nothing is activated before the executionDateTime")
    await _until(trial, when, 0)
    await trial.check_runs(file.header.file_version, "the image is activated at the executionDateTime")


async def _future_alert(trial: Trial) -> None:
    file = await trial.held()
    when = await _dated(trial, file.manufacturer_image_hash)
    alert, heard = await _alert_at(trial, when)
    trial.running = file.header.file_version
    trial.check(
        alert.alert_code == FUTURE_DATED_COMMAND_ACTIONED,
        f"alert code {FUTURE_DATED_COMMAND_ACTIONED:04X}",
        f"alert code {alert.alert_code:04X}",
    )
    trial.check(
        alert.execution_date_time.as_datetime().replace(tzinfo=UTC) == when,
        f"the executionDateTime of the command, {when:%Y-%m-%dT%H:%M:%SZ}",
        f"{alert.execution_date_time.as_datetime():%Y-%m-%dT%H:%M:%SZ}",
    )
    trial.check(
        heard.message.recipient == trial.rig.keys.supplier,
        f"an alert to the supplier {trial.rig.keys.supplier}",
        f"an alert to {heard.message.recipient}",
    )
    told = alert.execution_outcome.firmware_version
    trial.check(
        told == file.firmware_version,
        f"firmwareVersion {file.firmware_version.hex().upper()}",
        f"firmwareVersion {told.hex().upper()}",
    )
    check_protection(trial, heard, "the alert 00CA")


async def _future_failure(trial: Trial) -> None:
    await trial.held()
    when = await _dated(trial, _WRONG_HASH)
    alert, _ = await _alert_at(trial, when)
    trial.check(
        alert.alert_code == FUTURE_DATED_COMMAND_NOT_ACTIONED,
        f"alert code {FUTURE_DATED_COMMAND_NOT_ACTIONED:04X}",
        f"alert code {alert.alert_code:04X}",
    )
    await trial.check_still_runs(trial.running, "the version stays as it was")


async def _alert_at(trial: Trial, when: datetime) -> tuple[FutureDatedAlert, Heard]:
    seconds = max(0.0, when.timestamp() - trial.rig.clock.now()) + trial.patience.activation
    await trial.see("the alert 00CA of what became of it", lambda: trial.messages(ALERT), seconds)
    heard = trial.messages(ALERT)[0]
    try:
        return decode_alert(heard.message.payload), heard
    except RemoteProtocolError as error:
        raise CaseFailedError("a payload of the alert 00CA", str(error)) from error


async def _future_cancelled(trial: Trial) -> None:
    file = await trial.held()
    when = await _dated(trial, file.manufacturer_image_hash)
    await asyncio.sleep(trial.patience.silence)
    heard = await _accepted(trial, file.manufacturer_image_hash, CANCELLATION, "reach")
    trial.saw(f"its cancellation was answered in frame {heard.frame}")
    await _until(trial, when, _PUNCTUAL)
    said = trial.messages(ALERT)
    trial.check(not said, "no alert 00CA for what was cancelled", f"{len(said)} alerts")
    await trial.check_still_runs(trial.running, "nothing is activated that was cancelled")


async def _future_power_cut(trial: Trial) -> None:
    file = await trial.held()
    when = await _dated(trial, file.manufacturer_image_hash)
    await trial.rig.cut_power(trial.device)
    trial.saw("power was cut before the executionDateTime")
    await trial.rig.join(trial.device)
    await _until(trial, when, 0)
    await trial.check_runs(file.header.file_version, "a future dated command outlasts a power cut")


async def _alert_counters(trial: Trial) -> None:
    await trial.held()
    counters = []
    for _ in range(2):
        since = trial.rig.traffic.mark
        await _dated(trial, _WRONG_HASH)
        await trial.reach(
            "the device sends the alert 00CA",
            lambda since=since: trial.messages(ALERT, since=since),  # type: ignore[misc]
            _LATER + trial.patience.activation,
        )
        counters.append(trial.messages(ALERT, since=since)[0].message.originator_counter)
    trial.check(
        counters[1] > counters[0],
        "a higher Originator Counter in each alert",
        f"{counters[1]} after {counters[0]}",
    )


DATED_CASES: Final = (
    Case("future-response", "A future dated CS06 is accepted", HCALCS, "GBCS 11.5", _future_response),
    Case("future-dated", "It is executed at its time, and not before", HCALCS, "GBCS 9.2, 11.5", _future),
    Case("future-alert", "Its outcome is told by the alert 00CA", HCALCS, "GBCS 11.5", _future_alert),
    Case(
        "future-failure",
        "With another hash it fails, and the alert says so",
        HCALCS,
        "GBCS 11.5",
        _future_failure,
    ),
    Case("future-cancelled", "A cancellation takes it back", HCALCS, "GBCS 9.2, 11.5", _future_cancelled),
    Case(
        "future-power-cut",
        "It outlasts a power cut",
        HCALCS,
        "GBCS 9.2, 11.5",
        _future_power_cut,
        frozenset({Need.POWER}),
    ),
    Case("future-alert-counter", "The counters of its alerts rise", HCALCS, "GBCS 4.3.1.5", _alert_counters),
)
