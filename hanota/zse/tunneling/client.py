"""The Tunneling client: the hub's end of the tunnel to one device (GBCS 10.2.2)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final, assert_never

from hanota.errors import LocalProtocolError, RemoteProtocolError
from hanota.zcl import DefaultResponse, Direction, Status, ZclFrame
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
    decode_command,
    encode_command,
)
from hanota.zse.tunneling.events import (
    DataReceived,
    TunnelClosed,
    TunnelEvent,
    TunnelFailed,
    TunnelFailure,
    TunnelOpened,
)
from hanota.zse.tunneling.outbox import Outbox, TransferSettings

if TYPE_CHECKING:
    from hanota.zse.tunneling.commands import TunnelCommand


@dataclass(frozen=True, slots=True)
class TunnelClientSettings:
    """What the hub asks for and how long it waits; defaults are those of GBCS 10.2.2 where it gives one."""

    protocol_id: int = 6
    """The GB protocol."""
    manufacturer_code: int = 0xFFFF
    """0xFFFF: the protocol is a standard one."""
    maximum_incoming_transfer_size: int = 1500
    """Octets in one TransferData from the device."""
    tunnel_lifetime: float = 0xFFFF
    """Seconds after RequestTunnelResponse at which a tunnel is asked for again."""
    busy_retry: float = 180
    """Seconds before asking a busy device again."""
    response_timeout: float = 10
    """Seconds to wait for RequestTunnelResponse; above the indirect queue of a sleeping device (7.68 s)."""
    request_attempts: int = 3
    """RequestTunnel frames without any answer before the device counts as silent."""
    clearing_attempts: int = 2
    """How often tunnels are closed and asked for again when the device has no identifier left."""
    presumed_tunnel_ids: range = range(4)
    """Identifiers to close when the device has none left and ours are forgotten, as after a restart."""
    transfer: TransferSettings = field(default_factory=TransferSettings)


class _State(Enum):
    CLOSED = "closed"
    REQUESTING = "requesting"
    BUSY = "busy"
    OPEN = "open"


_STATUS_FAILURES: Final = {
    RequestTunnelStatus.PROTOCOL_NOT_SUPPORTED: TunnelFailure.PROTOCOL_NOT_SUPPORTED,
    RequestTunnelStatus.FLOW_CONTROL_NOT_SUPPORTED: TunnelFailure.FLOW_CONTROL_NOT_SUPPORTED,
}


class TunnelClient:
    """One tunnel to one device, opened when it is needed and opened again when it is lost.

    Drain `requests` and `events` after every other call, and give frames the radio could not deliver to
    `undelivered`: each message is then delivered or ends in SendFailed, unless it was lost without a word.
    """

    def __init__(self, settings: TunnelClientSettings | None = None) -> None:
        self._settings = settings or TunnelClientSettings()
        self._state = _State.CLOSED
        self._deadline: float | None = None
        self._tunnel: int | None = None
        self._peer_size = 0
        self._opened: set[int] = set()
        self._requested: list[int] = []
        self._clearings = 0
        self._sequence = 0
        self._frames: list[bytes] = []
        self._events: list[TunnelEvent] = []
        self._outbox = Outbox(self._settings.transfer, self._events.append)

    @property
    def tunnel_id(self) -> int | None:
        """The open tunnel's identifier, or None."""
        return self._tunnel

    def open(self, now: float) -> None:
        """Ask for a tunnel unless there is one: after joining and at power on (GBCS 10.2.2)."""
        if self._state is _State.CLOSED:
            self._clearings = 0
            self._request(now, [])

    def reopen(self, now: float) -> None:
        """Ask for another tunnel: the device restarted and has forgotten the one that was open."""
        self._lose_tunnel()
        self._opened.clear()
        self.open(now)

    def close(self) -> None:
        """Forget the tunnel and give up what waits: the device is no longer to be talked to."""
        self._lose_tunnel()
        self._opened.clear()
        self._frames.clear()
        self._outbox.fail_all(TunnelFailure.CLOSED)

    def send(self, data: bytes, now: float) -> None:
        """Queue one GBCS message.

        Raise LocalProtocolError when the queue is full or the message larger than the device takes.
        """
        if self._tunnel is not None and len(data) > self._peer_size:
            raise LocalProtocolError(f"{len(data)} octets, but the device takes {self._peer_size} at once")
        self._outbox.add(data, now)
        self.open(now)
        self._flush(now)

    def receive(self, data: bytes, now: float) -> None:
        """Take one ZCL frame from the device on this cluster; raise RemoteProtocolError."""
        frame = ZclFrame.decode(data)
        if frame.is_default_response:
            self._refused(frame.sequence, DefaultResponse.decode(frame.payload))
        elif frame.direction is Direction.TO_CLIENT:
            self._handle(decode_command(frame), frame.sequence, now)
        else:
            raise RemoteProtocolError(
                "a Tunneling server sent a client's command", status=Status.UNSUP_CLUSTER_COMMAND
            )

    def undelivered(self, data: bytes, now: float) -> None:
        """Learn that the radio could not deliver a frame that `requests` returned."""
        self._outbox.undelivered(ZclFrame.decode(data).sequence, now)

    def requests(self) -> list[bytes]:
        """Return the ZCL frames to send to the device, in order, once."""
        frames, self._frames[:] = list(self._frames), []
        return frames

    def events(self) -> list[TunnelEvent]:
        """Return what happened since the last call."""
        events, self._events[:] = list(self._events), []
        return events

    def next_timer(self) -> float | None:
        """Return when `expire` is due, or None."""
        timers = (self._deadline, self._outbox.next_timer(tunnel=self._state is _State.OPEN))
        return min((timer for timer in timers if timer is not None), default=None)

    def expire(self, now: float) -> None:
        """Do what has fallen due."""
        busy = self._state is _State.BUSY
        if self._deadline is not None and now >= self._deadline:
            self._on_deadline(now)
        self._outbox.expire(now, TunnelFailure.BUSY if busy else TunnelFailure.NO_TUNNEL)
        self._flush(now)

    def _on_deadline(self, now: float) -> None:
        match self._state:
            case _State.REQUESTING:
                if len(self._requested) < self._settings.request_attempts:
                    self._request(now, self._requested)
                else:
                    self._fail(TunnelFailure.NO_ANSWER)
            case _State.BUSY:
                self._request(now, [])
            case _State.OPEN:
                self._close_at_peer(self._opened)
                self._lose_tunnel()
                self._request(now, [])
            case _State.CLOSED:
                self._deadline = None
            case _ as never:
                assert_never(never)

    def _handle(self, command: TunnelCommand, sequence: int, now: float) -> None:
        match command:
            case RequestTunnelResponse():
                self._answered(command, sequence, now)
            case TransferData():
                self._take_data(command, sequence)
            case TransferDataError():
                self._transfer_failed(command, sequence, now)
            case TunnelClosureNotification():
                self._opened.discard(command.tunnel_id)
                if command.tunnel_id == self._tunnel:
                    self._lose_tunnel()
                    self._request(now, [])
            case (
                AckTransferData()
                | ReadyData()
                | SupportedTunnelProtocolsResponse()
                | RequestTunnel()
                | CloseTunnel()
                | GetSupportedTunnelProtocols()
            ):
                raise RemoteProtocolError(
                    f"{type(command).__name__} was not asked for", status=Status.UNSUP_CLUSTER_COMMAND
                )
            case _ as never:
                assert_never(never)

    def _answered(self, response: RequestTunnelResponse, sequence: int, now: float) -> None:
        if self._state is not _State.REQUESTING or sequence not in self._requested:
            # The device opened a second tunnel for a request we had repeated: give it back.
            if response.status is RequestTunnelStatus.SUCCESS and response.tunnel_id != self._tunnel:
                self._close_at_peer({response.tunnel_id})
            return
        match response.status:
            case RequestTunnelStatus.SUCCESS:
                self._state, self._deadline = _State.OPEN, now + self._settings.tunnel_lifetime
                self._tunnel, self._peer_size = response.tunnel_id, response.maximum_incoming_transfer_size
                self._opened.add(response.tunnel_id)
                self._clearings = 0
                self._events.append(TunnelOpened(self._tunnel, self._peer_size))
                self._flush(now)
            case RequestTunnelStatus.BUSY:
                self._state, self._deadline = _State.BUSY, now + self._settings.busy_retry
            case RequestTunnelStatus.NO_MORE_TUNNEL_IDS:
                self._clearings += 1
                if self._clearings > self._settings.clearing_attempts:
                    self._fail(TunnelFailure.NO_TUNNEL_IDS)
                else:
                    self._close_at_peer(self._opened or set(self._settings.presumed_tunnel_ids))
                    self._request(now, [])
            case (
                RequestTunnelStatus.PROTOCOL_NOT_SUPPORTED | RequestTunnelStatus.FLOW_CONTROL_NOT_SUPPORTED
            ) as status:
                self._fail(_STATUS_FAILURES[status])
            case _ as never:
                assert_never(never)

    def _take_data(self, command: TransferData, sequence: int) -> None:
        if command.tunnel_id != self._tunnel:
            status = TransferDataStatus.NO_SUCH_TUNNEL
        elif len(command.data) > self._settings.maximum_incoming_transfer_size:
            status = TransferDataStatus.DATA_OVERFLOW
        else:
            self._events.append(DataReceived(command.data))
            return
        self._emit(TransferDataError(command.tunnel_id, status), sequence)

    def _transfer_failed(self, error: TransferDataError, sequence: int, now: float) -> None:
        current = error.tunnel_id == self._tunnel
        message = self._outbox.recall(sequence)
        if message is None and current:
            message = self._outbox.recall_latest(now)
        if error.status is TransferDataStatus.DATA_OVERFLOW:
            if message is not None:
                self._outbox.fail(message, TunnelFailure.DATA_OVERFLOW)
            return
        self._opened.discard(error.tunnel_id)
        if message is not None:
            self._outbox.retry(message, TunnelFailure.NO_SUCH_TUNNEL)
        if current:
            self._lose_tunnel()
            self._request(now, [])
        elif self._outbox:
            self.open(now)
        self._flush(now)

    def _refused(self, sequence: int, response: DefaultResponse) -> None:
        if response.status == Status.SUCCESS:
            return
        if self._state is _State.REQUESTING and sequence in self._requested:
            self._fail(TunnelFailure.REFUSED)
        elif (message := self._outbox.recall(sequence)) is not None:
            self._outbox.fail(message, TunnelFailure.REFUSED)

    def _request(self, now: float, earlier: list[int]) -> None:
        settings = self._settings
        request = RequestTunnel(
            protocol_id=settings.protocol_id,
            manufacturer_code=settings.manufacturer_code,
            flow_control_support=False,
            maximum_incoming_transfer_size=settings.maximum_incoming_transfer_size,
        )
        self._state, self._deadline = _State.REQUESTING, now + settings.response_timeout
        self._requested = [*earlier, self._emit(request)]

    def _flush(self, now: float) -> None:
        while self._tunnel is not None and (message := self._outbox.take(self._peer_size, now)) is not None:
            message.sequence = self._emit(TransferData(self._tunnel, message.data))

    def _close_at_peer(self, tunnel_ids: set[int]) -> None:
        for tunnel_id in sorted(tunnel_ids):
            self._emit(CloseTunnel(tunnel_id))
        self._opened -= tunnel_ids

    def _lose_tunnel(self) -> None:
        if self._tunnel is not None:
            self._events.append(TunnelClosed(self._tunnel))
        self._tunnel, self._state, self._deadline = None, _State.CLOSED, None

    def _fail(self, reason: TunnelFailure) -> None:
        self._state, self._deadline, self._requested = _State.CLOSED, None, []
        self._events.append(TunnelFailed(reason))
        self._outbox.fail_all(reason)

    def _emit(self, command: TunnelCommand, sequence: int | None = None) -> int:
        """Queue a frame and return its sequence number, the next of ours unless `sequence` is echoed."""
        if sequence is None:
            sequence = self._sequence = (self._sequence + 1) & 0xFF
        self._frames.append(encode_command(command, Direction.TO_SERVER, sequence).encode())
        return sequence
