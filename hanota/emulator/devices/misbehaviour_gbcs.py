"""Misbehaviour of a device in GBCS: messages that it should not send so, or should send."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from hanota.gbcs import activate_firmware as cs06
from hanota.gbcs import der
from hanota.gbcs import read_firmware_version as cs08
from hanota.gbcs.certificates import RemotePartyRole
from hanota.gbcs.counters import OriginatorCounter
from hanota.gbcs.crypto import protect, sign
from hanota.gbcs.message import Cra, Message

if TYPE_CHECKING:
    from collections.abc import Callable

    from hanota.emulator.devices.device import FirmwareDevice

_SOON: Final = 2.0
"""Seconds for a response to leave before the device reboots."""
_WRONG_VERSION: Final = bytes.fromhex("DEADBEEF")
_VERSION: Final = re.compile(rb"\x04\x04(.{4})", re.DOTALL)
"""A firmwareVersion in a payload: an OCTET STRING of four."""
_TIME: Final = re.compile(rb"\x18\x0f\d{14}Z")
_LONG_AGO: Final = b"\x18\x0f20000101000000Z"
_NO_IMAGE_HELD: Final = b"\x02\x01\x01\x04\x04"
_SUCCESS: Final = b"\x02\x01\x00\x04\x04"
"""The beginning of an ExecutionOutcome: the code, and the head of the version."""


def no_alert(device: FirmwareDevice) -> None:
    """Let it send no alert."""
    _sends(device, _is_alert, lambda _: None)


def wrong_alert_version(device: FirmwareDevice) -> None:
    """Let its alerts name a version that it does not run."""
    _sends(
        device, _is_alert, lambda message: _altered(device, message, _VERSION, b"\x04\x04" + _WRONG_VERSION)
    )


def wrong_alert_time(device: FirmwareDevice) -> None:
    """Let its alerts name a time long ago."""
    _sends(device, _is_alert, lambda message: _altered(device, message, _TIME, _LONG_AGO))


def alert_misaddressed(device: FirmwareDevice) -> None:
    """Let it send its alerts to the other remote party: supplier or access control broker."""
    supplier, *_ = device.keystore.in_role(RemotePartyRole.SUPPLIER)
    broker, *_ = device.keystore.access_control_brokers()
    other = {supplier: broker, broker: supplier}
    _sends(
        device,
        _is_alert,
        lambda message: _protected(device, replace(message, recipient=other[message.recipient])),
    )


def wrong_alert_signature(device: FirmwareDevice) -> None:
    """Let it sign its alerts wrongly."""
    _sends(device, _is_alert, _spoiled)


def alert_counter_stuck(device: FirmwareDevice) -> None:
    """Let all its alerts have one counter."""
    device.own_counter = _StuckCounter(device.own_counter.last)


def no_response(device: FirmwareDevice) -> None:
    """Let it not respond to CS06."""
    _sends(device, _is_response_to(cs06.MESSAGE_CODE), lambda _: None)


def wrong_response_version(device: FirmwareDevice) -> None:
    """Let its responses to CS06 name a version that it does not run."""
    _sends(
        device,
        _is_response_to(cs06.MESSAGE_CODE),
        lambda message: _altered(device, message, _VERSION, b"\x04\x04" + _WRONG_VERSION),
    )


def wrong_response_signature(device: FirmwareDevice) -> None:
    """Let it sign its responses to CS06 wrongly."""
    _sends(device, _is_response_to(cs06.MESSAGE_CODE), _spoiled)


def success_without_image(device: FirmwareDevice) -> None:
    """Let it respond success where it holds no image."""
    _sends(
        device,
        _is_response_to(cs06.MESSAGE_CODE),
        lambda message: _protected(
            device, replace(message, payload=message.payload.replace(_NO_IMAGE_HELD, _SUCCESS))
        ),
    )


def outcome_too_early(device: FirmwareDevice) -> None:
    """Let it respond with an outcome to what it is to execute later."""
    early = cs06.ExecutionOutcome(
        activate_image_response_code=cs06.ActivateImageResponseCode.SUCCESS, firmware_version=_WRONG_VERSION
    )

    def respond(message: Message) -> Message:
        accepted = message.payload == b"\x05\x00"
        payload = der.encode(early) if accepted else message.payload
        return _protected(device, replace(message, payload=payload))

    _sends(device, _is_response_to(cs06.MESSAGE_CODE), respond)


def wrong_firmware_version(device: FirmwareDevice) -> None:
    """Let it tell a version that it does not run when it is read (CS08)."""
    _sends(
        device,
        _is_response_to(cs08.MESSAGE_CODE),
        lambda message: _altered(device, message, _VERSION, b"\x04\x04" + _WRONG_VERSION),
    )


def wrong_response_mac(device: FirmwareDevice) -> None:
    """Let its responses to CS08 have a wrong MAC."""
    _sends(device, _is_response_to(cs08.MESSAGE_CODE), _spoiled)


def claims_activation(device: FirmwareDevice) -> None:
    """Let it report an activation and go on with the firmware it has."""
    device.reboot_into = lambda _, started: started()  # type: ignore[method-assign, assignment]


# -- inside --------------------------------------------------------------------------------------------------


class _StuckCounter(OriginatorCounter):
    """Hands out one counter for ever."""

    def next(self) -> int:
        return self.last + 1


def _sends(
    device: FirmwareDevice,
    concerns: Callable[[Message], bool],
    change: Callable[[Message], Message | bytes | None],
) -> None:
    """Change the messages of a kind that the device sends; None loses one."""
    send_message, encode_message = device.send_message, device.encode_message
    spoiled: dict[Message, bytes] = {}

    def encode(message: Message) -> bytes:
        return spoiled.pop(message, None) or encode_message(message)

    def send(message: Message) -> None:
        changed = change(message) if concerns(message) else message
        if isinstance(changed, bytes):
            spoiled[message] = changed
            changed = message
        if changed is not None:
            send_message(changed)

    device.encode_message = encode
    device.send_message = send  # type: ignore[method-assign]


def _is_alert(message: Message) -> bool:
    return message.cra is Cra.ALERT


def _is_response_to(code: int) -> Callable[[Message], bool]:
    return lambda message: message.cra is Cra.RESPONSE and message.message_code == code


def _altered(device: FirmwareDevice, message: Message, what: re.Pattern[bytes], by: bytes) -> Message:
    return _protected(device, replace(message, payload=what.sub(by, message.payload, count=1)))


def _protected(device: FirmwareDevice, message: Message) -> Message:
    """Return a message with the device's signature, or MAC, made again."""
    credentials = device.identity.credentials
    if message.mac is not None:
        peer = device.keystore.agreement_public_key(message.recipient)
        return protect(replace(message, mac=None), credentials.agreement_key, peer)
    return sign(replace(message, signature=None), credentials.signing_key)


def _spoiled(message: Message) -> bytes:
    """Return a message with its last octet, that of its signature or MAC, altered."""
    octets = message.encode()
    return octets[:-1] + bytes((octets[-1] ^ 1,))
