"""The port of an emulated dongle for other programs: a pseudo terminal, or a TCP socket."""

from __future__ import annotations

import asyncio
import os
import tty
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, cast

from hanota.emulator.line import Direction

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from hanota.emulator.line import Line

READ_OCTETS: Final = 4096
"""Octets taken from a pseudo terminal at once: the kernel's own buffer."""


@asynccontextmanager
async def served_on_pty(line: Line) -> AsyncIterator[str]:
    """Offer `line` on a pseudo terminal for the length of a `with` block; give the path to open.

    The kernel does not tell when a program opens or closes it, so the port counts as open all the time;
    octets that nobody reads are dropped when the kernel's buffer is full. Unplugging hangs the terminal up.
    """
    loop = asyncio.get_running_loop()
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    os.set_blocking(ours, False)
    path = os.ttyname(theirs)
    descriptors = [ours, theirs]

    def hang_up() -> None:
        loop.remove_reader(ours)
        while descriptors:
            os.close(descriptors.pop())

    def write(data: bytes) -> None:
        try:
            os.write(ours, data)
        except BlockingIOError:
            bridge.dropped += len(data)

    def read() -> None:
        line.write(Direction.TO_NCP, os.read(ours, READ_OCTETS))

    bridge = _Bridge(write, hang_up)
    line.open(bridge)
    loop.add_reader(ours, read)
    try:
        yield path
    finally:
        if descriptors:
            line.close(bridge)
            hang_up()


@asynccontextmanager
async def served_on_tcp(line: Line, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Offer `line` on TCP for the length of a `with` block, to one client at a time; give a `socket://` URL.

    Port 0 takes a free one. Anyone who reaches the port drives the dongle: keep it on the loopback.
    """
    clients: set[asyncio.Transport] = set()
    server = await asyncio.get_running_loop().create_server(lambda: _TcpPort(line, clients), host, port)
    address = server.sockets[0].getsockname()
    try:
        yield f"socket://{address[0]}:{address[1]}"
    finally:
        server.close()
        for client in clients:
            client.abort()
        await server.wait_closed()


class _Bridge:
    """The host's end of a line that passes everything on."""

    def __init__(self, write: Callable[[bytes], None], lost: Callable[[], None]) -> None:
        self.dropped = 0
        self._write = write
        self._lost = lost

    def data_received(self, data: bytes) -> None:
        self._write(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # of HostEnd
        self._lost()


class _TcpPort(asyncio.Protocol):
    """One TCP client; a second one is turned away, as a serial port would be busy."""

    def __init__(self, line: Line, clients: set[asyncio.Transport]) -> None:
        self._line = line
        self._clients = clients
        self._transport: asyncio.Transport | None = None
        self._bridge: _Bridge | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        stream = self._transport = cast("asyncio.Transport", transport)
        bridge = _Bridge(stream.write, stream.abort)
        try:
            self._line.open(bridge)
        except OSError:
            stream.abort()
        else:
            self._bridge = bridge
            self._clients.add(stream)

    def data_received(self, data: bytes) -> None:
        if self._bridge is not None and self._line.is_open:
            self._line.write(Direction.TO_NCP, data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # of asyncio.Protocol
        if self._bridge is not None and self._transport is not None:
            self._line.close(self._bridge)
            self._clients.discard(self._transport)
