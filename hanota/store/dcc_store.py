"""The DCC's durable state, in the database of the hub's store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hanota.dcc.ports import CommandState, HandledRequest, Outgoing, StoredCommand
from hanota.duis.request import CommandVariant, RequestId, ServiceReference
from hanota.eui64 import Eui64

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hanota.store.database import Database, Row


class SqliteDccStore:
    """`hanota.dcc.ports.DccStore` on `SqliteStore.database`: in one transaction with the hub's rows."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_request(self, request: HandledRequest) -> None:
        """Keep a request and its answer; raise StoreError for one that is kept already."""
        request_id = request.request_id
        self._database.rows(
            "add_handled_request",
            originator=request_id.originator,
            counter=request_id.counter,
            target=request_id.target,
            service_reference=request.service_reference,
            command_variant=int(request.command_variant),
            signer=request.signer,
            digest=request.digest,
            at=request.at,
            answer=request.answer,
        )

    def requests(self, originator: Eui64, counter: int) -> Sequence[HandledRequest]:
        """Return the requests under an originator's counter."""
        return self._database.read(_request, "handled_requests", originator=originator, counter=counter)

    def add_pre_command(self, digest: bytes, request_id: RequestId, at: float, *, keep: int) -> None:
        """Keep the SHA-256 of a Pre-Command to be signed; of all, the newest `keep`."""
        self._database.rows("add_pre_command", digest=digest, request_id=str(request_id), at=at)
        self._database.rows("keep_pre_commands", keep=keep)

    def has_pre_command(self, digest: bytes) -> bool:
        """Tell whether this Pre-Command waits to be signed."""
        return bool(self._database.rows("pre_command", digest=digest))

    def remove_pre_command(self, digest: bytes) -> None:
        """Use up a Pre-Command."""
        self._database.rows("remove_pre_command", digest=digest)

    def add_command(
        self, request_id: RequestId, service_reference: ServiceReference, octets: bytes, expires_at: float
    ) -> StoredCommand:
        """Keep a command that is about to be sent."""
        state = CommandState.SENT
        [(number,)] = self._database.rows(
            "add_command",
            request_id=str(request_id),
            service_reference=service_reference,
            octets=octets,
            state=state,
            expires_at=expires_at,
        )
        return StoredCommand(number, request_id, service_reference, octets, state, expires_at)

    def update_command(self, command: StoredCommand) -> None:
        """Write the state and the time of expiry of a command."""
        self._database.rows(
            "update_command", id=command.id, state=command.state, expires_at=command.expires_at
        )

    def remove_command(self, command: StoredCommand) -> None:
        """Forget a command that was answered or given up."""
        self._database.rows("remove_command", id=command.id)

    def commands(self) -> Sequence[StoredCommand]:
        """Return the commands under way, oldest first."""
        return self._database.read(_command, "commands")

    def add_outgoing(self, service_user: Eui64, document: bytes, at: float) -> Outgoing:
        """Queue a document."""
        [(seq,)] = self._database.rows("add_outgoing", service_user=service_user, document=document, at=at)
        return Outgoing(seq, service_user, document, at, 0, at)

    def outgoing(self, service_user: Eui64, limit: int = 1) -> Sequence[Outgoing]:
        """Return the first `limit` documents that wait for a user, in order."""
        return self._database.read(_outgoing, "outgoing", service_user=service_user, limit=max(limit, 0))

    def outgoing_users(self) -> Sequence[Eui64]:
        """Return whom documents wait for."""
        return self._database.read(lambda row: Eui64(row[0]), "outgoing_users")

    def outgoing_count(self, service_user: Eui64 | None = None) -> int:
        """Return how many documents wait, for one user or for all."""
        if service_user is None:
            [(count,)] = self._database.rows("outgoing_count")
        else:
            [(count,)] = self._database.rows("outgoing_count_of_user", service_user=service_user)
        return int(count)

    def delivered(self, seq: int) -> None:
        """Forget a document that was delivered."""
        self._database.rows("remove_outgoing", seq=seq)

    def not_delivered(self, seq: int, attempts: int, next_attempt: float) -> None:
        """Note how often a document was tried, and when it is tried again."""
        self._database.rows("retry_outgoing", seq=seq, attempts=attempts, next_attempt=next_attempt)

    def give_up(self, seq: int) -> None:
        """Forget a document that could not be delivered."""
        self._database.rows("remove_outgoing", seq=seq)


def _request(row: Row) -> HandledRequest:
    originator, target, counter, reference, variant, signer, digest, at, answer = row
    return HandledRequest(
        RequestId(Eui64(originator), Eui64(target), counter),
        ServiceReference(reference),
        CommandVariant(variant),
        None if signer is None else Eui64(signer),
        digest,
        at,
        answer,
    )


def _command(row: Row) -> StoredCommand:
    number, request_id, reference, octets, state, expires_at = row
    return StoredCommand(
        number,
        RequestId.parse(request_id),
        ServiceReference(reference),
        octets,
        CommandState(state),
        expires_at,
    )


def _outgoing(row: Row) -> Outgoing:
    seq, service_user, document, created, attempts, next_attempt = row
    return Outgoing(seq, Eui64(service_user), document, created, attempts, next_attempt)
