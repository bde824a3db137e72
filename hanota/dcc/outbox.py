"""Documents on their way to service users: signed and stored with what they tell of, delivered later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hanota.dcc.codes import NOT_NOW
from hanota.dcc.errors import RequestRejectedError
from hanota.hub.events import EventKind, Party

if TYPE_CHECKING:
    from collections.abc import Callable

    from hanota.clock import Clock
    from hanota.dcc.ports import DccStore
    from hanota.dcc.signing import DccSigner
    from hanota.duis.response import Response
    from hanota.eui64 import Eui64
    from hanota.hub.journal import Journal


@dataclass(frozen=True, slots=True)
class OutboxSettings:
    """How much waits for a service user that does not take it."""

    documents_waiting: int = 10_000
    """For one user, before its new requests are refused: two days of one in 17 s, at some 4 kB each."""
    alerts_waiting: int = 20_000
    """For one user, before alerts are only journalled: responses to what was accepted still have room."""


class Outbox:
    """The queue of each service user that has an answer address (`has_address`)."""

    def __init__(
        self,
        store: DccStore,
        signer: DccSigner,
        journal: Journal,
        clock: Clock,
        has_address: Callable[[Eui64], bool],
        settings: OutboxSettings | None = None,
    ) -> None:
        self._store, self._signer, self._journal, self._clock = store, signer, journal, clock
        self._has_address = has_address
        self._settings = settings or OutboxSettings()

    def check_room(self, service_user: Eui64) -> None:
        """Raise RequestRejectedError where too much waits for a user already."""
        if not self._has_address(service_user):
            return
        waiting = self._store.outgoing_count(service_user)
        if waiting >= self._settings.documents_waiting:
            raise RequestRejectedError(
                f"{waiting} documents wait for {service_user} to take them",
                code=NOT_NOW,
                hint="have the answer address take what waits, then send the request again",
                may_be_repeated=True,
            )

    def put(self, service_user: Eui64, response: Response) -> None:
        """Sign a document and queue it, in the transaction under way; a user without address has none."""
        if not self._has_address(service_user):
            return
        waiting = self._store.outgoing_count(service_user)
        if waiting >= self._settings.alerts_waiting:
            self._journal.record(
                EventKind.DOCUMENT_GIVEN_UP,
                Party.DCC,
                Party.SERVICE_USER,
                detail={
                    "service_user": str(service_user),
                    "reason": f"{waiting} documents wait for this user already",
                },
            )
            return
        self._store.add_outgoing(service_user, self._signer.sign(response), self._clock.now())
