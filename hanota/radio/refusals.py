"""Refused frames: every one is counted, but a flood of them is not told one by one."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hanota.clock import Clock
    from hanota.eui64 import Eui64
    from hanota.hub.ports import RadioListener

UNKNOWN_SENDER = "unknown sender"
"""What frames are counted as whose sender is not an admitted device."""


class Refusals:
    """Tells the listener of a refusal, and of the next of its kind only after an interval."""

    def __init__(self, listener: RadioListener, clock: Clock, interval: float) -> None:
        self._listener, self._clock, self._interval = listener, clock, interval
        self.counts: Counter[str] = Counter()
        """Frames refused, by reason."""
        self._told: dict[tuple[Eui64 | None, int, str], float] = {}

    def refuse(self, device: Eui64 | None, cluster: int, reason: str) -> None:
        """Count a refused frame, and tell of it unless the like was told just now."""
        # Strangers choose their own identifiers: all of them together are one kind, so that this stays small.
        admitted = device is not None and self._listener.is_admitted(device)
        kind = (device, cluster, reason) if admitted else (None, cluster, UNKNOWN_SENDER)
        self.counts[kind[2]] += 1
        now = self._clock.now()
        if now - self._told.get(kind, float("-inf")) >= self._interval:
            self._told[kind] = now
            self._listener.frame_refused(device, cluster, reason)
