"""USB relays of the LCUS kind (CH340, 9600 baud): four octets a command, no answer.

The makers' data sheets give: 0xA0, channel from 1, 0x01 closed or 0x00 open, and the sum of the three.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from hanota.bench.serial_port import SerialPort

START: Final = 0xA0
CLOSED: Final = 0x01
OPEN: Final = 0x00
MAXIMUM_CHANNEL: Final = 8
"""The largest board sold has eight relays."""


@dataclass(frozen=True, slots=True)
class RelaySettings:
    """A relay board's line and wiring."""

    baudrate: int = 9600
    """What the boards are delivered with."""
    normally_closed: bool = False
    """Whether the device hangs on the contact that is closed while the relay is at rest: then a rig that has
    no power itself leaves the device on."""


def command(channel: int, *, closed: bool) -> bytes:
    """Return the command that closes or opens the relay `channel`, 1 to 8."""
    if not 1 <= channel <= MAXIMUM_CHANNEL:
        raise ValueError(f"a relay's channel is 1 to {MAXIMUM_CHANNEL}, got {channel}")
    octets = bytes((START, channel, CLOSED if closed else OPEN))
    return octets + bytes((sum(octets) & 0xFF,))


class RelayPower:
    """A device behind one relay of a board."""

    def __init__(self, port: SerialPort, channel: int, settings: RelaySettings | None = None) -> None:
        """`port` is the board's; several devices may share it."""
        self._port, self._channel = port, channel
        self._settings = settings or RelaySettings()
        command(channel, closed=True)  # a channel that cannot be is told of now

    async def on(self) -> None:
        """Give the device power; raise BenchError where the board is not there."""
        await self._switch(closed=not self._settings.normally_closed)

    async def off(self) -> None:
        """Cut the device's power; raise BenchError where the board is not there."""
        await self._switch(closed=self._settings.normally_closed)

    async def _switch(self, *, closed: bool) -> None:
        await self._port.write(command(self._channel, closed=closed))
