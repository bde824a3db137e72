"""The Upgrade Server: one session per device, sans-IO (ZCL chapter 11; GBCS 11.2.1 for Upgrade Times).

What it answers stands in `hanota.ota.answers`. Whatever would overrun a limit is dropped as if lost on the
air: clients repeat what is not answered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hanota.errors import LocalProtocolError, RemoteProtocolError
from hanota.ota.answers import Outgoing, Request, answer
from hanota.ota.commands import CommandId, ImageBlockRequest, ImageNotify, decode_command, encode_command
from hanota.ota.events import (
    DeviceDefaultResponse,
    ImageNotified,
    Refusal,
    RequestRefused,
    TransferExpired,
    TransferStalled,
)
from hanota.ota.pacing import TokenBucket
from hanota.ota.session import Activation, Session, SessionState, Trigger
from hanota.ota.settings import OtaServerSettings
from hanota.zcl import DefaultResponse, GeneralCommand, Status, ZclFrame

if TYPE_CHECKING:
    from hanota.eui64 import Eui64
    from hanota.ota.events import OtaEvent
    from hanota.ota.image import OtaFile

_UNANSWERED_GENERAL: Final = frozenset(
    {
        GeneralCommand.READ_ATTRIBUTES_RESPONSE,
        GeneralCommand.WRITE_ATTRIBUTES_RESPONSE,
        GeneralCommand.REPORT_ATTRIBUTES,
    }
)

_UPGRADE_TIME_REFUSED: Final = DefaultResponse(CommandId.UPGRADE_END_RESPONSE, Status.NOT_AUTHORIZED)


class OtaServer:
    """Upgrade Server of every device of one hub; drain `responses` and `events` after each call."""

    def __init__(self, settings: OtaServerSettings | None = None) -> None:
        self.settings = settings or OtaServerSettings()
        self.dropped = 0
        """Frames dropped because a limit was reached."""
        self._sessions: dict[Eui64, Session] = {}
        self._strangers = self._bucket(0.0)
        self._outgoing: list[Outgoing] = []
        self._events: list[OtaEvent] = []
        self._sequence = 0

    def offer(
        self,
        device: Eui64,
        file: OtaFile,
        activation: Activation,
        now: float,
        *,
        allow_downgrade: bool = False,
    ) -> None:
        """Start a session and notify the device; an earlier offer to it is replaced.

        Raises LocalProtocolError if the image is destined to another device, or for more live sessions than
        `settings.sessions`.
        """
        self._notify(self._open(device, file, activation, now, allow_downgrade=allow_downgrade), now)

    def restore(
        self,
        device: Eui64,
        file: OtaFile,
        activation: Activation,
        state: SessionState,
        now: float,
        *,
        allow_downgrade: bool = False,
    ) -> None:
        """Take up a session as it was before a restart; raise LocalProtocolError as `offer` does.

        A transfer is not notified until it stalls, since the device goes on by itself, and its Upgrade End
        Request is believed: blocks answered last before the restart may not have been recorded.
        """
        session = self._open(device, file, activation, now, allow_downgrade=allow_downgrade)
        session.state = SessionState.TRANSFERRED if state is SessionState.TRANSFERRING else state
        if state in (SessionState.OFFERED, SessionState.QUERIED):
            self._notify(session, now)
        else:
            session.heard(now)

    def withdraw(self, device: Eui64) -> None:
        """End the offer to `device`: blocks are answered ABORT, queries NO_IMAGE_AVAILABLE."""
        if session := self._sessions.get(device):
            session.advance(Trigger.WITHDRAW)

    def notify(self, device: Eui64, now: float) -> None:
        """Notify `device` again if it still has something to ask for: it has rejoined, or polled."""
        session = self._sessions.get(device)
        if session and session.live:
            self._notify(session, now)

    def state(self, device: Eui64) -> SessionState | None:
        """Return the state of the session with `device`, if there is one."""
        session = self._sessions.get(device)
        return session.state if session else None

    def receive(self, device: Eui64, data: bytes, now: float) -> None:
        """Take one ZCL frame from `device` on the OTA Upgrade cluster.

        Never raises for what a peer sent: its faults are answered on the wire and told as events.
        """
        session = self._sessions.get(device)
        within_rate = (session.requests if session else self._strangers).take(now)
        if max(len(self._outgoing), len(self._events)) >= self.settings.pending:
            self.dropped += 1
            return
        try:
            frame = ZclFrame.decode(data)
        except RemoteProtocolError as error:
            self._events.append(RequestRefused(device, now, Refusal.MALFORMED, None, str(error)))
            return
        if not frame.cluster_specific:
            self._receive_general(device, frame, session, now)
            return
        try:
            command = decode_command(frame)
        except RemoteProtocolError as error:
            self._refuse(device, frame, error, now)
            return
        if not within_rate and not (session and isinstance(command, ImageBlockRequest)):
            self.dropped += 1
            return
        request = Request(
            device, frame, now, session, self.settings, within_rate, self._has_slot(session, now)
        )
        answer(request, command)
        self._outgoing += request.outgoing
        self._events += request.events

    def responses(self) -> list[Outgoing]:
        """Return and forget the frames to send, in order."""
        drained, self._outgoing = self._outgoing, []
        return drained

    def events(self) -> list[OtaEvent]:
        """Return and forget the events, in order."""
        drained, self._events = self._events, []
        return drained

    def next_timer(self) -> float | None:
        """Return when `expire` next has something to do, if ever."""
        return min(
            (at for session in self._sessions.values() if session.live for at in self._timers(session)),
            default=None,
        )

    def expire(self, now: float) -> None:
        """Do what is due by `now`: notify again, tell stalls, let offers expire."""
        for session in self._sessions.values():
            if not session.live or min(self._timers(session)) > now:
                continue
            served, total = session.served, len(session.file.data)
            if self._expires_at(session) <= now:
                session.advance(Trigger.TIME_OUT)
                self._events.append(TransferExpired(session.device, now, served, total))
            elif session.notify_at is not None:
                self._notify(session, now)
            else:
                self._events.append(TransferStalled(session.device, now, served, total))
                self._notify(session, now)

    def _timers(self, session: Session) -> tuple[float, ...]:
        """When the session expires, and when it is notified again or, if it is being heard, stalls."""
        if session.notify_at is not None:
            return self._expires_at(session), session.notify_at
        heard_at = session.offered_at if session.heard_at is None else session.heard_at
        return self._expires_at(session), heard_at + self.settings.stall_seconds

    def _expires_at(self, session: Session) -> float:
        heard_at = session.offered_at if session.heard_at is None else session.heard_at
        return min(
            heard_at + self.settings.session_timeout, session.offered_at + self.settings.session_lifetime
        )

    def _notify(self, session: Session, now: float) -> None:
        image = session.image
        command = ImageNotify(
            self.settings.query_jitter, image.manufacturer_code, image.image_type, image.file_version
        )
        self._sequence = (self._sequence + 1) % 256
        self._outgoing.append(Outgoing(session.device, encode_command(command, self._sequence)))
        self._events.append(ImageNotified(session.device, now))
        intervals = self.settings.notify_intervals
        session.notify_at = now + intervals[min(session.notified, len(intervals) - 1)]
        session.notified += 1

    def _has_slot(self, session: Session | None, now: float) -> bool:
        """Tell whether the session may be served blocks: it holds a transfer slot, or one is free."""
        holders = [
            other
            for other in self._sessions.values()
            if other.state in (SessionState.TRANSFERRING, SessionState.TRANSFERRED)
            and other.block_at is not None
            and now - other.block_at < self.settings.stall_seconds
        ]
        return session in holders or len(holders) < self.settings.concurrent_transfers

    def _open(
        self, device: Eui64, file: OtaFile, activation: Activation, now: float, *, allow_downgrade: bool
    ) -> Session:
        destination = file.header.upgrade_file_destination
        if destination is not None and destination != device:
            raise LocalProtocolError(f"the image is for device {destination} alone, not for {device}")
        self._make_room(device)
        image = file.header.image_id
        session = Session(device, file, image, activation, allow_downgrade, self._bucket(now), now)
        self._sessions[device] = session
        return session

    def _make_room(self, device: Eui64) -> None:
        """Forget the oldest ended session if all places are taken; LocalProtocolError if none has ended."""
        if device in self._sessions or len(self._sessions) < self.settings.sessions:
            return
        ended = next((eui for eui, session in self._sessions.items() if not session.live), None)
        if ended is None:
            raise LocalProtocolError(
                f"{self.settings.sessions} upgrades are under way",
                hint="wait for one to end, or withdraw one",
            )
        del self._sessions[ended]

    def _bucket(self, now: float) -> TokenBucket:
        return TokenBucket(self.settings.requests_per_second, self.settings.request_burst, now)

    def _receive_general(self, device: Eui64, frame: ZclFrame, session: Session | None, now: float) -> None:
        if frame.is_default_response:
            try:
                response = DefaultResponse.decode(frame.payload)
            except RemoteProtocolError as error:
                self._events.append(RequestRefused(device, now, Refusal.MALFORMED, None, str(error)))
                return
            self._events.append(DeviceDefaultResponse(device, now, response.command, response.status))
            if session and response == _UPGRADE_TIME_REFUSED:
                # A PPMID of activation policy "out of band" takes no Upgrade Time but "wait".
                session.activation = Activation.OUT_OF_BAND
        elif frame.command not in _UNANSWERED_GENERAL:
            fault = RemoteProtocolError(
                f"general command {frame.command:#04x}", status=Status.UNSUP_GENERAL_COMMAND
            )
            self._refuse(device, frame, fault, now)

    def _refuse(self, device: Eui64, frame: ZclFrame, error: RemoteProtocolError, now: float) -> None:
        """Answer a command that is unknown or cannot be read with a Default Response."""
        status = Status.MALFORMED_COMMAND if error.status is None else error.status
        reason = Refusal.MALFORMED if status == Status.MALFORMED_COMMAND else Refusal.UNSUPPORTED
        self._outgoing.append(Outgoing(device, frame.default_response(status).encode()))
        self._events.append(RequestRefused(device, now, reason, status, str(error)))
