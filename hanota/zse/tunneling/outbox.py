"""The messages of one end of a tunnel: waiting to go, or gone and still liable to come back as an error."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hanota.errors import LocalProtocolError
from hanota.zse.tunneling.events import SendFailed, TunnelEvent, TunnelFailure

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class TransferSettings:
    """Limits on messages in transfer, alike at both ends."""

    queue_limit: int = 16
    """Messages that may wait; GBCS has few in flight to one device, more means a caller that runs away."""
    message_timeout: float = 3600
    """Seconds a message may wait for a tunnel; 20 rounds of the busy retry of GBCS 10.2.2."""
    attempts: int = 3
    """How often one message is sent, the first time included."""
    retry_delay: float = 10
    """Seconds before a message that the radio could not deliver goes again; above the APS retries (5 s)."""
    error_window: float = 30
    """Seconds in which a TransferDataError that does not tell its message means the last one sent."""


@dataclass(slots=True)
class Message:
    """One message; `number` keeps the order, `sequence` is of the frame that carried it last."""

    number: int
    data: bytes
    deadline: float
    attempts: int = 0
    sequence: int = 0
    sent_at: float = 0.0


class Outbox:
    """Ordered, bounded messages; each ends in the peer's hands or in a SendFailed event."""

    def __init__(self, settings: TransferSettings, report: Callable[[TunnelEvent], None]) -> None:
        self._settings = settings
        self._report = report
        self._number = 0
        self._waiting: deque[Message] = deque()
        self._sent: deque[Message] = deque(maxlen=settings.queue_limit)
        self._hold_until = float("-inf")

    def __bool__(self) -> bool:
        """Tell whether a message waits."""
        return bool(self._waiting)

    def add(self, data: bytes, now: float) -> None:
        """Queue a message; raise LocalProtocolError when the queue is full."""
        if len(self._waiting) >= self._settings.queue_limit:
            raise LocalProtocolError(f"{len(self._waiting)} messages wait for this tunnel already")
        self._number += 1
        self._waiting.append(Message(self._number, bytes(data), now + self._settings.message_timeout))

    def take(self, size: int, now: float) -> Message | None:
        """Return the next message of at most `size` octets to send now; larger ones fail."""
        while self._waiting and now >= self._hold_until:
            message = self._waiting.popleft()
            if len(message.data) <= size:
                message.attempts += 1
                message.sent_at = now
                self._sent.append(message)
                return message
            self._report(SendFailed(message.data, TunnelFailure.TOO_LARGE))
        return None

    def recall(self, sequence: int) -> Message | None:
        """Take back the message that frame `sequence` carried, where it is one of the last sent."""
        for message in self._sent:
            if message.sequence == sequence:
                self._sent.remove(message)
                return message
        return None

    def recall_latest(self, now: float) -> Message | None:
        """Take back the last message sent just now, for an error that does not tell which."""
        if not self._sent or now - self._sent[-1].sent_at > self._settings.error_window:
            return None
        return self._sent.pop()

    def retry(self, message: Message, reason: TunnelFailure, *, hold_until: float | None = None) -> None:
        """Queue a recalled message again in its old place, or give it up for `reason`."""
        if message.attempts >= self._settings.attempts:
            self.fail(message, reason)
            return
        self._waiting = deque(sorted([*self._waiting, message], key=lambda queued: queued.number))
        if hold_until is not None:
            self._hold_until = hold_until

    def undelivered(self, sequence: int, now: float) -> None:
        """Send the message of frame `sequence` again after a pause: the radio could not deliver it."""
        if (message := self.recall(sequence)) is not None:
            self.retry(message, TunnelFailure.NOT_DELIVERED, hold_until=now + self._settings.retry_delay)

    def fail(self, message: Message, reason: TunnelFailure) -> None:
        """Give up one message."""
        self._report(SendFailed(message.data, reason))

    def fail_all(self, reason: TunnelFailure) -> None:
        """Give up every message that waits."""
        while self._waiting:
            self.fail(self._waiting.popleft(), reason)

    def next_timer(self, *, tunnel: bool) -> float | None:
        """Return when `expire`, or `take` where there is a tunnel, has something to do."""
        if not self._waiting:
            return None
        deadline = min(message.deadline for message in self._waiting)
        return min(deadline, self._hold_until) if tunnel else deadline

    def expire(self, now: float, reason: TunnelFailure) -> None:
        """Give up the messages that waited too long."""
        for message in [message for message in self._waiting if now >= message.deadline]:
            self._waiting.remove(message)
            self.fail(message, reason)
