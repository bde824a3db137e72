"""ASH v2, the co-processor's side: windows, acknowledgements, retransmission, reset (UG101 3 to 5).

Sans-IO: octets in, octets out; time is an argument in seconds of any one clock.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import TYPE_CHECKING, Final, TypeAlias, assert_never

from hanota.emulator.ezsp.ash_frames import (
    CANCEL,
    FRAME_NUMBERS,
    Ack,
    AshDecoder,
    BadFrame,
    Data,
    Error,
    Nak,
    Rst,
    Rstack,
    encode,
)
from hanota.errors import LocalProtocolError

if TYPE_CHECKING:
    from hanota.emulator.ezsp.ash_frames import AshFrame

_KEPT: Final = 7 / 8
_LEARNT: Final = 1 / 2
"""New acknowledgement timeout: 7/8 of the old and half of the time measured (UG101 5.5)."""


class ResetCode(IntEnum):
    """Why the co-processor reset, or failed."""

    UNKNOWN = 0x00
    EXTERNAL = 0x01
    POWER_ON = 0x02
    WATCHDOG = 0x03
    ASSERT = 0x06
    BOOTLOADER = 0x09
    SOFTWARE = 0x0B
    EXCEEDED_MAXIMUM_ACK_TIMEOUT_COUNT = 0x51


class AshState(Enum):
    """State of the link."""

    CONNECTED = "connected"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class AshSettings:
    """Figures of the link, by their names in UG101 5.5."""

    window: int = 5
    """TX_K: DATA frames sent and not acknowledged."""
    ack_timeout: float = 1.6
    """T_RX_ACK_INIT, seconds."""
    ack_timeout_min: float = 0.4
    """T_RX_ACK_MIN."""
    ack_timeout_max: float = 3.2
    """T_RX_ACK_MAX."""
    max_timeouts: int = 4
    """ACK_TIMEOUTS: consecutive ones allowed; the next is the FAILED state."""
    ack_delay: float = 0.02
    """T_TX_ACK_DELAY: how long an acknowledgement waits for a DATA frame to ride on."""
    not_ready_time: float = 1.0
    """T_REMOTE_NOTRDY: how long a host that is not ready holds off callbacks."""
    max_data: int = 220
    """EZSP_MAX_FRAME_LENGTH: octets in a DATA frame."""
    max_callbacks: int = 32
    """Callbacks that may wait; the firmware's packet buffers are not endless either."""
    max_responses: int = 8
    """Responses that may wait; a host sends one command at a time."""


@dataclass(frozen=True, slots=True)
class Received:
    """The host sent an EZSP frame."""

    payload: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class HostReset:
    """The host sent RST; RSTACK is on its way."""


AshEvent: TypeAlias = Received | HostReset


@dataclass(slots=True)
class AshStatistics:
    """What went wrong on the link."""

    bad_frames: int = 0
    """Frames not readable, or out of sequence."""
    retransmissions: int = 0
    """DATA frames sent again."""
    timeouts: int = 0
    """Acknowledgements that did not come in time."""
    naks_sent: int = 0


