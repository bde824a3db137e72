"""What the Upgrade Server tells of its devices: jobs moved, events noted, the CCS08 alert at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from hanota.errors import LocalProtocolError
from hanota.gbcs.alerts import TransferResponseCode
from hanota.hub.events import EventKind, Party
from hanota.hub.jobs import JobKind, JobState, Trigger
from hanota.hub.progress import Signals
from hanota.hub.retries import retry_delay
from hanota.hub.transfer_reports import TransferReports, progress_detail
from hanota.hub.wording import attribute_values, held_for, image_name, status_name
from hanota.ota.commands import NEVER, CommandId
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
from hanota.timestamps import ZIGBEE_EPOCH, iso, zigbee_time
from hanota.zcl import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hanota.clock import Clock
    from hanota.eui64 import Eui64
    from hanota.hub.events import Event, Json
    from hanota.hub.image_library import ImageLibrary
    from hanota.hub.job_book import JobBook
    from hanota.hub.jobs import Job
    from hanota.hub.journal import Journal
    from hanota.hub.ports import Store
    from hanota.hub.progress import Progress
    from hanota.hub.refusals import Refusals
    from hanota.hub.scheduler import Scheduler
    from hanota.hub.settings import HubSettings
    from hanota.ota.events import OtaEvent
    from hanota.ota.server import OtaServer


class Transfers:
    """The hub's end of every transfer: `told` takes each event of the Upgrade Server, in order."""

    def __init__(
        self,
        server: OtaServer,
        scheduler: Scheduler,
        store: Store,
        journal: Journal,
        jobs: JobBook,
        library: ImageLibrary,
        refusals: Refusals,
        clock: Clock,
        *,
        settings: HubSettings,
        transfer_ended: Callable[[Job, TransferResponseCode], None],
    ) -> None:
        self._server, self._scheduler = server, scheduler
        self._store, self._journal, self._jobs, self._library = store, journal, jobs, library
        self._refusals, self._clock, self._settings = refusals, clock, settings
        self._transfer_ended = transfer_ended
        self.signals = Signals()
        self._reports = TransferReports(server, self.signals, settings.progress_interval)
        self._asked: set[Eui64] = set()
        """Whose client attributes were asked for."""

    def read_attributes(self, device: Eui64) -> None:
        """Ask a device for its client attributes; they are noted when it tells them."""
        self._asked.add(device)
        self._server.read_attributes(device)

    def progress(self) -> Sequence[Progress]:
        """Return how far each transfer is."""
        now = self._clock.now()
        under_way = [job for job in self._jobs.open_jobs() if job.state is JobState.TRANSFERRING]
        return [progress for job in under_way if (progress := self._reports.progress(job, now)) is not None]

    def end(self, job: Job, trigger: Trigger, reason: str, code: TransferResponseCode) -> None:
        """End an open job, with its CCS08 unless that was sent when the device had its image."""
        transferred = job.has_image
        with self._journal.transaction():
            if not self._move(job, trigger, reason).state.is_end:
                return
            if not transferred or code is TransferResponseCode.IMAGE_DISCARDED:
                self._transfer_ended(job, code)
            self._library.job_ended(job.image)
        self._server.withdraw(job.device)
        self.forget(job.device)

    def settle(self, job: Job, trigger: Trigger, reason: str) -> None:
        """Move a job by a verified statement; one that the table does not allow moves nothing."""
        with self._journal.transaction():
            ended = self._move(job, trigger, reason).state.is_end
            if ended:
                self._library.job_ended(job.image)
        if ended:
            self._server.withdraw(job.device)
            self.forget(job.device)

    def forget(self, device: Eui64) -> None:
        """Schedule and measure `device` no more."""
        self._scheduler.dismiss(device)
        self._reports.forget(device)

    def told(self, event: OtaEvent) -> None:
        """Act on one event."""
        job = self._jobs.open_job(event.device)
        match event:
            case BlockServed():
                if job is not None and not job.has_image:
                    self._block(job, event)
            case TransferStarted():
                if job is not None and not job.has_image:
                    self._move(job, Trigger.BLOCK)
                    self._reports.begin(event.device, event.at)
            case ImageNotified():
                self._note(EventKind.IMAGE_NOTIFY, event, job, {}, to_device=True)
                self._try_move(job, Trigger.IMAGE_NOTIFY)
            case ImageQueried():
                self._queried(event, job)
            case UpgradeEnded():
                self._upgrade_ended(event, job)
            case UpgradeEndAnswered():
                self._answered(event, job)
            case TransferStalled():
                octets: dict[str, Json] = {"octets": event.served, "total": event.total}
                self._note(EventKind.TRANSFER_STALLED, event, job, octets)
                self.read_attributes(event.device)
            case TransferDelayed():
                self._delayed(event, job)
            case TransferHeld():
                reason = {"reason": held_for(job)}
                self._note(EventKind.TRANSFER_HELD, event, job, reason, to_device=True)
            case BlockSizeLearnt():
                with self._journal.transaction():
                    self._store.put_block_size(event.model, event.size, event.at)
                    self._note(EventKind.BLOCK_SIZE_LEARNT, event, job, {"octets": event.size})
            case ClientAttributesTold():
                if event.device in self._asked:  # what is told unasked may be a flood
                    told = attribute_values(event.attributes)
                    self._note(EventKind.CLIENT_ATTRIBUTES, event, job, told)
                    self._asked.discard(event.device)
            case (
                HardwareVersionMismatch()
                | AlreadyInstalled()
                | TransferExpired()
                | QueryRefused()
                | RequestRefused()
                | UpgradeEndUnexpected()
                | DeviceDefaultResponse()
            ):
                self._refuse(event, job)
            case DeviceFileQueried() if event.found:
                self._note(EventKind.DEVICE_FILE_QUERIED, event, None, image_name(event.image))
            case DeviceFileEnded():
                ended = {**image_name(event.image), "status": status_name(event.status)}
                self._note(EventKind.DEVICE_FILE_ENDED, event, None, ended)
            case AllBlocksServed() | DeviceFileQueried():
                pass
            case _:
                assert_never(event)

    def _refuse(
        self,
        event: HardwareVersionMismatch
        | AlreadyInstalled
        | TransferExpired
        | QueryRefused
        | RequestRefused
        | UpgradeEndUnexpected
        | DeviceDefaultResponse,
        job: Job | None,
    ) -> None:
        """Note what was refused, and end the job where nothing can come of it any more."""
        match event:
            case HardwareVersionMismatch():
                reason = (
                    f"hardware version {event.hardware_version:04X} is outside "
                    f"{event.minimum:04X} to {event.maximum:04X}"
                )
                self._end(job, Trigger.NOT_FOR_DEVICE, reason, TransferResponseCode.HARDWARE_VERSION_MISMATCH)
            case AlreadyInstalled():
                # No proof of an activation: the device's alert or response is waited for.
                reason = f"the device says it runs {event.file_version:08X} already"
                self._refused(event, job, reason)
                if job is not None and not job.has_image:
                    self._end(job, Trigger.NOT_FOR_DEVICE, reason, TransferResponseCode.IMAGE_DISCARDED)
            case TransferExpired():
                reason = f"the device stopped asking at octet {event.served} of {event.total}"
                self._end(job, Trigger.EXPIRE, reason, TransferResponseCode.FILE_TRANSFER_FAILURE)
            case QueryRefused():
                self._refused(event, job, event.reason.value)
                if event.reason is Refusal.DOWNGRADE:
                    reason = f"{event.reason.value}: {event.current_version:08X}"
                    self._end(job, Trigger.NOT_FOR_DEVICE, reason, TransferResponseCode.IMAGE_DISCARDED)
            case RequestRefused():
                reason = event.reason.value + (f": {event.detail}" if event.detail else "")
                self._refused(event, job, reason)
            case DeviceDefaultResponse():
                if job is not None and _takes_no_upgrade_time(event, job):
                    reason = "the device takes no Upgrade Time: its Upgrade Activation Policy is out of band"
                    self.end(job, Trigger.ABORT, reason, TransferResponseCode.FILE_TRANSFER_FAILURE)
            case UpgradeEndUnexpected():
                status = status_name(event.status)
                self._refused(
                    event, job, f"Upgrade End Request {status} for an image not transferred to the device"
                )
            case _:
                assert_never(event)

    # -- inside ------------------------------------------------------------------------------------------

    def _queried(self, event: ImageQueried, job: Job | None) -> None:
        hardware = event.hardware_version
        self._note(
            EventKind.IMAGE_QUERIED,
            event,
            job,
            {
                "current_version": f"{event.current_version:08X}",
                "hardware_version": None if hardware is None else f"{hardware:04X}",
            },
        )
        self._try_move(job, Trigger.QUERY)

    def _block(self, job: Job, event: BlockServed) -> None:
        """Note a block, at the least possible cost: a transfer has thousands."""
        if job.state is not JobState.TRANSFERRING:
            self._move(job, Trigger.BLOCK)
        if not self._reports.is_due(event.device, event.at):
            return
        progress = self._reports.progress(job, event.at)
        if progress is not None:
            self._note(EventKind.TRANSFER_PROGRESS, event, job, progress_detail(progress))

    def _delayed(self, event: TransferDelayed, job: Job | None) -> None:
        reason = self._scheduler.reason(event.device)
        if reason is None:
            return  # held, as noted, or asking too fast
        if self._reports.is_news(event.device, reason, event.at):
            told: dict[str, Json] = {"seconds": event.seconds, "reason": str(reason)}
            self._note(EventKind.TRANSFER_DELAYED, event, job, told, to_device=True)

    def _upgrade_ended(self, event: UpgradeEnded, job: Job | None) -> None:
        totals = self._reports.totals(event.device, event.at)
        self._note(EventKind.UPGRADE_END, event, job, {"status": status_name(event.status), **totals})
        if job is None:
            return
        if event.status == Status.SUCCESS:
            # A device that is held asks again every hour: the alert belongs to the first time alone.
            first = not job.has_image
            with self._journal.transaction():
                if self._move(job, Trigger.UPGRADE_END).has_image and first:
                    self._transfer_ended(job, TransferResponseCode.SUCCESS)
            self._reports.end(event.device)
            return
        invalid = event.status == Status.INVALID_IMAGE
        reason = (
            "the device's own verification refused the image"
            if invalid
            else f"the device ended the download: {status_name(event.status)}"
        )
        delay = None if job.has_image else retry_delay(job, event.status, self._settings.retries)
        if delay is not None:
            self._jobs.retry(job, event.at + delay, f"{reason}; tried again in {delay:.0f} s")
            self._scheduler.free(event.device)
            return
        trigger = Trigger.INVALID_IMAGE if invalid else Trigger.ABORT
        self._end(job, trigger, reason, TransferResponseCode.FILE_TRANSFER_FAILURE)

    def _answered(self, event: UpgradeEndAnswered, job: Job | None) -> None:
        waits = event.upgrade_time == NEVER
        meaning = "activate now"
        if waits:
            meaning = "wait for the Activate Firmware command (0xFFFFFFFF)"
        elif event.upgrade_time > zigbee_time(event.at):
            meaning = f"activate at {iso(ZIGBEE_EPOCH + event.upgrade_time)}"
        self._note(EventKind.UPGRADE_END_ANSWERED, event, job, {"meaning": meaning}, to_device=True)
        self._try_move(job, Trigger.TOLD_TO_WAIT if waits else Trigger.TOLD_TO_ACTIVATE)

    # -- jobs and journal --------------------------------------------------------------------------------

    def _end(self, job: Job | None, trigger: Trigger, reason: str, code: TransferResponseCode) -> None:
        if job is not None:
            self.end(job, trigger, reason, code)

    def _move(self, job: Job, trigger: Trigger, reason: str = "") -> Job:
        """Move the job where the table allows it; what a device says out of turn moves nothing."""
        try:
            return self._jobs.move(job, trigger, reason)
        except LocalProtocolError:
            return job

    def _try_move(self, job: Job | None, trigger: Trigger) -> None:
        if job is not None:
            self._move(job, trigger)

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
        self,
        kind: EventKind,
        event: OtaEvent,
        job: Job | None,
        detail: Mapping[str, Json],
        *,
        to_device: bool = False,
    ) -> Event:
        source, target = (Party.HUB, Party.DEVICE) if to_device else (Party.DEVICE, Party.HUB)
        return self._journal.record(
            kind, source, target, device=event.device, job=None if job is None else job.id, detail=detail
        )


def _takes_no_upgrade_time(event: DeviceDefaultResponse, job: Job) -> bool:
    """Tell whether a PPMID refused the word to activate, which nothing else would ever give it."""
    return (
        job.kind is JobKind.PPMID
        and job.state is JobState.ACTIVATING
        and event.command == CommandId.UPGRADE_END_RESPONSE
        and event.status == Status.NOT_AUTHORIZED
    )
