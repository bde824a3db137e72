"""Delivery where TLS does not come about: told in words, tried again, and nothing is lost once it does."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from fastapi import FastAPI
from starlette.requests import Request  # noqa: TC002  # FastAPI reads the annotations
from starlette.responses import Response

from hanota.api.delivery import OutboxDelivery
from hanota.api.delivery_settings import DeliverySettings
from hanota.clock import SystemClock
from hanota.config.settings import ApiSection
from hanota.daemon.server import HttpServer
from hanota.errors import ConfigError
from hanota.eui64 import Eui64
from hanota.hub.events import EventKind, Party
from hanota.hub.journal import Journal
from hanota.store.dcc_store import SqliteDccStore
from hanota.store.store import SqliteStore
from tests.tls_support import Authority

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from hanota.dcc.ports import Outgoing
    from hanota.hub.events import Event

USER = Eui64(b"supplier")
FAST = 0.01
"""Seconds of the first delay: TLS runs in real time."""


@dataclass
class Desk:
    """A service user's address and an outbox, over restarts of both."""

    authority: Authority
    documents: list[bytes] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    store: SqliteStore = field(default_factory=lambda: SqliteStore(":memory:"))
    answer_url: str = ""

    def find(self, _: Eui64) -> Desk:
        """Be the only service user."""
        return self

    def put(self, *documents: bytes) -> None:
        for document in documents:
            SqliteDccStore(self.store.database).add_outgoing(USER, document, SystemClock().now())

    @property
    def waiting(self) -> list[Outgoing]:
        return list(SqliteDccStore(self.store.database).outgoing(USER, 10))

    def told(self) -> list[int]:
        return [event.detail["document"] for event in self.events if is_delivered(event)]  # type: ignore[misc]

    @asynccontextmanager
    async def listening(self, certificate: Path, clients: Path | None = None) -> AsyncIterator[None]:
        """Listen with TLS."""
        app = FastAPI()

        @app.post("/duis")
        async def take(request: Request) -> Response:
            self.documents.append(await request.body())
            return Response(status_code=204)

        settings = ApiSection(port=0, certificate=certificate, key=certificate, client_ca=clients)
        server = HttpServer(app, settings, drain=1)
        await server.start()
        self.answer_url = f"{server.url}/duis"
        try:
            yield
        finally:
            await server.stop()

    @asynccontextmanager
    async def delivering(self, client_certificate: Path | None = None) -> AsyncIterator[None]:
        """Run delivery."""
        clock = SystemClock()
        journal = Journal(self.store, clock)
        journal.subscribe(self.events.append)
        settings = DeliverySettings(
            ca_file=self.authority.file, client_certificate=client_certificate, first_delay=FAST
        )
        delivery = OutboxDelivery(SqliteDccStore(self.store.database), journal, self, clock, settings)
        task = asyncio.create_task(delivery.run())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(20):
            while not condition():  # noqa: ASYNC110  # both sides work on their own
                await asyncio.sleep(FAST)


def is_delivered(event: Event) -> bool:
    return event.kind is EventKind.DOCUMENT_DELIVERED and event.target is Party.SERVICE_USER


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(Authority("authority", tmp_path), answer_url="http://127.0.0.1:9/duis")
    yield made
    made.store.close()


async def test_an_address_whose_certificate_has_expired_gets_all_once_it_is_renewed(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.put(b"<first/>", b"<second/>")
    async with desk.delivering():
        async with desk.listening(desk.authority.issue("old", days=(-2, -1)).file):
            await desk.until(lambda: desk.waiting[0].attempts >= 2)
        assert "its certificate has expired (api.delivery.ca_file names" in caplog.text
        assert "_ssl.c" not in caplog.text
        assert [outgoing.document for outgoing in desk.waiting] == [b"<first/>", b"<second/>"]
        async with desk.listening(desk.authority.issue("renewed").file):
            await desk.until(lambda: not desk.waiting)
    assert desk.documents == [b"<first/>", b"<second/>"]
    assert desk.told() == [1, 2]


async def test_an_address_that_asks_for_a_certificate_gets_all_once_there_is_one(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "hanota.api.delivery")
    desk.put(b"<first/>", b"<second/>")
    async with desk.listening(desk.authority.issue("receiver").file, desk.authority.file):
        async with desk.delivering():
            await desk.until(lambda: desk.waiting[0].attempts >= 2)
        assert "it asks for a certificate, and none was shown (api.delivery.client_cert" in caplog.text
        assert desk.documents == []
        async with desk.delivering(desk.authority.issue("hanota").file):
            await desk.until(lambda: not desk.waiting)
    assert desk.documents == [b"<first/>", b"<second/>"]


def test_a_key_without_its_certificate_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="with client_certificate only"):
        DeliverySettings(client_key=tmp_path / "own.key")
