"""The rows of the audit trail, in the database of the hub's store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hanota.dcc.audit import AuditRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hanota.store.database import Database


class SqliteAuditStore:
    """`hanota.dcc.audit.AuditStore` on `SqliteStore.database`: in one transaction with the hub's rows."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def last_audit(self) -> AuditRow | None:
        """Return the last row, None where there is none."""
        for row in self._database.rows("last_audit"):
            return AuditRow(*row)
        return None

    def add_audit(self, row: AuditRow) -> None:
        """Append a row; raise StoreError where its `seq` is taken."""
        self._database.rows(
            "add_audit",
            seq=row.seq,
            at=row.at,
            actor=row.actor,
            role=row.role,
            action=row.action,
            target=row.target,
            outcome=row.outcome,
            previous=row.previous,
            hash=row.hash,
        )

    def audit(self, *, after: int = 0, limit: int = 1000) -> Sequence[AuditRow]:
        """Return at most `limit` rows with `seq` above `after`, in order."""
        rows = self._database.rows("audit", after=after, limit=max(limit, 0))
        return [AuditRow(*row) for row in rows]
