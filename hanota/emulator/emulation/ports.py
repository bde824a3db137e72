"""Where other programs open an emulated dongle: a pseudo terminal with a name, or a TCP port."""

from __future__ import annotations

import errno
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Protocol

from hanota.emulator.emulation.terminals import linked
from hanota.emulator.tty import served_on_pty, served_on_tcp
from hanota.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from hanota.emulator.line import Line


class Port(Protocol):
    """A served port whose dongle can be pulled out and put back."""

    @property
    def name(self) -> str:
        """What a program opens."""
        ...

    @property
    def plugged(self) -> bool:
        """Tell whether the dongle is there."""
        ...

    async def unplug(self) -> None:
        """Pull the dongle out: who has the port open loses it."""
        ...

    async def plug(self) -> None:
        """Put the dongle back."""
        ...


class PtyPort:
    """A pseudo terminal behind a symbolic link, which goes when the dongle is pulled, like a device node."""

    def __init__(self, line: Line, link: Path) -> None:
        self._line, self._link = line, link
        self._terminal = AsyncExitStack()
        self.plugged = False

    @property
    def name(self) -> str:
        """The link's path."""
        return str(self._link)

    async def unplug(self) -> None:
        """Hang the terminal up and remove the link."""
        self.plugged = False
        self._line.unplug()
        await self._terminal.aclose()

    async def plug(self) -> None:
        """Open a terminal and link to it; raise ConfigError if the link's name is taken."""
        if self.plugged:
            return
        self._line.plug()
        target = await self._terminal.enter_async_context(served_on_pty(self._line))
        try:
            self._terminal.enter_context(linked(self._link, target))
        except ConfigError:
            await self._terminal.aclose()
            raise
        self.plugged = True


class TcpPort:
    """A TCP port; while the dongle is unplugged it accepts nobody for longer than a moment."""

    def __init__(self, line: Line, url: str) -> None:
        self._line = line
        self.name = url
        self.plugged = True

    async def unplug(self) -> None:
        """Drop the client."""
        self.plugged = False
        self._line.unplug()

    async def plug(self) -> None:
        """Take clients again."""
        self.plugged = True
        self._line.plug()


@asynccontextmanager
async def pty_port(line: Line, link: Path) -> AsyncIterator[Port]:
    """Offer `line` on a pseudo terminal at `link` for the length of a `with` block; raise ConfigError."""
    port = PtyPort(line, link)
    await port.plug()
    try:
        yield port
    finally:
        await port.unplug()


@asynccontextmanager
async def tcp_port(line: Line, host: str, port: int) -> AsyncIterator[Port]:
    """Offer `line` on TCP for the length of a `with` block, clients in turn; raise ConfigError."""
    async with AsyncExitStack() as stack:
        try:
            url = await stack.enter_async_context(served_on_tcp(line, host, port))
        except OSError as error:
            reason = "in use" if error.errno == errno.EADDRINUSE else error.strerror or error
            raise ConfigError(f"cannot listen on {host}:{port}: {reason}") from error
        yield TcpPort(line, url.replace("socket://", "tcp://"))
