"""REST: what an HCALCS has is activated (SR 11.3), by the supplier's key here or by one elsewhere."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from hanota.api.access import Role
from hanota.api.rest.fields import Base64Field, TimeField
from hanota.api.rest.jobs import TAG, find_job, open_job
from hanota.api.rest.routes import CallerOf, Routes, response_code
from hanota.api.rest.views import JobView
from hanota.dcc.submission import Answer
from hanota.duis.request import ActivateFirmware, RequestId, SignedPreCommand
from hanota.duis.response import PreCommand, ResponseMessage
from hanota.errors import LocalProtocolError, RemoteProtocolError
from hanota.gbcs.activate_firmware import CANCELLATION
from hanota.hub.jobs import Job, JobKind


class ActivationRequest(BaseModel):
    """When; by default at once."""

    model_config = ConfigDict(extra="forbid")

    when: TimeField | None = Field(default=None, description="The ExecutionDateTime; null: at once.")
    cancel: bool = Field(default=False, description="Cancel a future dated activation instead.")

    def execution_date_time(self) -> datetime | None:
        """Return the ExecutionDateTime; raise RemoteProtocolError for a time to cancel at."""
        if not self.cancel:
            return self.when
        if self.when is not None:
            raise RemoteProtocolError("a cancellation has no time", hint="give `when` or `cancel`")
        return CANCELLATION


class PreCommandAnswer(BaseModel):
    """A Pre-Command to be signed by the supplier."""

    request_id: str
    pre_command: Base64Field


class SignedPreCommandRequest(BaseModel):
    """The Pre-Command with the supplier's signature."""

    model_config = ConfigDict(extra="forbid")

    request_id: str = Field(max_length=80, description="That of the Pre-Command.")
    signed_pre_command: Base64Field


class ActivationAnswer(BaseModel):
    """The DCC's answer; the device's own follows among the events."""

    request_id: str
    response_code: str
    job: JobView


def add(routes: Routes) -> None:
    """Add the operations."""
    context = routes.context
    dcc, supplier = context.dcc, context.supplier

    def prepared(job: Job, request_id: RequestId, asked: ActivationRequest) -> bytes:
        request = ActivateFirmware(request_id, job.manufacturer_image_hash, asked.execution_date_time())
        body = dcc.submit(request).response.body
        if not isinstance(body, ResponseMessage) or not isinstance(body.content, PreCommand):
            raise LocalProtocolError("the DCC answered without a Pre-Command")
        return body.content.gbcs_payload

    def answered(job: Job, request_id: RequestId, answer: Answer) -> ActivationAnswer:
        return ActivationAnswer(
            request_id=str(request_id),
            response_code=response_code(answer),
            job=JobView.of(find_job(routes, job.id)),
        )

    @routes.post("/jobs/{job_id}/activate", TAG, Role.ACTIVATOR)
    async def activate_job(
        job_id: int, caller: CallerOf, asked: ActivationRequest | None = None
    ) -> ActivationAnswer:
        """Have an HCALCS activate the image it holds, in the name of the configured supplier."""
        job, asked = _activatable(routes, job_id), asked or ActivationRequest()
        if supplier is None:
            raise LocalProtocolError(
                "no supplier's key is configured",
                hint="have the Pre-Command of .../pre-command signed, and send .../signed-pre-command",
            )
        request_id = dcc.next_request_id(job.device)

        def effect() -> Answer:
            signed = supplier.sign(prepared(job, request_id, asked))
            return dcc.submit(SignedPreCommand(request_id, signed))

        answer = caller.have_asked(_target(job, request_id, asked), effect, response_code)
        return answered(job, request_id, answer)

    @routes.post("/jobs/{job_id}/pre-command", TAG, Role.ACTIVATOR)
    async def make_pre_command(
        job_id: int, caller: CallerOf, asked: ActivationRequest | None = None
    ) -> PreCommandAnswer:
        """Make the Activate Firmware Pre-Command (CS06) of a job, for the supplier to sign elsewhere."""
        job, asked = _activatable(routes, job_id), asked or ActivationRequest()
        request_id = dcc.next_request_id(job.device)
        octets = caller.have_asked(_target(job, request_id, asked), lambda: prepared(job, request_id, asked))
        return PreCommandAnswer(request_id=str(request_id), pre_command=octets)

    @routes.post("/jobs/{job_id}/signed-pre-command", TAG, Role.ACTIVATOR)
    async def send_signed_pre_command(
        job_id: int, caller: CallerOf, signed: SignedPreCommandRequest
    ) -> ActivationAnswer:
        """Send a job's Pre-Command with the supplier's signature to its device."""
        job = _activatable(routes, job_id)
        request_id = RequestId.parse(signed.request_id)
        if request_id.target != job.device:
            raise RemoteProtocolError(f"RequestID {request_id} is not for {job.device}, the job's device")
        request = SignedPreCommand(request_id, signed.signed_pre_command)
        answer = caller.have_asked(
            f"job {job.id} of {job.device}, {request_id}", lambda: dcc.submit(request), response_code
        )
        return answered(job, request_id, answer)


def _activatable(routes: Routes, job_id: int) -> Job:
    job = open_job(routes, job_id)
    if job.kind is not JobKind.HCALCS:
        raise LocalProtocolError(
            f"a {job.kind} activates its image on the hub's word",
            hint="approve the job, if it waits for that",
        )
    return job


def _target(job: Job, request_id: RequestId, asked: ActivationRequest) -> str:
    when = asked.execution_date_time()
    times = "at once" if when is None else "cancellation" if asked.cancel else when.isoformat()
    return f"job {job.id} of {job.device}, {request_id}, {times}"
