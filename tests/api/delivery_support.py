"""An outbox, service users with answer addresses, and receivers at them, for tests of delivery."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httpx

from hanota.api.delivery import OutboxDelivery
from hanota.clock import LoopClock
from hanota.eui64 import Eui64
from hanota.hub.events import EventKind, Party
from hanota.hub.journal import Journal
from hanota.store.dcc_store import SqliteDccStore
from hanota.store.store import SqliteStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from hanota.api.delivery_settings import DeliverySettings
    from hanota.hub.events import Event

EPOCH = 1_800_000_000.0
USER, OTHER, UNREACHABLE = Eui64(b"supplier"), Eui64(b"supplie2"), Eui64(b"nobody--")
HOSTS = {USER: "supplier.example", OTHER: "other.example"}
"""UNREACHABLE has no answer address."""


@dataclass(frozen=True)
class User:
    """A service user, with the attributes delivery asks for."""

    answer_url: str | None


class Users:
    """The service users of the bench."""

    def find(self, eui64: Eui64) -> User | None:
        return User(f"https://{HOSTS[eui64]}/duis") if eui64 in HOSTS else None


@dataclass
class Receiver:
    """Answer addresses of the service users; `answers` says how each host behaves, 204 unless told."""

    answers: dict[str, Callable[[httpx.Request], Awaitable[httpx.Response]]] = field(default_factory=dict)
    posts: list[tuple[float, str, bytes]] = field(default_factory=list)
    """When (virtual seconds), to which host, what; answered 2xx or not."""
    taken: dict[str, list[bytes]] = field(default_factory=dict)
    """What each host answered 2xx."""

    async def take(self, request: httpx.Request) -> httpx.Response:
        host, document = request.url.host, await request.aread()
        assert request.method == "POST"
        assert request.headers["content-type"] == "application/xml"
        self.posts.append((asyncio.get_running_loop().time(), host, document))
        answer = self.answers.get(host)
        response = httpx.Response(204) if answer is None else await answer(request)
        if response.is_success:
            self.taken.setdefault(host, []).append(document)
        # As from the network: with its body still to be read.
        return httpx.Response(response.status_code, headers=response.headers, stream=response.stream)

    def answer(self, user: Eui64, status: int, **headers: str) -> None:
        """Have the address of a user answer so."""

        async def answered(_: httpx.Request) -> httpx.Response:
            return httpx.Response(status, headers=headers)

        self.answers[HOSTS[user]] = answered

    def refuse(self, user: Eui64) -> None:
        """Have nobody listen at the address of a user."""

        async def refused(request: httpx.Request) -> httpx.Response:
            raise httpx.ConnectError("connection refused", request=request)

        self.answers[HOSTS[user]] = refused

    def listen(self, user: Eui64) -> None:
        """Have the address of a user answer 204 again."""
        self.answers.pop(HOSTS[user], None)

    def got(self, user: Eui64) -> list[bytes]:
        """Return what a user has answered 2xx."""
        return self.taken.get(HOSTS[user], [])


@dataclass
class World:
    """Delivery at work."""

    store: SqliteStore
    outbox: SqliteDccStore
    journal: Journal
    clock: LoopClock
    delivery: OutboxDelivery
    task: asyncio.Task[None]
    events: list[Event] = field(default_factory=list)

    def put(self, user: Eui64, *documents: bytes) -> None:
        """Have the DCC tell a user something, each in a transaction of its own."""
        for document in documents:
            with self.journal.transaction():
                self.outbox.add_outgoing(user, document, self.clock.now())
                self.journal.record(EventKind.DCC_ALERT, Party.DCC, Party.SERVICE_USER)

    def of(self, kind: EventKind) -> list[Event]:
        return [event for event in self.events if event.kind is kind]

    async def stop(self) -> None:
        """End delivery as the daemon does."""
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task


@asynccontextmanager
async def delivering(
    receiver: Receiver, *, store: SqliteStore | None = None, settings: DeliverySettings | None = None
) -> AsyncIterator[World]:
    """Run delivery on `store`, by default an empty one in memory."""
    loop = asyncio.get_running_loop()
    kept = store or SqliteStore(":memory:")
    clock = LoopClock(loop, EPOCH + loop.time())
    journal = Journal(kept, clock)
    outbox = SqliteDccStore(kept.database)
    transport = httpx.MockTransport(receiver.take)
    delivery = OutboxDelivery(outbox, journal, Users(), clock, settings, transport)
    world = World(kept, outbox, journal, clock, delivery, asyncio.create_task(delivery.run()))
    journal.subscribe(world.events.append)
    try:
        yield world
    finally:
        await world.stop()
        if store is None:
            kept.close()
