"""The initiator of key establishment: a device's end (SEP 07-5356-21, Annex C).

What each event does in each state stands in `client_table`. The responder is held to the same rules as an
initiator is (`server`): its certificate has our issuer and suite and the server's EUI-64, its ephemeral
key is fresh, not ours, and of the curve's order, and its MAC that of the key.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, assert_never

from hanota.errors import RemoteProtocolError
from hanota.zcl import DefaultResponse, Direction, Status, ZclFrame
from hanota.zse.cbke import KeyEstablishmentError, KeyEstablishmentStatus, Role
from hanota.zse.key_establishment.admission import admit
from hanota.zse.key_establishment.client_table import TABLE, Action, State, Trigger
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
from hanota.zse.key_establishment.events import ClientEstablished, ClientFailed
from hanota.zse.key_establishment.peers import Peer
from hanota.zse.key_establishment.settings import KeyEstablishmentSettings
from hanota.zse.key_establishment.work import SEED_OCTETS, PeerKeys, Work

if TYPE_CHECKING:
    from collections.abc import Callable

    from hanota.eui64 import Eui64
    from hanota.zse.cbke import CbkeCredentials, EphemeralKey, SessionKeys
    from hanota.zse.key_establishment.commands import KeyEstablishmentCommand
    from hanota.zse.key_establishment.events import ClientEvent
    from hanota.zse.key_establishment.work import WorkDone


_RESPONSES: Final = (CommandId.INITIATE, CommandId.EPHEMERAL_DATA, CommandId.CONFIRM_KEY)


@dataclass(slots=True)
class _Exchange:
    number: int
    deadline: float = 0.0
    request: int | None = None
    """Sequence number of the last request, which its response has too."""
    taken: ZclFrame | None = None
    """The last response."""
    initiate: InitiateKeyEstablishment | None = None
    """The server's."""
    own: EphemeralKey | None = field(default=None, repr=False)
    keys: SessionKeys | None = field(default=None, repr=False)


