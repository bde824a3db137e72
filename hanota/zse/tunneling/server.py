"""The Tunneling server: a device's end of the tunnels to its hub (GBCS 10.2.2)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, assert_never

from hanota.errors import RemoteProtocolError
from hanota.zcl import Direction, Status, ZclFrame
from hanota.zse.tunneling.commands import (
    AckTransferData,
    CloseTunnel,
    GetSupportedTunnelProtocols,
    ReadyData,
    RequestTunnel,
    RequestTunnelResponse,
    RequestTunnelStatus,
    SupportedTunnelProtocolsResponse,
    TransferData,
    TransferDataError,
    TransferDataStatus,
    TunnelClosureNotification,
    TunnelProtocol,
    decode_command,
    encode_command,
)
from hanota.zse.tunneling.events import DataReceived, TunnelClosed, TunnelEvent, TunnelFailure, TunnelOpened
from hanota.zse.tunneling.outbox import Outbox, TransferSettings

if TYPE_CHECKING:
    from hanota.zse.tunneling.commands import TunnelCommand


@dataclass(frozen=True, slots=True)
class TunnelServerSettings:
    """What a device supports."""

    protocols: tuple[TunnelProtocol, ...] = (TunnelProtocol(manufacturer_code=0xFFFF, protocol_id=6),)
    """GBCS has one, the GB protocol."""
    tunnel_limit: int = 4
    """Tunnels at once; every RequestTunnel opens another."""
    maximum_incoming_transfer_size: int = 1500
    """Octets in one TransferData from the hub (GBCS 10.2.2)."""
    close_tunnel_timeout: float = 0xFFFF
    """Seconds without traffic after which a tunnel is closed: attribute CloseTunnelTimeout."""
    transfer: TransferSettings = field(default_factory=TransferSettings)


@dataclass(slots=True)
class _Tunnel:
    peer_size: int
    expires: float


class TunnelServer:
    """The tunnels one hub opened to this device; messages go through the newest.

    Drain `responses` and `events` after every other call. Assign `refusal` to answer every RequestTunnel so.
    """

    def __init__(self, settings: TunnelServerSettings | None = None) -> None:
        self._settings = settings or TunnelServerSettings()
        self.refusal: RequestTunnelStatus | None = None
        self._tunnels: dict[int, _Tunnel] = {}
        self._sequence = 0
        self._frames: list[bytes] = []
        self._events: list[TunnelEvent] = []
        self._outbox = Outbox(self._settings.transfer, self._events.append)

    @property
    def tunnel_ids(self) -> tuple[int, ...]:
        """The open tunnels' identifiers, oldest first."""
        return tuple(self._tunnels)

    def send(self, data: bytes, now: float) -> None:
        """Queue one message for the newest tunnel, or for the next; raise LocalProtocolError when full."""
        self._outbox.add(data, now)
        self._flush(now)

    def receive(self, data: bytes, now: float) -> None:
        """Take one ZCL frame from the hub on this cluster; raise RemoteProtocolError."""
        frame = ZclFrame.decode(data)
        if frame.is_default_response:
            return
        if frame.direction is not Direction.TO_SERVER:
            raise RemoteProtocolError(
                "a Tunneling client sent a server's command", status=Status.UNSUP_CLUSTER_COMMAND
            )
        self._handle(decode_command(frame), frame.sequence, now)

    def undelivered(self, data: bytes, now: float) -> None:
        """Learn that the radio could not deliver a frame that `responses` returned."""
        self._outbox.undelivered(ZclFrame.decode(data).sequence, now)

    def responses(self) -> list[bytes]:
        """Return the ZCL frames to send to the hub, in order, once."""
        frames, self._frames[:] = list(self._frames), []
        return frames

    def events(self) -> list[TunnelEvent]:
        """Return what happened since the last call."""
        events, self._events[:] = list(self._events), []
        return events

    def next_timer(self) -> float | None:
        """Return when `expire` is due, or None."""
        timers = [tunnel.expires for tunnel in self._tunnels.values()]
        if (due := self._outbox.next_timer(tunnel=bool(self._tunnels))) is not None:
            timers.append(due)
        return min(timers, default=None)

    def expire(self, now: float) -> None:
        """Do what has fallen due."""
        for tunnel_id in [key for key, tunnel in self._tunnels.items() if now >= tunnel.expires]:
            self._emit(TunnelClosureNotification(tunnel_id))
            self._drop(tunnel_id)
        self._outbox.expire(now, TunnelFailure.NO_TUNNEL)
        self._flush(now)

    def _handle(self, command: TunnelCommand, sequence: int, now: float) -> None:
        match command:
            case RequestTunnel():
                self._open(command, sequence, now)
            case CloseTunnel():
                self._drop(command.tunnel_id)
            case TransferData():
                self._take_data(command, sequence, now)
            case TransferDataError():
                self._transfer_failed(command, sequence, now)
            case GetSupportedTunnelProtocols():
                rest = self._settings.protocols[command.protocol_offset :]
                self._emit(SupportedTunnelProtocolsResponse(list_complete=True, protocols=rest), sequence)
            case (
                AckTransferData()
                | ReadyData()
                | RequestTunnelResponse()
                | SupportedTunnelProtocolsResponse()
                | TunnelClosureNotification()
            ):
                raise RemoteProtocolError(
                    f"{type(command).__name__} was not asked for", status=Status.UNSUP_CLUSTER_COMMAND
                )
            case _ as never:
                assert_never(never)

    def _open(self, request: RequestTunnel, sequence: int, now: float) -> None:
        status = self._judge(request)
        tunnel_id = 0
        if status is RequestTunnelStatus.SUCCESS:
            tunnel_id = next(
                number for number in range(self._settings.tunnel_limit) if number not in self._tunnels
            )
            expires = now + self._settings.close_tunnel_timeout
            self._tunnels[tunnel_id] = _Tunnel(request.maximum_incoming_transfer_size, expires)
            self._events.append(TunnelOpened(tunnel_id, request.maximum_incoming_transfer_size))
        size = self._settings.maximum_incoming_transfer_size
        self._emit(RequestTunnelResponse(tunnel_id, status, size), sequence)
        self._flush(now)

    def _judge(self, request: RequestTunnel) -> RequestTunnelStatus:
        if self.refusal is not None:
            return self.refusal
        if TunnelProtocol(request.manufacturer_code, request.protocol_id) not in self._settings.protocols:
            return RequestTunnelStatus.PROTOCOL_NOT_SUPPORTED
        if request.flow_control_support:
            return RequestTunnelStatus.FLOW_CONTROL_NOT_SUPPORTED
        if len(self._tunnels) >= self._settings.tunnel_limit:
            return RequestTunnelStatus.NO_MORE_TUNNEL_IDS
        return RequestTunnelStatus.SUCCESS

    def _take_data(self, command: TransferData, sequence: int, now: float) -> None:
        tunnel = self._tunnels.get(command.tunnel_id)
        if tunnel is None:
            self._emit(TransferDataError(command.tunnel_id, TransferDataStatus.NO_SUCH_TUNNEL), sequence)
            return
        tunnel.expires = now + self._settings.close_tunnel_timeout
        if len(command.data) > self._settings.maximum_incoming_transfer_size:
            self._emit(TransferDataError(command.tunnel_id, TransferDataStatus.DATA_OVERFLOW), sequence)
        else:
            self._events.append(DataReceived(command.data))

    def _transfer_failed(self, error: TransferDataError, sequence: int, now: float) -> None:
        message = self._outbox.recall(sequence)
        if error.status is TransferDataStatus.DATA_OVERFLOW:
            if message is not None:
                self._outbox.fail(message, TunnelFailure.DATA_OVERFLOW)
            return
        self._drop(error.tunnel_id)
        if message is not None:
            self._outbox.retry(message, TunnelFailure.NO_SUCH_TUNNEL)
        self._flush(now)

    def _flush(self, now: float) -> None:
        if not self._tunnels:
            return
        tunnel_id, tunnel = next(reversed(self._tunnels.items()))
        while (message := self._outbox.take(tunnel.peer_size, now)) is not None:
            tunnel.expires = now + self._settings.close_tunnel_timeout
            message.sequence = self._emit(TransferData(tunnel_id, message.data))

    def _drop(self, tunnel_id: int) -> None:
        if self._tunnels.pop(tunnel_id, None) is not None:
            self._events.append(TunnelClosed(tunnel_id))

    def _emit(self, command: TunnelCommand, sequence: int | None = None) -> int:
        """Queue a frame and return its sequence number, the next of ours unless `sequence` is echoed."""
        if sequence is None:
            sequence = self._sequence = (self._sequence + 1) & 0xFF
        self._frames.append(encode_command(command, Direction.TO_CLIENT, sequence).encode())
        return sequence
