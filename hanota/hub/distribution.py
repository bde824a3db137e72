"""Distribution: a job for each device, and the Upgrade Server that serves it as the job allows."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from hanota.errors import DeliveryError, LocalProtocolError, RemoteProtocolError, StoreError
from hanota.gbcs.alerts import TransferResponseCode
from hanota.hub.device_files import DeviceFiles
from hanota.hub.image_library import IMAGE_SHAPE, ImageLibrary
from hanota.hub.jobs import JobKind, JobOptions, JobState, Trigger
from hanota.hub.ports import Priority
from hanota.hub.scheduler import Scheduler
from hanota.hub.transfers import Transfers
from hanota.ota.block_size import BlockSizeBook
from hanota.ota.commands import CommandId
from hanota.ota.image import parse_image
from hanota.ota.server import OtaServer
from hanota.ota.session import LIVE, Activation, SessionState
from hanota.zcl import ClusterId, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from hanota.clock import Clock
    from hanota.errors import RadioError
    from hanota.eui64 import Eui64
    from hanota.hub.delivery import Delivery
    from hanota.hub.job_book import JobBook
    from hanota.hub.jobs import Job
    from hanota.hub.journal import Journal
    from hanota.hub.ports import HanFrame, Store
    from hanota.hub.progress import Progress, Signal
    from hanota.hub.refusals import Refusals
    from hanota.hub.settings import HubSettings
    from hanota.ota.image import OtaFile
    from hanota.ota.request import Outgoing

ACTIVATION: Final = {JobKind.PPMID: Activation.IMMEDIATE, JobKind.HCALCS: Activation.OUT_OF_BAND}

_SESSION_STATES: Final = {
    JobState.ACCEPTED: SessionState.OFFERED,
    JobState.NOTIFIED: SessionState.OFFERED,
    JobState.QUERIED: SessionState.QUERIED,
    JobState.TRANSFERRING: SessionState.TRANSFERRING,
    JobState.TRANSFERRED: SessionState.TRANSFERRED,
    JobState.HELD: SessionState.COMPLETE,
    JobState.ACTIVATING: SessionState.COMPLETE,
}
"""Where the Upgrade Server takes up the session of an open job after a restart."""
_HAVING_THE_IMAGE: Final = frozenset(
    {SessionState.TRANSFERRED, SessionState.COMPLETE, SessionState.INSTALLED}
)
"""The sessions of jobs whose device has the image; those of the other open jobs are live."""
_ABORT: Final = bytes((CommandId.IMAGE_BLOCK_RESPONSE, Status.ABORT))
"""What an Image Block Response ABORT has after frame control and sequence number, and all of it."""


class Distribution:
    """Every transfer under way on one hub."""

    def __init__(
        self,
        store: Store,
        journal: Journal,
        jobs: JobBook,
        delivery: Delivery,
        refusals: Refusals,
        clock: Clock,
        *,
        settings: HubSettings,
        wake: Callable[[], None],
        transfer_ended: Callable[[Job, TransferResponseCode], None],
    ) -> None:
        self._store, self._journal, self._jobs, self._delivery = store, journal, jobs, delivery
        self._clock, self._settings, self._wake = clock, settings, wake
        self.library = ImageLibrary(store, journal, clock, settings.images)
        self._scheduler = Scheduler(settings.scheduler)
        book = BlockSizeBook(settings.ota.models, store.block_sizes())
        self._server = OtaServer(settings.ota, book, self._scheduler)
        self.device_files = DeviceFiles(self._server, store, journal)
        self._transfers = Transfers(
            self._server,
            self._scheduler,
            store,
            journal,
            jobs,
            self.library,
            refusals,
            clock,
            settings=settings,
            transfer_ended=transfer_ended,
        )
        self._files: dict[bytes, OtaFile] = {}
        """The images of open jobs, each once."""
        self._handled_until = clock.now()
        """Times of jobs up to here have been acted on."""
        self._due: float | None = None
        self._due_of: int | None = None
        self._aborted: list[Eui64] = []
        journal.on_rollback(self._follow_rows)

    # -- what is asked for ---------------------------------------------------------------------------------

    def distribute(
        self,
        request_id: str,
        kind: JobKind,
        image: bytes,
        devices: Sequence[Eui64],
        options: JobOptions | None = None,
    ) -> Sequence[Job]:
        """Begin a job for each device; one under way gives way to it.

        Raise RemoteProtocolError for the image's fault, LocalProtocolError for options that cannot be.
        """
        file = self.library.parse(image, kind)
        options = self._checked(options or JobOptions(), kind)
        self._check_offer(file, devices)
        jobs: list[Job] = []
        with self._journal.transaction():
            digest = self.library.keep(file, kind).digest
            for device in devices:
                self.cancel(device, "replaced by a newer Service Request")
                jobs.append(self._jobs.add(request_id, kind, device, digest, file, options))
            self._journal.after_commit(partial(self._begin, jobs, file))
        return jobs

    def resume(self) -> None:
        """Offer again what was under way when the hub stopped: devices go on at the octet they ask for."""
        self._handled_until = self._clock.now()
        latest = self._handled_until + max(self._settings.retries.delays, default=0)
        for job in self._jobs.open_jobs():
            # A time further away than any delay was noted before the machine's clock was set back.
            late = job.retry_at is not None and job.retry_at > latest
            self._restore(self._jobs.retry_by(job, latest) if late else job)

    def cancel(self, device: Eui64, reason: str) -> None:
        """End the device's open job, if there is one: CCS08 Image Discarded, further blocks ABORT."""
        job = self._jobs.open_job(device)
        if job is not None:
            self._transfers.end(job, Trigger.CANCEL, reason, TransferResponseCode.IMAGE_DISCARDED)

    def settle(self, device: Eui64, trigger: Trigger, reason: str = "") -> None:
        """Move the device's open job by a verified statement; one that no open job can take is ignored."""
        job = self._jobs.open_job(device)
        if job is not None:
            self._transfers.settle(job, trigger, reason)

    def approve(self, device: Eui64) -> None:
        """Let the device have its last block, when its time has come; LocalProtocolError if none waits."""
        job = self._jobs.open_job(device)
        if job is None or not job.waits_for_approval:
            raise LocalProtocolError(f"no job for {device} waits for approval")
        job = self._jobs.approve(job)
        if not self._is_held(job):
            self._server.release(device, self._clock.now())

    def pause(self, devices: Iterable[Eui64] | None, reason: str) -> None:
        """Have the devices, or with None all, wait with their next blocks; those without a job are passed."""
        jobs = [job for job in self._open_jobs_of(devices) if not job.paused]
        with self._journal.transaction():
            paused = [self._jobs.pause(job, reason) for job in jobs]
        for job in paused:
            self._enrol(job)

    def go_on(self, devices: Iterable[Eui64] | None) -> None:
        """Serve paused devices again, or with None all; each comes back within its wait."""
        jobs = [job for job in self._open_jobs_of(devices) if job.paused]
        with self._journal.transaction():
            resumed = [self._jobs.go_on(job) for job in jobs]
        for job in resumed:
            self._enrol(job)

    def read_attributes(self, device: Eui64) -> None:
        """Ask a device for the attributes of its OTA Upgrade client; an event tells them."""
        self._transfers.read_attributes(device)

    def tell_upgrade_time(self, device: Eui64) -> None:
        """Tell a PPMID that is silent about its activation once more when to activate."""
        self._server.tell_upgrade_time(device, self._clock.now())

    def progress(self) -> Sequence[Progress]:
        """Return how far each transfer is."""
        return self._transfers.progress()

    def signal(self, device: Eui64) -> Signal:
        """Return how a device's last frame was heard."""
        return self._transfers.signals.last(device)

    # -- frames and time -----------------------------------------------------------------------------------

    def heard(self, frame: HanFrame) -> None:
        """Note how an admitted device is heard, by a frame on any cluster."""
        self._transfers.signals.heard(frame.device, frame.lqi, frame.rssi)

    def receive(self, frame: HanFrame) -> None:
        """Take one ZCL frame on the OTA Upgrade cluster."""
        self._server.receive(frame.device, frame.data, frame.at, self._delivery.room(frame.device))

    def device_ready(self, device: Eui64) -> None:
        """Tell a device that may be talked to, again or at last, about what waits for it."""
        self._server.notify(device, self._clock.now())

    def pump(self) -> None:
        """Note what happened and hand the answers to the radio, in this order: the row before the effect."""
        try:
            for event in self._server.events():
                self._transfers.told(event)
            while self._aborted:
                job = self._jobs.to_abort(self._aborted[-1])
                if job is not None:
                    self._jobs.abort_told(job)
                self._aborted.pop()
        except StoreError:
            self._server.responses()  # no effect without its row: the device asks again
            raise
        for frame in self._server.responses():
            self._delivery.post(
                frame.device,
                ClusterId.OTA_UPGRADE,
                frame.data,
                Priority.BULK if frame.bulk else Priority.NORMAL,
                partial(self._sent, frame),
                acknowledged=not frame.page and (self._settings.acknowledge_blocks or not frame.bulk),
            )

    def next_timer(self) -> float | None:
        """Return when `expire` is due, None where nothing is waited for."""
        at, job_at = self._server.next_timer(), self._next_due()
        if at is None or job_at is None:
            return job_at if at is None else at
        return min(at, job_at)

    def expire(self) -> None:
        """Let time pass."""
        now = self._clock.now()
        due = self._next_due()
        if due is not None and due <= now:
            self._handled_until, since = now, self._handled_until
            self._due_of = None
            for job in self._jobs.open_jobs():
                self._act_on_times(job, since)
        self._server.expire(now)

    # -- the times of jobs ---------------------------------------------------------------------------------

    def _next_due(self) -> float | None:
        """Return the earliest time of any job; looked for again only when a job has changed."""
        if self._due_of != self._jobs.changes:
            self._due_of = self._jobs.changes
            times = [at for job in self._jobs.open_jobs() for at in self._times(job)]
            self._due = min((at for at in times if at > self._handled_until), default=None)
        return self._due

    def _times(self, job: Job) -> list[float]:
        """Return when the job is offered again, and when its device may have its last block."""
        if job.has_image:
            return []
        times = [] if job.retry_at is None else [job.retry_at]
        if job.options.upgrade_at is not None:
            times.append(job.options.upgrade_at - self._settings.upgrade_lead)
        return times

    def _act_on_times(self, job: Job, since: float) -> None:
        now = self._handled_until
        if not any(since < at <= now for at in self._times(job)):
            return
        if job.state is JobState.ACCEPTED and job.retry_at is not None and since < job.retry_at <= now:
            self._offer(job)
        elif not self._is_held(job):
            self._server.release(job.device, now)

    def _backs_off(self, job: Job) -> bool:
        return (
            job.state is JobState.ACCEPTED and job.retry_at is not None and job.retry_at > self._handled_until
        )

    def _is_held(self, job: Job) -> bool:
        """Tell whether the last block is kept back, for approval or until the Upgrade Time is near.

        A device that was given a finite Upgrade Time cannot be told another, so it is given late.
        """
        if job.waits_for_approval:
            return True
        upgrade_at = job.options.upgrade_at
        return upgrade_at is not None and self._clock.now() < upgrade_at - self._settings.upgrade_lead

    # -- sessions ------------------------------------------------------------------------------------------

    def _begin(self, jobs: Sequence[Job], file: OtaFile) -> None:
        for job in jobs:
            self._files[job.image] = file
            self._offer(job)

    def _offer(self, job: Job) -> None:
        self._enrol(job)
        self._server.offer(
            job.device,
            self._file(job),
            ACTIVATION[job.kind],
            self._clock.now(),
            allow_downgrade=job.options.allow_downgrade,
            hold=self._is_held(job),
            upgrade_at=job.options.upgrade_at,
            expires_at=self._expires_at(job),
            from_start=self._jobs.follows_other_contents(job),
        )

    def _restore(self, job: Job) -> None:
        self._enrol(job)
        file = self._file(job)
        if self._backs_off(job):
            self._server.withdraw(job.device)
            return
        self._server.restore(
            job.device,
            file,
            ACTIVATION[job.kind],
            _SESSION_STATES[job.state],
            self._clock.now(),
            allow_downgrade=job.options.allow_downgrade,
            hold=self._is_held(job) and not job.has_image,
            upgrade_at=job.options.upgrade_at,
            expires_at=self._expires_at(job),
            from_start=self._jobs.follows_other_contents(job),
        )

    def _follow_rows(self) -> None:
        """Take back the sessions that are ahead of their jobs, whose last moves were rolled back."""
        for job in self._jobs.open_jobs():
            agreeing = _HAVING_THE_IMAGE if job.has_image else LIVE
            if self._server.state(job.device) not in agreeing:
                self._restore(job)

    def _enrol(self, job: Job) -> None:
        self._scheduler.enrol(job.device, job.options.priority, paused=job.paused)

    def _file(self, job: Job) -> OtaFile:
        """Return the job's image; images that no open job needs any more are let go."""
        if job.image not in self._files:
            needed = {other.image for other in self._jobs.open_jobs()}
            self._files = {digest: file for digest, file in self._files.items() if digest in needed}
            self._files[job.image] = parse_image(self._store.image(job.image), IMAGE_SHAPE[job.kind])
        return self._files[job.image]

    def _expires_at(self, job: Job) -> float:
        lifetime = self._settings.ota.session_lifetime
        expires_at = job.options.expires_at
        if expires_at is None:
            expires_at = job.created + lifetime  # a row of an older schema
        return expires_at if job.approved_at is None else max(expires_at, job.approved_at + lifetime)

    # -- inside --------------------------------------------------------------------------------------------

    def _checked(self, options: JobOptions, kind: JobKind) -> JobOptions:
        """Return the options with a time of expiry; raise LocalProtocolError where they cannot be."""
        now = self._clock.now()
        if options.upgrade_at is not None and kind is not JobKind.PPMID:
            raise LocalProtocolError(
                f"an upgrade-at time for an {kind}, which activates on the supplier's command alone",
                hint="put the time into the Activate Firmware command (CS06)",
            )
        if options.expires_at is not None:
            if options.expires_at <= now:
                raise LocalProtocolError("the job would have expired before it began")
            return options
        begins = now if options.upgrade_at is None else max(now, options.upgrade_at)
        return replace(options, expires_at=begins + self._settings.ota.session_lifetime)

    def _check_offer(self, file: OtaFile, devices: Sequence[Eui64]) -> None:
        destination = file.header.upgrade_file_destination
        if destination is not None and set(devices) != {destination}:
            raise RemoteProtocolError(f"the OTA Header says that the image is for {destination} alone")
        under_way = {job.device for job in self._jobs.open_jobs()}
        room = self._server.settings.sessions
        if len(under_way.union(devices)) > room:
            raise RemoteProtocolError(
                f"{len(under_way)} updates are under way and {len(devices)} more are asked for, of {room}",
                hint="wait for some to end, or raise OtaServerSettings.sessions",
            )

    def _open_jobs_of(self, devices: Iterable[Eui64] | None) -> list[Job]:
        if devices is None:
            return list(self._jobs.open_jobs())
        found = (self._jobs.open_job(device) for device in dict.fromkeys(devices))
        return [job for job in found if job is not None]

    def _sent(self, frame: Outgoing, error: RadioError | LocalProtocolError | None) -> None:
        """Hear what became of a frame: a block lost on the air may have been too long."""
        if frame.bulk:
            lost = isinstance(error, DeliveryError | LocalProtocolError)
            self._server.confirm(frame, self._clock.now(), delivered=not lost)
            if frame.page:
                self._wake()
        elif error is None and frame.data[2:] == _ABORT and self._jobs.to_abort(frame.device) is not None:
            self._aborted.append(frame.device)
            self._wake()
