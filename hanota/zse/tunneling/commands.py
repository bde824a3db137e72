"""Commands of the Tunneling cluster 0x0704 (ZSE, Tunneling cluster; GBCS 10.2.2).

The same command has another identifier in the other direction: TransferData is 0x02 to the server and 0x01 to
the client. Octets after a command of fixed length are ignored, so that later revisions may append fields.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Self

from hanota.errors import LocalProtocolError, RemoteProtocolError
from hanota.zcl import Direction, Status, ZclFrame


class RequestTunnelStatus(IntEnum):
    """How a server answers RequestTunnel."""

    SUCCESS = 0x00
    BUSY = 0x01
    NO_MORE_TUNNEL_IDS = 0x02
    PROTOCOL_NOT_SUPPORTED = 0x03
    FLOW_CONTROL_NOT_SUPPORTED = 0x04


class TransferDataStatus(IntEnum):
    """Why TransferData was refused."""

    NO_SUCH_TUNNEL = 0x00
    WRONG_DEVICE = 0x01
    DATA_OVERFLOW = 0x02


def _unpack(layout: struct.Struct, payload: bytes, name: str) -> tuple[int, ...]:
    if len(payload) < layout.size:
        raise RemoteProtocolError(
            f"{name} has at least {layout.size} octets of payload, got {len(payload)}",
            status=Status.MALFORMED_COMMAND,
        )
    return layout.unpack_from(payload)


def _pack(layout: struct.Struct, name: str, *fields: int) -> bytes:
    try:
        return layout.pack(*fields)
    except struct.error as error:
        raise LocalProtocolError(f"{name}: a field is out of range: {error}") from error


_TUNNEL_ID: Final = struct.Struct("<H")
_OCTETS_LEFT: Final = struct.Struct("<HH")


@dataclass(frozen=True, slots=True)
class RequestTunnel:
    """Ask the server for a tunnel; `maximum_incoming_transfer_size` is what the client takes, in octets."""

    protocol_id: int
    manufacturer_code: int
    flow_control_support: bool
    maximum_incoming_transfer_size: int

    _LAYOUT = struct.Struct("<BHBH")

    def encode(self) -> bytes:
        """Return the payload; raise LocalProtocolError for a field out of range."""
        return _pack(
            self._LAYOUT,
            "RequestTunnel",
            self.protocol_id,
            self.manufacturer_code,
            self.flow_control_support,
            self.maximum_incoming_transfer_size,
        )

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        """Parse the payload; raise RemoteProtocolError when it is short."""
        protocol_id, manufacturer_code, flow_control, size = _unpack(cls._LAYOUT, payload, "RequestTunnel")
        return cls(protocol_id, manufacturer_code, bool(flow_control), size)


@dataclass(frozen=True, slots=True)
class RequestTunnelResponse:
    """Answer RequestTunnel; `tunnel_id` has a meaning with SUCCESS only."""

    tunnel_id: int
    status: RequestTunnelStatus
    maximum_incoming_transfer_size: int

    _LAYOUT = struct.Struct("<HBH")

    def encode(self) -> bytes:
        """Return the payload; raise LocalProtocolError for a field out of range."""
        return _pack(
            self._LAYOUT,
            "RequestTunnelResponse",
            self.tunnel_id,
            self.status,
            self.maximum_incoming_transfer_size,
        )

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        """Parse the payload; raise RemoteProtocolError when it is short or its status unknown."""
        tunnel_id, status, size = _unpack(cls._LAYOUT, payload, "RequestTunnelResponse")
        try:
            return cls(tunnel_id, RequestTunnelStatus(status), size)
        except ValueError as error:
            raise RemoteProtocolError(
                f"unknown RequestTunnelResponse status {status:#04x}", status=Status.INVALID_VALUE
            ) from error


@dataclass(frozen=True, slots=True)
class CloseTunnel:
    """Close a tunnel from the client's side."""

    tunnel_id: int

    def encode(self) -> bytes:
        """Return the payload; raise LocalProtocolError for a field out of range."""
        return _pack(_TUNNEL_ID, "CloseTunnel", self.tunnel_id)

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        """Parse the payload; raise RemoteProtocolError when it is short."""
        return cls(*_unpack(_TUNNEL_ID, payload, "CloseTunnel"))


