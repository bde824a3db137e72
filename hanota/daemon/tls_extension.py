"""What an app is told of a request's TLS connection: the ASGI TLS Extension, version 0.2.

https://asgi.readthedocs.io/en/latest/specs/tls.html, which uvicorn does not have.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any, Final

from cryptography import x509

if TYPE_CHECKING:
    import asyncio

    from starlette.types import ASGIApp, Receive, Scope, Send

_VERSIONS: Final = {"TLSv1.2": 0x0303, "TLSv1.3": 0x0304}


def tls_extension(transport: asyncio.BaseTransport) -> dict[str, Any] | None:
    """Return the extension for a connection, None where it is not over TLS.

    Of the client's chain it has the certificate alone, the one whose key the client has proved to hold.
    """
    connection = transport.get_extra_info("ssl_object")
    if not isinstance(connection, ssl.SSLObject):
        return None
    chain, name = [], None
    octets = connection.getpeercert(binary_form=True)
    if octets is not None:
        chain.append(ssl.DER_cert_to_PEM_cert(octets))
        name = _subject(octets)
    return {
        "server_cert": None,  # not at hand here, and everybody has it
        "client_cert_chain": chain,
        "client_cert_name": name,
        "client_cert_error": None,  # with an error the handshake fails
        "tls_version": _VERSIONS.get(connection.version() or ""),
        "cipher_suite": None,  # OpenSSL gives its name alone
    }


class WithTls:
    """An app whose requests come over one TLS connection."""

    def __init__(self, app: ASGIApp, extension: dict[str, Any]) -> None:
        self._app, self._extension = app, extension

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        scope["extensions"] = {**scope.get("extensions", {}), "tls": self._extension}
        await self._app(scope, receive, send)


def _subject(octets: bytes) -> str:
    """Return the Subject (RFC 4514); empty where OpenSSL can read it and `cryptography` cannot."""
    try:
        return x509.load_der_x509_certificate(octets).subject.rfc4514_string()
    except ValueError:
        return ""
