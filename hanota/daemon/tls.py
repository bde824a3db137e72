"""TLS of the HTTP server: what a client has to show, and what one that is turned away is told.

asyncio drops a connection whose handshake fails without sending the alert that says why (CPython's
`asyncio.sslproto`), so that the client would see a lost connection whatever is wrong. Here the alert goes out
first, and who speaks plain HTTP is answered in it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from typing import TYPE_CHECKING, Any, Final

from hanota.api.tls_words import tls_words
from hanota.errors import ConfigError
from hanota.ota.pacing import TokenBucket

if TYPE_CHECKING:
    from pathlib import Path

    from hanota.config.settings import ApiSection

logger = logging.getLogger(__name__)

LOGGED_BURST: Final = 20
"""Clients turned away that are logged at once: a bench has few, and anybody who reaches the port is one."""
LOGGED_PER_SECOND: Final = 0.1
"""The same in the long run."""
_PLAIN_HTTP: Final = "HTTP_REQUEST"
"""OpenSSL's name for what it finds where a TLS ClientHello is due."""
_PLAIN_HTTP_BODY: Final = json.dumps(
    {"error": "https is spoken here, not http", "hint": "begin the address with https://", "code": None}
).encode()
_PLAIN_HTTP_ANSWER: Final = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(_PLAIN_HTTP_BODY), _PLAIN_HTTP_BODY)
)


def server_context(settings: ApiSection) -> ssl.SSLContext | None:
    """Return the TLS of the settings, None where there is none; raise ConfigError naming the file."""
    if settings.certificate is None:
        return None
    context = _ServerContext(ssl.PROTOCOL_TLS_SERVER)
    context.logged = TokenBucket(LOGGED_PER_SECOND, LOGGED_BURST, 0)
    try:
        # No password: nobody is there to be asked for one, and OpenSSL would ask on the terminal.
        context.load_cert_chain(settings.certificate, settings.key, password=lambda: "")
    except OSError as error:  # ssl.SSLError is one
        raise ConfigError(
            f"cannot use {settings.certificate} for TLS: {error.strerror or error}",
            hint="api.certificate and api.key are PEM files that belong together, the key without a password",
        ) from None
    if settings.client_ca is not None:
        _ask_for_certificates(context, settings.client_ca)
    return context


def _ask_for_certificates(context: ssl.SSLContext, authorities: Path) -> None:
    """Take no client without a certificate of these authorities."""
    try:
        context.load_verify_locations(authorities)
    except OSError as error:
        raise ConfigError(
            f"cannot use {authorities} for TLS: {error.strerror or error}",
            hint="api.client_ca is a PEM file of certificates",
        ) from None
    context.verify_mode = ssl.CERT_REQUIRED


class _ServerConnection(ssl.SSLObject):
    """A connection that is told why it fails before it is dropped."""

    _outgoing: ssl.MemoryBIO | None = None
    _failure: ssl.SSLError | None = None

    def send_to(self, outgoing: ssl.MemoryBIO) -> None:
        """Take what is sent to the client from here."""
        self._outgoing = outgoing

    def do_handshake(self) -> None:
        """Do the next step; after a failure ask for more once, upon which asyncio sends what there is.

        Then the client hangs up, or sends more and is dropped, or asyncio's time for a handshake ends.
        """
        if self._failure is not None:
            raise self._failure
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError, ssl.SSLEOFError, ssl.SSLZeroReturnError):
            raise
        except ssl.SSLError as error:
            self._failure = error
            if isinstance(self.context, _ServerContext):
                self.context.tell(error)
            if error.reason == _PLAIN_HTTP and self._outgoing is not None:
                self._outgoing.write(_PLAIN_HTTP_ANSWER)
            if self._outgoing is None or not self._outgoing.pending:
                raise
            raise ssl.SSLWantReadError from error


class _ServerContext(ssl.SSLContext):
    """What asyncio makes the connections of."""

    sslobject_class = _ServerConnection
    logged: TokenBucket

    def wrap_bio(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, *more: Any, **named: Any) -> Any:
        """Return a connection on these buffers."""
        made = super().wrap_bio(incoming, outgoing, *more, **named)
        if isinstance(made, _ServerConnection):
            made.send_to(outgoing)
        return made

    def tell(self, error: ssl.SSLError) -> None:
        """Log that a client was turned away, as often as anybody wants to read it."""
        if self.logged.take(asyncio.get_running_loop().time()):
            logger.warning("a client was turned away: %s", tls_words(error) or error)
