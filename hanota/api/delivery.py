"""Documents of the outbox delivered to service users: in order, until each is answered, nobody held up.

Each service user has its own task while something waits for it: the first document is posted until its
answer address says 2xx, then the next. What was answered and could not be noted before the end is delivered
again by the next start: at least once, and in order.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from hanota.api.delivery_post import DocumentPoster, NotDeliveredError
from hanota.api.delivery_settings import DeliverySettings
from hanota.errors import StoreError
from hanota.hub.events import EventKind, Party

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import httpx

    from hanota.clock import Clock
    from hanota.dcc.ports import DccStore, Outgoing
    from hanota.eui64 import Eui64
    from hanota.hub.events import Event, Json
    from hanota.hub.journal import Journal

logger = logging.getLogger(__name__)

_OUTCOMES: Final = frozenset({EventKind.DOCUMENT_DELIVERED, EventKind.DOCUMENT_GIVEN_UP})
_MOST_DOUBLINGS: Final = 32
"""Of the delay: beyond, it is the longest delay for whatever settings."""


class AnswerAddress(Protocol):
    """What delivery wants to know of a service user."""

    @property
    def answer_url(self) -> str | None:
        """Where its documents go."""
        ...


class AnswerAddresses(Protocol):
    """The service users."""

    def find(self, eui64: Eui64) -> AnswerAddress | None:
        """Return a service user, None where it is not known."""
        ...


class OutboxDelivery:
    """Delivers what the outbox holds while `run` runs."""

    def __init__(
        self,
        dcc_store: DccStore,
        journal: Journal,
        users: AnswerAddresses,
        clock: Clock,
        settings: DeliverySettings | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Raise ConfigError where a TLS file of the settings is wrong."""
        self._store, self._journal, self._users, self._clock = dcc_store, journal, users, clock
        self._settings = settings or DeliverySettings()
        self._poster = DocumentPoster(self._settings, transport)
        self._new = asyncio.Event()
        self._stop = asyncio.Event()
        self._tasks: dict[Eui64, asyncio.Task[None]] = {}
        self._reasons: dict[Eui64, str] = {}
        """Why each user's documents are not delivered, as it was logged: said again when it is another."""

    async def run(self) -> None:
        """Deliver until cancelled; then a document under way has the settings' grace to be answered."""
        unsubscribe = self._journal.subscribe(self._hear)
        try:
            async with self._poster:
                try:
                    await self._start_tasks()
                finally:
                    await self._end_tasks()
        finally:
            unsubscribe()

    def _hear(self, event: Event) -> None:
        """Look at the outbox when the DCC has said something to a service user."""
        if event.target is Party.SERVICE_USER and event.kind not in _OUTCOMES:
            self._new.set()

    async def _start_tasks(self) -> None:
        while True:
            self._new.clear()
            for user in self._users_waiting():
                self._start_task(user)
            await _wait(self._new, self._settings.look_interval)

    def _start_task(self, user: Eui64) -> None:
        task = self._tasks.get(user)
        if task is not None:
            if not task.done():
                return
            if (error := task.exception()) is not None:
                logger.error("delivery to %s begins again after a fault", user, exc_info=error)
        self._tasks[user] = asyncio.create_task(self._deliver_all(user), name=f"deliver to {user}")

    async def _end_tasks(self) -> None:
        self._stop.set()
        tasks = list(self._tasks.values())
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=self._settings.grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _deliver_all(self, user: Eui64) -> None:
        """Deliver what waits for one user, until nothing does."""
        failures = here = 0
        while waiting := self._waiting_for(user):
            await self._until(waiting[0].next_attempt)
            for outgoing in waiting:
                if self._stop.is_set():
                    return
                try:
                    status = await self._poster.post(self._address(user), outgoing.document)
                except NotDeliveredError as error:
                    # Counted over documents: when one is given up, the address is no better for the next.
                    failures, here = max(failures, outgoing.attempts) + 1, here + 1
                    again = self._clock.now() + self._delay(failures)
                    left = waiting[waiting.index(outgoing) :]
                    keep = here < self._settings.least_failures
                    await self._note(partial(self._failed, left, failures, again, error, keep=keep))
                    await self._until(again)
                    break
                failures = here = 0
                await self._note(partial(self._delivered, outgoing, status))

    def _delay(self, failures: int) -> float:
        """Return the seconds until the next attempt: doubled with each failure, up to the longest."""
        doublings = min(failures - 1, _MOST_DOUBLINGS)
        return min(self._settings.first_delay * 2.0**doublings, self._settings.longest_delay)

    def _address(self, user: Eui64) -> str:
        found = self._users.find(user)
        if found is None or found.answer_url is None:
            raise NotDeliveredError(f"{user} has no answer address", hint="configure one")
        return found.answer_url

    async def _until(self, moment: float) -> None:
        """Wait for a moment; a clock that was set back since it was chosen costs no more than one delay."""
        delay = min(moment - self._clock.now(), self._settings.longest_delay)
        if delay > 0:
            await _wait(self._stop, delay)

    # -- what is noted -----------------------------------------------------------------------------------

    def _delivered(self, outgoing: Outgoing, status: int) -> None:
        self._reasons.pop(outgoing.service_user, None)
        with self._journal.transaction():
            self._store.delivered(outgoing.seq)
            self._tell(EventKind.DOCUMENT_DELIVERED, outgoing, status=status, attempts=outgoing.attempts + 1)

    def _failed(
        self,
        waiting: Sequence[Outgoing],
        failures: int,
        again: float,
        error: NotDeliveredError,
        *,
        keep: bool,
    ) -> None:
        """Give up what is too old, all of it at once, unless told to keep it; put off the next attempt."""
        user, words = waiting[0].service_user, str(error) + (f" ({error.hint})" if error.hint else "")
        logger.log(
            logging.DEBUG if self._reasons.get(user) == words else logging.WARNING,
            "document %d to %s is not delivered: %s; attempt %d",
            waiting[0].seq,
            user,
            words,
            failures,
        )
        self._reasons[user] = words
        limit = self._clock.now() - self._settings.keep
        with self._journal.transaction():
            for outgoing in waiting:
                if keep or outgoing.created > limit:
                    self._store.not_delivered(outgoing.seq, failures, again)
                    return
                attempts = failures if outgoing is waiting[0] else outgoing.attempts
                self._store.give_up(outgoing.seq)
                self._tell(EventKind.DOCUMENT_GIVEN_UP, outgoing, reason=str(error), attempts=attempts)

    def _tell(self, kind: EventKind, outgoing: Outgoing, **detail: Json) -> None:
        self._journal.record(
            kind,
            Party.DCC,
            Party.SERVICE_USER,
            detail={
                "document": outgoing.seq,
                "service_user": str(outgoing.service_user),
                "octets": len(outgoing.document),
                **detail,
            },
        )

    async def _note(self, note: Callable[[], None]) -> None:
        """Note an outcome, again and again where the store fails: what was answered is not posted twice."""
        while True:
            try:
                return note()
            except StoreError as error:
                logger.error("the outcome of a delivery cannot be stored: %s", error)  # noqa: TRY400
                if self._stop.is_set():
                    return None
                await _wait(self._stop, self._settings.first_delay)

    def _users_waiting(self) -> Sequence[Eui64]:
        """Return whom documents wait for; nobody, until the next look, where the store fails."""
        try:
            return self._store.outgoing_users()
        except StoreError as error:
            logger.error("the outbox cannot be read: %s", error)  # noqa: TRY400  # words, not a traceback
            return ()

    def _waiting_for(self, user: Eui64) -> Sequence[Outgoing]:
        """Return the first documents that wait for a user; none, for now, where the store fails."""
        try:
            return self._store.outgoing(user, self._settings.batch)
        except StoreError as error:
            logger.error("the outbox cannot be read: %s", error)  # noqa: TRY400  # words, not a traceback
            return ()


async def _wait(event: asyncio.Event, seconds: float) -> None:
    """Wait for an event, or that long."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
