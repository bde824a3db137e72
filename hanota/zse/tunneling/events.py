"""What the ends of a tunnel report."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class TunnelFailure(StrEnum):
    """Why a tunnel could not be had, or a message not be sent."""

    NO_ANSWER = "the device does not answer RequestTunnel"
    BUSY = "the device stays busy"
    NO_TUNNEL_IDS = "the device has no tunnel left"
    PROTOCOL_NOT_SUPPORTED = "the device does not tunnel this protocol"
    FLOW_CONTROL_NOT_SUPPORTED = "the device does not support the flow control asked for"
    REFUSED = "the device refused the command"
    NO_SUCH_TUNNEL = "the device keeps losing the tunnel"
    DATA_OVERFLOW = "the device has no room for the message"
    TOO_LARGE = "the message is larger than the device takes"
    NOT_DELIVERED = "the radio could not deliver the message"
    NO_TUNNEL = "no tunnel was opened in time"
    CLOSED = "the tunnel was closed for good"


@dataclass(frozen=True, slots=True)
class TunnelOpened:
    """A tunnel is open; `maximum_transfer_size` is what the peer takes in one TransferData, in octets."""

    tunnel_id: int
    maximum_transfer_size: int


@dataclass(frozen=True, slots=True)
class TunnelClosed:
    """A tunnel that was open is no more."""

    tunnel_id: int


@dataclass(frozen=True, slots=True)
class TunnelFailed:
    """No tunnel could be opened; the next `send` or `open` asks again."""

    reason: TunnelFailure


@dataclass(frozen=True, slots=True)
class DataReceived:
    """Octets came through the tunnel."""

    data: bytes


@dataclass(frozen=True, slots=True)
class SendFailed:
    """A message was given up."""

    data: bytes
    reason: TunnelFailure


TunnelEvent = TunnelOpened | TunnelClosed | TunnelFailed | DataReceived | SendFailed
