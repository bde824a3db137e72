"""Stream sockets the emulation listens on or connects to: `unix:PATH` and `tcp:HOST:PORT`."""

from __future__ import annotations

import asyncio
import socket
import stat
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, assert_never

from hanota.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine
    from pathlib import Path

    Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[None, None, None]]

OWNER_ONLY: Final = 0o600
"""Mode of a listening unix socket: who may connect drives the emulation."""
MAXIMUM_CONNECTIONS: Final = 8
"""Connections served at once; one more is closed."""
ACCEPT_SECONDS: Final = 0.01
"""Time a connection that has just been accepted takes to be set up: asyncio of Python 3.11 loses one whose
server is closed meanwhile."""
_HINT: Final = "write unix:PATH or tcp:HOST:PORT"


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """A socket in the file system."""

    path: Path

    def __str__(self) -> str:
        return f"unix:{self.path}"


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """A TCP port of a host."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"tcp:{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


SocketAddress = UnixAddress | TcpAddress


def parse_address(text: str, folder: Path) -> SocketAddress:
    """Read `unix:PATH`, relative to `folder`, or `tcp:HOST:PORT`; raise ConfigError."""
    scheme, _, rest = text.partition(":")
    if scheme == "unix" and rest:
        return UnixAddress(folder / rest)
    if scheme == "tcp":
        address = parse_host_port(rest)
        if address.host and address.port:
            return address
    raise ConfigError(f"not a socket: {text!r}", hint=_HINT)


def parse_host_port(text: str) -> TcpAddress:
    """Read `HOST:PORT`, `[IPV6]:PORT` or `:PORT`, which has no host; raise ConfigError."""
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ConfigError(f"{text!r}: write an IPv6 address in brackets", hint="[::1]:6638")
    if not colon or not (port.isascii() and port.isdigit()) or int(port) > 0xFFFF:
        raise ConfigError(f"not a TCP port: {text!r}", hint="write HOST:PORT, or :PORT, up to 65535")
    return TcpAddress(host, int(port))


@asynccontextmanager
async def listening(address: SocketAddress, serve: Serve) -> AsyncIterator[None]:
    """Listen for the length of a `with` block, `serve` each connection; raise ConfigError if that cannot be.

    A unix socket that nobody listens on any more is replaced, everything else at its path is left alone.
    """
    served: set[asyncio.Task[None]] = set()

    # Not a coroutine: one that is cancelled makes asyncio of Python 3.11 report a fault of its own.
    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(served) >= MAXIMUM_CONNECTIONS:
            writer.close()
            return
        task = asyncio.get_running_loop().create_task(serve(reader, writer))
        served.add(task)
        task.add_done_callback(served.discard)

    try:
        match address:
            case UnixAddress(path):
                server = await asyncio.start_unix_server(accept, sock=_bound(path))
            case TcpAddress(host, port):
                server = await asyncio.start_server(accept, host, port)
            case _:
                assert_never(address)
    except OSError as error:
        raise ConfigError(f"cannot listen on {address}: {error.strerror or error}") from error
    try:
        yield
    finally:
        await asyncio.sleep(ACCEPT_SECONDS)
        server.close()
        if isinstance(address, UnixAddress):
            address.path.unlink(missing_ok=True)
        for task in served:
            task.cancel()
        await asyncio.gather(*served, return_exceptions=True)


async def connect(address: SocketAddress) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect; raise OSError."""
    match address:
        case UnixAddress(path):
            return await asyncio.open_unix_connection(path)
        case TcpAddress(host, port):
            return await asyncio.open_connection(host, port)
        case _:
            assert_never(address)


def _bound(path: Path) -> socket.socket:
    """Return a socket bound to `path`, not listening yet: nobody can connect before its mode is set."""
    if path.is_symlink() or path.exists():
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise ConfigError(f"{path} is there already and is no socket", hint="choose another path")
        if _is_served(path):
            raise ConfigError(f"another program listens on {path}", hint="choose another path")
        path.unlink()
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        server.bind(str(path))
        path.chmod(OWNER_ONLY)
    except OSError:
        server.close()
        raise
    return server


def _is_served(path: Path) -> bool:
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as client:
        client.setblocking(False)  # noqa: FBT003  # the socket module's own signature
        try:
            client.connect(str(path))
        except BlockingIOError:
            return True
        except OSError:
            return False
        return True
