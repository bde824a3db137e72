"""The jobs in the store, moved by the table of `jobs.py` and by nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hanota.hub.events import EventKind, Party
from hanota.hub.jobs import JobState, Trigger, follow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hanota.clock import Clock
    from hanota.eui64 import Eui64
    from hanota.hub.events import Json
    from hanota.hub.jobs import Job, JobKind, JobOptions
    from hanota.hub.journal import Journal
    from hanota.hub.ports import Store
    from hanota.ota.image import OtaFile


class JobBook:
    """At most one open job a device; every change is a row and an event in one transaction."""

    def __init__(self, store: Store, journal: Journal, clock: Clock) -> None:
        self._store, self._journal, self._clock = store, journal, clock
        self._open: dict[Eui64, Job] = {}
        self._to_abort: dict[Eui64, Job] = {}
        self._ended: dict[Eui64, Job] = {}
        self.changes = 0
        """Rises with every change of a job."""
        self._load()
        journal.on_rollback(self._load)

    def add(
        self,
        request_id: str,
        kind: JobKind,
        device: Eui64,
        image: bytes,
        file: OtaFile,
        options: JobOptions | None = None,
    ) -> Job:
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
                options=options,
            )
            self._open[device] = job
            self.changes += 1
            self._to_abort.pop(device, None)
            self._record_state(job, "Service Request accepted")
        return job

    def open_job(self, device: Eui64) -> Job | None:
        """Return the device's job that has not ended, None where there is none."""
        return self._open.get(device)

    def open_jobs(self) -> Sequence[Job]:
        """Return every job that has not ended, oldest first."""
        return sorted(self._open.values(), key=lambda job: job.id)

    def to_abort(self, device: Eui64) -> Job | None:
        """Return the cancelled job whose download the device has not heard to have ended, if it is one."""
        return self._to_abort.get(device)

    def follows_other_contents(self, job: Job) -> bool:
        """Tell whether the job before was of another file of this job's version, and may have left octets."""
        ended = self._ended.get(job.device)
        return (
            ended is not None
            and ended.state is not JobState.ACTIVATED
            and ended.firmware_version == job.firmware_version
            and ended.image != job.image
        )

    def move(self, job: Job, trigger: Trigger, reason: str = "") -> Job:
        """Move the job along the table and return it; raise LocalProtocolError where it cannot go there."""
        state = follow(job.state, trigger)
        if state is job.state:
            return job
        ended = reason if state.is_end else ""
        # An execution time is that of a command: it goes with the state `activating` that the command made.
        moved = replace(job, state=state, reason=ended, updated=self._clock.now(), execution_at=None)
        with self._journal.transaction():
            self._write(moved)
            self._record_state(moved, reason or str(trigger))
        return moved

    def execute_at(self, device: Eui64, at: float | None) -> None:
        """Note when the device's activating job is executed (Unix seconds), None: at once, or unknown."""
        job = self._open.get(device)
        if job is None or job.state is not JobState.ACTIVATING or job.execution_at == at:
            return
        with self._journal.transaction():
            self._change(replace(job, execution_at=at))

    def retry(self, job: Job, retry_at: float, reason: str) -> Job:
        """Have a download that failed begin again at `retry_at`; raise LocalProtocolError where it cannot."""
        state = follow(job.state, Trigger.RETRY)
        changed = replace(job, state=state, failures=job.failures + 1, retry_at=retry_at)
        with self._journal.transaction():
            changed = self._change(changed)
            self._record_state(changed, reason)
        return changed

    def retry_by(self, job: Job, retry_at: float) -> Job:
        """Have a download that failed begin again at another time."""
        with self._journal.transaction():
            return self._change(replace(job, retry_at=retry_at))

    def approve(self, job: Job) -> Job:
        """Note that the device may have its last block."""
        with self._journal.transaction():
            changed = self._change(replace(job, approved_at=self._clock.now()))
            self._record(EventKind.JOB_APPROVED, changed, {})
        return changed

    def pause(self, job: Job, reason: str) -> Job:
        """Note that the job is to wait."""
        with self._journal.transaction():
            changed = self._change(replace(job, paused=True))
            self._record(EventKind.JOB_PAUSED, changed, {"reason": reason})
        return changed

    def go_on(self, job: Job) -> Job:
        """Note that the job waits no more."""
        with self._journal.transaction():
            changed = self._change(replace(job, paused=False))
            self._record(EventKind.JOB_RESUMED, changed, {})
        return changed

    def abort_told(self, job: Job) -> None:
        """Note that the device knows that the download of a cancelled job has ended."""
        with self._journal.transaction():
            self._store.update_job(replace(job, abort_told=True))
            self._to_abort.pop(job.device, None)
            self._journal.record(
                EventKind.TRANSFER_ABORTED, Party.DEVICE, Party.HUB, device=job.device, job=job.id
            )

    def _change(self, job: Job) -> Job:
        changed = replace(job, updated=self._clock.now())
        self._write(changed)
        return changed

    def _write(self, job: Job) -> None:
        """Write the row, and what is in memory before the listeners hear of it; a rollback loads it again."""
        self._store.update_job(job)
        self.changes += 1
        if not job.state.is_end:
            self._open[job.device] = job
            return
        del self._open[job.device]
        self._ended[job.device] = job
        if job.state is JobState.CANCELLED:
            self._to_abort[job.device] = job

    def _load(self) -> None:
        self.changes += 1
        jobs = self._store.jobs()
        newest = {job.device: job for job in jobs}
        self._ended = {job.device: job for job in jobs if job.state.is_end}
        self._open = {device: job for device, job in newest.items() if not job.state.is_end}
        self._to_abort = {
            device: job
            for device, job in newest.items()
            if job.state is JobState.CANCELLED and not job.abort_told
        }

    def _record_state(self, job: Job, cause: str) -> None:
        self._record(
            EventKind.JOB_STATE,
            job,
            {
                "state": str(job.state),
                "job_kind": str(job.kind),
                "firmware_version": job.firmware_version.hex().upper(),
                "cause": cause,
            },
        )

    def _record(self, kind: EventKind, job: Job, detail: dict[str, Json]) -> None:
        self._journal.record(kind, Party.HUB, Party.HUB, device=job.device, job=job.id, detail=detail)
