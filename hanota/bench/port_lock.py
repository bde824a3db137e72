"""One program of hanota's at a time on a port: two would take each other's answers."""

from __future__ import annotations

import errno
import socket
import struct
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from hanota.errors import RadioError

if TYPE_CHECKING:
    from collections.abc import Iterator

_DIGITS: Final = 16
_REFUSED: Final = 1024
"""Programs that may ask who has the port, as none of them is ever answered."""
_CREDENTIALS: Final = struct.Struct("=iII")
"""struct ucred: process, user, group (unix(7))."""
_PROCESSES: Final = Path("/proc")
_LONGEST_COMMAND: Final = 80


class PortLock:
    """The right to work with a port, from `take` on until `release` or until the process ends.

    The radio libraries lock a port that is open; a run of tests and a suite close it between two of theirs.
    This is a name among the kernel's abstract unix sockets: gone with its process, whoever's it was, where a
    file would stay and be another user's. Programs in separate containers do not see each other's.
    """

    def __init__(self, path: str) -> None:
        """`path` is a device, however it is written, or the URL of one that is none."""
        self._port = path if "://" in path else str(Path(path).resolve())
        name = sha256(self._port.encode()).hexdigest()[:_DIGITS]
        self._name = f"\0hanota-port-{name}"
        self._socket: socket.socket | None = None

    def take(self) -> Self:
        """Take it at once, or raise RadioError that names the process which has it."""
        held = socket.socket(socket.AF_UNIX)
        try:
            held.bind(self._name)
            held.listen(_REFUSED)
        except OSError as error:
            held.close()
            if error.errno != errno.EADDRINUSE:
                raise RadioError(f"{self._port}: cannot lock it: {error.strerror or error}") from error
            raise RadioError(
                f"{self._port}: {self._holder()} works with this port", hint="wait for it, or stop it"
            ) from error
        self._socket = held
        return self

    def release(self) -> None:
        """Let go."""
        held, self._socket = self._socket, None
        if held is not None:
            held.close()

    def _holder(self) -> str:
        """Return who has the port: the kernel knows who listens."""
        with socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(0)
            try:
                asking.connect(self._name)
                told = asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
            except OSError:
                return "another process"
        process = _CREDENTIALS.unpack(told)[0]
        try:
            command = (
                (_PROCESSES / str(process) / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
            )
        except (OSError, UnicodeDecodeError):
            return f"process {process}"
        return f"process {process} ({command[:_LONGEST_COMMAND]})"


@contextmanager
def port_locked(path: str) -> Iterator[None]:
    """Have the port for the length of a `with` block; raise RadioError where another program has it."""
    lock = PortLock(path).take()
    try:
        yield
    finally:
        lock.release()
