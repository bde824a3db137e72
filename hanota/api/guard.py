"""What holds for every HTTP request: whose web pages may send it, and what the answer says to a browser."""

from __future__ import annotations

import ipaddress
import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders

from hanota.api.errors import answer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

logger = logging.getLogger(__name__)

_LOCAL: Final = "localhost"
_REST: Final = "/api/"
_DATA: Final = (_REST, "/health", "/ready", "/metrics")
"""Paths whose answers are of this moment."""
_OF_OTHER_SITES: Final = ("cross-site", "same-site")
"""What a browser says of a request that a page of another origin has caused (Fetch Metadata, 2.4)."""
SECURITY_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""Nothing from elsewhere is loaded or run, and no other site frames, opens or embeds what is served here."""


class Guard:
    """ASGI middleware: refuses strange Host and Origin, adds security headers, tells of an unexpected error.

    Without it a web page somewhere could have the browser of who works on the bench send requests here: by a
    form (no preflight), or under a name of its own that leads here (DNS rebinding). It would have no token,
    but a browser shows its client certificate whichever page asks.
    """

    def __init__(self, app: ASGIApp, host_names: Iterable[str]) -> None:
        self._app = app
        self._names = {_LOCAL, *(name.lower().rstrip(".") for name in host_names)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def send_guarded(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(raw=message.setdefault("headers", []))
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
                if scope["path"].startswith(_DATA):
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        fault = self._fault(Headers(scope=scope), scope["path"])
        if fault is not None:
            await answer(*fault)(scope, receive, send_guarded)
            return
        try:
            await self._app(scope, receive, send_guarded)
        except Exception:
            if started:
                raise
            logger.exception("%s %s failed unexpectedly", scope["method"], scope["path"])
            response = answer(
                HTTPStatus.INTERNAL_SERVER_ERROR, "hanota failed at this", "the daemon's log says why"
            )
            await response(scope, receive, send_guarded)

    def _fault(self, headers: Headers, path: str) -> tuple[int, str, str] | None:
        """Return the status, what is wrong and what to do, None where nothing is."""
        host = headers.get("host", "")
        if len(headers.getlist("host")) != 1 or not self._is_ours(host):
            return (
                HTTPStatus.MISDIRECTED_REQUEST,
                f"the host is {host[:80]!r}",
                "use the IP address, or add the name to api.host_names",
            )
        origin = headers.get("origin")
        if origin is not None and _netloc(origin) != host.lower():
            return (
                HTTPStatus.FORBIDDEN,
                f"a web page of {origin[:80]!r} asks",
                "open the dashboard under the address that serves it",
            )
        # A GET that a page causes by an image or a frame has no Origin.
        if path.startswith(_REST) and headers.get("sec-fetch-site") in _OF_OTHER_SITES:
            return (
                HTTPStatus.FORBIDDEN,
                "a web page of another site asks",
                "open the dashboard under the address that serves it",
            )
        return None

    def _is_ours(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname
        except ValueError:
            return False
        if not name:
            return False
        if name.rstrip(".") in self._names:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def _netloc(origin: str) -> str:
    """Return host and port of an Origin, empty where it has none (`null`)."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""