@dataclass(frozen=True, slots=True)
class TransferData:
    """Carry octets through the tunnel: all that follows the identifier, with no length before them."""

    tunnel_id: int
    data: bytes

    def encode(self) -> bytes:
        """Return the payload; raise LocalProtocolError for a field out of range."""
        return _pack(_TUNNEL_ID, "TransferData", self.tunnel_id) + self.data

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        """Parse the payload; raise RemoteProtocolError when it is short."""
        (tunnel_id,) = _unpack(_TUNNEL_ID, payload, "TransferData")
        return cls(tunnel_id, bytes(payload[_TUNNEL_ID.size :]))


@dataclass(frozen=True, slots=True)
class TransferDataError:
    """Refuse TransferData."""

    tunnel_id: int
    status: TransferDataStatus

    _LAYOUT = struct.Struct("<HB")

    def encode(self) -> bytes:
        """Return the payload; raise LocalProtocolError for a field out of range."""
        return _pack(self._LAYOUT, "TransferDataError", self.tunnel_id, self.status)

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        """Parse the payload; raise RemoteProtocolError when it is short or its status unknown."""
        tunnel_id, status = _unpack(cls._LAYOUT, payload, "TransferDataError")
        try:
            return cls(tunnel_id, TransferDataStatus(status))
        except ValueError as error:
            raise RemoteProtocolError(
                f"unknown TransferDataError status {status:#04x}", status=Status.INVALID_VALUE
            ) from error


@dataclass(frozen=True, slots=True)
class AckTransferData:
    """Acknowledge TransferData under flow control, which GBCS does not use."""

    tunnel_id: int
    octets_left: int

    def encode(self) -> bytes:
        """Return the payload; raise LocalProtocolError for a field out of range."""
        return _pack(_OCTETS_LEFT, "AckTransferData", self.tunnel_id, self.octets_left)

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        """Parse the payload; raise RemoteProtocolError when it is short."""
        return cls(*_unpack(_OCTETS_LEFT, payload, "AckTransferData"))


@dataclass(frozen=True, slots=True)
class ReadyData:
    """Tell the peer to go on under flow control, which GBCS does not use."""

    tunnel_id: int
    octets_left: int

    def encode(self) -> bytes:
        """Return the payload; raise LocalProtocolError for a field out of range."""
        return _pack(_OCTETS_LEFT, "ReadyData", self.tunnel_id, self.octets_left)

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        """Parse the payload; raise RemoteProtocolError when it is short."""
        return cls(*_unpack(_OCTETS_LEFT, payload, "ReadyData"))


@dataclass(frozen=True, slots=True)
class GetSupportedTunnelProtocols:
    """Ask which protocols the server tunnels, from `protocol_offset` on."""

    protocol_offset: int

    _LAYOUT = struct.Struct("<B")

    def encode(self) -> bytes:
        """Return the payload; raise LocalProtocolError for a field out of range."""
        return _pack(self._LAYOUT, "GetSupportedTunnelProtocols", self.protocol_offset)

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        """Parse the payload; raise RemoteProtocolError when it is short."""
        return cls(*_unpack(cls._LAYOUT, payload, "GetSupportedTunnelProtocols"))


@dataclass(frozen=True, slots=True)
class TunnelProtocol:
    """One protocol a server tunnels; manufacturer code 0xFFFF means a standard one."""

    manufacturer_code: int
    protocol_id: int


