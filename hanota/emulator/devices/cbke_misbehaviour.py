"""Misbehaviour of a device in key establishment: each changes what its client sends, or with what."""

from __future__ import annotations

import asyncio
import secrets
import struct
from typing import TYPE_CHECKING, Final

from hanota.errors import ConfigError
from hanota.zse.cbke import LabCertificateAuthority, arithmetic
from hanota.zse.key_establishment.commands import CommandId

if TYPE_CHECKING:
    from hanota.emulator.devices.device import FirmwareDevice
    from hanota.emulator.devices.key_establishment import DeviceKeyEstablishment
    from hanota.zse.cbke import CbkeCredentials

LATE_SECONDS: Final = 120.0
"""By how much a late device is late: longer than any time an initiator advertises, margins included."""
_FOREIGN_ISSUER: Final = b"NOTOURCA"
_FRAME_TYPE: Final = 0x03
_CLUSTER_SPECIFIC: Final = 0x01
"""Of a ZCL frame control."""
_HEADER: Final = 3
"""Octets of a ZCL header here: frame control, sequence number, command."""


def wrong_ca(device: FirmwareDevice) -> None:
    """Give the device a certificate of an authority that the hub does not know."""
    shell, credentials = _shell(device)
    authority = LabCertificateAuthority.create(credentials.suite, secrets.token_bytes, issuer=_FOREIGN_ISSUER)
    shell.credentials = authority.issue(device.eui64, now=device.clock.now(), entropy=secrets.token_bytes)


def stolen_certificate(device: FirmwareDevice) -> None:
    """Let the device present a certificate whose subject is another device."""
    shell, _ = _shell(device)
    own, other = bytes(device.eui64), bytes(device.eui64[:-1]) + bytes((device.eui64[-1] ^ 0xFF,))

    def alter(data: bytes) -> bytes:
        return data.replace(own, other) if _command(data) == CommandId.INITIATE else data

    shell.alter = alter


def late(device: FirmwareDevice) -> None:
    """Let the device initiate, and send everything else later than it said it would."""
    shell, _ = _shell(device)
    shell.delay = lambda data: 0.0 if _command(data) == CommandId.INITIATE else LATE_SECONDS


def silent(device: FirmwareDevice) -> None:
    """Let the device initiate, and send nothing after that."""
    shell, _ = _shell(device)
    shell.alter = lambda data: data if _command(data) == CommandId.INITIATE else None


def replayed(device: FirmwareDevice) -> None:
    """Let the device repeat the messages of its first handshake in every one after it, the next at once."""
    shell, _ = _shell(device)
    recorded = {_command(data): data[_HEADER:] for data in shell.sent}
    established = shell.established

    def alter(data: bytes) -> bytes:
        return data[:_HEADER] + recorded.setdefault(_command(data), data[_HEADER:])

    def again() -> None:
        established()
        asyncio.get_running_loop().call_soon(shell.begin)

    shell.alter, shell.established = alter, again
    if device.established:
        shell.begin()


def bad_confirm(device: FirmwareDevice) -> None:
    """Let the device confirm with a MAC of which the last bit is wrong."""
    shell, _ = _shell(device)

    def alter(data: bytes) -> bytes:
        wrong = data[:-1] + bytes((data[-1] ^ 1,))
        return wrong if _command(data) == CommandId.CONFIRM_KEY else data

    shell.alter = alter


def off_curve(device: FirmwareDevice) -> None:
    """Let the device send an ephemeral public key that is no point of the curve."""
    shell, credentials = _shell(device)

    def alter(data: bytes) -> bytes:
        if _command(data) != CommandId.EPHEMERAL_DATA:
            return data
        return data[:_HEADER] + _no_point(credentials, data[_HEADER:])

    shell.alter = alter


def reflection(device: FirmwareDevice) -> None:
    """Let the device send the hub's ephemeral public key back to it, that of the first handshake."""
    shell, _ = _shell(device)
    heard: list[bytes] = []

    def overhear(data: bytes) -> None:
        if _command(data) == CommandId.EPHEMERAL_DATA:
            heard[:] = [data[_HEADER:]]

    def alter(data: bytes) -> bytes | None:
        match _command(data):
            case CommandId.EPHEMERAL_DATA if heard:
                return data[:_HEADER] + heard[0]
            case CommandId.CONFIRM_KEY:
                return None  # the first handshake is for the hub's key alone
            case _:
                return data

    shell.overhear, shell.alter = overhear, alter


def suite_3(device: FirmwareDevice) -> None:
    """Let the device ask for both suites at once."""
    shell, _ = _shell(device)

    def alter(data: bytes) -> bytes:
        if _command(data) != CommandId.INITIATE:
            return data
        return data[:_HEADER] + struct.pack("<H", 3) + data[_HEADER + 2 :]

    shell.alter = alter


def _shell(device: FirmwareDevice) -> tuple[DeviceKeyEstablishment, CbkeCredentials]:
    credentials = device.key_establishment.credentials
    if credentials is None:
        raise ConfigError(f"{device.eui64} establishes no key", hint="give it a suite")
    return device.key_establishment, credentials


def _command(data: bytes) -> int | None:
    """Return the cluster's own command that a frame is, None for one that every cluster has."""
    own = len(data) >= _HEADER and data[0] & _FRAME_TYPE == _CLUSTER_SPECIFIC
    return data[_HEADER - 1] if own else None


def _no_point(credentials: CbkeCredentials, point: bytes) -> bytes:
    """Return the next greater x, in the octets of a compressed point, that no point of the curve has."""
    curve, group = credentials.suite.parameters.curve, arithmetic()
    x = int.from_bytes(point[1:], "big")
    while group.decompress(curve, x, 0) is not None:
        x = (x + 1) % (1 << curve.field.degree) or 1
    return point[:1] + x.to_bytes(len(point) - 1, "big")
