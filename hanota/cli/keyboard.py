"""The keys of `hanota emulate`: single presses on a terminal, each a command to the emulation."""

from __future__ import annotations

import asyncio
import os
import termios
import tty
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TextIO

    from hanota.emulator.emulation.control import Control
    from hanota.emulator.memory import Json

HELP: Final = "j join all   u unplug, plug   r reset the dongle   b break, heal the air   s status   q quit"
READ_OCTETS: Final = 64
"""Taken at once: somebody leaning on a key."""
MAXIMUM_PRESSES: Final = 16
"""Presses being carried out at once; more are not heeded."""


@contextmanager
def keyboard(
    terminal: TextIO, *, stop: Callable[[], None], say: Callable[[str], None]
) -> Iterator[Callable[[Control], None]]:
    """Heed key presses for the length of a `with` block, once the function it gives was called.

    Nothing happens on what is no terminal. `stop` is called by q, `say` with each line to show.
    """
    if not terminal.isatty():
        yield lambda _: None
        return
    descriptor = terminal.fileno()
    loop = asyncio.get_running_loop()
    before = termios.tcgetattr(descriptor)

    def use(control: Control) -> None:
        keys = _Keys(control, stop, say)

        def read() -> None:
            octets = os.read(descriptor, READ_OCTETS)
            if not octets:
                loop.remove_reader(descriptor)
            for key in octets.decode("ascii", "ignore"):
                keys.press(key)

        tty.setcbreak(descriptor, termios.TCSANOW)
        loop.add_reader(descriptor, read)
        say(HELP)

    try:
        yield use
    finally:
        loop.remove_reader(descriptor)
        termios.tcsetattr(descriptor, termios.TCSANOW, before)


class _Keys:
    """What each key does."""

    def __init__(self, control: Control, stop: Callable[[], None], say: Callable[[str], None]) -> None:
        self._control, self._stop, self._say = control, stop, say
        self._presses: set[asyncio.Task[None]] = set()

    def press(self, key: str) -> None:
        match key:
            case "q":
                self._stop()
            case "?":
                self._say(HELP)
            case "j" | "u" | "r" | "b" | "s" if len(self._presses) < MAXIMUM_PRESSES:
                task = asyncio.get_running_loop().create_task(self._carry_out(key))
                self._presses.add(task)
                task.add_done_callback(self._presses.discard)
            case _:
                pass

    async def _carry_out(self, key: str) -> None:
        status = await self._control.execute({"command": "status"})
        match key:
            case "j":
                command = "join"
            case "u":
                command = "unplug" if status["plugged"] else "plug"
            case "b":
                command = "heal" if status["air_broken"] else "break"
            case "r":
                command = "reset"
            case _:
                for line in _lines(status):
                    self._say(line)
                return
        answer = await self._control.execute({"command": command})
        self._say(f"{command}: done" if answer["ok"] else f"{command}: {answer['error']}")


def _lines(status: dict[str, Json]) -> Iterator[str]:
    """Return the status, a line for the dongle and one for each device."""
    devices = status.pop("devices")
    for part in (status, *(devices if isinstance(devices, list) else ())):
        if isinstance(part, dict):
            yield "  ".join(f"{name} {value}" for name, value in part.items() if name != "ok")
