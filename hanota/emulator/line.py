"""One serial line between a host and a dongle: baud rate, bounded buffers, silence, unplugging."""

from __future__ import annotations

import asyncio
import errno
import random
from collections import deque
from dataclasses import dataclass
from enum import Enum
from itertools import islice
from typing import TYPE_CHECKING, Final, Protocol

from hanota.emulator.impairments import LineFaults
from hanota.errors import LocalProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

BITS_PER_OCTET: Final = 10
"""8N1: start bit, eight data bits, stop bit."""
ACKNOWLEDGEMENT: Final = 7
"""Octets of the longest acknowledgement: an ASH ACK with every octet escaped; an MT status has 6."""


class Direction(Enum):
    """Which way octets travel."""

    TO_HOST = "ncp->host"
    TO_NCP = "host->ncp"


class HostEnd(Protocol):
    """What opens the port on the host's side."""

    def data_received(self, data: bytes) -> None:
        """Take octets from the dongle."""
        ...

    def connection_lost(self, exc: Exception | None) -> None:
        """Learn that the port is gone."""
        ...


@dataclass(frozen=True, slots=True)
class LineSettings:
    """Figures of a serial line."""

    baudrate: int = 115_200
    """The rate the dongle's firmware is built for; what the host asks for is ignored, as on USB."""
    buffer_octets: int = 16_384
    """Octets that may wait in one direction; what comes on top is lost and counted as an overrun."""
    flow_control: bool = True
    """RTS/CTS: a sender waits while the other end holds it off; without, what comes then is an overrun."""


class Line:
    """A full-duplex serial line on one event loop; its port may be opened by one host at a time."""

    def __init__(self, settings: LineSettings | None = None, *, seed: int = 0) -> None:
        self.settings = settings or LineSettings()
        chance = random.Random(seed)  # noqa: S311  # reproducible, not secret
        self._to_host = _Wire(self.settings, chance, self._arrived_at_host)
        self._to_ncp = _Wire(self.settings, chance, self._arrived_at_ncp)
        self.receive: Callable[[bytes], None] | None = None
        """Where the dongle takes octets from the host."""
        self.observe: Callable[[float, Direction, bytes], None] | None = None
        """Called with loop time, direction and octets of each chunk that arrives."""
        self._host: HostEnd | None = None
        self._plugged = True

    @property
    def to_host(self) -> LineFaults:
        """Faults of the direction from the dongle to the host."""
        return self._to_host.faults

    @property
    def to_ncp(self) -> LineFaults:
        """Faults of the direction from the host to the dongle."""
        return self._to_ncp.faults

    @property
    def is_open(self) -> bool:
        """Tell whether a host has the port open."""
        return self._host is not None

    @property
    def overruns(self) -> int:
        """Octets lost because a buffer was full."""
        return self._to_host.overruns + self._to_ncp.overruns

    @property
    def unsent(self) -> int:
        """Octets of the host that have not reached the dongle yet."""
        return self._to_ncp.pending

    def open(self, host: HostEnd) -> None:
        """Connect `host`; raise OSError, as the operating system does, if unplugged or open already."""
        if not self._plugged:
            raise FileNotFoundError(errno.ENOENT, "the emulated dongle is unplugged")
        if self._host is not None:
            raise OSError(errno.EBUSY, "the emulated port is open already")
        self._host = host

    def close(self, host: HostEnd) -> None:
        """Let `host` close the port, if it is the one that opened it; its octets still reach the dongle."""
        if self._host is host:
            self._host = None

    def write(self, direction: Direction, data: bytes) -> None:
        """Send octets; they arrive when the last of them has passed the line."""
        match direction:
            case Direction.TO_HOST:
                if self._host is not None:
                    self._to_host.send(data)
            case Direction.TO_NCP:
                if self._host is None:
                    raise LocalProtocolError("the port is not open")
                self._to_ncp.send(data)

    def hold(self, direction: Direction) -> None:
        """Have the receiver of `direction` hold its sender off: it is busy, or out of room."""
        self._wire(direction).hold()

    def release(self, direction: Direction) -> None:
        """Let the sender of `direction` go on; what waited passes at the line's rate."""
        self._wire(direction).release()

    def unplug(self) -> None:
        """Pull the dongle out: the host's port fails with EIO and cannot be opened again."""
        self._plugged = False
        host, self._host = self._host, None
        if host is not None:
            host.connection_lost(OSError(errno.EIO, "the emulated dongle was unplugged"))

    def plug(self) -> None:
        """Put the dongle back."""
        self._plugged = True

    def _wire(self, direction: Direction) -> _Wire:
        return self._to_host if direction is Direction.TO_HOST else self._to_ncp

    def _arrived_at_host(self, data: bytes) -> None:
        if self._host is not None:
            self._note(Direction.TO_HOST, data)
            self._host.data_received(data)

    def _arrived_at_ncp(self, data: bytes) -> None:
        if self._plugged and self.receive is not None:
            self._note(Direction.TO_NCP, data)
            self.receive(data)

    def _note(self, direction: Direction, data: bytes) -> None:
        if self.observe is not None:
            self.observe(asyncio.get_running_loop().time(), direction, data)


