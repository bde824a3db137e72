"""The jobs in the store, moved by the table of `jobs.py` and by nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hanota.hub.events import EventKind, Party
from hanota.hub.jobs import follow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hanota.clock import Clock
    from hanota.eui64 import Eui64
    from hanota.hub.jobs import Job, JobKind, Trigger
    from hanota.hub.journal import Journal
    from hanota.hub.ports import Store
    from hanota.ota.image import OtaFile


class JobBook:
    """At most one open job a device; every move is a row and an event in one transaction."""

    def __init__(self, store: Store, journal: Journal, clock: Clock) -> None:
        self._store, self._journal, self._clock = store, journal, clock
        self._open: dict[Eui64, Job] = {}
        self._load()
        journal.on_rollback(self._load)

    def add(self, request_id: str, kind: JobKind, device: Eui64, image: bytes, file: OtaFile) -> Job:
        """Add a job for `device`; `image` is the stored image's SHA-256. An open job must be ended first."""
        with self._journal.transaction():
            job = self._store.add_job(
                request_id=request_id,
                kind=kind,
                device=device,
                image=image,
                firmware_version=file.firmware_version,
                manufacturer_image_hash=file.manufacturer_image_hash,
                at=self._clock.now(),
            )
            self._open[device] = job
            self._record(job, "Service Request accepted")
        return job

    def open_job(self, device: Eui64) -> Job | None:
        """Return the device's job that has not ended, None where there is none."""
        return self._open.get(device)

    def open_jobs(self) -> Sequence[Job]:
        """Return every job that has not ended, oldest first."""
        return sorted(self._open.values(), key=lambda job: job.id)

    def move(self, job: Job, trigger: Trigger, reason: str = "") -> Job:
        """Move the job along the table and return it; raise LocalProtocolError where it cannot go there."""
        state = follow(job.state, trigger)
        if state is job.state:
            return job
        moved = replace(job, state=state, reason=reason if state.is_end else "", updated=self._clock.now())
        with self._journal.transaction():
            self._store.update_job(moved)
            # Before the listeners hear of it; a rollback loads the rows again.
            if state.is_end:
                del self._open[job.device]
            else:
                self._open[job.device] = moved
            self._record(moved, reason or str(trigger))
        return moved

    def _load(self) -> None:
        self._open = {job.device: job for job in self._store.jobs() if not job.state.is_end}

    def _record(self, job: Job, cause: str) -> None:
        self._journal.record(
            EventKind.JOB_STATE,
            Party.HUB,
            Party.HUB,
            device=job.device,
            job=job.id,
            detail={
                "state": str(job.state),
                "job_kind": str(job.kind),
                "firmware_version": job.firmware_version.hex().upper(),
                "cause": cause,
            },
        )
