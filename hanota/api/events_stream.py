"""Server-sent events: the journal from a sequence number on, for as long as the client listens.

The store is the queue: each client is read its own page when it has taken the one before, so a slow one
costs no memory and misses nothing. One that takes nothing for a time is cut off, and resumes by number.
"""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from starlette.responses import Response

from hanota.api.refused import RequestRefusedError
from hanota.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.types import Receive, Scope, Send

    from hanota.hub.events import Event
    from hanota.hub.journal import Journal
    from hanota.hub.ports import Store

logger = logging.getLogger(__name__)

PRUNED: Final = "pruned"
"""The type of the message that tells from which number on the journal is kept."""
MEDIA_TYPE: Final = "text/event-stream"


@dataclass(frozen=True, slots=True)
class EventStreamSettings:
    """The limits of event streams."""

    clients: int = 16
    """Streams at once; further ones are answered 503."""
    page: int = 100
    """Events read at once for one client."""
    heartbeat: float = 15
    """Seconds without an event after which a client hears that the stream lives; below proxies' 60."""
    write_timeout: float = 30
    """Seconds after which a client that takes nothing is cut off."""
    retry: int = 2000
    """Milliseconds after which a browser connects again."""


class EventStreams:
    """Every stream under way."""

    def __init__(
        self, store: Store, journal: Journal, draining: asyncio.Event, settings: EventStreamSettings
    ) -> None:
        """All streams end once `draining` is set."""
        self._store, self._journal, self._draining, self.settings = store, journal, draining, settings
        self._clients = 0

    @property
    def clients(self) -> int:
        """How many streams are under way."""
        return self._clients

    def respond(self, after: int, meant: Callable[[Event], bool]) -> EventStreamResponse:
        """Return a stream of the events meant above `after`; raise RequestRefusedError (503)."""
        if self._clients >= self.settings.clients:
            raise RequestRefusedError(
                f"{self._clients} clients follow the events already",
                HTTPStatus.SERVICE_UNAVAILABLE,
                hint="end one, or raise api.events.clients",
                retry_after=self.settings.retry // 1000,
            )
        return EventStreamResponse(self, after, meant)

    @asynccontextmanager
    async def follow(self, after: int, meant: Callable[[Event], bool]) -> AsyncIterator[AsyncIterator[str]]:
        """Give the pieces of one stream as they fall due, until the daemon drains."""
        self._clients += 1
        new = asyncio.Event()
        unsubscribe = self._journal.subscribe(lambda _: new.set())
        ended = asyncio.create_task(_set_when(self._draining, new))
        try:
            yield self._pieces(after, meant, new)
        finally:
            ended.cancel()
            unsubscribe()
            self._clients -= 1

    async def _pieces(
        self, after: int, meant: Callable[[Event], bool], new: asyncio.Event
    ) -> AsyncIterator[str]:
        yield f"retry: {self.settings.retry}\n\n"
        while not self._draining.is_set():
            new.clear()
            events = self._store.events(after=after, limit=self.settings.page)
            if events:
                if events[0].seq > after + 1:
                    # Numbers have no gaps: those between are gone, whatever is meant.
                    yield f"event: {PRUNED}\ndata: {json.dumps({'first': events[0].seq})}\n\n"
                after = events[-1].seq
                piece = "".join(map(_told, filter(meant, events)))
                if piece:
                    yield piece
                continue
            try:
                async with asyncio.timeout(self.settings.heartbeat):
                    await new.wait()
            except TimeoutError:
                # The number too: a client that means few events need not have all others looked at again.
                yield f": nothing new\nid: {after}\n\n"
        yield ": the daemon stops\n\n"


class EventStreamResponse(Response):
    """One stream as it is sent; a client that goes away or takes nothing ends it."""

    media_type = MEDIA_TYPE

    def __init__(self, streams: EventStreams, after: int, meant: Callable[[Event], bool]) -> None:
        super().__init__(headers={"X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._streams, self._after, self._meant = streams, after, meant

    async def __call__(
        self,
        scope: Scope,  # noqa: ARG002  # the ASGI signature
        receive: Receive,
        send: Send,
    ) -> None:
        """Send the stream to its end."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        writing = asyncio.create_task(self._write(send))
        gone = asyncio.create_task(_disconnected(receive))
        try:
            await asyncio.wait((writing, gone), return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            writing.cancel()
            await asyncio.wait((writing, gone))
        if not writing.cancelled():
            writing.result()

    async def _write(self, send: Send) -> None:
        async with self._streams.follow(self._after, self._meant) as pieces:
            try:
                async for piece in pieces:
                    await self._send(send, piece.encode(), more=True)
            except TimeoutError:
                return
            except StoreError as error:
                logger.error("an event stream ends: %s", error)  # noqa: TRY400  # words suffice
            with suppress(TimeoutError):
                await self._send(send, b"", more=False)

    async def _send(self, send: Send, octets: bytes, *, more: bool) -> None:
        async with asyncio.timeout(self._streams.settings.write_timeout):
            await send({"type": "http.response.body", "body": octets, "more_body": more})


def _told(event: Event) -> str:
    return f"id: {event.seq}\ndata: {json.dumps(event.to_json())}\n\n"


async def _set_when(cause: asyncio.Event, effect: asyncio.Event) -> None:
    await cause.wait()
    effect.set()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
