"""The Upgrade Server: one session per device, sans-IO (ZCL chapter 11; GBCS 11.2.1 for Upgrade Times).

What it answers stands in `hanota.ota.answers`. Whatever would overrun a limit is dropped as if lost on the
air: clients repeat what is not answered.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from hanota.errors import LocalProtocolError, RemoteProtocolError
from hanota.ota.answers import answer_frame
from hanota.ota.attributes import AttributeId, read_attributes
from hanota.ota.block_size import BlockSizeBook, BlockSizer
from hanota.ota.blocks import send_page_blocks
from hanota.ota.commands import encode_command
from hanota.ota.deadlines import Deadlines, due_at, ends_at
from hanota.ota.endings import upgrade_time
from hanota.ota.events import (
    ImageNotified,
    Refusal,
    RequestRefused,
    TransferExpired,
    TransferStalled,
    UpgradeEndAnswered,
)
from hanota.ota.notices import broadcasts, image_notify
from hanota.ota.pacing import TokenBucket
from hanota.ota.pages import Pages
from hanota.ota.period import BlockPeriod
from hanota.ota.quirk_table import QUIRKS
from hanota.ota.quirks import block_multiple, largest_block
from hanota.ota.request import Outgoing, Request
from hanota.ota.session import Activation, Session, SessionState, Trigger
from hanota.ota.settings import OtaServerSettings
from hanota.ota.slots import TransferSlots
from hanota.ota.statistics import TransferMeter
from hanota.zcl import ZclFrame

if TYPE_CHECKING:
    from hanota.eui64 import Eui64
    from hanota.ota.events import OtaEvent
    from hanota.ota.fields import ImageId
    from hanota.ota.image import OtaFile
    from hanota.ota.slots import Admission
    from hanota.ota.statistics import TransferStatistics

_NO_FILES: Final[dict[ImageId, OtaFile]] = {}


class OtaServer:
    """Upgrade Server of every device of one hub; drain `responses` and `events` after each call.

    `block_sizes` is what an earlier run learnt of its devices' models; read it back to keep it. `admission`
    decides who is served blocks; None: the first `settings.concurrent_transfers` devices that ask.
    """

    def __init__(
        self,
        settings: OtaServerSettings | None = None,
        block_sizes: BlockSizeBook | None = None,
        admission: Admission | None = None,
    ) -> None:
        self.settings = settings or OtaServerSettings()
        self.block_sizes = block_sizes or BlockSizeBook(self.settings.models)
        self.dropped = 0
        """Frames dropped because a limit was reached."""
        self._sessions: dict[Eui64, Session] = {}
        self._deadlines = Deadlines(partial(due_at, settings=self.settings))
        self._slots = admission or TransferSlots(
            self.settings.concurrent_transfers, self.settings.stall_seconds, self.settings.wait_seconds
        )
        self._pages = Pages(self.settings)
        self._device_files: dict[Eui64, dict[ImageId, OtaFile]] = {}
        self._strangers = self._bucket(0.0)
        self._outgoing: list[Outgoing] = []
        self._broadcasts: list[bytes] = []
        self._events: list[OtaEvent] = []
        self._sequence = 0

    # -- offers ------------------------------------------------------------------------------------------

    def offer(
        self,
        device: Eui64,
        file: OtaFile,
        activation: Activation,
        now: float,
        *,
        allow_downgrade: bool = False,
        hold: bool = False,
        upgrade_at: float | None = None,
        expires_at: float | None = None,
        from_start: bool = False,
    ) -> None:
        """Start a session and notify the device; an earlier offer to it is replaced.

        With `hold` the last block waits for `release`. `upgrade_at` is the Upgrade Time of a device that
        activates on the server's word, None for at once; `expires_at` when the offer ends at the latest, None
        for `settings.session_lifetime` from now; both Unix seconds. `from_start` is for a device that was
        offered another file of this version before. Raises LocalProtocolError if the image is destined to
        another device, or for more live sessions than `settings.sessions`.
        """
        session = self._open(
            device,
            file,
            activation,
            now,
            allow_downgrade=allow_downgrade,
            hold=hold,
            upgrade_at=upgrade_at,
            expires_at=expires_at,
        )
        session.from_start = from_start
        self._notify(session, now)

    def restore(
        self,
        device: Eui64,
        file: OtaFile,
        activation: Activation,
        state: SessionState,
        now: float,
        *,
        allow_downgrade: bool = False,
        hold: bool = False,
        upgrade_at: float | None = None,
        expires_at: float | None = None,
        from_start: bool = False,
    ) -> None:
        """Take up a session as it was before a restart; raise LocalProtocolError as `offer` does.

        A transfer is not notified until it stalls, since the device goes on by itself. Its Upgrade End
        Request is believed, unless its last block was held: blocks answered last before the restart may not
        have been recorded.
        """
        session = self._open(
            device,
            file,
            activation,
            now,
            allow_downgrade=allow_downgrade,
            hold=hold,
            upgrade_at=upgrade_at,
            expires_at=expires_at,
        )
        unrecorded = state is SessionState.TRANSFERRING and not hold
        session.state = SessionState.TRANSFERRED if unrecorded else state
        if state in (SessionState.OFFERED, SessionState.QUERIED):
            session.from_start = from_start
            self._notify(session, now)
        else:
            session.heard(now)
            self._deadlines.moved(session)

    def withdraw(self, device: Eui64) -> None:
        """End the offer to `device`, held or not: blocks are answered ABORT, queries NO_IMAGE_AVAILABLE."""
        if session := self._sessions.get(device):
            session.advance(Trigger.WITHDRAW)
            self._free(device)

    def hold(self, device: Eui64) -> bool:
        """Keep the last block back; tell whether that is still possible."""
        session = self._sessions.get(device)
        if session is None or not session.live or session.state is SessionState.TRANSFERRED:
            return False
        session.held = True
        return True

    def release(self, device: Eui64, now: float) -> None:
        """Let a held device have its last block, when it next asks: within `settings.hold_seconds`."""
        session = self._sessions.get(device)
        if session is not None and session.held:
            session.held = False
            session.expires_at = max(session.expires_at, now + self.settings.session_lifetime)
            self._deadlines.moved(session)

    def notify(self, device: Eui64, now: float) -> None:
        """Notify `device` again if it still has something to ask for: it has rejoined, or polled."""
        session = self._sessions.get(device)
        if session and session.live:
            self._notify(session, now)

    def tell_upgrade_time(self, device: Eui64, now: float) -> None:
        """Tell a device that has its image when to activate it, unasked: the answer it got may be lost.

        Common clients take it where they gave up asking, and ignore it where they have a time already.
        """
        session = self._sessions.get(device)
        if session is None or session.state is not SessionState.COMPLETE:
            return
        if session.activation is Activation.IMMEDIATE:
            response = upgrade_time(session, now)
            self._outgoing.append(Outgoing(device, encode_command(response, self._next_sequence())))
            self._events.append(UpgradeEndAnswered(device, now, response.upgrade_time))

    def set_block_period(self, device: Eui64, seconds: float) -> None:
        """Have the device ask for blocks at most every `seconds`, if it knows how to."""
        if session := self._sessions.get(device):
            session.period.want(seconds)

    def add_device_file(self, device: Eui64, file: OtaFile) -> None:
        """Have `file` ready for `device` to ask for (Query Device Specific File).

        Raises LocalProtocolError for more than `settings.device_files`.
        """
        held = self._device_files.setdefault(device, {})
        if file.header.image_id not in held and (
            sum(map(len, self._device_files.values())) >= self.settings.device_files
        ):
            raise LocalProtocolError(f"{self.settings.device_files} device specific files are held already")
        held[file.header.image_id] = file

    def remove_device_files(self, device: Eui64) -> None:
        """Have no device specific file for `device` any more."""
        self._device_files.pop(device, None)

    def read_attributes(self, device: Eui64) -> None:
        """Ask `device` for the attributes of its OTA Upgrade client; ClientAttributesTold follows."""
        self._outgoing.append(Outgoing(device, read_attributes(AttributeId, self._next_sequence())))

    # -- what is known -----------------------------------------------------------------------------------

    def state(self, device: Eui64) -> SessionState | None:
        """Return the state of the session with `device`, if there is one."""
        session = self._sessions.get(device)
        return session.state if session else None

    def statistics(self, device: Eui64, now: float) -> TransferStatistics | None:
        """Return how the transfer to `device` goes, if there is one."""
        session = self._sessions.get(device)
        return session.meter.read(session.total, now) if session else None

    # -- frames ------------------------------------------------------------------------------------------

    def receive(self, device: Eui64, data: bytes, now: float, room: int | None = None) -> None:
        """Take one ZCL frame from `device` on the OTA Upgrade cluster.

        `room` is how many octets of ZCL frame one unfragmented answer may have: what APS encryption and
        route leave. Never raises for what a peer sent: its faults are answered on the wire and told.
        """
        session = self._sessions.get(device)
        within_rate = (session.requests if session else self._strangers).take(now)
        if max(len(self._outgoing), len(self._events)) >= self.settings.pending:
            self.dropped += 1
            return
        try:
            frame = ZclFrame.decode(data)
        except RemoteProtocolError as error:
            if within_rate:
                self._events.append(RequestRefused(device, now, Refusal.MALFORMED, None, str(error)))
            else:
                self.dropped += 1
            return
        request = Request(
            device,
            frame,
            now,
            session,
            self.settings,
            within_rate,
            room,
            self._slots,
            self._pages,
            self.block_sizes,
            self._device_files.get(device, _NO_FILES),
            self._outgoing,
            self._events,
        )
        if not answer_frame(request):
            self.dropped += 1
        if session is not None and not session.live:
            self._free(device)

    def confirm(self, sent: Outgoing, now: float, *, delivered: bool) -> None:
        """Note that a `bulk` frame is off the air: its place is free, and a loss counts against its size."""
        if sent.page:
            self._pages.confirmed(sent.device, now)
        session = self._sessions.get(sent.device)
        if sent.bulk and not delivered and session is not None:
            session.meter.undelivered += 1
            session.sizer.undelivered(session.meter.block_size)

    def responses(self) -> list[Outgoing]:
        """Return and forget the frames to send, in order."""
        drained, self._outgoing = self._outgoing, []
        return drained

    def broadcasts(self) -> list[bytes]:
        """Return and forget the ZCL frames to broadcast; none unless `settings.broadcast_devices` is set."""
        drained, self._broadcasts = self._broadcasts, []
        return drained

    def events(self) -> list[OtaEvent]:
        """Return and forget the events, in order."""
        drained, self._events = self._events, []
        return drained

    # -- time --------------------------------------------------------------------------------------------

    def next_timer(self) -> float | None:
        """Return when `expire` next has something to do, if ever."""
        at, page_at = self._deadlines.next(), self._pages.next()
        if at is None or page_at is None:
            return page_at if at is None else at
        return min(at, page_at)

    def expire(self, now: float) -> None:
        """Do what is due by `now`: send pages on, notify again, tell stalls, let offers expire."""
        send_page_blocks(self._pages, self._sessions, self._slots, now, self._outgoing, self._events)
        due = list(self._deadlines.due(now))
        to_notify = []
        for session in due:
            served, total = session.meter.served, session.total
            if ends_at(session, self.settings) <= now:
                session.advance(Trigger.TIME_OUT)
                self._free(session.device)
                self._events.append(TransferExpired(session.device, now, served, total))
                continue
            if session.notify_at is None:
                self._events.append(TransferStalled(session.device, now, served, total))
            to_notify.append(session)
        waiting = [session.image for session in to_notify if session.state is SessionState.OFFERED]
        together = broadcasts(waiting, self.settings)
        for command in together.values():
            self._broadcasts.append(encode_command(command, self._next_sequence()))
        for session in to_notify:
            by_broadcast = session.state is SessionState.OFFERED and session.image in together
            self._notify(session, now, unicast=not by_broadcast)

    def _notify(self, session: Session, now: float, *, unicast: bool = True) -> None:
        if unicast:
            command = image_notify(
                session.image, self.settings.notify_payload_type, self.settings.query_jitter
            )
            self._outgoing.append(Outgoing(session.device, encode_command(command, self._next_sequence())))
        self._events.append(ImageNotified(session.device, now))
        intervals = self.settings.notify_intervals
        session.notify_at = now + intervals[min(session.notified, len(intervals) - 1)]
        session.notified += 1
        self._deadlines.moved(session)

    def _next_sequence(self) -> int:
        self._sequence = (self._sequence + 1) % 256
        return self._sequence

    # -- sessions ----------------------------------------------------------------------------------------

    def _open(
        self,
        device: Eui64,
        file: OtaFile,
        activation: Activation,
        now: float,
        *,
        allow_downgrade: bool,
        hold: bool,
        upgrade_at: float | None,
        expires_at: float | None,
    ) -> Session:
        destination = file.header.upgrade_file_destination
        if destination is not None and destination != device:
            raise LocalProtocolError(f"the image is for device {destination} alone, not for {device}")
        self._make_room(device)
        image = file.header.image_id
        session = Session(
            device,
            file,
            image,
            activation,
            allow_downgrade,
            self._bucket(now),
            BlockSizer(self.settings, largest_block(image, QUIRKS)),
            TransferMeter(),
            BlockPeriod(self.settings.period_attempts),
            now,
            hold,
            block_multiple(file),
            upgrade_at,
            now + self.settings.session_lifetime if expires_at is None else expires_at,
        )
        self._forget(device)
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
        self._forget(ended)

    def _forget(self, device: Eui64) -> None:
        if former := self._sessions.pop(device, None):
            self._deadlines.forget(former)
            self._free(device)

    def _free(self, device: Eui64) -> None:
        """Serve `device` no more: its slot and its page are over."""
        self._slots.free(device)
        self._pages.end(device)

    def _bucket(self, now: float) -> TokenBucket:
        return TokenBucket(self.settings.requests_per_second, self.settings.request_burst, now)
