"""The responder of key establishment: the hub's end, for many devices (SEP 07-5356-21, Annex C).

What each event does in each state stands in `server_table`. The rules, in the order they are checked:

- Initiate: length, exactly one suite bit, a suite of ours, the certificate's length, issuer, type, curve,
  hash and key usage, its subject the sender (`admission`); attempts in the window, exchanges at once.
- Ephemeral Data: sequence, length, not a key shown before by either side; then, computed off the event loop,
  not our own of this exchange, on the curve and of the curve's order (BAD_MESSAGE: the message is at fault),
  and the certificate stands for a key (INVALID_CERTIFICATE).
- Confirm Key: sequence, length, MAC. Only then the key leaves the machine; it is installed before the device
  is told, because the device may encrypt its next frame.

A request that is delivered again is answered again; nothing answers a Terminate or a Default Response.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from hanota.errors import LocalProtocolError, RemoteProtocolError
from hanota.zcl import Direction, Status, ZclFrame
from hanota.zse.cbke import KeyEstablishmentError, KeyEstablishmentStatus, Role
from hanota.zse.key_establishment.admission import admit
from hanota.zse.key_establishment.commands import (
    CommandId,
    ConfirmKey,
    EphemeralData,
    InitiateKeyEstablishment,
    TerminateKeyEstablishment,
    decode_command,
    encode_command,
    suite_bits,
)
from hanota.zse.key_establishment.events import Failed, InstallKey, KeyEstablished, RemoveKey
from hanota.zse.key_establishment.exchange import Exchange
from hanota.zse.key_establishment.peers import Peers
from hanota.zse.key_establishment.server_table import TABLE, Action, State, Trigger
from hanota.zse.key_establishment.settings import KeyEstablishmentSettings
from hanota.zse.key_establishment.work import SEED_OCTETS, PeerKeys, Work

if TYPE_CHECKING:
    from collections.abc import Callable

    from hanota.eui64 import Eui64
    from hanota.zse.cbke import SiteCredentials
    from hanota.zse.key_establishment.commands import KeyEstablishmentCommand
    from hanota.zse.key_establishment.events import ServerEvent
    from hanota.zse.key_establishment.server_table import Move
    from hanota.zse.key_establishment.work import WorkDone


@dataclass(frozen=True, slots=True)
class _Cause:
    """Why an exchange moves, and whose doing it is."""

    reason: str
    status: KeyEstablishmentStatus | None = None
    by_peer: bool = False
    reported: bool = True
    """False: one of many alike, of which the first was reported."""


class KeyEstablishmentServer:
    """The exchanges of one hub with its devices; drain `responses`, `work` and `events` after each call.

    For each InstallKey call `installed` or `not_installed` once, and act on events in their order. Nothing
    here raises whatever a device sends, and nothing here multiplies points: that is in `Work.run`. Making one
    raises LocalProtocolError unless the credentials' subject is `own`.
    """

    def __init__(
        self,
        site: SiteCredentials,
        settings: KeyEstablishmentSettings | None = None,
        *,
        own: Eui64,
        entropy: Callable[[int], bytes],
    ) -> None:
        if site.subject != own:
            raise LocalProtocolError(f"the credentials are those of {site.subject}, we are {own}")
        self._suites = site.suites
        self._settings = settings or KeyEstablishmentSettings()
        self._entropy = entropy
        self._exchanges: dict[Eui64, Exchange] = {}
        self._peers = Peers(self._settings)
        self._number = 0
        self._responses: list[tuple[Eui64, bytes]] = []
        self._work: list[Work] = []
        self._events: list[ServerEvent] = []

    def receive(self, device: Eui64, data: bytes, now: float) -> None:
        """Take one ZCL frame from `device` on this cluster."""
        try:
            frame = ZclFrame.decode(data)
        except RemoteProtocolError:
            return
        if not frame.cluster_specific:
            # Attributes are the owner's to serve, and a Default Response is not answered.
            return
        exchange = self._exchanges.get(device)
        if exchange is not None and exchange.repeats(frame):
            if exchange.answer is not None and frame == exchange.requests[-1]:
                self._send_answer(device, exchange)
            return
        initiates = frame.command == CommandId.INITIATE and frame.direction is Direction.TO_SERVER
        if initiates:
            self._peers.of(device).attempt(now)
        try:
            self._take(device, frame, decode_command(frame, Direction.TO_SERVER), now)
        except RemoteProtocolError as error:
            status = _refusal_status(error, frame)
            if status is None:
                answer = frame.default_response(error.status or Status.FAILURE)
                self._send(device, answer.encode())
                return
            reported = initiates and self._peers.of(device).excess <= 1
            cause = _Cause(str(error), status, reported=reported)
            self._apply(device, Trigger.REFUSED, now, cause, frame=frame)

    def finished(self, result: WorkDone, now: float) -> None:
        """Take what came of a Work; it counts for nothing where its exchange is over."""
        exchange = self._exchanges.get(result.device)
        if exchange is None or exchange.number != result.exchange:
            return
        if result.error is not None:
            cause = _Cause(str(result.error), result.error.status)
            self._apply(result.device, Trigger.REFUSED, now, cause)
        else:
            self._apply(result.device, Trigger.COMPUTED, now, _Cause(Trigger.COMPUTED), result=result)

    def installed(self, device: Eui64, now: float) -> None:
        """Learn that the key of the last InstallKey is in the stack."""
        self._apply(device, Trigger.INSTALLED, now, _Cause(Trigger.INSTALLED))

    def not_installed(self, device: Eui64, reason: str, now: float) -> None:
        """Learn that the key of the last InstallKey is not in the stack, nor anything else of it."""
        self._apply(device, Trigger.NOT_INSTALLED, now, _Cause(reason))

    def delivered(self, device: Eui64, data: bytes, now: float) -> None:
        """Learn that a frame that `responses` returned was acknowledged by the device."""
        exchange = self._exchanges.get(device)
        if exchange is not None and data == exchange.answer:
            self._apply(device, Trigger.DELIVERED, now, _Cause(Trigger.DELIVERED))

    def undelivered(self, device: Eui64, data: bytes, now: float) -> None:
        """Learn that a frame that `responses` returned was not acknowledged."""
        exchange = self._exchanges.get(device)
        if exchange is None or data != exchange.answer:
            return
        exchange.in_flight -= 1
        # One sent again, because the request came again, may still arrive.
        if exchange.in_flight <= 0:
            self._apply(device, Trigger.UNDELIVERED, now, _Cause(Trigger.UNDELIVERED))

    def forget(self, device: Eui64, now: float) -> None:
        """End the exchange with a device that left; its attempts and ephemeral keys stay remembered."""
        self._apply(device, Trigger.FORGET, now, _Cause(Trigger.FORGET))

    def responses(self) -> list[tuple[Eui64, bytes]]:
        """Return the ZCL frames to send, in order, once: plain, with APS acknowledgement."""
        responses, self._responses = self._responses, []
        return responses

    def work(self) -> list[Work]:
        """Return what is to be computed off the event loop, once; each result goes to `finished`."""
        work, self._work = self._work, []
        return work

    def events(self) -> list[ServerEvent]:
        """Return what happened since the last call."""
        events, self._events = self._events, []
        return events

    def next_timer(self) -> float | None:
        """Return when `expire` is due, or None."""
        return min((exchange.deadline for exchange in self._exchanges.values()), default=None)

    def expire(self, now: float) -> None:
        """Do what has fallen due."""
        for device in [key for key, each in self._exchanges.items() if now >= each.deadline]:
            cause = _Cause(f"{Trigger.TIMEOUT}: {self._exchanges[device].state}")
            self._apply(device, Trigger.TIMEOUT, now, cause)

    def _take(self, device: Eui64, frame: ZclFrame, command: KeyEstablishmentCommand, now: float) -> None:
        """Judge a command and move by it; raise KeyEstablishmentError where it is refused."""
        exchange = self._exchanges.get(device)
        match command:
            case InitiateKeyEstablishment():
                begun = self._admit(device, command)
                cause = _Cause("the device began again", by_peer=True)
                self._apply(device, Trigger.INITIATE, now, cause, frame=frame, begun=begun)
            case EphemeralData():
                if exchange is not None and exchange.state is State.INITIATED:
                    self._judge_ephemeral(device, exchange, command.public_key)
                cause = _Cause("Ephemeral Data out of sequence")
                self._apply(device, Trigger.EPHEMERAL_DATA, now, cause, frame=frame)
            case ConfirmKey():
                if exchange is not None and exchange.state is State.EPHEMERAL_SENT:
                    _judge_confirm(exchange, command.mac)
                cause = _Cause("Confirm Key out of sequence")
                self._apply(device, Trigger.CONFIRM_KEY, now, cause, frame=frame)
            case TerminateKeyEstablishment():
                status = command.known_status
                reason = f"the device terminated: {status.name if status else f'status {command.status}'}"
                self._apply(device, Trigger.TERMINATE, now, _Cause(reason, status, by_peer=True))
            case _:
                assert_never(command)

    def _admit(self, device: Eui64, initiate: InitiateKeyEstablishment) -> Exchange:
        credentials = admit(initiate, self._suites, device)
        if self._peers.of(device).excess:
            raise KeyEstablishmentError("the device begins too often", KeyEstablishmentStatus.NO_RESOURCES)
        others = sum(each.state.occupies for key, each in self._exchanges.items() if key != device)
        if others >= self._settings.exchanges:
            raise KeyEstablishmentError(
                f"{others} other exchanges are under way", KeyEstablishmentStatus.NO_RESOURCES
            )
        self._number += 1
        return Exchange(self._number, credentials, initiate)

    def _judge_ephemeral(self, device: Eui64, exchange: Exchange, ephemeral: bytes) -> None:
        expected = exchange.credentials.suite.parameters.point_octets
        if len(ephemeral) != expected:
            raise KeyEstablishmentError(
                f"an ephemeral key of {len(ephemeral)} octets, not {expected}",
                KeyEstablishmentStatus.BAD_MESSAGE,
            )
        if self._peers.of(device).has_seen(ephemeral):
            raise KeyEstablishmentError(
                "the ephemeral key was used before, by the device or by us",
                KeyEstablishmentStatus.BAD_MESSAGE,
            )

    def _apply(
        self,
        device: Eui64,
        trigger: Trigger,
        now: float,
        cause: _Cause,
        *,
        frame: ZclFrame | None = None,
        begun: Exchange | None = None,
        result: WorkDone | None = None,
    ) -> None:
        exchange = self._exchanges.get(device)
        state = exchange.state if exchange else State.IDLE
        move = TABLE[state][trigger]
        status = _terminate_status(move.action, cause)
        if move.remove_key:
            self._events.append(RemoveKey(device))
        if move.fails and (state.occupies or cause.reported):
            self._events.append(Failed(device, cause.reason, status or cause.status, cause.by_peer))
        if status is not None:
            sequence = frame.sequence if frame else exchange.sequence if exchange else 0
            self._terminate(device, status, sequence)
        if move.action is Action.BEGIN:
            exchange = begun
        if exchange is None:
            return
        if move.state is State.IDLE:
            del self._exchanges[device]
            return
        self._exchanges[device] = exchange
        exchange.enter(move.state, self._settings, now)
        self._act(device, exchange, move, frame, result)

    def _act(
        self, device: Eui64, exchange: Exchange, move: Move, frame: ZclFrame | None, result: WorkDone | None
    ) -> None:
        """Do what the table says, but for Terminate; the exchange is in its new state."""
        match move.action:
            case Action.BEGIN if frame:
                exchange.take(frame)
                self._answer(
                    device,
                    exchange,
                    InitiateKeyEstablishment(
                        exchange.credentials.suite.bit,
                        self._settings.ephemeral_time,
                        self._settings.confirm_time,
                        exchange.credentials.certificate,
                    ),
                )
            case Action.COMPUTE if frame:
                exchange.take(frame)
                self._compute(device, exchange, frame.payload)
            case Action.SEND_EPHEMERAL if result and result.own:
                exchange.keys = result.keys
                self._peers.of(device).remember(result.own.public)
                self._answer(device, exchange, EphemeralData(result.own.public))
            case Action.INSTALL if frame and exchange.keys:
                exchange.take(frame)
                suite, keys = exchange.credentials.suite, exchange.keys
                exchange.keys, exchange.mac_v = None, keys.mac_v
                self._events.append(InstallKey(device, suite, keys.key_data))
            case Action.SEND_CONFIRM:
                self._answer(device, exchange, ConfirmKey(exchange.mac_v))
            case Action.REPORT:
                self._events.append(KeyEstablished(device, exchange.credentials.suite))
            case _:
                pass

    def _compute(self, device: Eui64, exchange: Exchange, ephemeral: bytes) -> None:
        self._peers.of(device).remember(ephemeral)
        self._work.append(
            Work(
                device,
                exchange.number,
                exchange.credentials.suite,
                Role.RESPONDER,
                exchange.credentials,
                seed=self._entropy(SEED_OCTETS),
                peer=PeerKeys(exchange.initiate.certificate, ephemeral),
            )
        )

    def _answer(self, device: Eui64, exchange: Exchange, command: KeyEstablishmentCommand) -> None:
        exchange.answer = encode_command(command, Direction.TO_CLIENT, exchange.sequence).encode()
        self._send_answer(device, exchange)

    def _send_answer(self, device: Eui64, exchange: Exchange) -> None:
        if exchange.answer is not None and self._send(device, exchange.answer):
            exchange.in_flight += 1

    def _terminate(self, device: Eui64, status: KeyEstablishmentStatus, sequence: int) -> None:
        wait = self._settings.wait if status is KeyEstablishmentStatus.NO_RESOURCES else 0
        command = TerminateKeyEstablishment(status, wait, suite_bits(self._suites))
        self._send(device, encode_command(command, Direction.TO_CLIENT, sequence).encode())

    def _send(self, device: Eui64, data: bytes) -> bool:
        """Queue a frame and tell whether there was room for it."""
        if len(self._responses) >= self._settings.answers_waiting:
            return False
        self._responses.append((device, data))
        return True


def _judge_confirm(exchange: Exchange, mac: bytes) -> None:
    if exchange.keys is None or not hmac.compare_digest(mac, exchange.keys.mac_u):
        raise KeyEstablishmentError(
            "the device's MAC is not that of the key", KeyEstablishmentStatus.BAD_KEY_CONFIRM
        )


def _refusal_status(error: RemoteProtocolError, frame: ZclFrame) -> KeyEstablishmentStatus | None:
    """Return the status of the Terminate that answers `frame`, None where Default Response does."""
    if isinstance(error, KeyEstablishmentError):
        return error.status
    if error.status == Status.MALFORMED_COMMAND and frame.command != CommandId.TERMINATE:
        return KeyEstablishmentStatus.BAD_MESSAGE
    return None


def _terminate_status(action: Action, cause: _Cause) -> KeyEstablishmentStatus | None:
    match action:
        case Action.REFUSE:
            return cause.status
        case Action.OUT_OF_SEQUENCE:
            return KeyEstablishmentStatus.BAD_MESSAGE
        case Action.NO_RESOURCES:
            return KeyEstablishmentStatus.NO_RESOURCES
        case _:
            return None
