"""Misbehaviour of a device in GBCS: commands that it should not obey, or not so."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from hanota.emulator.devices.hcalcs import Hcalcs
from hanota.errors import ConfigError, HanotaError, RemoteProtocolError
from hanota.gbcs import activate_firmware as cs06
from hanota.gbcs.certificates import RemotePartyRole
from hanota.gbcs.counters import CounterLog
from hanota.gbcs.crypto import protect, verify_mac, verify_signature
from hanota.gbcs.message import Message, Shape

if TYPE_CHECKING:
    from collections.abc import Callable

    from hanota.emulator.devices.device import FirmwareDevice
    from hanota.eui64 import Eui64

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


# -- what it obeys -------------------------------------------------------------------------------------------


def accepts_replay(device: FirmwareDevice) -> None:
    """Let it obey a command with the last counter once more."""
    device.counters = _LenientCounters(device.counters.highest(), equal=True)


def accepts_lower_counter(device: FirmwareDevice) -> None:
    """Let it obey a command with a lower counter than the last."""
    device.counters = _LenientCounters(device.counters.highest(), lower=True)


def ignores_mac(device: FirmwareDevice) -> None:
    """Let it obey commands with a wrong MAC."""
    message_received = device.message_received

    def received(octets: bytes) -> None:
        message = _command(octets)
        if message is not None and message.mac is not None:
            broker, *_ = device.keystore.access_control_brokers()
            own = device.identity.credentials.agreement_key
            right = protect(replace(message, mac=None), own, device.keystore.agreement_public_key(broker))
            octets = right.encode()
        message_received(octets)

    device.message_received = received  # type: ignore[method-assign]


def ignores_signature(device: FirmwareDevice) -> None:
    """Let it not verify the signature of CS06."""
    _excuses(device, lambda message: bool(message.signature) and _of_supplier(device, message))


def accepts_unsigned(device: FirmwareDevice) -> None:
    """Let it obey a CS06 without a signature."""
    _excuses(device, lambda message: not message.signature and _of_supplier(device, message))


def accepts_broker_activation(device: FirmwareDevice) -> None:
    """Let it obey a CS06 that the access control broker has signed."""
    brokers = device.keystore.access_control_brokers
    _excuses(device, lambda message: message.originator in brokers() and _is_signed(device, message))


def accepts_neighbours_command(device: FirmwareDevice) -> None:
    """Let it obey a CS06 that is for another device."""
    _excuses(
        device,
        lambda message: message.recipient != device.eui64 and _is_signed(device, message),
        anybodys=True,
    )


# -- what an HCALCS does with CS06 ---------------------------------------------------------------------------


def accepts_wrong_hash(device: FirmwareDevice) -> None:
    """Let it activate what it holds, whatever hash the command has."""
    switch = _hcalcs(device)

    def change(message: Message) -> Message:
        if switch.held is None:
            return message
        wanted = cs06.decode_command(message.payload).manufacturer_image_hash
        payload = message.payload.replace(wanted, switch.held.file.manufacturer_image_hash)
        return replace(message, payload=payload)

    _obeys(switch, change)


def forgets_held_image(device: FirmwareDevice) -> None:
    """Let a power cut cost it the image that it holds."""
    switch = _hcalcs(device)
    power_off = switch.power_off

    def cut() -> None:
        switch.held = None
        power_off()

    switch.power_off = cut  # type: ignore[method-assign]


def forgets_future_date(device: FirmwareDevice) -> None:
    """Let a power cut cost it the command that waits for its time."""
    switch = _hcalcs(device)
    power_off = switch.power_off

    def cut() -> None:
        switch.pending = None
        power_off()

    switch.power_off = cut  # type: ignore[method-assign]


def ignores_future_date(device: FirmwareDevice) -> None:
    """Let it execute a future dated command as soon as it has answered it."""
    switch = _hcalcs(device)
    on_command = switch.on_command

    def obey(message: Message) -> None:
        on_command(message)
        asyncio.get_running_loop().call_later(_SOON, switch.execute_pending)

    switch.on_command = obey  # type: ignore[method-assign]


def ignores_cancellation(device: FirmwareDevice) -> None:
    """Let it accept a cancellation, and cancel nothing."""
    switch = _hcalcs(device)
    on_command = switch.on_command

    def obey(message: Message) -> None:
        waiting = switch.pending
        on_command(message)
        if message.message_code == cs06.MESSAGE_CODE and switch.pending is None:
            switch.pending = waiting
            switch.schedule()

    switch.on_command = obey  # type: ignore[method-assign]


# -- inside --------------------------------------------------------------------------------------------------


class _LenientCounters(CounterLog):
    """Takes an equal counter, or a lower one, for a new one."""

    def __init__(self, highest: dict[Eui64, int], *, equal: bool = False, lower: bool = False) -> None:
        super().__init__(highest)
        self._equal, self._lower = equal, lower

    def check(self, originator: Eui64, counter: int) -> None:
        if not self._excused(originator, counter):
            super().check(originator, counter)

    def accept(self, originator: Eui64, counter: int) -> None:
        if not self._excused(originator, counter):
            super().accept(originator, counter)

    def _excused(self, originator: Eui64, counter: int) -> bool:
        last = self.highest().get(originator)
        return last is not None and ((self._equal and counter == last) or (self._lower and counter < last))


def _command(octets: bytes) -> Message | None:
    try:
        message = Message.decode(octets)
    except RemoteProtocolError:
        return None
    return message if message.shape is Shape.COMMAND else None


def _excuses(device: FirmwareDevice, excused: Callable[[Message], bool], *, anybodys: bool = False) -> None:
    """Let the device obey a CS06 that is wrong in what `excused` overlooks, and right in MAC and counter."""
    message_received = device.message_received

    def received(octets: bytes) -> None:
        message = _command(octets)
        if (
            message is not None
            and message.message_code == cs06.MESSAGE_CODE
            and (anybodys or message.recipient == device.eui64)
            and excused(message)
            and _has_right_mac(device, message)
            and _is_new(device, message)
        ):
            device.counters.accept(message.originator, message.originator_counter)
            device.on_command(message)
        else:
            message_received(octets)

    device.message_received = received  # type: ignore[method-assign]


def _has_right_mac(device: FirmwareDevice, message: Message) -> bool:
    broker, *_ = device.keystore.access_control_brokers()
    peer = device.keystore.agreement_public_key(broker)
    return _holds(lambda: verify_mac(message, device.identity.credentials.agreement_key, peer))


def _is_new(device: FirmwareDevice, message: Message) -> bool:
    return _holds(lambda: device.counters.check(message.originator, message.originator_counter))


def _is_signed(device: FirmwareDevice, message: Message) -> bool:
    keys = device.keystore.signing_public_keys(message.originator)
    return any(_holds(lambda key=key: verify_signature(message, key)) for key in keys)  # type: ignore[misc]


def _of_supplier(device: FirmwareDevice, message: Message) -> bool:
    return message.originator in device.keystore.in_role(RemotePartyRole.SUPPLIER)


def _holds(check: Callable[[], None]) -> bool:
    try:
        check()
    except HanotaError:
        return False
    return True


def _obeys(switch: Hcalcs, change: Callable[[Message], Message]) -> None:
    """Let an HCALCS carry out another CS06 than the one that came."""
    on_command = switch.on_command

    def obey(message: Message) -> None:
        on_command(change(message) if message.message_code == cs06.MESSAGE_CODE else message)

    switch.on_command = obey  # type: ignore[method-assign]


def _hcalcs(device: FirmwareDevice) -> Hcalcs:
    if not isinstance(device, Hcalcs):
        raise ConfigError(f"{device.eui64} is no HCALCS, and has no such fault")
    return device
