"""What every ZCL client does: attributes told, unknown and broken commands answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hanota.conformance.case import BOTH, Case
from hanota.conformance.errors import NotReachedError
from hanota.conformance.faulty_radio import Way
from hanota.conformance.trial import status_name
from hanota.errors import RemoteProtocolError
from hanota.hub.events import EventKind
from hanota.ota.client_events import ImageUpgradeStatus
from hanota.ota.commands import CommandId
from hanota.zcl import ClusterId, DefaultResponse, Direction, Status, ZclFrame

if TYPE_CHECKING:
    from hanota.conformance.trial import Trial
    from hanota.hub.events import Event

_UNKNOWN: Final = 0x7F
"""A command identifier that no edition of the cluster has."""
_SEQUENCE: Final = 0xA6
_ANSWER: Final = 30.0
"""Seconds for a Default Response, of a device that does not sleep for long."""


async def _attributes(trial: Trial) -> None:
    told = await _read(trial)
    named = {"upgrade_server_id", "image_upgrade_status"} - told.detail.keys()
    trial.check(
        not named,
        "UpgradeServerID and ImageUpgradeStatus, which are mandatory",
        f"without {', '.join(sorted(named))}" if named else "both were told",
    )


async def _status(trial: Trial) -> None:
    file = trial.image()
    await trial.begun(file, octets=len(file.data) // 10)
    trial.rig.hub.pause([trial.device.eui64], reason="the case upgrade-status")
    told = await _read(trial)
    status = told.detail.get("image_upgrade_status")
    if status is None:
        raise NotReachedError("ImageUpgradeStatus is not told; see the case attributes")
    wanted = ImageUpgradeStatus.DOWNLOAD_IN_PROGRESS.name.lower()
    trial.check(
        status == wanted, f"ImageUpgradeStatus {wanted} during a download", f"ImageUpgradeStatus {status}"
    )
    trial.rig.hub.go_on([trial.device.eui64])


async def _read(trial: Trial) -> Event:
    since = trial.rig.last_event
    trial.rig.hub.read_client_attributes(trial.device.eui64)
    await trial.see(
        "Read Attributes of the OTA Upgrade client is answered",
        lambda: trial.rig.seen(EventKind.CLIENT_ATTRIBUTES, trial.device, since=since),
        trial.patience.query,
    )
    return trial.rig.seen(EventKind.CLIENT_ATTRIBUTES, trial.device, since=since)[-1]


async def _unknown(trial: Trial) -> None:
    await _answered(trial, _UNKNOWN, b"", Status.UNSUP_CLUSTER_COMMAND, "a command that does not exist")


async def _malformed(trial: Trial) -> None:
    await _answered(
        trial,
        CommandId.QUERY_NEXT_IMAGE_RESPONSE,
        bytes((Status.SUCCESS, 0x1D)),
        Status.MALFORMED_COMMAND,
        "a Query Next Image Response that is cut short",
    )


async def _answered(trial: Trial, command: int, payload: bytes, status: Status, what: str) -> None:
    frame = ZclFrame(
        _SEQUENCE, command, payload, direction=Direction.TO_CLIENT, disable_default_response=False
    )
    await trial.rig.say(trial.device, frame.encode())
    await trial.see(f"a Default Response to {what}", lambda: _responses(trial, command), _ANSWER)
    told = _responses(trial, command)[0]
    trial.check(
        told.status == status,
        f"Default Response {status.name} to {what}",
        f"Default Response {status_name(told.status)}",
    )


def _responses(trial: Trial, command: int) -> list[DefaultResponse]:
    responses = []
    for frame in trial.rig.frames(trial.device, Way.FROM_DEVICE, ClusterId.OTA_UPGRADE, since=trial.mark):
        zcl = frame.zcl
        if zcl is not None and zcl.is_default_response and zcl.sequence == _SEQUENCE:
            try:
                responses.append(DefaultResponse.decode(zcl.payload))
            except RemoteProtocolError:
                continue
    return [response for response in responses if response.command == command]


ZCL_CASES: Final = (
    Case("attributes", "The mandatory attributes are told", BOTH, "ZCL 11.10", _attributes),
    Case("upgrade-status", "ImageUpgradeStatus tells of a download", BOTH, "ZCL 11.10.7", _status),
    Case("unknown-command", "An unknown command has a Default Response", BOTH, "ZCL 2.5.12", _unknown),
    Case("malformed-command", "A malformed command has a Default Response", BOTH, "ZCL 2.5.12", _malformed),
)
