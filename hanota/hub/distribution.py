"""Distribution: a job for each device, the Upgrade Server that serves it, the CCS08 alert at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, assert_never

from hanota.errors import LocalProtocolError, RemoteProtocolError, StoreError
from hanota.gbcs.alerts import TransferResponseCode
from hanota.hub.events import EventKind, Party
from hanota.hub.jobs import JobKind, JobState, Trigger
from hanota.hub.ports import Priority
from hanota.hub.progress import TransferMeter
from hanota.ota.commands import NEVER
from hanota.ota.events import (
    AllBlocksServed,
    AlreadyInstalled,
    BlockServed,
    BlockSizeLearnt,
    ClientAttributesTold,
    DeviceDefaultResponse,
    DeviceFileEnded,
    DeviceFileQueried,
    HardwareVersionMismatch,
    ImageNotified,
    ImageQueried,
    QueryRefused,
    Refusal,
    RequestRefused,
    TransferDelayed,
    TransferExpired,
    TransferHeld,
    TransferStalled,
    TransferStarted,
    UpgradeEndAnswered,
    UpgradeEnded,
    UpgradeEndUnexpected,
)
from hanota.ota.image import ImageShape, parse_image
from hanota.ota.server import OtaServer
from hanota.ota.session import LIVE, Activation, SessionState
from hanota.zcl import ClusterId, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hanota.clock import Clock
    from hanota.eui64 import Eui64
    from hanota.hub.delivery import Delivery
    from hanota.hub.events import Event, Json
    from hanota.hub.job_book import JobBook
    from hanota.hub.jobs import Job
    from hanota.hub.journal import Journal
    from hanota.hub.ports import HanFrame, Store
    from hanota.hub.progress import Progress
    from hanota.hub.refusals import Refusals
    from hanota.ota.events import OtaEvent
    from hanota.ota.image import OtaFile
    from hanota.ota.settings import OtaServerSettings

IMAGE_SHAPE: Final = {JobKind.PPMID: ImageShape.PPMID, JobKind.HCALCS: ImageShape.SIGNED}
"""GBCS 11.2: what follows the OTA Header in the image of each kind of device."""
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
_TRANSFERRED: Final = frozenset({JobState.TRANSFERRED, JobState.HELD, JobState.ACTIVATING})
_HAVING_THE_IMAGE: Final = frozenset(
    {SessionState.TRANSFERRED, SessionState.COMPLETE, SessionState.INSTALLED}
)
"""The sessions that belong to jobs in `_TRANSFERRED`; those of the other open jobs are live."""


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
        settings: OtaServerSettings,
        progress_interval: float,
        transfer_ended: Callable[[Job, TransferResponseCode], None],
    ) -> None:
        self._store, self._journal, self._jobs, self._delivery = store, journal, jobs, delivery
        self._refusals = refusals
        self._clock, self._progress_interval = clock, progress_interval
        self._transfer_ended = transfer_ended
        self._server = OtaServer(settings)
        self._meters: dict[Eui64, TransferMeter] = {}
        self._reported: dict[Eui64, float] = {}
        journal.on_rollback(self._follow_rows)

    def distribute(
        self, request_id: str, kind: JobKind, image: bytes, devices: Sequence[Eui64]
    ) -> Sequence[Job]:
        """Begin a job for each device; one under way gives way to it; raise RemoteProtocolError."""
        file = parse_image(image, IMAGE_SHAPE[kind])
        self._check_offer(file, devices)
        jobs = []
        with self._journal.transaction():
            digest = self._store.put_image(image)
            for device in devices:
                self.cancel(device, "replaced by a newer Service Request")
                jobs.append(self._jobs.add(request_id, kind, device, digest, file))
        for job in jobs:
            self._server.offer(job.device, file, ACTIVATION[kind], self._clock.now())
        return jobs

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

    def resume(self) -> None:
        """Offer again what was under way when the hub stopped: devices go on at the octet they ask for."""
        for job in self._jobs.open_jobs():
            self._restore(job)

    def cancel(self, device: Eui64, reason: str) -> None:
        """End the device's open job, if there is one: CCS08 Image Discarded, further blocks ABORT."""
        job = self._jobs.open_job(device)
        if job is not None:
            self._end(job, Trigger.CANCEL, reason, TransferResponseCode.IMAGE_DISCARDED)

    def settle(self, device: Eui64, trigger: Trigger, reason: str = "") -> None:
        """Move the device's open job by a verified statement; one that no open job can take is ignored."""
        job = self._jobs.open_job(device)
        if job is not None and self._move(job, trigger, reason).state.is_end:
            self._server.withdraw(device)
            self._forget(device)

    def receive(self, frame: HanFrame) -> None:
        """Take one ZCL frame on the OTA Upgrade cluster."""
        self._server.receive(frame.device, frame.data, frame.at)

    def device_ready(self, device: Eui64) -> None:
        """Tell a device that may be talked to, again or at last, about what waits for it."""
        self._server.notify(device, self._clock.now())

    def pump(self) -> None:
        """Note what happened and hand the answers to the radio, in this order: the row before the effect."""
        try:
            for event in self._server.events():
                self._told(event)
        except StoreError:
            self._server.responses()  # no effect without its row: the device asks again
            raise
        for frame in self._server.responses():
            priority = Priority.BULK if frame.bulk else Priority.NORMAL
            self._delivery.post(frame.device, ClusterId.OTA_UPGRADE, frame.data, priority, lambda _: None)

    def next_timer(self) -> float | None:
        """Return when `expire` is due, None where nothing is waited for."""
        return self._server.next_timer()

    def expire(self) -> None:
        """Let time pass."""
        self._server.expire(self._clock.now())

    def progress(self) -> Sequence[Progress]:
        """Return how far each transfer is."""
        now = self._clock.now()
        return [meter.read(now) for meter in self._meters.values()]

    # -- what the Upgrade Server tells -------------------------------------------------------------------

    def _told(self, event: OtaEvent) -> None:
        job = self._jobs.open_job(event.device)
        match event:
            case BlockServed() | TransferStarted():
                if job is not None and job.state not in _TRANSFERRED:
                    self._block(job, event)
            case ImageNotified():
                self._note(EventKind.IMAGE_NOTIFY, event, job, to_device=True)
                self._try_move(job, Trigger.IMAGE_NOTIFY)
            case ImageQueried():
                self._note(
                    EventKind.IMAGE_QUERIED,
                    event,
                    job,
                    current_version=f"{event.current_version:08X}",
                    hardware_version=_hex16(event.hardware_version),
                )
                self._try_move(job, Trigger.QUERY)
            case UpgradeEnded():
                self._upgrade_ended(event, job)
            case UpgradeEndAnswered():
                self._answered(event, job)
            case HardwareVersionMismatch():
                reason = (
                    f"hardware version {event.hardware_version:04X} is outside "
                    f"{event.minimum:04X} to {event.maximum:04X}"
                )
                self._end(job, Trigger.NOT_FOR_DEVICE, reason, TransferResponseCode.HARDWARE_VERSION_MISMATCH)
            case AlreadyInstalled():
                self._already_installed(event, job)
            case TransferExpired():
                reason = f"the device stopped asking at octet {event.served} of {event.total}"
                self._end(job, Trigger.EXPIRE, reason, TransferResponseCode.FILE_TRANSFER_FAILURE)
            case TransferStalled():
                self._note(EventKind.TRANSFER_STALLED, event, job, octets=event.served, total=event.total)
            case QueryRefused():
                self._refused(event, job, event.reason.value)
                if event.reason is Refusal.DOWNGRADE:
                    reason = f"{event.reason.value}: {event.current_version:08X}"
                    self._end(job, Trigger.NOT_FOR_DEVICE, reason, TransferResponseCode.IMAGE_DISCARDED)
            case RequestRefused():
                reason = event.reason.value + (f": {event.detail}" if event.detail else "")
                self._refused(event, job, reason)
            case UpgradeEndUnexpected():
                reason = (
                    f"Upgrade End Request {_status(event.status)} for an image not transferred to the device"
                )
                self._refused(event, job, reason)
            case (
                AllBlocksServed()
                | TransferDelayed()
                | DeviceDefaultResponse()
                | TransferHeld()
                | BlockSizeLearnt()
                | DeviceFileQueried()
                | DeviceFileEnded()
                | ClientAttributesTold()
            ):
                pass
            case _:
                assert_never(event)

    def _block(self, job: Job, event: BlockServed | TransferStarted) -> None:
        self._try_move(job, Trigger.BLOCK)
        meter = self._meters.get(event.device)
        if meter is None:
            meter = self._meters[event.device] = TransferMeter(event.device, job.id, event.total)
            self._reported[event.device] = event.at
        if isinstance(event, TransferStarted):
            return
        meter.block(event.file_offset, event.size, event.at, repeated=event.repeated)
        if event.at - self._reported[event.device] >= self._progress_interval:
            self._reported[event.device] = event.at
            progress = meter.read(event.at)
            self._note(
                EventKind.TRANSFER_PROGRESS,
                event,
                job,
                octets=progress.octets,
                total=progress.total,
                rate=_round(progress.rate),
                seconds_left=_round(progress.seconds_left),
                repeats=meter.repeats,
            )

    def _upgrade_ended(self, event: UpgradeEnded, job: Job | None) -> None:
        meter = self._meters.get(event.device)
        self._note(
            EventKind.UPGRADE_END,
            event,
            job,
            status=_status(event.status),
            rate=None if meter is None else _round(meter.mean_rate(event.at)),
            repeats=0 if meter is None else meter.repeats,
        )
        if job is None:
            return
        match event.status:
            case Status.SUCCESS:
                # A device that is held asks again every hour: the alert belongs to the first time alone.
                first = job.state not in _TRANSFERRED
                with self._journal.transaction():
                    if self._move(job, Trigger.UPGRADE_END).state in _TRANSFERRED and first:
                        self._transfer_ended(job, TransferResponseCode.SUCCESS)
                self._forget(event.device)
            case Status.INVALID_IMAGE:
                reason = "the device's own verification refused the image"
                self._end(job, Trigger.INVALID_IMAGE, reason, TransferResponseCode.FILE_TRANSFER_FAILURE)
            case _:
                reason = f"the device ended the download: {_status(event.status)}"
                self._end(job, Trigger.ABORT, reason, TransferResponseCode.FILE_TRANSFER_FAILURE)

    def _answered(self, event: UpgradeEndAnswered, job: Job | None) -> None:
        waits = event.upgrade_time == NEVER
        meaning = "wait for the Activate Firmware command (0xFFFFFFFF)" if waits else "activate now"
        self._note(EventKind.UPGRADE_END_ANSWERED, event, job, to_device=True, meaning=meaning)
        self._try_move(job, Trigger.TOLD_TO_WAIT if waits else Trigger.TOLD_TO_ACTIVATE)

    def _already_installed(self, event: AlreadyInstalled, job: Job | None) -> None:
        """No proof of an activation: the device's alert or response is waited for."""
        reason = f"the device says it runs {event.file_version:08X} already"
        self._refused(event, job, reason)
        if job is not None and job.state not in _TRANSFERRED:
            self._end(job, Trigger.NOT_FOR_DEVICE, reason, TransferResponseCode.IMAGE_DISCARDED)

    # -- sessions ----------------------------------------------------------------------------------------

    def _restore(self, job: Job) -> None:
        file = parse_image(self._store.image(job.image), IMAGE_SHAPE[job.kind])
        state = _SESSION_STATES[job.state]
        self._server.restore(job.device, file, ACTIVATION[job.kind], state, self._clock.now())

    def _follow_rows(self) -> None:
        """Take back the sessions that are ahead of their jobs, whose last moves were rolled back."""
        for job in self._jobs.open_jobs():
            agreeing = _HAVING_THE_IMAGE if job.state in _TRANSFERRED else LIVE
            if self._server.state(job.device) not in agreeing:
                self._restore(job)

    # -- jobs and journal --------------------------------------------------------------------------------

    def _end(self, job: Job | None, trigger: Trigger, reason: str, code: TransferResponseCode) -> None:
        if job is None:
            return
        transferred = job.state in _TRANSFERRED
        with self._journal.transaction():
            if not self._move(job, trigger, reason).state.is_end:
                return
            if not transferred or code is TransferResponseCode.IMAGE_DISCARDED:
                self._transfer_ended(job, code)
        self._server.withdraw(job.device)
        self._forget(job.device)

    def _move(self, job: Job, trigger: Trigger, reason: str = "") -> Job:
        """Move the job where the table allows it; what a device says out of turn moves nothing."""
        try:
            return self._jobs.move(job, trigger, reason)
        except LocalProtocolError:
            return job

    def _try_move(self, job: Job | None, trigger: Trigger) -> None:
        if job is not None:
            self._move(job, trigger)

    def _forget(self, device: Eui64) -> None:
        self._meters.pop(device, None)
        self._reported.pop(device, None)

    def _refused(self, event: OtaEvent, job: Job | None, reason: str) -> None:
        self._refusals.record(
            EventKind.OTA_REFUSED,
            Party.DEVICE,
            Party.HUB,
            device=event.device,
            job=None if job is None else job.id,
            detail={"reason": reason},
        )

    def _note(
        self, kind: EventKind, event: OtaEvent, job: Job | None, *, to_device: bool = False, **detail: Json
    ) -> Event:
        source, target = (Party.HUB, Party.DEVICE) if to_device else (Party.DEVICE, Party.HUB)
        return self._journal.record(
            kind, source, target, device=event.device, job=None if job is None else job.id, detail=detail
        )


def _status(status: int) -> str:
    try:
        return Status(status).name
    except ValueError:
        return f"0x{status:02X}"


def _hex16(value: int | None) -> str | None:
    return None if value is None else f"{value:04X}"


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
