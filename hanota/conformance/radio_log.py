"""The log of the radio: everything its libraries say while they drive a dongle, without a key in it."""

from __future__ import annotations

import logging
import os
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final, TextIO

from hanota.errors import ConfigError
from hanota.radio.redaction import Redaction
from hanota.timestamps import iso

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from hanota.clock import Clock

FILE_MODE: Final = 0o600
LARGEST: Final = 128 * 1024 * 1024
"""Characters: some hours of a download; then it ends, and says so."""
_LOGGERS: Final = ("bellows", "zigpy", "zigpy_znp", "serialx", "hanota.radio", "hanota.hub")


@contextmanager
def radio_log(path: Path, clock: Clock, secrets: Iterable[bytes] = ()) -> Iterator[None]:
    """Write the log for the length of a `with` block, in the time of `clock`; raise ConfigError.

    `secrets` are kept out of it also before the coordinator knows them; nobody else hears more than before.
    """
    with ExitStack() as stack:
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, FILE_MODE)
        except OSError as error:
            raise ConfigError(f"cannot write {path}: {error.strerror or error}") from error
        file = stack.enter_context(os.fdopen(descriptor, "w", encoding="utf-8"))
        redaction = Redaction()
        redaction.add(*secrets)
        redaction.install()
        stack.callback(redaction.remove)
        handler = _RadioLog(file, clock)
        for name in _LOGGERS:
            stack.enter_context(handler.hears(logging.getLogger(name)))
        yield


class _RadioLog(logging.Handler):
    """Writes every record; hands on those that would have been heard without it."""

    def __init__(self, file: TextIO, clock: Clock) -> None:
        super().__init__(logging.DEBUG)
        self._file, self._clock, self._room = file, clock, LARGEST
        self._before: dict[str, int] = {}
        # Stands above the loggers in place of the root, whose handlers would get every DEBUG record. The
        # loggers propagate as before: pytest attaches its own handlers to those that do not.
        self._top = logging.Logger("radio log", logging.DEBUG)  # noqa: LOG001  # nobody is to find it
        self._top.addHandler(self)

    @contextmanager
    def hears(self, logger: logging.Logger) -> Iterator[None]:
        """Take a logger's records at DEBUG for the length of a `with` block."""
        level, parent = logger.level, logger.parent
        self._before[logger.name] = logger.getEffectiveLevel()
        logger.setLevel(logging.DEBUG)
        logger.parent = self._top
        try:
            yield
        finally:
            logger.parent = parent
            logger.setLevel(level)

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        if self._room > 0:
            line = f"{iso(self._clock.now())} {record.levelname} {record.name}: {self.format(record)}\n"
            self._room -= len(line)
            self._file.write(line if self._room > 0 else "the log is full and ends here\n")
        if record.levelno >= self._heard_from(record.name):
            logging.getLogger().handle(record)

    def _heard_from(self, name: str) -> int:
        return next(level for top, level in self._before.items() if name == top or name.startswith(f"{top}."))
