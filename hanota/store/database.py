"""One SQLite database: opened, migrated or refused with words, and its transactions."""

from __future__ import annotations

import os
import sqlite3
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

from hanota.errors import HanotaError, StoreError
from hanota.store.queries import MIGRATIONS, QUERIES, statements

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_T = TypeVar("_T")
Row: TypeAlias = "tuple[Any, ...]"
"""One row, as the query names its columns."""

MEMORY: Final = ":memory:"
"""The path of a database that lives and dies with the process."""
APPLICATION_ID: Final = 0x484F5441
"""`HOTA` in the header of every database of hanota's (SQLite's application_id)."""
FILE_MODE: Final = 0o600
"""The database holds install codes: nobody but its owner reads it. SQLite gives its WAL the same mode."""

_HINTS: Final = {
    sqlite3.SQLITE_BUSY: "another process holds the database; stop it or name another file",
    sqlite3.SQLITE_CANTOPEN: "check that the folder is there and may be written",
    sqlite3.SQLITE_CORRUPT: "restore the file from a backup, or name another one",
    sqlite3.SQLITE_FULL: "free some disk space; everything up to the last commit is kept",
    sqlite3.SQLITE_IOERR: "check the disk and the room on it; everything up to the last commit is kept",
    sqlite3.SQLITE_NOTADB: "name a database that hanota made, or a file that is not there yet",
    sqlite3.SQLITE_READONLY: "check the owner and the mode of the file and its folder",
}
_WRITING: Final = ("BEGIN", "INSERT", "UPDATE", "DELETE")
"""How statements begin that wait for the right to write, inside no transaction."""


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """How the database behaves."""

    busy_timeout: float = 5.0
    """Seconds to wait for another process (such as a backup) to let go, before StoreError.
    The daemon stands still meanwhile, so it is shorter than a device's patience. One that holds on longer is
    not waited for again, until it has let go."""


