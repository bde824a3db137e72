"""REST: the hub itself, and every transfer under way."""

from pydantic import BaseModel, Field

from hanota.api.access import Role
from hanota.api.journal_search import last_number
from hanota.api.rest.fields import EuiField, SecondsField
from hanota.api.rest.routes import CallerOf, Routes
from hanota.api.rest.views import ProgressView
from hanota.errors import RadioError
from hanota.eui64 import Eui64

TAG = "hub"


class HubView(BaseModel):
    """The hub, and who asks."""

    eui64: EuiField | None = Field(description="Null before the coordinator was opened.")
    version: str
    now: SecondsField
    ready: bool
    faults: list[str]
    broker: EuiField = Field(description="The access control broker.")
    service_user: EuiField = Field(description="In whose name REST asks.")
    can_activate: bool = Field(description="Whether the service user's key is here, so that REST activates.")
    devices: int
    open_jobs: int
    documents_waiting: int = Field(description="Documents that service users have not taken yet.")
    last_event: int
    caller: str = Field(description="Whose token it is, or certificate.")
    role: Role


class ProgressList(BaseModel):
    """Every transfer under way."""

    transfers: list[ProgressView]


def add(routes: Routes) -> None:
    """Add the operations."""
    context = routes.context
    hub, dcc = context.hub, context.dcc

    @routes.get("/hub", TAG)
    async def get_hub(caller: CallerOf) -> HubView:
        """Tell how the hub is, and who you are to it."""
        readiness = context.readiness()
        return HubView(
            eui64=_eui64(routes),
            version=context.version,
            now=context.clock.now(),
            ready=readiness.is_ready,
            faults=list(readiness.faults),
            broker=dcc.eui64,
            service_user=dcc.service_user,
            can_activate=context.supplier is not None,
            devices=len(hub.device_log),
            open_jobs=len(hub.jobs.open_jobs()),
            documents_waiting=context.dcc_store.outgoing_count(),
            last_event=last_number(context.store),
            caller=caller.principal.name,
            role=caller.principal.role,
        )

    @routes.get("/progress", TAG)
    async def get_progress() -> ProgressList:
        """Tell how far each transfer under way is."""
        return ProgressList(transfers=[ProgressView.of(progress) for progress in hub.progress()])


def _eui64(routes: Routes) -> Eui64 | None:
    try:
        return routes.context.hub.eui64
    except RadioError:
        return None
