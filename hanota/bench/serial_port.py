"""Serial ports of consoles and relays, through pyserial-asyncio; one user a port."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from hanota.bench.errors import BenchError
from hanota.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable


_WRITE_TIMEOUT: Final = 5.0
"""Seconds in which the driver must take what is written: some hundred octets, at any rate of a console."""


class SerialPort:
    """One open port; what comes is handed to `received`."""

    def __init__(self, path: str, transport: Any, protocol: _Protocol) -> None:
        self._path, self._transport, self._protocol = path, transport, protocol

    @classmethod
    async def open(
        cls, path: str, baudrate: int, received: Callable[[bytes], None] = lambda _: None
    ) -> SerialPort:
        """Open the port for this program alone; raise BenchError.

        Raise ConfigError where pyserial-asyncio is not installed.
        """
        try:
            import serial_asyncio  # noqa: PLC0415  # of the extra `bench`
        except ImportError as error:
            raise ConfigError(
                "consoles and relays need pyserial-asyncio", hint="pip install 'hanota[bench]'"
            ) from error
        loop = asyncio.get_running_loop()
        protocol = _Protocol(received)
        try:
            transport, _ = await serial_asyncio.create_serial_connection(
                loop, lambda: protocol, path, baudrate=baudrate, exclusive=True
            )
        except (OSError, ValueError) as error:  # pyserial's own error is an OSError
            raise BenchError(
                f"cannot open {path}: {error}",
                hint="is it plugged in, may you open it (group dialout), does another program have it?",
            ) from error
        # Held back at the first octet that the driver has not taken, so that `write` knows of it.
        transport.set_write_buffer_limits(high=0)
        return cls(path, transport, protocol)

    async def write(self, data: bytes) -> None:
        """Write and return when the driver has taken all; raise BenchError where the port is gone."""
        if self._protocol.lost:
            raise BenchError(f"{self._path} was unplugged")
        self._transport.write(data)
        try:
            async with asyncio.timeout(_WRITE_TIMEOUT):
                await self._protocol.drained()
        except TimeoutError:
            raise BenchError(
                f"{self._path} takes nothing more", hint="is flow control on by mistake?"
            ) from None
        if self._protocol.lost:
            raise BenchError(f"{self._path} was unplugged")

    async def close(self) -> None:
        """Close the port; never raises."""
        self._transport.close()
        await self._protocol.closed.wait()


class _Protocol(asyncio.Protocol):
    """Hands on what comes and knows when the port is gone."""

    def __init__(self, received: Callable[[bytes], None]) -> None:
        self._received = received
        self._may_write = asyncio.Event()
        self._may_write.set()
        self.closed = asyncio.Event()

    @property
    def lost(self) -> bool:
        """Tell whether the port is closed, by us or by being unplugged."""
        return self.closed.is_set()

    async def drained(self) -> None:
        """Wait until more may be written."""
        await self._may_write.wait()

    def data_received(self, data: bytes) -> None:
        """Hand on what came."""
        self._received(data)

    def pause_writing(self) -> None:
        """Hold writers back."""
        self._may_write.clear()

    def resume_writing(self) -> None:
        """Let writers go on."""
        self._may_write.set()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # of asyncio.Protocol
        """Wake everybody who waits."""
        self._may_write.set()
        self.closed.set()
