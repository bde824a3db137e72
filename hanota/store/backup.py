"""Backups of a database in use, and what is known to be wrong with one."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hanota.errors import StoreError
from hanota.store.database import APPLICATION_ID, FILE_MODE
from hanota.store.queries import MIGRATIONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_SIDE_FILES: Final = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a database. Left behind by another one, they would be taken for this one's."""
_FAULTS: Final = 20
"""Faults that `check` lists: after some, a database is to be restored, not studied."""


@dataclass(frozen=True, slots=True)
class DatabaseState:
    """What `check` found."""

    schema: int
    """The schema version; a hanota that knows a later one migrates it when it opens it."""
    octets: int
    events: int
    faults: Sequence[str]
    """In words; none in a database that is sound."""


def backup(source: Path, destination: Path) -> DatabaseState:
    """Copy a database, in use or not, to a new file of mode 0600 and verify the copy; raise StoreError.

    The copy is of one moment, a single file, and a whole database: to restore it, it is copied to where the
    database was. Nobody who writes is held up meanwhile. Nothing is left of a copy that fails.
    """
    with _opened(source) as original:
        _expect_hanotas(source, original)
        _create(destination)
        try:
            return _copied(original, source, destination)
        except sqlite3.Error as error:
            _remove(destination)
            raise StoreError(f"{destination}: {error}") from error
        except BaseException:
            _remove(destination)
            raise


def check(path: Path) -> DatabaseState:
    """Read a database from end to end, in use or not, and tell what is wrong; raise StoreError without one.

    Pages, indices, references between tables, and each image's octets against its SHA-256.
    """
    with _opened(path) as connection:
        return _state(path, connection, schema=_expect_hanotas(path, connection))


def _copied(original: sqlite3.Connection, source: Path, destination: Path) -> DatabaseState:
    with _opened(destination) as copy:
        # All pages in one step, one read transaction of WAL: taken in parts, a copy would begin anew with
        # each commit of another process, and would never end while a daemon is busy.
        original.backup(copy, pages=-1)
        # The WAL mode comes along with the header; a backup is to be one file.
        copy.execute("PRAGMA journal_mode = DELETE")
        state = _state(destination, copy, schema=_expect_hanotas(destination, copy))
    if state.faults:
        raise StoreError(
            f"{destination}: the copy is not sound: {state.faults[0]}",
            hint=f"the database may be damaged: see `hanota database check {source}`",
        )
    _sync(destination)
    return state


def _state(path: Path, connection: sqlite3.Connection, *, schema: int) -> DatabaseState:
    events = 0
    try:
        faults = [
            str(text) for (text,) in connection.execute(f"PRAGMA integrity_check({_FAULTS})") if text != "ok"
        ]
        if not faults:
            faults = [*_dangling(connection), *_altered(connection)]
            (events,) = connection.execute("SELECT count(*) FROM event").fetchone()
    except sqlite3.Error as error:
        faults = [str(error)]
    return DatabaseState(schema, path.stat().st_size, events, faults[:_FAULTS])


def _dangling(connection: sqlite3.Connection) -> Iterator[str]:
    for table, _, parent, _ in connection.execute("PRAGMA foreign_key_check"):
        yield f"a row of {table} refers to one of {parent} that is not there"


def _altered(connection: sqlite3.Connection) -> Iterator[str]:
    for digest, data in connection.execute("SELECT digest, data FROM image"):
        # Of an image whose octets were freed only the digest is left.
        if data and sha256(data).digest() != digest:
            yield f"image {digest.hex()} was altered"


def _opened(path: Path) -> closing[sqlite3.Connection]:
    try:
        # Not read-only: such a connection, if it is the last, leaves WAL and shared memory behind.
        uri = f"{path.resolve().as_uri()}?mode=rw"
        return closing(sqlite3.connect(uri, uri=True, isolation_level=None))
    except sqlite3.Error as error:
        raise StoreError(f"{path}: {error}", hint="name the hub's database") from error


def _expect_hanotas(path: Path, connection: sqlite3.Connection) -> int:
    """Return the schema version of a database of hanota's; raise StoreError for any other."""
    try:
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        schema: int = connection.execute("PRAGMA user_version").fetchone()[0]
    except sqlite3.Error as error:
        raise StoreError(f"{path}: {error}", hint="name the hub's database") from error
    if application != APPLICATION_ID:
        raise StoreError(f"{path}: not a database of hanota's", hint="name the hub's database")
    if schema > len(MIGRATIONS):
        raise StoreError(
            f"{path}: written by a newer hanota (schema {schema}, known here: {len(MIGRATIONS)})",
            hint="upgrade hanota",
        )
    return schema


def _create(path: Path) -> None:
    for suffix in ("", *_SIDE_FILES):
        other = Path(f"{path}{suffix}")
        if os.path.lexists(other):
            raise StoreError(
                f"{other}: is there already", hint="name a file that is not there, or move it away"
            )
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, FILE_MODE))
    except OSError as error:
        raise StoreError(
            f"{path}: {error.strerror or error}", hint="check that the folder is there and may be written"
        ) from error


def _remove(path: Path) -> None:
    for suffix in ("", *_SIDE_FILES):
        with suppress(OSError):
            Path(f"{path}{suffix}").unlink()


def _sync(path: Path) -> None:
    """Have the copy and its name on the disk before it is called a backup."""
    for name in (path, path.resolve().parent):
        descriptor = os.open(name, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
