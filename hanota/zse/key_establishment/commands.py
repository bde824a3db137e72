"""Commands of the Key Establishment cluster 0x0800 (SEP 07-5356-21, C.3.1.2.3).

Each identifier stands for the request to the server and for the response to the client, alike in layout.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Final, Self

from hanota.errors import LocalProtocolError, RemoteProtocolError
from hanota.zcl import Direction, Status, ZclFrame
from hanota.zse.cbke import KeyEstablishmentStatus, Suite

if TYPE_CHECKING:
    from collections.abc import Iterable

KEY_ESTABLISHMENT_SUITE: Final = 0x0000
"""The attribute KeyEstablishmentSuite (enum16): the bits of the suites a node has."""
MAC_OCTETS: Final = 16
"""Octets of MACU and of MACV."""


class CommandId(IntEnum):
    """Command identifiers, the same in both directions."""

    INITIATE = 0
    EPHEMERAL_DATA = 1
    CONFIRM_KEY = 2
    TERMINATE = 3


@dataclass(frozen=True, slots=True)
class InitiateKeyEstablishment:
    """Begin: the suite (one bit), how long the sender takes to compute, in seconds, and its certificate."""

    suite: int
    ephemeral_time: int
    """Ephemeral Data Generate Time: until Ephemeral Data goes out."""
    confirm_time: int
    """Confirm Key Generate Time: until Confirm Key goes out."""
    certificate: bytes

    _LAYOUT = struct.Struct("<HBB")

    def encode(self) -> bytes:
        """Return the payload; raise LocalProtocolError for a field out of range."""
        head = _pack(self._LAYOUT, "Initiate", self.suite, self.ephemeral_time, self.confirm_time)
        return head + self.certificate

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        """Parse the payload; raise RemoteProtocolError when it is short. The certificate is not looked at."""
        suite, ephemeral_time, confirm_time = _unpack(cls._LAYOUT, payload, "Initiate")
        return cls(suite, ephemeral_time, confirm_time, bytes(payload[cls._LAYOUT.size :]))


@dataclass(frozen=True, slots=True)
class EphemeralData:
    """The sender's ephemeral public key, compressed; its length depends on the suite."""

    public_key: bytes

    def encode(self) -> bytes:
        """Return the payload."""
        return self.public_key

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        """Parse the payload; raise RemoteProtocolError unless it is as long as a point of either suite."""
        if len(payload) not in {suite.parameters.point_octets for suite in Suite}:
            raise _malformed(f"Ephemeral Data of {len(payload)} octets is a point of no suite")
        return cls(bytes(payload))


@dataclass(frozen=True, slots=True)
class ConfirmKey:
    """MACU of the initiator or MACV of the responder."""

    mac: bytes = field(repr=False)

    def encode(self) -> bytes:
        """Return the payload."""
        return self.mac

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        """Parse the payload; raise RemoteProtocolError unless it is 16 octets."""
        if len(payload) != MAC_OCTETS:
            raise _malformed(f"Confirm Key has {MAC_OCTETS} octets of payload, got {len(payload)}")
        return cls(bytes(payload))


@dataclass(frozen=True, slots=True)
class TerminateKeyEstablishment:
    """Give the exchange up; `wait` seconds until the other may begin again, `suites` what the sender has."""

    status: int
    wait: int
    suites: int

    _LAYOUT = struct.Struct("<BBH")

    @property
    def known_status(self) -> KeyEstablishmentStatus | None:
        """The status, or None where it is one the standard does not give: the exchange ends all the same."""
        try:
            return KeyEstablishmentStatus(self.status)
        except ValueError:
            return None

    def encode(self) -> bytes:
        """Return the payload; raise LocalProtocolError for a field out of range."""
        return _pack(self._LAYOUT, "Terminate", self.status, self.wait, self.suites)

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        """Parse the payload; raise RemoteProtocolError when it is short."""
        return cls(*_unpack(cls._LAYOUT, payload, "Terminate"))


KeyEstablishmentCommand = InitiateKeyEstablishment | EphemeralData | ConfirmKey | TerminateKeyEstablishment

_COMMANDS: Final[dict[int, type[KeyEstablishmentCommand]]] = {
    CommandId.INITIATE: InitiateKeyEstablishment,
    CommandId.EPHEMERAL_DATA: EphemeralData,
    CommandId.CONFIRM_KEY: ConfirmKey,
    CommandId.TERMINATE: TerminateKeyEstablishment,
}
_IDENTIFIERS: Final = {kind: identifier for identifier, kind in _COMMANDS.items()}


def suite_bits(suites: Iterable[Suite]) -> int:
    """Return `suites` as KeyEstablishmentSuite and Terminate carry them, a bit for each."""
    bits = 0
    for suite in suites:
        bits |= suite.bit
    return bits


def encode_command(command: KeyEstablishmentCommand, direction: Direction, sequence: int) -> ZclFrame:
    """Return `command` as a frame; raise LocalProtocolError where a field is out of range."""
    return ZclFrame(sequence, _IDENTIFIERS[type(command)], command.encode(), direction)


def decode_command(frame: ZclFrame, direction: Direction) -> KeyEstablishmentCommand:
    """Parse the cluster command in `frame`, which has to go in `direction`.

    Raises RemoteProtocolError with UNSUP_CLUSTER_COMMAND (UNSUP_MANUF_CLUSTER_COMMAND) for a command this
    cluster does not have, MALFORMED_COMMAND for a payload of a wrong length.
    """
    if frame.manufacturer_code is not None:
        raise RemoteProtocolError(
            f"a manufacturer's command {frame.command:#04x}", status=Status.UNSUP_MANUF_CLUSTER_COMMAND
        )
    kind = _COMMANDS.get(frame.command)
    if kind is None or not frame.cluster_specific or frame.direction is not direction:
        raise RemoteProtocolError(
            f"no Key Establishment command {frame.command:#04x} {direction.name.lower()}",
            status=Status.UNSUP_CLUSTER_COMMAND,
        )
    return kind.decode(frame.payload)


def _pack(layout: struct.Struct, name: str, *fields: int) -> bytes:
    try:
        return layout.pack(*fields)
    except struct.error as error:
        raise LocalProtocolError(f"{name}: a field is out of range: {error}") from error


def _unpack(layout: struct.Struct, payload: bytes, name: str) -> tuple[int, ...]:
    if len(payload) < layout.size:
        raise _malformed(f"{name} has at least {layout.size} octets of payload, got {len(payload)}")
    return layout.unpack_from(payload)


def _malformed(message: str) -> RemoteProtocolError:
    return RemoteProtocolError(message, status=Status.MALFORMED_COMMAND)