class AshNcp:
    """One link; it is in the CONNECTED state from its first reset."""

    def __init__(self, settings: AshSettings | None = None) -> None:
        self.settings = settings or AshSettings()
        self.statistics = AshStatistics()
        self.state = AshState.CONNECTED
        self._decoder = AshDecoder(self.settings.max_data)
        self._output: list[bytes] = []
        self._failure = ResetCode.UNKNOWN
        self._unacknowledged: deque[bytes] = deque()
        self._responses: deque[bytes] = deque()
        self._callbacks: deque[bytes] = deque()
        self._ack_due: float | None = None
        self._timeout_at: float | None = None
        self._sent_at: float | None = None
        self._not_ready_until: float | None = None
        self._forget()

    @property
    def accepts_responses(self) -> bool:
        """Tell whether `respond` has room; a host that waits for each response never finds it without."""
        return len(self._responses) < self.settings.max_responses

    def receive(self, data: bytes, now: float) -> list[AshEvent]:
        """Take octets from the host; return what they amount to. Octets to send are in `take_output`."""
        events: list[AshEvent] = []
        for frame in self._decoder.feed(data):
            if isinstance(frame, Rst):
                self.reset(ResetCode.SOFTWARE)
                events.append(HostReset())
            elif self.state is AshState.FAILED:
                self._write(Error(self._failure))
            else:
                events += self._connected(frame, now)
        return events

    def respond(self, payload: bytes, now: float) -> None:
        """Send the response to a command; raise LocalProtocolError when too many wait or it is too long."""
        if not self.accepts_responses:
            raise LocalProtocolError("responses are made faster than the host acknowledges them")
        self._queue(self._responses, payload, now)

    def call_back(self, payload: bytes, now: float) -> bool:
        """Send a callback behind all responses; return False if too many wait.

        Raises LocalProtocolError if it is too long.
        """
        if len(self._callbacks) >= self.settings.max_callbacks:
            return False
        self._queue(self._callbacks, payload, now)
        return True

    def reset(self, code: ResetCode) -> None:
        """Start the link afresh and say why."""
        self._decoder.reset()
        self._forget()
        self.state = AshState.CONNECTED
        self._output.append(bytes((CANCEL,)))
        self._write(Rstack(code))

    def take_output(self) -> list[bytes]:
        """Return the octets to send, frame by frame, and forget them."""
        output, self._output = self._output, []
        return output

    def next_timer(self) -> float | None:
        """Return when `expire` is due."""
        held = self._not_ready_until if self._callbacks else None
        times = (self._ack_due, self._timeout_at, held)
        return min((time for time in times if time is not None), default=None)

    def expire(self, now: float) -> None:
        """Do what is due by `now`."""
        if self._not_ready_until is not None and self._not_ready_until <= now:
            self._not_ready_until = None
        if self._timeout_at is not None and self._timeout_at <= now:
            self._timed_out(now)
        if self._ack_due is not None and self._ack_due <= now:
            self._acknowledge()
        self._transmit(now)

    def _forget(self) -> None:
        self._next_sent = 0
        self._next_received = 0
        for queue in (self._unacknowledged, self._responses, self._callbacks):
            queue.clear()
        self._rejecting = False
        self._timeouts = 0
        self._ack_timeout = self.settings.ack_timeout
        self._sent_at = self._timeout_at = self._ack_due = self._not_ready_until = None

    def _connected(self, frame: AshFrame | BadFrame, now: float) -> list[AshEvent]:
        match frame:
            case BadFrame(is_data=is_data):
                self.statistics.bad_frames += 1
                if is_data:
                    self._reject()
            case Data(ack_number=ack):
                if self._acknowledged(ack, now):
                    return self._data(frame, now)
                self._reject()
            case Ack(ack, not_ready):
                if self._acknowledged(ack, now):
                    self._host_ready(not_ready=not_ready, now=now)
            case Nak(ack, not_ready):
                if self._acknowledged(ack, now):
                    self._host_ready(not_ready=not_ready, now=now)
                    self._retransmit(now)
            case Rst() | Rstack() | Error():
                self.statistics.bad_frames += 1  # a host sends neither, and RST was taken before
            case _:
                assert_never(frame)
        return []

    def _data(self, frame: Data, now: float) -> list[AshEvent]:
        if frame.frame_number == self._next_received:
            self._rejecting = False
            self._next_received = (self._next_received + 1) % FRAME_NUMBERS
            if frame.retransmission:
                self._acknowledge()
            elif self._ack_due is None:
                self._ack_due = now + self.settings.ack_delay
            return [Received(frame.payload)]
        self.statistics.bad_frames += 1
        if frame.retransmission:
            self._acknowledge()
        else:
            self._reject()
        return []

    def _acknowledged(self, number: int, now: float) -> bool:
        """Take the host's acknowledgement; return False for a number that was never sent."""
        first = (self._next_sent - len(self._unacknowledged)) % FRAME_NUMBERS
        taken = (number - first) % FRAME_NUMBERS
        if taken > len(self._unacknowledged):
            self.statistics.bad_frames += 1
            return False
        if taken:
            for _ in range(taken):
                self._unacknowledged.popleft()
            self._timeouts = 0
            if self._sent_at is not None:
                self._set_ack_timeout(_KEPT * self._ack_timeout + _LEARNT * (now - self._sent_at))
            self._sent_at = now if self._unacknowledged else None
            self._start_timeout(now)
            self._transmit(now)
        return True

    def _host_ready(self, *, not_ready: bool, now: float) -> None:
        self._not_ready_until = now + self.settings.not_ready_time if not_ready else None
        self._transmit(now)

    def _timed_out(self, now: float) -> None:
        self.statistics.timeouts += 1
        self._timeouts += 1
        if self._timeouts > self.settings.max_timeouts:
            self._fail(ResetCode.EXCEEDED_MAXIMUM_ACK_TIMEOUT_COUNT)
            return
        self._set_ack_timeout(2 * self._ack_timeout)
        self._retransmit(now)

    def _fail(self, code: ResetCode) -> None:
        self._forget()
        self.state = AshState.FAILED
        self._failure = code
        self._write(Error(code))

    def _retransmit(self, now: float) -> None:
        """Send again everything not acknowledged; its acknowledgement is no measure of time."""
        first = self._next_sent - len(self._unacknowledged)
        for offset, payload in enumerate(self._unacknowledged):
            number = (first + offset) % FRAME_NUMBERS
            self.statistics.retransmissions += 1
            self._write(Data(number, self._next_received, payload, retransmission=True))
        if self._unacknowledged:
            self._ack_due = None
            self._sent_at = None
        self._start_timeout(now)

    def _queue(self, queue: deque[bytes], payload: bytes, now: float) -> None:
        if len(payload) > self.settings.max_data:
            raise LocalProtocolError(f"an EZSP frame of {len(payload)} octets does not fit ASH")
        if self.state is AshState.FAILED:
            return
        queue.append(payload)
        self._transmit(now)

    def _transmit(self, now: float) -> None:
        """Send what waits, as far as the window and the host allow."""
        while len(self._unacknowledged) < self.settings.window:
            if self._responses:
                payload = self._responses.popleft()
            elif self._callbacks and self._not_ready_until is None:
                payload = self._callbacks.popleft()
            else:
                return
            self._write(Data(self._next_sent, self._next_received, payload))
            self._ack_due = None
            self._next_sent = (self._next_sent + 1) % FRAME_NUMBERS
            self._unacknowledged.append(payload)
            if self._timeout_at is None:
                self._sent_at = now
                self._start_timeout(now)

    def _start_timeout(self, now: float) -> None:
        self._timeout_at = now + self._ack_timeout if self._unacknowledged else None

    def _set_ack_timeout(self, seconds: float) -> None:
        self._ack_timeout = min(max(seconds, self.settings.ack_timeout_min), self.settings.ack_timeout_max)

    def _acknowledge(self) -> None:
        self._ack_due = None
        self._write(Ack(self._next_received))

    def _reject(self) -> None:
        """Answer NAK, once until the frame expected comes."""
        if not self._rejecting:
            self._rejecting = True
            self._ack_due = None
            self.statistics.naks_sent += 1
            self._write(Nak(self._next_received))

    def _write(self, frame: AshFrame) -> None:
        self._output.append(encode(frame))
