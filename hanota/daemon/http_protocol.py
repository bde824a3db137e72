"""HTTP/1.1 of uvicorn, and what it lacks: a limit for heads, answers that outlive a body, TLS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from uvicorn.protocols.http.h11_impl import H11Protocol

from hanota.daemon.tls_extension import WithTls, tls_extension

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

LINGER_SECONDS: Final = 2.0
"""How long a client that was answered before it had sent its whole body may go on sending."""
LINGER_OCTETS: Final = 32 * 1024 * 1024
"""How much it may send meanwhile: twice the largest document; nothing of it is kept."""


class BenchHttpProtocol(H11Protocol):
    """Closes a connection on which no whole head came within the keep-alive time, the first or the next one.

    A client that trickles heads would otherwise hold a connection for ever, and there are only so many.

    Where the answer came before the end of the body (no token, too large), the rest is read and dropped for a
    while: a connection closed at once is reset by what still arrives, and the client loses the answer.
    """

    _due: asyncio.TimerHandle | None = None
    _left: int | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Wait for the first head."""
        self._line = transport
        lingering = _LingeringTransport(transport, self._linger)
        super().connection_made(cast("asyncio.Transport", lingering))
        extension = tls_extension(transport)
        if extension is not None:
            self.app = cast("Any", WithTls(self.app, extension))  # uvicorn has types of its own for ASGI
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

    def on_response_complete(self) -> None:
        """Wait for the next head."""
        super().on_response_complete()
        if self._left is None:
            self._wait_for_head()

    def _wait_for_head(self) -> None:
        if self._due is not None:
            self._due.cancel()
        self._due = self.loop.call_later(self.timeout_keep_alive, self._close_idle)

    def _close_idle(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()

    def _linger(self) -> bool:
        """Tell whether the connection stays open for the rest of a body; it does so once."""
        cycle = self.cycle
        if self._left is not None or cycle is None or not (cycle.response_complete and cycle.more_body):
            return False
        self._left = LINGER_OCTETS
        if self._line.can_write_eof():
            self._line.write_eof()
        self.flow.resume_reading()
        if self._due is not None:
            self._due.cancel()
        self._due = self.loop.call_later(LINGER_SECONDS, self._line.close)
        return True


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
