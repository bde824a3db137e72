"""REST: the audit trail."""

from typing import Annotated, Self

from fastapi import Query
from pydantic import BaseModel, Field

from hanota.api.access import Role
from hanota.api.rest.events import MAXIMUM_NUMBER
from hanota.api.rest.fields import HexField, SecondsField
from hanota.api.rest.routes import Routes
from hanota.dcc.audit import AuditRow

TAG = "audit"


class AuditRowView(BaseModel):
    """Somebody had something done, or was refused it."""

    seq: int
    at: SecondsField
    actor: str = Field(
        description="The name of the token or the client certificate, or the EUI-64 of who signed a document."
    )
    role: str
    action: str = Field(description="The operation's id, or the Service Reference.")
    target: str
    outcome: str
    hash: HexField = Field(description="SHA-256 over the row and the hash of the one before.")

    @classmethod
    def of(cls, row: AuditRow) -> Self:
        """Tell of a row."""
        return cls(
            seq=row.seq,
            at=row.at,
            actor=row.actor,
            role=row.role,
            action=row.action,
            target=row.target,
            outcome=row.outcome,
            hash=row.hash,
        )


class AuditPage(BaseModel):
    """Rows, oldest first."""

    rows: list[AuditRowView]
    next: int | None = Field(description="`after` of the next page; null at the end.")
    last: int = Field(description="The number of the newest row; they begin with 1 and have no gaps.")


class AuditVerdictView(BaseModel):
    """What a walk along the chain found."""

    intact: bool
    rows: int = Field(description="Rows that are in order.")
    head: HexField = Field(description="Hash of the last of them: note it elsewhere.")
    broken: int | None = Field(description="The first row that is not in order.")
    fault: str


def add(routes: Routes) -> None:
    """Add the operations."""
    context = routes.context
    settings, audit = context.settings, context.audit

    @routes.get("/audit", TAG, Role.ACTIVATOR)
    async def list_audit(
        after: Annotated[int, Query(ge=0, le=MAXIMUM_NUMBER)] = 0,
        newest: Annotated[
            int | None, Query(ge=1, le=settings.largest_page, description="Only the last so many.")
        ] = None,
        limit: Annotated[int, Query(ge=1, le=settings.largest_page)] = settings.page,
    ) -> AuditPage:
        """Read the audit trail."""
        last = audit.last_number()
        if newest is not None:
            after, limit = max(after, last - newest), newest
        rows = audit.rows(after=after, limit=limit + 1)
        shown = rows[:limit]
        return AuditPage(
            rows=[AuditRowView.of(row) for row in shown],
            next=shown[-1].seq if len(rows) > limit else None,
            last=last,
        )

    @routes.get("/audit/verify", TAG, Role.ACTIVATOR)
    async def verify_audit() -> AuditVerdictView:
        """Walk the chain of hashes and name the first row that was altered, replaced or is missing."""
        verdict = await audit.verify()
        return AuditVerdictView(
            intact=verdict.broken is None,
            rows=verdict.rows,
            head=verdict.head,
            broken=verdict.broken,
            fault=verdict.fault,
        )
