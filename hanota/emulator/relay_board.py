"""A USB relay board of the LCUS kind: commands of four octets close and open its relays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

START: Final = 0xA0
COMMAND_OCTETS: Final = 4


class RelayBoard:
    """Relays that are open at first; `switched` hears of each that moves, with its channel."""

    def __init__(self, channels: int, switched: Callable[[int, bool], None]) -> None:
        self.closed = dict.fromkeys(range(1, channels + 1), False)
        self.ignored = 0
        """Octets that were part of no command: the board says nothing to them."""
        self._switched = switched
        self._buffer = b""

    def receive(self, data: bytes) -> None:
        """Take octets of the line, in pieces of any size."""
        self._buffer += data
        while self._buffer:
            command = self._buffer[:COMMAND_OCTETS]
            if command[0] != START or (len(command) == COMMAND_OCTETS and not self._obeys(command)):
                self._buffer = self._buffer[1:]
                self.ignored += 1
            elif len(command) < COMMAND_OCTETS:
                return
            else:
                self._buffer = self._buffer[COMMAND_OCTETS:]

    def _obeys(self, command: bytes) -> bool:
        """Carry out a command; return False for one whose sum, channel or state is wrong."""
        _, channel, state, checksum = command
        if sum(command[:3]) & 0xFF != checksum or channel not in self.closed or state not in {0, 1}:
            return False
        closed = bool(state)
        if self.closed[channel] is not closed:
            self.closed[channel] = closed
            self._switched(channel, closed)
        return True
