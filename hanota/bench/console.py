"""A device's debug console: what it says is kept, and expected."""

from __future__ import annotations

import asyncio
import codecs
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hanota.bench.errors import BenchError, ConsoleTimeoutError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Protocol, TextIO

    class Writer(Protocol):
        """Where a console's input goes."""

        async def write(self, data: bytes) -> None:
            """Write all of `data`; raise BenchError."""
            ...


_TAIL: Final = 800
"""Characters of what did come that an error shows."""


@dataclass(frozen=True, slots=True)
class ConsoleSettings:
    """A console's line and limits."""

    baudrate: int = 115200
    encoding: str = "utf-8"
    newline: str = "\r\n"
    """What `send_line` ends a line with."""
    kept: int = 256 * 1024
    """Characters kept for `expect`; the log has everything."""
    largest_log: int = 64 * 1024 * 1024
    """Octets of the log: a device that restarts in a loop must not fill the disk."""


class Console:
    """Text that a device sends, from where it was last read; `feed` takes what comes."""

    def __init__(
        self,
        name: str,
        *,
        settings: ConsoleSettings | None = None,
        log: Path | None = None,
        stamp: Callable[[], str] = lambda: "",
    ) -> None:
        """`log` gets each line with what `stamp` returns before it; raise BenchError where it cannot."""
        self._name, self._settings, self._stamp = name, settings or ConsoleSettings(), stamp
        self._log_path = log
        try:
            self._log: TextIO | None = None if log is None else log.open("a", encoding="utf-8")
        except OSError as error:
            raise BenchError(f"cannot write the console's log {log}: {error.strerror or error}") from error
        self._logged = 0
        self._at_line_start = True
        self._decode = codecs.getincrementaldecoder(self._settings.encoding)("replace")
        self._text = ""
        self._came = asyncio.Event()
        self._writer: Writer | None = None
        self._lost = ""

    def attach(self, writer: Writer) -> None:
        """Send input to `writer`."""
        self._writer = writer

    def feed(self, data: bytes) -> None:
        """Take what the device sent."""
        text = self._decode.decode(data)
        self._write_log(text)
        self._text = (self._text + text)[-self._settings.kept :]
        self._came.set()

    def lost(self, reason: str) -> None:
        """Hear that nothing more will come."""
        self._lost = reason
        self._came.set()

    async def send_line(self, text: str) -> None:
        """Type a line; raise BenchError where the console takes no input."""
        if self._writer is None:
            raise BenchError(f"the console {self._name} takes no input")
        await self._writer.write((text + self._settings.newline).encode(self._settings.encoding))

    async def expect(self, pattern: str, seconds: float) -> re.Match[str]:
        """Return the first match of the regular expression in what came since the last; drop what is before.

        Raise ConsoleTimeoutError, with what came instead, when it does not come in `seconds`, and BenchError
        when the console is gone.
        """
        wanted = re.compile(pattern, re.MULTILINE)
        try:
            async with asyncio.timeout(seconds):
                while (match := wanted.search(self._text)) is None:
                    if self._lost:
                        raise BenchError(f"the console {self._name} is gone: {self._lost}")
                    self._came.clear()
                    await self._came.wait()
        except TimeoutError:
            raise ConsoleTimeoutError(self._missing(pattern, seconds)) from None
        self._text = self._text[match.end() :]
        return match

    def close(self) -> None:
        """Close the log."""
        if self._log is not None:
            self._log.close()
            self._log = None

    def _missing(self, pattern: str, seconds: float) -> str:
        came = self._text[-_TAIL:].strip()
        words = f"nothing on {self._name} matched {pattern!r} within {seconds:g} s; "
        words += f"it said:\n{came}" if came else "it said nothing"
        return words if self._log_path is None else f"{words}\nall of it is in {self._log_path}"

    def _write_log(self, text: str) -> None:
        if self._log is None:
            return
        stamped = "".join(self._stamped(text))
        self._logged += len(stamped)
        if self._logged > self._settings.largest_log:
            self._log.write("\n(the log is full and ends here)\n")
            self.close()
            return
        self._log.write(stamped)
        self._log.flush()

    def _stamped(self, text: str) -> list[str]:
        pieces = []
        for line in text.splitlines(keepends=True):
            if self._at_line_start and (stamp := self._stamp()):
                pieces.append(f"{stamp} ")
            pieces.append(line)
            self._at_line_start = line.endswith(("\n", "\r"))
        return pieces
