"""Jobs that wait for a device's word on its activation, and what is done while it does not come.

A device that rebooted has forgotten its tunnel, and cannot send CS09 or a CS06 response before the hub opens
another; if its announcement was lost on the air, the hub does not know. So the tunnel is asked for again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hanota.hub.events import EventKind
from hanota.hub.jobs import JobKind, JobState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hanota.eui64 import Eui64
    from hanota.hub.events import Event
    from hanota.hub.jobs import Job


@dataclass(frozen=True, slots=True)
class ActivationSettings:
    """When to look after a device that was told to activate; seconds."""

    first_check: float = 60
    """Until its tunnel is asked for again: longer than a reboot."""
    longest_check: float = 3600
    """The checks come at twice the time, up to this."""
    ppmid_timeout: float = 24 * 3600
    """Until a PPMID that says nothing has failed. An HCALCS has none: its command may be future dated."""


@dataclass(slots=True)
class _Watched:
    kind: JobKind
    since: float
    interval: float
    due: float


class ActivationWatch:
    """Which devices are to be looked after, and when."""

    def __init__(self, settings: ActivationSettings) -> None:
        self._settings = settings
        self._watched: dict[Eui64, _Watched] = {}

    def take_up(self, jobs: Iterable[Job], now: float) -> None:
        """Watch what was activating when the hub stopped."""
        for job in jobs:
            if job.state is JobState.ACTIVATING:
                # Not from a time to come: the machine's clock may have been set back meanwhile.
                self._watch(job.device, job.kind, since=min(job.updated, now), now=now)

    def follow(self, event: Event) -> None:
        """Learn from the journal which jobs are activating."""
        if event.kind is not EventKind.JOB_STATE or event.device is None:
            return
        if event.detail["state"] == JobState.ACTIVATING:
            self._watch(event.device, JobKind(str(event.detail["job_kind"])), since=event.at, now=event.at)
        else:
            self._watched.pop(event.device, None)

    def next_timer(self) -> float | None:
        """Return when `expire` is due, None where nothing is watched."""
        return min((watched.due for watched in self._watched.values()), default=None)

    def expire(self, now: float) -> tuple[list[Eui64], list[Eui64]]:
        """Return whose tunnel to ask for again, and whose time is over."""
        due = {device: watched for device, watched in self._watched.items() if watched.due <= now}
        over = [device for device, watched in due.items() if self._is_over(watched, now)]
        for watched in due.values():
            watched.interval = min(2 * watched.interval, self._settings.longest_check)
            watched.due = now + watched.interval
        return [device for device in due if device not in over], over

    def _watch(self, device: Eui64, kind: JobKind, *, since: float, now: float) -> None:
        first = self._settings.first_check
        self._watched[device] = _Watched(kind, since, first, now + first)

    def _is_over(self, watched: _Watched, now: float) -> bool:
        return watched.kind is JobKind.PPMID and now - watched.since >= self._settings.ppmid_timeout