class KeyEstablishmentClient:
    """One device's exchange with its server; drain `requests`, `work` and `events` after each call.

    `server` None takes the certificate of anybody. Nothing here raises whatever the server sends, and nothing
    here multiplies points: that is in `Work.run`.
    """

    def __init__(
        self,
        credentials: CbkeCredentials,
        settings: KeyEstablishmentSettings | None = None,
        *,
        own: Eui64,
        server: Eui64 | None,
        entropy: Callable[[int], bytes],
    ) -> None:
        self._credentials = credentials
        self._settings = settings or KeyEstablishmentSettings()
        self._own, self._server = own, server
        self._entropy = entropy
        self._state = State.IDLE
        self._exchange = _Exchange(0)
        self._seen = Peer(self._settings)
        self._sequence = 0
        self._requests: list[bytes] = []
        self._work: list[Work] = []
        self._events: list[ClientEvent] = []

    def start(self, now: float) -> None:
        """Begin, and begin again where an exchange is under way."""
        self._apply(Trigger.START, now, reason="begun again")

    def receive(self, data: bytes, now: float) -> None:
        """Take one ZCL frame from the server on this cluster."""
        try:
            frame = ZclFrame.decode(data)
            if frame.is_default_response:
                self._take_default_response(frame, now)
            elif frame.cluster_specific:
                self._take_command(frame, now)
        except RemoteProtocolError:
            # A frame that cannot be read is answered in _take_command where it can be answered at all.
            return

    def finished(self, result: WorkDone, now: float) -> None:
        """Take what came of a Work; it counts for nothing where its exchange is over."""
        if result.exchange != self._exchange.number:
            return
        if result.error is not None:
            self._apply(Trigger.REFUSED, now, reason=str(result.error), status=result.error.status)
        else:
            self._apply(Trigger.COMPUTED, now, result=result)

    def requests(self) -> list[bytes]:
        """Return the ZCL frames to send, in order, once: plain, with APS acknowledgement."""
        requests, self._requests = self._requests, []
        return requests

    def work(self) -> list[Work]:
        """Return what is to be computed off the event loop, once; each result goes to `finished`."""
        work, self._work = self._work, []
        return work

    def events(self) -> list[ClientEvent]:
        """Return what happened since the last call."""
        events, self._events = self._events, []
        return events

    def next_timer(self) -> float | None:
        """Return when `expire` is due, or None."""
        return None if self._state is State.IDLE else self._exchange.deadline

    def expire(self, now: float) -> None:
        """Do what has fallen due."""
        if self._state is not State.IDLE and now >= self._exchange.deadline:
            self._apply(Trigger.TIMEOUT, now, reason=f"{Trigger.TIMEOUT}: {self._state}")

    def _take_default_response(self, frame: ZclFrame, now: float) -> None:
        response = DefaultResponse.decode(frame.payload)
        if response.status != Status.SUCCESS and frame.sequence == self._exchange.request:
            self._apply(
                Trigger.TERMINATE, now, reason=f"the server answers with status {response.status:#04x}"
            )

    def _is_late(self, frame: ZclFrame) -> bool:
        """Tell whether this is a response to a former request, or comes again."""
        if frame.direction is Direction.TO_SERVER or frame.command not in _RESPONSES:
            return False
        return frame.sequence != self._exchange.request or frame == self._exchange.taken

    def _take_command(self, frame: ZclFrame, now: float) -> None:
        try:
            if self._is_late(frame):
                return
            self._take(decode_command(frame, Direction.TO_CLIENT), now)
            self._exchange.taken = frame
        except KeyEstablishmentError as error:
            self._apply(Trigger.REFUSED, now, reason=str(error), status=error.status)
        except RemoteProtocolError as error:
            if error.status == Status.MALFORMED_COMMAND and frame.command != CommandId.TERMINATE:
                status = KeyEstablishmentStatus.BAD_MESSAGE
                self._apply(Trigger.REFUSED, now, reason=str(error), status=status)
            else:
                self._send(frame.default_response(error.status or Status.FAILURE).encode())

    def _take(self, command: KeyEstablishmentCommand, now: float) -> None:
        """Judge a command and move by it; raise KeyEstablishmentError where it is refused."""
        match command:
            case InitiateKeyEstablishment():
                if self._state is State.INITIATING:
                    self._judge_initiate(command)
                self._apply(Trigger.INITIATE, now, reason="Initiate Response out of sequence")
            case EphemeralData():
                if self._state is State.EPHEMERAL_SENT:
                    self._judge_ephemeral(command.public_key)
                reason = "Ephemeral Data Response out of sequence"
                self._apply(Trigger.EPHEMERAL_DATA, now, reason=reason, ephemeral=command.public_key)
            case ConfirmKey():
                keys = self._exchange.keys
                if keys is not None and not hmac.compare_digest(command.mac, keys.mac_v):
                    raise KeyEstablishmentError(
                        "the server's MAC is not that of the key", KeyEstablishmentStatus.BAD_KEY_CONFIRM
                    )
                self._apply(Trigger.CONFIRM_KEY, now, reason="Confirm Key Response out of sequence")
            case TerminateKeyEstablishment():
                status = command.known_status
                reason = f"the server terminated: {status.name if status else f'status {command.status}'}"
                wait = float(command.wait) or None
                self._apply(Trigger.TERMINATE, now, reason=reason, status=status, wait=wait)
            case _:
                assert_never(command)

    def _judge_initiate(self, initiate: InitiateKeyEstablishment) -> None:
        admit(initiate, {self._credentials.suite: self._credentials}, self._server)
        self._exchange.initiate = initiate

    def _judge_ephemeral(self, ephemeral: bytes) -> None:
        expected = self._credentials.suite.parameters.point_octets
        if len(ephemeral) != expected:
            raise KeyEstablishmentError(
                f"an ephemeral key of {len(ephemeral)} octets, not {expected}",
                KeyEstablishmentStatus.BAD_MESSAGE,
            )
        if self._seen.has_seen(ephemeral):
            raise KeyEstablishmentError(
                "the ephemeral key was used before, by the server or by us",
                KeyEstablishmentStatus.BAD_MESSAGE,
            )
        self._seen.remember(ephemeral)

    def _apply(
        self,
        trigger: Trigger,
        now: float,
        *,
        reason: str = "",
        status: KeyEstablishmentStatus | None = None,
        wait: float | None = None,
        ephemeral: bytes = b"",
        result: WorkDone | None = None,
    ) -> None:
        move = TABLE[self._state][trigger]
        if move.action is Action.OUT_OF_SEQUENCE:
            status = KeyEstablishmentStatus.BAD_MESSAGE
        if move.action in (Action.REFUSE, Action.OUT_OF_SEQUENCE) and status is not None:
            self._emit(TerminateKeyEstablishment(status, 0, suite_bits([self._credentials.suite])))
        if move.fails:
            self._events.append(ClientFailed(status, reason, wait))
        entered = move.state is not self._state or trigger is Trigger.START
        self._state = move.state
        self._act(move.action, ephemeral, result)
        if self._state is State.IDLE:
            # Whatever is left of the keys goes; the number stays, so that late results find no exchange.
            self._exchange = _Exchange(self._exchange.number + 1)
        elif entered:
            self._exchange.deadline = now + self._lasts()

    def _act(self, action: Action, ephemeral: bytes, result: WorkDone | None) -> None:
        """Do what the table says, but for Terminate."""
        exchange, credentials = self._exchange, self._credentials
        match action:
            case Action.SEND_INITIATE:
                self._exchange = _Exchange(exchange.number + 1)
                settings = self._settings
                self._request(
                    InitiateKeyEstablishment(
                        credentials.suite.bit,
                        settings.ephemeral_time,
                        settings.confirm_time,
                        credentials.certificate,
                    )
                )
            case Action.GENERATE:
                self._work.append(self._new_work(seed=self._entropy(SEED_OCTETS)))
            case Action.SEND_EPHEMERAL if result and result.own:
                exchange.own = result.own
                self._seen.remember(result.own.public)
                self._request(EphemeralData(result.own.public))
            case Action.COMPUTE if exchange.initiate:
                peer = PeerKeys(exchange.initiate.certificate, ephemeral)
                self._work.append(self._new_work(peer=peer))
                exchange.own = None
            case Action.SEND_CONFIRM if result and result.keys:
                exchange.keys = result.keys
                self._request(ConfirmKey(result.keys.mac_u))
            case Action.REPORT if exchange.keys:
                self._events.append(ClientEstablished(credentials.suite, exchange.keys.key_data))
            case _:
                pass

    def _lasts(self) -> float:
        """Return how long the state lasts: what the server advertised and the way, or what we advertised."""
        settings, initiate = self._settings, self._exchange.initiate
        match self._state:
            case State.IDLE:
                return 0.0
            case State.INITIATING:
                return settings.margin
            case State.GENERATING:
                return settings.ephemeral_time
            case State.EPHEMERAL_SENT:
                return settings.margin + (initiate.ephemeral_time if initiate else 0)
            case State.COMPUTING:
                return settings.confirm_time
            case State.CONFIRMING:
                return settings.margin + (initiate.confirm_time if initiate else 0)
            case _:
                assert_never(self._state)

    def _new_work(self, *, seed: bytes | None = None, peer: PeerKeys | None = None) -> Work:
        exchange, credentials = self._exchange, self._credentials
        role = Role.INITIATOR
        return Work(
            self._own, exchange.number, credentials.suite, role, credentials, seed, exchange.own, peer
        )

    def _request(self, command: KeyEstablishmentCommand) -> None:
        self._emit(command)
        self._exchange.request = self._sequence

    def _emit(self, command: KeyEstablishmentCommand) -> None:
        self._sequence = (self._sequence + 1) & 0xFF
        self._send(encode_command(command, Direction.TO_SERVER, self._sequence).encode())

    def _send(self, data: bytes) -> None:
        if len(self._requests) < self._settings.answers_waiting:
            self._requests.append(data)