class _Wire:
    """One direction of a line."""

    def __init__(
        self, settings: LineSettings, chance: random.Random, arrived: Callable[[bytes], None]
    ) -> None:
        self.faults = LineFaults()
        self.pending = 0
        self.overruns = 0
        self._settings = settings
        self._chance = chance
        self._arrived = arrived
        self._free_at = 0.0
        self._held_off = False
        self._queue: deque[bytes] = deque()
        self._missed = 0
        """Chunks of the queue whose time on the line passed while the sender was held off."""

    def send(self, data: bytes) -> None:
        for chunk in self._impaired(data):
            if self.pending + len(chunk) > self._settings.buffer_octets:
                self.overruns += len(chunk)
                continue
            self.pending += len(chunk)
            self._queue.append(chunk)
            self._occupy(chunk)

    def hold(self) -> None:
        self._held_off = True

    def release(self) -> None:
        self._held_off = False
        missed, self._missed = self._missed, 0
        for chunk in islice(self._queue, missed):
            self._occupy(chunk)

    def _occupy(self, chunk: bytes) -> None:
        """Take the line for as long as `chunk` needs, and then let the first of the queue arrive."""
        loop = asyncio.get_running_loop()
        duration = len(chunk) * BITS_PER_OCTET / self._settings.baudrate
        self._free_at = max(self._free_at, loop.time()) + duration
        loop.call_at(self._free_at, self._deliver)

    def _deliver(self) -> None:
        if self._held_off and self._settings.flow_control:
            self._missed += 1
            return
        chunk = self._queue.popleft()
        self.pending -= len(chunk)
        if self._held_off:
            self.overruns += len(chunk)
            return
        if self.faults.muted:
            return
        if self.faults.one_octet_reads:
            for octet in chunk:
                self._arrived(bytes((octet,)))
        else:
            self._arrived(chunk)

    def _impaired(self, data: bytes) -> Iterable[bytes]:
        faults = self.faults
        chunks = [data] if faults.manipulate is None else faults.manipulate(data)
        for chunk in chunks:
            octets = bytearray(chunk)
            if len(octets) <= ACKNOWLEDGEMENT:
                if self._happens(faults.lose_short):
                    continue
                if self._happens(faults.double_short):
                    yield bytes(octets)
            if octets and self._happens(faults.corrupt):
                octets[self._chance.randrange(len(octets))] ^= 1 << self._chance.randrange(8)
            if octets and self._happens(faults.lose):
                del octets[self._chance.randrange(len(octets))]
            if octets:
                yield bytes(octets)

    def _happens(self, chance: float) -> bool:
        return chance > 0 and self._chance.random() < chance
