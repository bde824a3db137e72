"""The HTTP server: uvicorn on the daemon's own event loop, which keeps its signals to itself."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import uvicorn

from hanota.daemon.http_protocol import BenchHttpProtocol
from hanota.daemon.tls import server_context
from hanota.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi import FastAPI

    from hanota.config.settings import ApiSection

BACKLOG: Final = 128
"""Connections the kernel holds until they are taken."""


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and tell so."""
        await super().startup(sockets)
        self.listening.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the daemon: it drains more than HTTP."""
        yield


class HttpServer:
    """Serves `app` from `start` until `stop`."""

    def __init__(self, app: FastAPI, settings: ApiSection, *, drain: float) -> None:
        """`drain`: seconds that requests under way may take at `stop`. Raise ConfigError for its files."""
        self._settings = settings
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            proxy_headers=False,
            limit_concurrency=settings.connections,
            timeout_keep_alive=settings.keep_alive,
            timeout_graceful_shutdown=max(1, round(drain)),
            h11_max_incomplete_event_size=settings.header_octets,
            http=BenchHttpProtocol,
        )
        config.load()
        config.ssl = server_context(settings)
        self._server = _Server(config)
        self._socket: socket.socket | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Where it is reached; raise ConfigError before `start`."""
        if self._socket is None:
            raise ConfigError("the server has not been started")
        host, port = self._socket.getsockname()[:2]
        scheme = "http" if self._settings.certificate is None else "https"
        return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"

    async def start(self) -> None:
        """Listen; raise ConfigError where the port cannot be had."""
        self._socket = _listen(self._settings.host, self._settings.port)
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]), name="HTTP server")
        listening = asyncio.create_task(self._server.listening.wait())
        await asyncio.wait([self._task, listening], return_when=asyncio.FIRST_COMPLETED)
        listening.cancel()

    async def ended(self) -> None:
        """Wait until it has stopped; raise what it ended of."""
        if self._task is not None:
            await asyncio.shield(self._task)

    async def stop(self) -> None:
        """Take no more requests and end when those under way have, or their time is over."""
        self._server.should_exit = True
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
        if self._socket is not None:
            self._socket.close()


def is_loopback(host: str) -> bool:
    """Tell whether only programs of this machine reach it."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _listen(host: str, port: int) -> socket.socket:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        return socket.create_server(address, family=family, backlog=BACKLOG)
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {host}:{port}: {error.strerror}",
            hint="set another api.port, or stop the program that has it",
        ) from None
