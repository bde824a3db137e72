"""The version that runs, read by CS08."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from hanota.conformance.case import BOTH, Case
from hanota.conformance.cases.protection import check_protection
from hanota.conformance.errors import CaseFailedError
from hanota.conformance.version import attribute_version
from hanota.errors import RemoteProtocolError
from hanota.gbcs.read_firmware_version import MESSAGE_CODE as CS08
from hanota.gbcs.read_firmware_version import ReadResponseCode
from hanota.gbcs.read_firmware_version import decode_response as decode_version

if TYPE_CHECKING:
    from hanota.conformance.messages import Heard
    from hanota.conformance.trial import Trial

_HOUR: Final = 3600.0
_HELD: Final = 1.5 * _HOUR
"""How long a held image is watched: one hourly Upgrade End Request, and what a device might do of itself."""
_CLOCK: Final = 300.0
"""Seconds by which a device's clock may be off the hub's; it reads the Time cluster."""
_WRONG_HASH: Final = bytes(32)
"""Of no image there is."""


async def _version(trial: Trial) -> None:
    heard = await _read(trial)
    try:
        told = decode_version(heard.message.payload)
    except RemoteProtocolError as error:
        raise CaseFailedError("a CS08 response payload", str(error)) from error
    trial.check(
        told.response_code == ReadResponseCode.SUCCESS, "responseCode success", f"code {told.response_code}"
    )
    version = await attribute_version(trial.rig, trial.device)
    wanted = trial.running if version is None else version
    trial.check(
        int.from_bytes(told.firmware_version, "big") == wanted,
        f"firmwareVersion {wanted:08X}, as its queries and CurrentFileVersion have it",
        f"firmwareVersion {told.firmware_version.hex().upper()}",
    )


async def _version_mac(trial: Trial) -> None:
    heard = await _read(trial, "reach")
    check_protection(trial, heard, "the CS08 response")


async def _read(trial: Trial, how: str = "see") -> Heard:
    since = trial.rig.traffic.mark
    outcome = asyncio.ensure_future(trial.rig.read_version(trial.device))
    try:
        await trial.sent(since)
        wait = trial.see if how == "see" else trial.reach
        await wait("a response to CS08", lambda: trial.messages(CS08), trial.patience.response)
    finally:
        outcome.cancel()
    return trial.messages(CS08)[0]


VERSION_CASES: Final = (
    Case("read-version", "CS08 tells the version that runs", BOTH, "GBCS 11.8, SECMP0007", _version),
    Case("read-version-mac", "The response to CS08 has the device's MAC", BOTH, "GBCS 6.2.3", _version_mac),
)
