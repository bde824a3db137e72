"""What was asked and answered before: a repeated request has its answer again, a RequestID only rises."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hanota.dcc.codes import REQUEST_ID_USED
from hanota.dcc.counters import REQUEST_COUNTER, last_request_counter
from hanota.dcc.errors import RequestRejectedError
from hanota.dcc.ports import HandledRequest
from hanota.duis.request import CommandVariant
from hanota.errors import VerificationError
from hanota.gbcs.counters import MAXIMUM_COUNTER, CounterLog

if TYPE_CHECKING:
    from hanota.clock import Clock
    from hanota.dcc.ports import DccStore
    from hanota.dcc.submission import Submission
    from hanota.duis.request import RequestId
    from hanota.hub.ports import Store


class Inbox:
    """The requests that were answered, by RequestID, Service Reference and Command Variant together.

    The counter of an originator's RequestIDs rises from request to request, and no further at a time than a
    GBCS counter may: it becomes one. The same counter may come once more with another Service Reference or
    Command Variant: the published samples of 11.1 and 11.4 share one, and the two halves of 11.3 always do.
    """

    def __init__(self, store: Store, dcc_store: DccStore, clock: Clock) -> None:
        self._store, self._dcc_store, self._clock = store, dcc_store, clock

    def answer_to(self, submission: Submission) -> bytes | None:
        """Return the document this very submission was answered with before, None where it is new."""
        for known in self._like(submission):
            if _asks_the_same(known, submission) and known.request_id == submission.request.request_id:
                return known.answer
        return None

    def check(self, submission: Submission) -> None:
        """Raise RequestRejectedError where the RequestID may not be used for this submission."""
        request_id = submission.request.request_id
        if self._like(submission):
            raise _refused(request_id, "it was used for another request already")
        if submission.request.command_variant is CommandVariant.SIGNED_PRE_COMMAND:
            return  # it has the RequestID of the Pre-Command it answers
        last = last_request_counter(self._store, request_id.originator)
        if request_id.counter == last:
            return
        try:
            CounterLog({request_id.originator: last} if last else None).check(
                request_id.originator, request_id.counter
            )
        except VerificationError as error:
            raise _refused(request_id, str(error), error.hint) from error

    def keep(self, submission: Submission, answer: bytes) -> None:
        """Keep a submission and its answer, in the transaction of what it did; raise StoreError."""
        request = submission.request
        request_id = request.request_id
        if request_id.counter > last_request_counter(self._store, request_id.originator):
            self._store.raise_counter(REQUEST_COUNTER, request_id.originator, request_id.counter)
        self._dcc_store.add_request(
            HandledRequest(
                request_id,
                request.service_reference,
                request.command_variant,
                submission.signer,
                submission.digest,
                self._clock.now(),
                answer,
            )
        )

    def _like(self, submission: Submission) -> list[HandledRequest]:
        """Return what was asked under this counter with the same Service Reference and Command Variant."""
        request = submission.request
        counter = request.request_id.counter
        if counter > MAXIMUM_COUNTER:
            return []
        asked = (request.service_reference, request.command_variant)
        return [
            known
            for known in self._dcc_store.requests(request.request_id.originator, counter)
            if (known.service_reference, known.command_variant) == asked
        ]


def _asks_the_same(known: HandledRequest, submission: Submission) -> bool:
    return (known.digest, known.signer) == (submission.digest, submission.signer)


def _refused(request_id: RequestId, reason: str, hint: str | None = None) -> RequestRejectedError:
    return RequestRejectedError(
        f"RequestID {request_id} cannot be used: {reason}",
        code=REQUEST_ID_USED,
        hint=hint or "raise the counter at its end",
        may_be_repeated=True,
    )
