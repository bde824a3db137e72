"""What misbehaviours are made of: OTA frames to and from a device altered or lost, its habits changed.

Each stays for as long as the device does, over its reboots and its new clients.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from hanota.emulator.air import TxStatus
from hanota.errors import RemoteProtocolError
from hanota.ota.commands import decode_command, encode_command
from hanota.zcl import ClusterId, ZclFrame

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hanota.emulator.air import ApsFrame
    from hanota.emulator.devices.device import FirmwareDevice
    from hanota.ota.commands import OtaCommand

_SEQUENCE: Final = 1
"""Where the sequence number stands in a ZCL frame that is no maker's own."""

Rewrite: TypeAlias = "Callable[[OtaCommand], OtaCommand | None]"
"""Returns the command that goes in the place of one, None where it is lost."""
Send: TypeAlias = "Callable[..., Awaitable[TxStatus]]"
"""Sends octets in the place of a frame, as that was to be sent but for what is given by name."""


def with_client(device: FirmwareDevice, **settings: Any) -> None:
    """Give the device's Upgrade Clients other settings."""
    habits = device.device_settings
    device.act_as(replace(habits, client=replace(habits.client, **settings)))


def with_quirk(device: FirmwareDevice, **quirks: Any) -> None:
    """Give the device's Upgrade Clients another quirk."""
    with_client(device, quirks=replace(device.device_settings.client.quirks, **quirks))


def inbound(device: FirmwareDevice, rewrite: Rewrite) -> None:
    """Alter the OTA commands that come to the device."""
    on_frame = device.on_frame

    def altered(frame: ApsFrame) -> None:
        payload = (
            _rewritten(frame.payload, rewrite) if frame.cluster == ClusterId.OTA_UPGRADE else frame.payload
        )
        if payload is not None:
            on_frame(frame if payload == frame.payload else replace(frame, payload=payload))

    device.on_frame = altered  # type: ignore[method-assign]


def outbound(device: FirmwareDevice, rewrite: Rewrite) -> None:
    """Alter the OTA commands that the device sends."""
    outbound_octets(device, lambda data: _rewritten(data, rewrite))


def outbound_octets(device: FirmwareDevice, rewrite: Callable[[bytes], bytes | None]) -> None:
    """Alter the frames that the device sends on the OTA Upgrade cluster, None loses one."""

    async def altered(send: Send, payload: bytes) -> TxStatus:
        octets = rewrite(payload)
        return TxStatus.SUCCESS if octets is None else await send(octets)

    sending(device, altered)


def sending(device: FirmwareDevice, act: Callable[[Send, bytes], Awaitable[TxStatus]]) -> None:
    """Have `act` send what the device sends on the OTA Upgrade cluster."""
    send = device.send

    async def acted(
        profile: int,
        cluster: int,
        source_endpoint: int,
        destination_endpoint: int,
        payload: bytes,
        **how: Any,
    ) -> TxStatus:
        async def as_asked(octets: bytes, **otherwise: Any) -> TxStatus:
            options = how | otherwise
            return await send(profile, cluster, source_endpoint, destination_endpoint, octets, **options)

        return await (act if cluster == ClusterId.OTA_UPGRADE else _as_it_is)(as_asked, payload)

    device.send = acted  # type: ignore[method-assign]


async def _as_it_is(send: Send, payload: bytes) -> TxStatus:
    return await send(payload)


def ota_command(data: bytes) -> OtaCommand | None:
    """Return the OTA command that a frame carries, None where it carries none."""
    try:
        frame = ZclFrame.decode(data)
        return decode_command(frame) if frame.cluster_specific else None
    except RemoteProtocolError:
        return None


def _rewritten(data: bytes, rewrite: Rewrite) -> bytes | None:
    """Return a frame with its command altered; one that carries none stays as it is."""
    command = ota_command(data)
    if command is None:
        return data
    other = rewrite(command)
    if other is None:
        return None
    return data if other is command else encode_command(other, data[_SEQUENCE])
