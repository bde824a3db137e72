"""Refused messages in the journal: told one by one, but a flood of them only counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hanota.ota.pacing import TokenBucket

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hanota.clock import Clock
    from hanota.eui64 import Eui64
    from hanota.hub.events import EventKind, Json, Party
    from hanota.hub.journal import Journal


@dataclass(frozen=True, slots=True)
class RefusalSettings:
    """How many refusals of one device are journalled: each is a row and a commit."""

    burst: int = 256
    """At once: as many as one altered octet in each place of a long message makes."""
    per_second: float = 1.0
    """In the long run."""


class Refusals:
    """Journals what was refused of each device; admitted devices only, so that this stays small."""

    def __init__(self, journal: Journal, clock: Clock, settings: RefusalSettings) -> None:
        self._journal, self._clock, self._settings = journal, clock, settings
        self._buckets: dict[Eui64, TokenBucket] = {}
        self.counts: Counter[Eui64] = Counter()
        """Refusals of each device, those that were not journalled included."""

    def record(
        self,
        kind: EventKind,
        source: Party,
        target: Party,
        *,
        device: Eui64,
        job: int | None = None,
        detail: Mapping[str, Json],
    ) -> None:
        """Count one refusal, and journal it unless the device has had too many."""
        now = self._clock.now()
        self.counts[device] += 1
        bucket = self._buckets.get(device)
        if bucket is None:
            settings = self._settings
            bucket = self._buckets[device] = TokenBucket(settings.per_second, settings.burst, now)
        if bucket.take(now):
            self._journal.record(kind, source, target, device=device, job=job, detail=detail)
