"""Misbehaviour of an emulated device, by name: each is one assignment, which a test may make itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from hanota.emulator.devices import cbke_misbehaviour
from hanota.emulator.devices import misbehaviour_commands as commands
from hanota.emulator.devices import misbehaviour_gbcs as gbcs
from hanota.emulator.devices import misbehaviour_ota as ota
from hanota.emulator.devices.client_shapes import QUIRK_NAMES, with_quirks
from hanota.emulator.devices.hcalcs import Hcalcs
from hanota.emulator.devices.misbehaviour_frames import ota_command
from hanota.emulator.devices.ppmid import Ppmid
from hanota.errors import ConfigError
from hanota.gbcs.activate_firmware import ActivateImageResponseCode
from hanota.gbcs.alerts import ActivateImageResult
from hanota.ota.commands import ImageNotify
from hanota.zcl import ClusterId, Status

if TYPE_CHECKING:
    from hanota.emulator.air import ApsFrame
    from hanota.emulator.devices.device import FirmwareDevice
    from hanota.gbcs.message import Message
    from hanota.ota.fields import ImageId

Apply = Callable[["FirmwareDevice"], None]


@dataclass(frozen=True, slots=True)
class Misbehaviour:
    """What a device does wrong, in words, and how it is made to."""

    description: str
    apply: Apply


def misbehave(device: FirmwareDevice, name: str) -> None:
    """Make `device` misbehave until it is made anew, or give its Upgrade Client a quirk on record.

    Raises ConfigError for an unknown name.
    """
    if name in QUIRK_NAMES:
        device.act_as(with_quirks(device.device_settings, [name]))
        return
    known = MISBEHAVIOURS.get(name)
    if known is None:
        raise ConfigError(f"unknown misbehaviour {name!r}", hint=f"one of {', '.join(MISBEHAVIOURS)}")
    known.apply(device)


def _silent(device: FirmwareDevice) -> None:
    device.on_frame = _ignore_frame  # type: ignore[method-assign, assignment]


def _ignores_notify(device: FirmwareDevice) -> None:
    device.on_frame = partial(_without_image_notify, device.on_frame)  # type: ignore[method-assign]


def _invalid_image(device: FirmwareDevice) -> None:
    device.verify_image = _invalid


def _never_activates(device: FirmwareDevice) -> None:
    device.on_activate = _ignore_activation  # type: ignore[method-assign, assignment]


def _activation_failure(device: FirmwareDevice) -> None:
    match device:
        case Ppmid():
            device.activation_result = ActivateImageResult.FAILURE
        case Hcalcs():
            device.activation_code = ActivateImageResponseCode.ACTIVATION_FAILURE
        case _:
            raise ConfigError(f"{device.eui64} activates nothing")


def _wrong_signature(device: FirmwareDevice) -> None:
    device.encode_message = _altered


def _unencrypted(device: FirmwareDevice) -> None:
    device.send = partial(device.send, encrypted=False)  # type: ignore[method-assign]


def _refuses_tunnel(device: FirmwareDevice) -> None:
    tunnel = replace(device.device_settings.tunnel, tunnel_limit=0)
    device.device_settings = replace(device.device_settings, tunnel=tunnel)


def _ignore_frame(_frame: ApsFrame) -> None:
    pass


def _ignore_activation(_image: ImageId) -> None:
    pass


def _without_image_notify(on_frame: Callable[[ApsFrame], None], frame: ApsFrame) -> None:
    if frame.cluster != ClusterId.OTA_UPGRADE or not isinstance(ota_command(frame.payload), ImageNotify):
        on_frame(frame)


def _invalid(_image: bytes) -> int:
    return Status.INVALID_IMAGE


def _altered(message: Message) -> bytes:
    """Return the message with its last octet, that of its signature or MAC, altered."""
    octets = message.encode()
    return octets[:-1] + bytes((octets[-1] ^ 1,))


MISBEHAVIOURS: Final[dict[str, Misbehaviour]] = {
    "silent": Misbehaviour("joins, answers discovery, and nothing else", _silent),
    "ignores_notify": Misbehaviour("never asks for an image it is notified of", _ignores_notify),
    "invalid_image": Misbehaviour("ends every download with INVALID_IMAGE", _invalid_image),
    "never_activates": Misbehaviour("takes the hub's word to activate and does nothing", _never_activates),
    "activation_failure": Misbehaviour("reports that its activation failed", _activation_failure),
    "wrong_signature": Misbehaviour("signs its GBCS messages wrongly", _wrong_signature),
    "unencrypted": Misbehaviour("sends without APS encryption", _unencrypted),
    "refuses_tunnel": Misbehaviour("from its next start on has no tunnel to give", _refuses_tunnel),
    "cbke_wrong_ca": Misbehaviour(
        "has a certificate of an authority the hub does not know", cbke_misbehaviour.wrong_ca
    ),
    "cbke_stolen_certificate": Misbehaviour(
        "presents a certificate whose subject is another device", cbke_misbehaviour.stolen_certificate
    ),
    "cbke_late": Misbehaviour("answers later than it said it would", cbke_misbehaviour.late),
    "cbke_silent": Misbehaviour("initiates key establishment and never continues", cbke_misbehaviour.silent),
    "cbke_replayed": Misbehaviour(
        "repeats the messages of its first handshake in the next", cbke_misbehaviour.replayed
    ),
    "cbke_bad_confirm": Misbehaviour("confirms its key with a wrong MAC", cbke_misbehaviour.bad_confirm),
    "cbke_off_curve": Misbehaviour(
        "sends an ephemeral public key that is no point of the curve", cbke_misbehaviour.off_curve
    ),
    "cbke_reflection": Misbehaviour(
        "sends the hub's own ephemeral public key back to it", cbke_misbehaviour.reflection
    ),
    "cbke_suite_3": Misbehaviour("asks for both suites at once", cbke_misbehaviour.suite_3),
    "ignores_wait_for_data": Misbehaviour(
        "asks again after a second, whatever WAIT_FOR_DATA says", ota.ignores_wait_for_data
    ),
    "restarts_from_zero": Misbehaviour("begins a download anew after a power cut", ota.restarts_from_zero),
    "ignores_abort": Misbehaviour("goes on asking for blocks after ABORT", ota.ignores_abort),
    "stuck_after_abort": Misbehaviour(
        "is deaf to Image Notify after an ABORT, until its power is cut", ota.stuck_after_abort
    ),
    "gives_up_on_loss": Misbehaviour(
        "ends its download with the first block that is lost", ota.gives_up_on_loss
    ),
    "impatient": Misbehaviour("waits for an answer for two seconds in all", ota.impatient),
    "doubles_on_duplicate": Misbehaviour("answers every duplicate with a request", ota.doubles_on_duplicate),
    "dead_after_silence": Misbehaviour(
        "hears no more of OTA after a silent server, until its power is cut", ota.dead_after_silence
    ),
    "early_upgrade_end": Misbehaviour(
        "says that it has an image when it is notified of one", ota.early_upgrade_end
    ),
    "asks_for_nothing": Misbehaviour("asks for blocks of no octets now and then", ota.asks_for_nothing),
    "wrong_query_version": Misbehaviour("queries as if it ran the version before", ota.wrong_query_version),
    "plain_upgrade_end": Misbehaviour(
        "sends its Upgrade End Requests without APS encryption first", ota.plain_upgrade_end
    ),
    "takes_plaintext": Misbehaviour("obeys frames without APS encryption", ota.takes_plaintext),
    "accepts_other_manufacturer": Misbehaviour(
        "downloads another manufacturer's image", ota.accepts_other_manufacturer
    ),
    "accepts_other_image_type": Misbehaviour(
        "downloads an image of another type", ota.accepts_other_image_type
    ),
    "accepts_same_version": Misbehaviour("downloads the version that it runs", ota.accepts_same_version),
    "accepts_downgrade": Misbehaviour("downloads a lower version", ota.accepts_downgrade),
    "accepts_corrupt_image": Misbehaviour(
        "looks at the OTA Header of an image alone", ota.accepts_corrupt_image
    ),
    "ignores_header": Misbehaviour("does not look whose image it has downloaded", ota.ignores_header),
    "ignores_hardware_version": Misbehaviour(
        "does not look which hardware an image is for", ota.ignores_hardware_version
    ),
    "no_hourly_upgrade_end": Misbehaviour("does not ask again when to activate", ota.no_hourly_upgrade_end),
    "activates_without_command": Misbehaviour(
        "HCALCS: activates after an hour, without CS06", ota.activates_without_command
    ),
    "no_upgrade_status": Misbehaviour("has no ImageUpgradeStatus", ota.no_upgrade_status),
    "wrong_upgrade_status": Misbehaviour(
        "tells an ImageUpgradeStatus of Normal, always", ota.wrong_upgrade_status
    ),
    "silent_on_unknown": Misbehaviour("says nothing to a command it does not know", ota.silent_on_unknown),
    "silent_on_malformed": Misbehaviour("says nothing to a malformed command", ota.silent_on_malformed),
    "no_alert": Misbehaviour("sends no alert", gbcs.no_alert),
    "wrong_alert_version": Misbehaviour(
        "names a version in its alerts that it does not run", gbcs.wrong_alert_version
    ),
    "wrong_alert_time": Misbehaviour("names a time long ago in its alerts", gbcs.wrong_alert_time),
    "alert_misaddressed": Misbehaviour("sends its alerts to the other remote party", gbcs.alert_misaddressed),
    "wrong_alert_signature": Misbehaviour("signs its alerts wrongly", gbcs.wrong_alert_signature),
    "alert_counter_stuck": Misbehaviour("gives all its alerts one counter", gbcs.alert_counter_stuck),
    "no_response": Misbehaviour("does not respond to CS06", gbcs.no_response),
    "wrong_response_version": Misbehaviour(
        "names a version in its responses to CS06 that it does not run", gbcs.wrong_response_version
    ),
    "wrong_response_signature": Misbehaviour(
        "signs its responses to CS06 wrongly", gbcs.wrong_response_signature
    ),
    "success_without_image": Misbehaviour(
        "responds success to CS06 where it holds no image", gbcs.success_without_image
    ),
    "outcome_too_early": Misbehaviour(
        "responds with an outcome to a future dated CS06", gbcs.outcome_too_early
    ),
    "wrong_firmware_version": Misbehaviour(
        "tells a version in CS08 that it does not run", gbcs.wrong_firmware_version
    ),
    "wrong_response_mac": Misbehaviour(
        "makes the MAC of its responses to CS08 wrongly", gbcs.wrong_response_mac
    ),
    "accepts_replay": Misbehaviour("obeys a command a second time", commands.accepts_replay),
    "accepts_lower_counter": Misbehaviour(
        "obeys a command whose counter is lower than the last", commands.accepts_lower_counter
    ),
    "ignores_mac": Misbehaviour("obeys commands with a wrong MAC", commands.ignores_mac),
    "ignores_signature": Misbehaviour("obeys a CS06 whatever its signature", commands.ignores_signature),
    "accepts_unsigned": Misbehaviour("obeys a CS06 without signature", commands.accepts_unsigned),
    "accepts_broker_activation": Misbehaviour(
        "obeys a CS06 of the access control broker's own", commands.accepts_broker_activation
    ),
    "accepts_neighbours_command": Misbehaviour(
        "obeys a CS06 for another device", commands.accepts_neighbours_command
    ),
    "accepts_wrong_hash": Misbehaviour(
        "HCALCS: activates what it holds, whatever the hash", commands.accepts_wrong_hash
    ),
    "claims_activation": Misbehaviour("reports an activation and stays as it is", gbcs.claims_activation),
    "forgets_held_image": Misbehaviour(
        "HCALCS: loses a held image with its power", commands.forgets_held_image
    ),
    "forgets_future_date": Misbehaviour(
        "HCALCS: loses a future dated CS06 with its power", commands.forgets_future_date
    ),
    "ignores_future_date": Misbehaviour(
        "HCALCS: executes a future dated CS06 at once", commands.ignores_future_date
    ),
    "ignores_cancellation": Misbehaviour(
        "HCALCS: accepts a cancellation and cancels nothing", commands.ignores_cancellation
    ),
}
