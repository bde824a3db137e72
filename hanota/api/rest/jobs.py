"""REST: jobs, each one image for one device. Updates go through the DCC as those of service users do."""

from collections.abc import Callable
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Final, Literal

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from hanota.api.access import AccessRefusedError, Role
from hanota.api.errors import NotFoundError
from hanota.api.rest.fields import DigestField, EuiField, TimeField
from hanota.api.rest.routes import Caller, CallerOf, Routes, response_code
from hanota.api.rest.views import JobView
from hanota.dcc.submission import Answer
from hanota.duis.request import UpdateFirmware, UpdatePpmidFirmware
from hanota.duis.response import WARNING_LISTS, ResponseMessage, UpdateFirmwareWarning
from hanota.errors import LocalProtocolError
from hanota.eui64 import Eui64
from hanota.hub.hub import Hub
from hanota.hub.jobs import Job, JobKind, JobOptions, JobPriority, JobState
from hanota.hub.library_image import LibraryImage

TAG = "jobs"
_REQUESTS: Final[dict[JobKind, type[UpdatePpmidFirmware | UpdateFirmware]]] = {
    JobKind.PPMID: UpdatePpmidFirmware,
    JobKind.HCALCS: UpdateFirmware,
}


class NewJobs(BaseModel):
    """An update: one image for some devices (SR 11.4 for PPMIDs, 11.1 for HCALCSs)."""

    model_config = ConfigDict(extra="forbid")

    image: DigestField
    devices: list[EuiField] = Field(min_length=1, description="Each once.")
    priority: Literal["low", "normal", "high"] = "normal"
    upgrade_at: TimeField | None = Field(
        default=None, description="When a PPMID activates the image; null: as soon as it has it."
    )
    needs_approval: bool = Field(
        default=False, description="Whether the last block is kept back until the job is approved."
    )
    allow_downgrade: bool = Field(
        default=False, description="Whether a device that runs a higher version may be given the image."
    )
    expires_at: TimeField | None = Field(
        default=None, description="When a job ends unless its device has the image."
    )

    def options(self) -> JobOptions:
        """Return what is asked for besides the image."""
        return JobOptions(
            priority=JobPriority[self.priority.upper()],
            upgrade_at=None if self.upgrade_at is None else self.upgrade_at.timestamp(),
            needs_approval=self.needs_approval,
            allow_downgrade=self.allow_downgrade,
            expires_at=None if self.expires_at is None else self.expires_at.timestamp(),
        )


class Outcome(StrEnum):
    """What became of one device of an update; all but the first and the last are lists of DUIS."""

    ACCEPTED = "accepted"
    INVALID = "invalid"
    NOT_COMMISSIONED = "not_commissioned"
    NOT_APPLICABLE_FIRMWARE = "not_applicable_firmware"
    OTHER_REQUEST_IN_PROGRESS = "other_request_in_progress"
    INVALID_GBCS_VERSION = "invalid_gbcs_version"
    REFUSED_BY_HUB = "refused_by_hub"


class DeviceOutcome(BaseModel):
    """What became of one device of an update."""

    device: EuiField
    outcome: Outcome
    job: JobView | None


class UpdateAnswer(BaseModel):
    """The DCC's answer to an update."""

    request_id: str
    response_code: str = Field(description="I99, or a W code where some devices were left out.")
    devices: list[DeviceOutcome]


class JobList(BaseModel):
    """Jobs, newest first."""

    jobs: list[JobView]
    next: int | None = Field(description="`before` of the next page; null at the end.")


