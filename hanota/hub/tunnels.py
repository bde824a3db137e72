"""The tunnels to the devices: one Tunneling client for each, GBCS octets in and out unchanged."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from hanota.errors import LocalProtocolError, RadioError, RemoteProtocolError
from hanota.hub.events import EventKind, Party
from hanota.hub.ports import Priority
from hanota.zcl import ClusterId, ZclFrame
from hanota.zse.tunneling import (
    DataReceived,
    SendFailed,
    TransferData,
    TunnelClient,
    TunnelClosed,
    TunnelFailed,
    TunnelOpened,
    decode_command,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from hanota.clock import Clock
    from hanota.eui64 import Eui64
    from hanota.hub.delivery import Delivery
    from hanota.hub.events import Json
    from hanota.hub.journal import Journal
    from hanota.hub.ports import HanFrame
    from hanota.hub.refusals import Refusals
    from hanota.zse.tunneling import TunnelClientSettings, TunnelEvent


class Tunnels:
    """Relays GBCS messages; it reads none of them and filters none (GBCS 7.2: the CHF only relays)."""

    def __init__(
        self,
        journal: Journal,
        delivery: Delivery,
        refusals: Refusals,
        *,
        clock: Clock,
        settings: TunnelClientSettings,
        wake: Callable[[], None],
        message_received: Callable[[Eui64, bytes], None],
        message_delivered: Callable[[Eui64, bytes], None],
        send_failed: Callable[[Eui64, bytes, str], None],
    ) -> None:
        self._journal, self._delivery, self._refusals, self._clock = journal, delivery, refusals, clock
        self._settings, self._wake = settings, wake
        self._message_received, self._send_failed = message_received, send_failed
        self._message_delivered = message_delivered
        self._clients: dict[Eui64, TunnelClient] = {}

    def open(self, device: Eui64, now: float) -> None:
        """Have a tunnel to `device`: when it joined, and at power on (GBCS 10.2.2)."""
        self._client(device).open(now)

    def reopen(self, device: Eui64, now: float) -> None:
        """Ask for a new tunnel: a device that joined again has forgotten the old one."""
        self._client(device).reopen(now)

    def close(self, device: Eui64) -> None:
        """Forget the tunnel of a device that left the Device Log, and give up what waits for it."""
        client = self._clients.pop(device, None)
        if client is not None:
            client.close()
            for event in client.events():
                self._told(device, event)

    def send(self, device: Eui64, octets: bytes, now: float) -> None:
        """Queue one GBCS message; raise LocalProtocolError when the queue is full or it is too large."""
        self._client(device).send(octets, now)

    def receive(self, frame: HanFrame) -> None:
        """Take one ZCL frame on the Tunneling cluster; the device's fault is answered and noted."""
        try:
            self._client(frame.device).receive(frame.data, frame.at)
        except RemoteProtocolError as error:
            self._refusals.record(
                EventKind.TUNNEL_FAILED,
                Party.DEVICE,
                Party.HUB,
                device=frame.device,
                detail={"reason": str(error)},
            )
            self._answer_fault(frame, error)

    def pump(self) -> None:
        """Hand queued frames to the radio and tell what happened."""
        for device, client in tuple(self._clients.items()):
            for data in client.requests():
                self._post(device, client, data)
            for event in client.events():
                self._told(device, event)

    def next_timer(self) -> float | None:
        """Return when `expire` is due, None where nothing is waited for."""
        timers = (client.next_timer() for client in self._clients.values())
        return min((timer for timer in timers if timer is not None), default=None)

    def expire(self, now: float) -> None:
        """Let time pass for every tunnel."""
        for client in self._clients.values():
            client.expire(now)

    def _client(self, device: Eui64) -> TunnelClient:
        return self._clients.setdefault(device, TunnelClient(self._settings))

    def _post(self, device: Eui64, client: TunnelClient, data: bytes) -> None:
        def done(error: RadioError | LocalProtocolError | None) -> None:
            if error is not None:
                client.undelivered(data, self._clock.now())
                self._wake()
            elif (message := _message_in(data)) is not None:
                self._message_delivered(device, message)

        self._delivery.post(device, ClusterId.TUNNELING, data, Priority.CRITICAL, done)

    def _answer_fault(self, frame: HanFrame, error: RemoteProtocolError) -> None:
        try:
            request = ZclFrame.decode(frame.data)
        except RemoteProtocolError:
            return
        if request.is_default_response or error.status is None:
            return
        answer = request.default_response(error.status).encode()
        self._delivery.post(frame.device, frame.cluster, answer, Priority.NORMAL, lambda _: None)

    def _told(self, device: Eui64, event: TunnelEvent) -> None:
        match event:
            case TunnelOpened():
                self._note(
                    EventKind.TUNNEL_OPENED,
                    device,
                    tunnel=event.tunnel_id,
                    octets=event.maximum_transfer_size,
                )
            case TunnelClosed():
                self._note(EventKind.TUNNEL_CLOSED, device, tunnel=event.tunnel_id)
            case TunnelFailed():
                self._note(EventKind.TUNNEL_FAILED, device, reason=str(event.reason))
            case DataReceived():
                self._message_received(device, event.data)
            case SendFailed():
                self._note(EventKind.TUNNEL_FAILED, device, reason=str(event.reason))
                self._send_failed(device, event.data, str(event.reason))
            case _:
                assert_never(event)

    def _note(self, kind: EventKind, device: Eui64, **detail: Json) -> None:
        self._journal.record(kind, Party.DEVICE, Party.HUB, device=device, detail=detail)


def _message_in(frame: bytes) -> bytes | None:
    """Return the GBCS message that a frame of ours carried, None where it carried none."""
    command = decode_command(ZclFrame.decode(frame))
    return command.data if isinstance(command, TransferData) else None