class Database:
    """A connection in autocommit mode; statements between `transaction` calls commit by themselves.

    A file must be new, empty, or made by hanota at this schema version or an older one, which is migrated;
    StoreError otherwise, and the file is not touched. A file that is deleted, moved or replaced while it is
    in use is written no more: that would be lost with the process.
    """

    def __init__(self, path: str | Path, settings: StoreSettings) -> None:
        self._name = str(path)
        self._in_transaction = False
        self._failed = False
        self._fault: StoreError | None = None
        self._busy_timeout, self._waits = settings.busy_timeout, True
        self._file: tuple[int, int] | None = None
        if self._name != MEMORY:
            _create_or_check(Path(path))
        try:
            self._connection = sqlite3.connect(
                self._name, timeout=settings.busy_timeout, isolation_level=None
            )
        except sqlite3.Error as error:
            raise self._store_error(error) from error
        try:
            self._prepare()
        except BaseException:
            self._connection.close()
            raise
        if self._name != MEMORY:
            self._file = self._found()

    def rows(self, query: str, **values: object) -> list[Row]:
        """Run a query of `queries.sql` to its end and return its rows; raise StoreError."""
        return self._run(QUERIES[query], values)

    def read(self, convert: Callable[[Row], _T], query: str, **values: object) -> list[_T]:
        """Return each row as `convert` makes it; raise StoreError also where it raises for a row."""
        rows = self.rows(query, **values)
        try:
            return [convert(row) for row in rows]
        except (ValueError, HanotaError) as error:
            raise StoreError(f"a row of {query} cannot be read: {error}") from error

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit everything inside, or nothing where anything raises or failed; inner blocks join."""
        if self._in_transaction:
            try:
                yield
            except BaseException:
                self._failed = True
                raise
            return
        self._run("BEGIN IMMEDIATE")
        self._in_transaction = True
        try:
            yield
            self._run("COMMIT")
            self._fault = None
        except BaseException:
            with suppress(sqlite3.Error):
                # SQLite may have rolled back by itself, after a full disk for one.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
            raise
        finally:
            self._in_transaction = self._failed = False

    def fault(self) -> StoreError | None:
        """Return why nothing can be stored, None where something can: after a failure this tries to."""
        if self._in_transaction:
            return self._fault
        with suppress(StoreError):
            self._refuse_elsewhere()
        if self._fault is not None:
            with suppress(StoreError), self.transaction():
                # It is there already, and writing it once more takes room as anything does.
                self._run(f"PRAGMA user_version = {len(MIGRATIONS)}")
        return self._fault

    def check(self) -> None:
        """Read the file from end to end and raise StoreError where it is damaged: half a second for 100 MB.

        SQLite itself notices only when it comes by a damaged page, and stores on beside it until then.
        """
        [(found,)] = self._run("PRAGMA quick_check(1)")
        if found != "ok":
            raise StoreError(
                f"{self._name}: the file is damaged: {found}", hint=_HINTS[sqlite3.SQLITE_CORRUPT]
            )

    def close(self) -> None:
        """Close the connection; what is not committed is lost."""
        self._connection.close()

    def _run(self, statement: str, values: dict[str, object] | None = None) -> list[tuple[Any, ...]]:
        if self._failed:
            # Neither go on nor commit: a part of what belongs together is missing already.
            raise StoreError(f"{self._name}: this transaction has failed, nothing of it is kept")
        takes_lock = not self._in_transaction and statement.startswith(_WRITING)
        if takes_lock:
            self._refuse_elsewhere()
        try:
            rows = self._connection.execute(statement, values or {}).fetchall()
        except (sqlite3.Error, OverflowError, UnicodeError) as error:
            self._failed = self._in_transaction
            failure = self._store_error(error)
            if failure.hint is not None:  # it is the file's fault, and not the statement's
                self._fault = failure
            if _primary_code(error) == sqlite3.SQLITE_BUSY:
                self._wait(waits=False)
            raise failure from error
        if takes_lock and not self._waits:
            self._wait(waits=True)
        return rows

    def _wait(self, *, waits: bool) -> None:
        """Wait for another process from now on, or do not: it has been waited for once."""
        self._waits = waits
        milliseconds = round(self._busy_timeout * 1000) if waits else 0
        with suppress(sqlite3.Error):
            self._connection.execute(f"PRAGMA busy_timeout = {milliseconds}")

    def _found(self) -> tuple[int, int] | None:
        """Return which file has the database's name, None where there is none."""
        try:
            status = Path(self._name).stat()
        except OSError:
            return None
        return status.st_dev, status.st_ino

    def _refuse_elsewhere(self) -> None:
        """Raise StoreError where another file has the database's name, or none."""
        if self._file is None or (found := self._found()) == self._file:
            return
        what = "was deleted or moved" if found is None else "was replaced"
        self._fault = StoreError(
            f"{self._name}: the file {what} while it was in use, nothing is stored any more",
            hint=f"put it back, or stop this process and restore a backup; until then /proc/{os.getpid()}/fd"
            " has the file and its -wal",
        )
        raise self._fault

    def _prepare(self) -> None:
        version = self._version()
        self._run("PRAGMA foreign_keys = ON")
        self._run("PRAGMA journal_mode = WAL")
        # FULL: a commit survives a power cut, not only a crash of the process.
        self._run("PRAGMA synchronous = FULL")
        if version < len(MIGRATIONS):
            self._migrate()
            # Into the file itself: one that is copied without its WAL is known for a database all the same.
            self._run("PRAGMA wal_checkpoint(TRUNCATE)")

    def _version(self) -> int:
        application: int = self._run("PRAGMA application_id")[0][0]
        version: int = self._run("PRAGMA user_version")[0][0]
        is_empty = not self._run("SELECT 1 FROM sqlite_schema LIMIT 1")
        if application == 0 and version == 0 and is_empty:
            return 0
        if application != APPLICATION_ID:
            raise StoreError(
                f"{self._name}: a database of another program", hint=_HINTS[sqlite3.SQLITE_NOTADB]
            )
        if version > len(MIGRATIONS):
            raise StoreError(
                f"{self._name}: written by a newer hanota (schema {version}, known here: {len(MIGRATIONS)})",
                hint="upgrade hanota, or name another file",
            )
        return version

    def _migrate(self) -> None:
        with self.transaction():
            # Read again: another process may have migrated it before this transaction began.
            version = self._version()
            for script in MIGRATIONS[version:]:
                for statement in statements(script):
                    self._run(statement)
            self._run(f"PRAGMA application_id = {APPLICATION_ID}")
            self._run(f"PRAGMA user_version = {len(MIGRATIONS)}")

    def _store_error(self, error: Exception) -> StoreError:
        return StoreError(f"{self._name}: {error}", hint=_HINTS.get(_primary_code(error)))


def _primary_code(error: Exception) -> int:
    """Return the primary result code, the low octet; errors of the Python module carry none."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _create_or_check(path: Path) -> None:
    try:
        # A file that is there is not opened here: closing it would drop SQLite's own locks on it (fcntl).
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, FILE_MODE))
        size = path.stat().st_size
    except OSError as error:
        raise StoreError(
            f"{path}: {error.strerror or error}", hint=_HINTS[sqlite3.SQLITE_CANTOPEN]
        ) from error
    # SQLite takes a file of one octet for an empty one and would overwrite it.
    if size == 1:
        raise StoreError(f"{path}: file is not a database", hint=_HINTS[sqlite3.SQLITE_NOTADB])
