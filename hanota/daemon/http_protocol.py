"""HTTP/1.1 of uvicorn, and what it lacks: limits told in words, answers that outlive a body, TLS."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from hanota.api.errors import answer
from hanota.daemon.tls_extension import WithTls, tls_extension

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send
    from uvicorn.config import Config

logger = logging.getLogger(__name__)

_RETRY_SECONDS: Final = 1
"""What Retry-After tells who is one connection too many, as the REST API does."""
_TOO_LARGE: Final = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
_CLOSE: Final = {"Connection": "close"}
LINGER_SECONDS: Final = 2.0
"""How long a client that was answered before it had sent its whole request may go on sending."""
LINGER_OCTETS: Final = 32 * 1024 * 1024
"""How much it may send meanwhile: twice the largest document; nothing of it is kept."""


class _BoundedConnection(h11.Connection):
    """A connection whose heads are bounded whatever their segmentation.

    h11 bounds what is incomplete: a head that comes whole in one segment is taken, however large it is.
    """

    def __init__(self, head_octets: int) -> None:
        super().__init__(h11.SERVER, head_octets)
        self.head_octets: Final = head_octets
        self.refused_for = HTTPStatus.BAD_REQUEST
        """The status of what could not be taken."""

    def next_event(self) -> Any:
        """Return h11's next event; raise its RemoteProtocolError, for a head too large as well."""
        held = len(self.trailing_data[0]) if self.their_state is h11.IDLE else 0
        try:
            event = super().next_event()
        except h11.RemoteProtocolError as error:
            if error.error_status_hint == _TOO_LARGE:
                self.refused_for = _TOO_LARGE
            raise
        if isinstance(event, h11.Request) and held - len(self.trailing_data[0]) > self.head_octets:
            self.refused_for = _TOO_LARGE
            raise h11.RemoteProtocolError("the head is too large", _TOO_LARGE)
        return event


class BenchHttpProtocol(H11Protocol):
    """Closes a connection on which no whole head came within the keep-alive time, the first or the next one.

    A client that trickles heads would otherwise hold a connection for ever, and there are only so many.

    Where the answer came before the end of a request (no token, too large), the rest is read and dropped for
    a while: a connection closed at once is reset by what still arrives, and the client loses the answer.
    """

    _due: asyncio.TimerHandle | None = None
    _left: int | None = None
    _refused = False

    def __init__(self, config: Config, *more: Any, **named: Any) -> None:
        """Take what uvicorn gives, its limit of connections excepted: that is told in words here."""
        super().__init__(config, *more, **named)
        # The server always gives it.
        self.conn: _BoundedConnection = _BoundedConnection(cast("int", config.h11_max_incomplete_event_size))
        self._connections, self.limit_concurrency = self.limit_concurrency, None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Wait for the first head."""
        self._line = transport
        lingering = _LingeringTransport(transport, self._linger)
        super().connection_made(cast("asyncio.Transport", lingering))
        extension = tls_extension(transport)
        if extension is not None:
            self.app = cast("Any", WithTls(self.app, extension))  # uvicorn has types of its own for ASGI
        self._served = cast("ASGIApp", self.app)
        self.app = cast("Any", self._within_limit)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        if self._due is not None:
            self._due.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came, or drop what comes after the answer."""
        if self._left is None:
            super().data_received(data)
            return
        self._left -= len(data)
        if self._left < 0:
            self._line.close()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  # uvicorn's words, which are a programmer's
        """Refuse what came in the REST API's form, and read no more of it."""
        self._refused = True
        if self.cycle is not None and not self.cycle.response_complete:
            # Its body is what went wrong: the application hears that there is no more, and is not heard.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            status = self.conn.refused_for
            refusal = _refusal(status, self.conn.head_octets)
            response = h11.Response(
                status_code=status, headers=refusal.raw_headers, reason=status.phrase.encode()
            )
            for event in (response, h11.Data(data=bytes(refusal.body)), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def on_response_complete(self) -> None:
        """Wait for the next head."""
        super().on_response_complete()
        if self._left is None:
            self._wait_for_head()

    async def _within_limit(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or refuse it where there are too many connections."""
        limit = self._connections
        app = self._served
        if limit is not None and (len(self.connections) > limit or len(self.tasks) > limit):
            logger.warning("a request was refused: more than %d connections", limit)
            app = _too_many(limit)
        await app(scope, receive, send)

    def _wait_for_head(self) -> None:
        if self._due is not None:
            self._due.cancel()
        self._due = self.loop.call_later(self.timeout_keep_alive, self._close_idle)

    def _close_idle(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()

    def _linger(self) -> bool:
        """Tell whether the connection stays open for the rest of what is sent; it does so once."""
        cycle = self.cycle
        early = cycle is not None and cycle.response_complete and cycle.more_body
        if self._left is not None or not (early or self._refused):
            return False
        self._left = LINGER_OCTETS
        if self._line.can_write_eof():
            self._line.write_eof()
        self.flow.resume_reading()
        if self._due is not None:
            self._due.cancel()
        self._due = self.loop.call_later(LINGER_SECONDS, self._line.close)
        return True


def _refusal(status: HTTPStatus, head_octets: int) -> Response:
    if status is _TOO_LARGE:
        error = f"the head of the request has more than {head_octets} octets"
        hint = "send fewer or shorter headers, or raise api.header_octets"
    else:
        error = "this is no HTTP/1.1 request"
        hint = "ask with a client that speaks HTTP/1.1: `hanota client`, curl or a browser"
    return answer(status, error, hint, headers=_CLOSE)


def _too_many(connections: int) -> Response:
    return answer(
        HTTPStatus.SERVICE_UNAVAILABLE,
        f"more than {connections} connections are open",
        "ask again in a moment, close connections that are not used, or raise api.connections",
        headers={**_CLOSE, "Retry-After": str(_RETRY_SECONDS)},
    )


class _LingeringTransport:
    """A transport that is closed for uvicorn, and really once nothing more is awaited."""

    def __init__(self, transport: asyncio.Transport, linger: Callable[[], bool]) -> None:
        self._transport, self._linger = transport, linger
        self._lingers = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def close(self) -> None:
        """Close, or linger."""
        self._lingers = self._linger()
        if not self._lingers:
            self._transport.close()

    def is_closing(self) -> bool:
        """Tell whether nothing more is to be sent."""
        return self._lingers or self._transport.is_closing()