def add(routes: Routes) -> None:
    """Add the operations."""
    context = routes.context
    hub, dcc, store, settings = context.hub, context.dcc, context.store, context.settings

    def view(job: Job) -> JobView:
        progress = next((each for each in hub.progress() if each.job == job.id), None)
        return JobView.of(job, progress)

    @routes.get("/jobs", TAG)
    async def list_jobs(
        device: Annotated[EuiField | None, Query()] = None,
        state: Annotated[list[JobState] | None, Query()] = None,
        before: Annotated[int | None, Query(description="Only jobs with a lower id.")] = None,
        limit: Annotated[int, Query(ge=1, le=settings.largest_page)] = settings.page,
        *,
        is_open: Annotated[
            bool | None, Query(alias="open", description="Whether they have not ended.")
        ] = None,
    ) -> JobList:
        """List jobs, newest first."""
        found = [
            job
            for job in reversed(store.jobs(device=device))
            if (before is None or job.id < before)
            and (not state or job.state in state)
            and is_open in (None, not job.state.is_end)
        ]
        more = len(found) > limit
        return JobList(jobs=list(map(view, found[:limit])), next=found[limit - 1].id if more else None)

    @routes.post("/jobs", TAG, Role.OPERATOR, status_code=HTTPStatus.CREATED)
    async def create_jobs(new: NewJobs, caller: CallerOf) -> UpdateAnswer:
        """Update devices. PPMIDs activate what they get: without `needs_approval` it takes an activator."""
        devices = tuple(dict.fromkeys(new.devices))
        if len(devices) > settings.devices_per_job:
            raise LocalProtocolError(
                f"{len(devices)} devices, at most {settings.devices_per_job} at once",
                hint="ask for the others with another request",
            )
        image = _found(routes, new.image)
        _check_activation(image.kind, new, caller)
        octets = hub.library.file(image.digest).data
        request_id = dcc.next_request_id(dcc.eui64)
        request = _REQUESTS[image.kind](request_id, octets, f"{image.image_id.file_version:08X}", devices)
        names = ", ".join(map(str, devices))
        answer = caller.have_asked(
            f"image {image.digest.hex()[:16]} for {names}",
            lambda: dcc.submit(request, new.options()),
            _told,
        )
        return _answered(devices, answer, str(request_id))

    @routes.get("/jobs/{job_id}", TAG)
    async def get_job(job_id: int) -> JobView:
        """Tell of one job."""
        return view(find_job(routes, job_id))

    def acts(name: str, role: Role, effect: Callable[[Hub, Job, Caller], None], words: str) -> None:
        async def act(job_id: int, caller: CallerOf) -> JobView:
            job = open_job(routes, job_id)
            caller.have_done(f"job {job.id} of {job.device}", lambda: effect(hub, job, caller))
            return view(find_job(routes, job_id))

        act.__name__, act.__doc__ = f"{name}_job", words
        routes.post(f"/jobs/{{job_id}}/{name}", TAG, role, size=0)(act)

    acts(
        "approve",
        Role.ACTIVATOR,
        _approve,
        "Let a device that waits for approval have the last block of its image.",
    )
    acts("pause", Role.OPERATOR, _pause, "Have the device wait with its next image blocks.")
    acts("resume", Role.OPERATOR, _resume, "Serve a paused device again.")
    acts("cancel", Role.OPERATOR, _cancel, "End the job; the transfer is answered ABORT.")


def find_job(routes: Routes, job_id: int) -> Job:
    """Return a job; raise NotFoundError."""
    job = next((job for job in routes.context.store.jobs() if job.id == job_id), None)
    if job is None:
        raise NotFoundError(f"no job {job_id}", hint="GET /api/v1/jobs lists them")
    return job


def open_job(routes: Routes, job_id: int) -> Job:
    """Return a job that has not ended; raise NotFoundError, LocalProtocolError."""
    job = find_job(routes, job_id)
    if job.state.is_end:
        raise LocalProtocolError(f"job {job.id} has ended: {job.state}", hint="begin another")
    return job


def _found(routes: Routes, digest: bytes) -> LibraryImage:
    try:
        return routes.context.hub.library.find(digest)
    except LocalProtocolError as error:
        raise NotFoundError(str(error), hint="POST /api/v1/images adds one") from None


def _check_activation(kind: JobKind, new: NewJobs, caller: Caller) -> None:
    """Raise AccessRefusedError (403) for an operator's update that would activate by itself."""
    if (
        kind is JobKind.PPMID
        and not new.needs_approval
        and not caller.principal.role.includes(Role.ACTIVATOR)
    ):
        raise AccessRefusedError(
            f"{caller.principal.name} is {caller.principal.role}, and a PPMID activates what it gets",
            HTTPStatus.FORBIDDEN,
            hint="set needs_approval, and have an activator approve the job",
        )


def _approve(hub: Hub, job: Job, _: Caller) -> None:
    hub.approve(job.device)


def _pause(hub: Hub, job: Job, caller: Caller) -> None:
    hub.pause([job.device], reason=f"paused by {caller.principal.name}")


def _resume(hub: Hub, job: Job, _: Caller) -> None:
    hub.go_on([job.device])


def _cancel(hub: Hub, job: Job, caller: Caller) -> None:
    hub.cancel(job.device, f"cancelled by {caller.principal.name}")


def _told(answer: Answer) -> str:
    jobs = ", ".join(str(job.id) for job in answer.jobs)
    return f"{response_code(answer)}: jobs {jobs or 'none'}"


def _answered(devices: tuple[Eui64, ...], answer: Answer, request_id: str) -> UpdateAnswer:
    begun = {job.device: job for job in answer.jobs}
    body = answer.response.body
    content = body.content if isinstance(body, ResponseMessage) else None
    left_out: dict[Eui64, Outcome] = {}
    if isinstance(content, UpdateFirmwareWarning):
        left_out = {device: Outcome(name) for name in WARNING_LISTS for device in getattr(content, name)}
    return UpdateAnswer(
        request_id=request_id,
        response_code=response_code(answer),
        devices=[
            DeviceOutcome(
                device=device,
                outcome=Outcome.ACCEPTED if device in begun else left_out.get(device, Outcome.REFUSED_BY_HUB),
                job=JobView.of(begun[device]) if device in begun else None,
            )
            for device in devices
        ],
    )
