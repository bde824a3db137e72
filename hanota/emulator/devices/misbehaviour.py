"""Misbehaviour of an emulated device, by name: each is one assignment, which a test may make itself."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from hanota.emulator.devices import cbke_misbehaviour
from hanota.emulator.devices.client_shapes import QUIRK_NAMES, with_quirks
from hanota.emulator.devices.hcalcs import Hcalcs
from hanota.emulator.devices.misbehaviour_frames import ota_command
from hanota.emulator.devices.misbehaviour_table import BROKEN_RULES, Misbehaviour
from hanota.emulator.devices.ppmid import Ppmid
from hanota.errors import ConfigError
from hanota.gbcs.activate_firmware import ActivateImageResponseCode
from hanota.gbcs.alerts import ActivateImageResult
from hanota.ota.commands import ImageNotify
from hanota.zcl import ClusterId, Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from hanota.emulator.air import ApsFrame
    from hanota.emulator.devices.device import FirmwareDevice
    from hanota.gbcs.message import Message
    from hanota.ota.fields import ImageId


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
} | BROKEN_RULES
