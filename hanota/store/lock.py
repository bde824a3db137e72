"""One process at a time drives a database: two hubs on one file would give each counter twice."""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hanota.errors import StoreError
from hanota.store.database import FILE_MODE, MEMORY

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

SUFFIX: Final = ".lock"
"""A file of its own: SQLite's locks on the database are fcntl locks, lost with any descriptor that closes."""
_PID_OCTETS: Final = 20


class DatabaseLock:
    """The right to drive a database, held from `with` on until its end or until the process ends.

    The kernel lets go with the process (flock), so what a killed one leaves behind is no obstacle. The file
    is never removed: who removes it could remove another's.
    """

    def __init__(self, path: str | Path) -> None:
        """`path`: of the database, there or not. One in memory needs no lock."""
        # Two names of one database are one lock.
        self._path = None if str(path) == MEMORY else Path(f"{Path(path).resolve()}{SUFFIX}")
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        """Take the lock at once, or raise StoreError that names the process which has it."""
        if self._path is not None and self._descriptor is None:
            self._descriptor = _locked(self._path)
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Let go."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with suppress(OSError):
                os.ftruncate(descriptor, 0)
            os.close(descriptor)


def _locked(path: Path) -> int:
    """Return a descriptor of the file `path`, locked and with our pid in it."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, FILE_MODE)
    except OSError as error:
        raise StoreError(
            f"{path}: {error.strerror or error}", hint="check that the folder is there and may be written"
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    except OSError as error:
        holder = os.pread(descriptor, _PID_OCTETS, 0) if error.errno == errno.EWOULDBLOCK else None
        os.close(descriptor)
        raise _refusal(path, holder, error) from error
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _refusal(path: Path, holder: bytes | None, error: OSError) -> StoreError:
    if holder is None:
        hint = "free some disk space" if error.errno == errno.ENOSPC else "check the folder's file system"
        return StoreError(f"{path}: {error.strerror or error}", hint=hint)
    # A pid is digits; whatever else stands there is not shown.
    who = f"process {holder.decode()}" if holder.isdigit() else "another process"
    database = str(path).removesuffix(SUFFIX)
    return StoreError(
        f"{database}: {who} is driving this database", hint="stop that one first, or name another database"
    )
