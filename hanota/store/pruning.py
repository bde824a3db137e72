"""What is old goes from the database, a little at a time, and never what something open still needs.

Counters, Device Log, inventory and audit trail stay whatever their age: they are what an old request, an
old message or an altered record is told by.
"""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hanota.errors import ConfigError, StoreError
from hanota.hub.events import EventKind, Party
from hanota.hub.jobs import JobState

if TYPE_CHECKING:
    from hanota.clock import Clock
    from hanota.hub.journal import Journal
    from hanota.store.database import Database

logger = logging.getLogger(__name__)

DAY: Final = 24 * 3600.0
_SCANNED: Final = 50
"""How many times the rows of one step are looked at where the oldest are of a time to come: some ms."""
_ENDED: Final = json.dumps([state for state in JobState if state.is_end])


@dataclass(frozen=True, slots=True)
class PruningSettings:
    """How long what is kept."""

    events_days: float = 90
    """Of the journal: whoever looks back does so for a release of firmware, a quarter."""
    jobs_days: float = 90
    """Of jobs that ended, and at least as long as their events. The newest of each device stays: alerts that
    come late are about it."""
    images_days: float = 30
    """Of what is known of images that were retired and that no job names any more."""
    requests_days: float = 30
    """Of answers to Service Requests. A service user repeats one within minutes, after an outage of its own
    within days; one that is repeated later is refused by its counter, so nothing is ever done twice."""
    interval: float = 3600
    """Seconds between looks for what is old."""
    rows: int = 200
    """Removed in one transaction: some ms, in which the hub answers nobody."""
    pause: float = 0.05
    """Seconds between two transactions: the hub's own work goes first."""

    def __post_init__(self) -> None:
        """Raise ConfigError for settings that would remove what is in use, or never end."""
        for name in ("events_days", "jobs_days", "images_days", "requests_days", "interval", "rows"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} must be above 0")
        if self.requests_days < 1:
            raise ConfigError("requests_days must be at least 1", hint="service users repeat for some hours")


@dataclass(slots=True)
class Pruned:
    """How many rows of what went."""

    events: int = 0
    jobs: int = 0
    images: int = 0
    requests: int = 0


class Pruning:
    """Prunes the database of a hub, running or not.

    Events go in order, so that what is left of the journal is whole from its first `seq` on. A reader who
    asks for what came after a `seq` and is given one that is not the next knows what is gone.
    """

    def __init__(
        self, database: Database, journal: Journal, clock: Clock, settings: PruningSettings | None = None
    ) -> None:
        self._database, self._journal, self._clock = database, journal, clock
        self._settings = settings or PruningSettings()

    async def run(self) -> None:
        """Prune now and at every interval until cancelled; a store that fails is tried again."""
        while True:
            try:
                await self.prune()
            except StoreError as error:
                logger.error("%s", error)  # noqa: TRY400  # what to do is in the message, not in a traceback
            await asyncio.sleep(self._settings.interval)

    async def prune(self) -> Pruned:
        """Remove all that is old and tell the journal, where there was anything; raise StoreError."""
        pruned = Pruned()
        now = self._clock.now()
        try:
            while self._step(pruned, now):  # noqa: ASYNC110  # nobody waits here: the hub goes first
                await asyncio.sleep(self._settings.pause)
        finally:
            # What went is told even where the store or the process's end came between.
            self._tell(pruned)
        return pruned

    def _step(self, pruned: Pruned, now: float) -> bool:
        """Remove at most `rows` of each kind; tell whether there may be more."""
        settings = self._settings
        with self._database.transaction():
            # In this order: a job has to be rid of its events, an image of its jobs.
            removed = (
                self._remove_events(now - settings.events_days * DAY, now),
                self._remove_jobs(now - settings.jobs_days * DAY),
                self._remove_images(now - settings.images_days * DAY),
                self._remove_requests(now - settings.requests_days * DAY),
            )
        pruned.events += removed[0]
        pruned.jobs += removed[1]
        pruned.images += removed[2]
        pruned.requests += removed[3]
        return settings.rows in removed

    def _remove_events(self, before: float, now: float) -> int:
        """Remove a prefix; an event of a time to come is as old as the first after it that is of none.

        It was noted before the machine's clock was set back, and would else keep all that follows.
        """
        rows = self._database.rows("oldest_events", limit=self._settings.rows)
        last = None
        count = 0
        for number, (seq, at) in enumerate(rows, 1):
            if before <= at <= now:
                break
            if at < before:
                last, count = seq, number
        else:
            if last is None and rows:
                scanned = _SCANNED * self._settings.rows
                follows = self._database.rows("first_event_until", scanned=scanned, now=now)
                if follows and follows[0][0] < before:
                    last, count = rows[-1][0], len(rows)
        if last is not None:
            self._database.rows("remove_events", seq=last)
        return count

    def _remove_jobs(self, before: float) -> int:
        return len(
            self._database.rows("remove_old_jobs", before=before, ended=_ENDED, limit=self._settings.rows)
        )

    def _remove_images(self, before: float) -> int:
        self._database.rows("remove_retired_images", before=before, limit=self._settings.rows)
        return len(self._database.rows("remove_unused_images", limit=self._settings.rows))

    def _remove_requests(self, before: float) -> int:
        # As SQL writes a RequestID that it has in parts: hex of both EUI-64s, and the counter.
        still_open = [
            request_id.replace("-", "").replace(":", "").upper()
            for (request_id,) in self._database.rows("open_requests", ended=_ENDED)
        ]
        return len(
            self._database.rows(
                "remove_old_requests",
                before=before,
                open=json.dumps(still_open),
                limit=self._settings.rows,
            )
        )

    def _tell(self, pruned: Pruned) -> None:
        if pruned != Pruned():
            self._journal.record(
                EventKind.STORE_PRUNED,
                Party.HUB,
                Party.HUB,
                detail={
                    "events": pruned.events,
                    "jobs": pruned.jobs,
                    "images": pruned.images,
                    "requests": pruned.requests,
                },
            )
