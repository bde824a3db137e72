"""One run of tests at a time on a port: two would take each other's answers."""

from __future__ import annotations

import errno
import fcntl
import os
import tempfile
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Final, Self

from hanota.errors import ConfigError

_DIGITS: Final = 16
_PID_OCTETS: Final = 20


class PortLock:
    """The right to run tests on a port, from `take` on until `release` or until the process ends.

    The kernel lets go with the process (flock). The file is never removed: who removes it could remove
    another's. The radio libraries lock the port too, but between tests it is not open.
    """

    def __init__(self, port: str) -> None:
        name = sha256(port.encode()).hexdigest()[:_DIGITS]
        self._port, self._file = port, Path(tempfile.gettempdir()) / f"hanota-port-{name}.lock"
        self._descriptor: int | None = None

    def take(self) -> Self:
        """Take it at once, or raise ConfigError that names the process which has it."""
        try:
            descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigError(
                f"{self._port}: cannot lock {self._file}: {error.strerror or error}",
                hint="does another user run tests on this port?",
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        except OSError as error:
            holder = os.pread(descriptor, _PID_OCTETS, 0)
            os.close(descriptor)
            if error.errno != errno.EWOULDBLOCK:
                raise ConfigError(f"{self._file}: {error.strerror or error}") from error
            who = f"process {holder.decode()}" if holder.isdigit() else "another process"
            raise ConfigError(
                f"{self._port}: {who} runs tests on this port", hint="wait for it, or stop it"
            ) from error
        self._descriptor = descriptor
        return self

    def release(self) -> None:
        """Let go."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with suppress(OSError):
                os.ftruncate(descriptor, 0)
            os.close(descriptor)