@dataclass(frozen=True, slots=True)
class SupportedTunnelProtocolsResponse:
    """Tell which protocols the server tunnels."""

    list_complete: bool
    protocols: tuple[TunnelProtocol, ...]

    _HEAD = struct.Struct("<BB")
    _ENTRY = struct.Struct("<HB")

    def encode(self) -> bytes:
        """Return the payload; raise LocalProtocolError for a field out of range."""
        name = "SupportedTunnelProtocolsResponse"
        head = _pack(self._HEAD, name, self.list_complete, len(self.protocols))
        return head + b"".join(
            _pack(self._ENTRY, name, entry.manufacturer_code, entry.protocol_id) for entry in self.protocols
        )

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        """Parse the payload; raise RemoteProtocolError when it is shorter than its count says."""
        name = "SupportedTunnelProtocolsResponse"
        complete, count = _unpack(cls._HEAD, payload, name)
        rest = payload[cls._HEAD.size :]
        size = cls._ENTRY.size
        return cls(
            bool(complete),
            tuple(TunnelProtocol(*_unpack(cls._ENTRY, rest[i * size :], name)) for i in range(count)),
        )


@dataclass(frozen=True, slots=True)
class TunnelClosureNotification:
    """Tell the client that the server closed a tunnel."""

    tunnel_id: int

    def encode(self) -> bytes:
        """Return the payload; raise LocalProtocolError for a field out of range."""
        return _pack(_TUNNEL_ID, "TunnelClosureNotification", self.tunnel_id)

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        """Parse the payload; raise RemoteProtocolError when it is short."""
        return cls(*_unpack(_TUNNEL_ID, payload, "TunnelClosureNotification"))


TunnelCommand = (
    RequestTunnel
    | RequestTunnelResponse
    | CloseTunnel
    | TransferData
    | TransferDataError
    | AckTransferData
    | ReadyData
    | GetSupportedTunnelProtocols
    | SupportedTunnelProtocolsResponse
    | TunnelClosureNotification
)

_COMMANDS: Final[dict[Direction, dict[int, type[TunnelCommand]]]] = {
    Direction.TO_SERVER: {
        0x00: RequestTunnel,
        0x01: CloseTunnel,
        0x02: TransferData,
        0x03: TransferDataError,
        0x04: AckTransferData,
        0x05: ReadyData,
        0x06: GetSupportedTunnelProtocols,
    },
    Direction.TO_CLIENT: {
        0x00: RequestTunnelResponse,
        0x01: TransferData,
        0x02: TransferDataError,
        0x03: AckTransferData,
        0x04: ReadyData,
        0x05: SupportedTunnelProtocolsResponse,
        0x06: TunnelClosureNotification,
    },
}
_IDENTIFIERS: Final = {
    direction: {kind: identifier for identifier, kind in commands.items()}
    for direction, commands in _COMMANDS.items()
}


def encode_command(command: TunnelCommand, direction: Direction, sequence: int) -> ZclFrame:
    """Return `command` as a frame, default response disabled (GBCS 10.2.2).

    Raise LocalProtocolError where the command does not go in that direction or a field is out of range.
    """
    identifier = _IDENTIFIERS[direction].get(type(command))
    if identifier is None:
        raise LocalProtocolError(f"{type(command).__name__} does not go {direction.name.lower()}")
    return ZclFrame(sequence, identifier, command.encode(), direction)


def decode_command(frame: ZclFrame) -> TunnelCommand:
    """Parse the cluster command in `frame`.

    Raise RemoteProtocolError with UNSUP_CLUSTER_COMMAND for a command this cluster does not have,
    MALFORMED_COMMAND for a short payload, INVALID_VALUE for an unknown status.
    """
    kind = _COMMANDS[frame.direction].get(frame.command)
    if kind is None or not frame.cluster_specific or frame.manufacturer_code is not None:
        raise RemoteProtocolError(
            f"no Tunneling command {frame.command:#04x} {frame.direction.name.lower()}",
            status=Status.UNSUP_CLUSTER_COMMAND,
        )
    return kind.decode(frame.payload)
