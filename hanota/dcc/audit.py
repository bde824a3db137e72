"""The audit trail: who had what done, in a chain of hashes in which no row can be altered unseen."""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hanota.clock import Clock

NOTHING: Final = bytes(32)
"""What the first row has as the hash of the row before it."""
LONGEST_TEXT: Final = 500
"""Characters of a target or an outcome; what is longer is cut."""
_PAGE: Final = 1000
"""Rows verified at once."""


@dataclass(frozen=True, slots=True)
class AuditRow:
    """Somebody had something done, or was refused it; `at` is Unix seconds."""

    seq: int
    """1 and up, without a gap."""
    at: float
    actor: str
    """The name of the token, with that of the client certificate it came with, or of the certificate alone;
    `unknown`; or for a DUIS document the EUI-64 of the signer."""
    role: str
    action: str
    """The operation of the REST interface, or the Service Reference."""
    target: str
    outcome: str
    """`done`, `begun` or `refused: ...`; for a Service Request its Response Code."""
    previous: bytes
    """Hash of the row before."""
    hash: bytes
    """SHA-256 over `previous` and the canonical form of the others."""

    def computed_hash(self) -> bytes:
        """Return the hash that the row should have."""
        fields = [self.seq, self.at, self.actor, self.role, self.action, self.target, self.outcome]
        canonical = json.dumps(fields, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
        return hashlib.sha256(self.previous + canonical.encode("ascii")).digest()


@dataclass(frozen=True, slots=True)
class AuditVerdict:
    """What a walk along the chain found."""

    rows: int
    """Rows that are in order."""
    head: bytes
    """Hash of the last of them: noted elsewhere, it shows later that no row before it was taken away."""
    broken: int | None = None
    """The first row that is not in order, None where all are."""
    fault: str = ""


class AuditStore(Protocol):
    """Where the rows are kept, in the transactions of the hub's store; all raise StoreError."""

    def last_audit(self) -> AuditRow | None:
        """Return the last row, None where there is none."""
        ...

    def add_audit(self, row: AuditRow) -> None:
        """Append a row."""
        ...

    def audit(self, *, after: int = 0, limit: int = 1000) -> Sequence[AuditRow]:
        """Return at most `limit` rows with `seq` above `after`, in order."""
        ...


class AuditTrail:
    """Appends to the chain and verifies it."""

    def __init__(self, store: AuditStore, clock: Clock) -> None:
        self._store, self._clock = store, clock

    def record(self, actor: str, role: str, action: str, target: str, outcome: str) -> AuditRow:
        """Append a row, in the transaction under way if there is one; raise StoreError."""
        last = self._store.last_audit()
        row = AuditRow(
            1 if last is None else last.seq + 1,
            self._clock.now(),
            actor,
            role,
            action,
            _cut(target),
            _cut(outcome),
            NOTHING if last is None else last.hash,
            NOTHING,
        )
        row = replace(row, hash=row.computed_hash())
        self._store.add_audit(row)
        return row

    def rows(self, *, after: int = 0, limit: int = 1000) -> Sequence[AuditRow]:
        """Return at most `limit` rows with `seq` above `after`, in order; raise StoreError."""
        return self._store.audit(after=after, limit=limit)

    def last_number(self) -> int:
        """Return the number of the last row, 0 where there is none; raise StoreError."""
        last = self._store.last_audit()
        return 0 if last is None else last.seq

    async def verify(self) -> AuditVerdict:
        """Walk the whole chain to its first fault; raise StoreError where rows cannot be read.

        Others have their turn between pages; rows that are added meanwhile are walked too.
        """
        verdict = AuditVerdict(0, NOTHING)
        while rows := self._store.audit(after=verdict.rows, limit=_PAGE):
            for row in rows:
                fault = _fault(row, verdict)
                if fault:
                    return replace(verdict, broken=row.seq, fault=fault)
                verdict = AuditVerdict(row.seq, row.hash)
            await asyncio.sleep(0)
        return verdict


def _fault(row: AuditRow, before: AuditVerdict) -> str:
    if row.seq != before.rows + 1:
        return f"rows are missing between {before.rows} and {row.seq}"
    if row.previous != before.head:
        return f"it does not follow row {before.rows}: that row was altered with its hash, or replaced"
    if row.hash != row.computed_hash():
        return "its contents do not have its hash: it was altered"
    return ""


def _cut(text: str) -> str:
    text = text.encode("utf-8", "replace").decode("utf-8")
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"
