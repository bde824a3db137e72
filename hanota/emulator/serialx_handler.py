"""`emulator://NAME` for serialx: the radio libraries open an emulated dongle of this process as a port.

Importing this module registers the scheme.
"""

from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import urlsplit

from serialx import register_uri_handler
from serialx.common import BaseSerial, BaseSerialTransport, ModemPins, UnsupportedSetting

from hanota.emulator.line import Direction
from hanota.errors import LocalProtocolError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

    from hanota.emulator.line import Line

SCHEME: Final = "emulator://"
WRITE_BUFFER_LIMITS: Final = (0, 65_536)
"""Low and high water mark: asyncio's own default, the line's buffer is the real bound."""


class Dongle(Protocol):
    """An emulated coordinator as its port sees it."""

    @property
    def line(self) -> Line:
        """The serial line it answers on."""
        ...


_dongles: dict[str, Dongle] = {}


def publish(name: str, dongle: Dongle) -> str:
    """Let `emulator://NAME` open `dongle` and return that URL; raise LocalProtocolError if taken."""
    if _dongles.setdefault(name, dongle) is not dongle:
        raise LocalProtocolError(f"an emulated dongle named {name!r} runs already")
    return SCHEME + name


def withdraw(name: str) -> None:
    """Take the name back; a port that is open stays open."""
    _dongles.pop(name, None)


@contextmanager
def published(name: str, dongle: Dongle) -> Iterator[str]:
    """Publish `dongle` for the length of a `with` block; give its URL."""
    url = publish(name, dongle)
    try:
        yield url
    finally:
        withdraw(name)


class EmulatedSerial(BaseSerial):  # type: ignore[misc]  # serialx comes without types
    """The settings a host asked for; blocking input and output are not offered."""

    is_open = False

    def _open(self, *_args: object, **_kwargs: object) -> None:
        raise UnsupportedSetting(f"{SCHEME} ports work with asyncio only")

    def _nothing(self, *_args: object) -> None:
        pass

    # A port that never opens can be closed, but neither read nor written.
    _readinto = _write = _reconfigure_port = _get_modem_pins = _set_modem_pins = _open
    _close = _flush = _reset_read_buffer = _reset_write_buffer = _nothing
    num_unread_bytes = num_unwritten_bytes = _nothing


class EmulatedSerialTransport(BaseSerialTransport):  # type: ignore[misc]  # serialx comes without types
    """An asyncio transport whose other end is the line of an emulated dongle."""

    transport_name = "emulator"

    def __init__(self, loop: asyncio.AbstractEventLoop, protocol: asyncio.Protocol) -> None:
        super().__init__(loop, protocol)
        self._line: Line | None = None
        self._pins = ModemPins()
        self._paused: list[bytes] | None = None

    async def _connect(self, *, path: str, **settings: Any) -> None:
        name = urlsplit(path).netloc
        dongle = _dongles.get(name)
        if dongle is None:
            raise ConnectionRefusedError(
                errno.ECONNREFUSED,
                f"no emulated dongle named {name!r} runs in this process (running: {sorted(_dongles)})",
            )
        self._serial = EmulatedSerial(path, baudrate=settings["baudrate"])
        self._extra["serial"] = self._serial
        dongle.line.open(self)
        self._line = dongle.line
        self._call_protocol_connection_made()

    def data_received(self, data: bytes) -> None:
        """Hand octets from the line to the protocol, or keep them while reading is paused."""
        if self._paused is None:
            self._protocol.data_received(data)
        else:
            self._paused.append(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Learn from the line that the dongle is gone."""
        self._closing = True
        self._line = None
        if exc is not None:
            self._mark_broken(exc)
        self._loop.call_soon(self._call_protocol_connection_lost, exc)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send octets down the line; after a close they are dropped, after a loss the error is raised."""
        self._check_broken()
        if self._line is not None:
            self._line.write(Direction.TO_NCP, bytes(data))

    def close(self) -> None:
        """Close the port."""
        self._mark_user_closed()
        if self._closing:
            return
        if self._line is not None:
            self._line.close(self)
        self.connection_lost(None)

    def abort(self) -> None:
        """Close the port at once; there is no buffer of ours to discard."""
        self.close()

    def pause_reading(self) -> None:
        """Keep incoming octets until reading goes on."""
        if self._paused is None:
            self._paused = []

    def resume_reading(self) -> None:
        """Deliver what was kept and go on."""
        kept, self._paused = self._paused or [], None
        for data in kept:
            self._protocol.data_received(data)

    def get_write_buffer_size(self) -> int:
        """Return the octets that have not passed the line yet."""
        return self._line.unsent if self._line is not None else 0

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Return the low and high water mark."""
        return WRITE_BUFFER_LIMITS

    async def _flush(self) -> None:
        pass

    async def _get_modem_pins(self) -> ModemPins:
        return self._pins

    async def _set_modem_pins(self, modem_pins: ModemPins) -> None:
        self._pins = modem_pins

    async def _reconfigure_port(self, update: object) -> None:
        pass


register_uri_handler(
    scheme=SCHEME,
    unique_scheme=SCHEME,
    sync_cls=EmulatedSerial,
    async_transport_cls=EmulatedSerialTransport,
)
