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
    sqlite3.SQLITE_IOERR: "check the disk; everything up to the last commit is kept",
    sqlite3.SQLITE_NOTADB: "name a database that hanota made, or a file that is not there yet",
    sqlite3.SQLITE_READONLY: "check the owner and the mode of the file and its folder",
}


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """How the database behaves."""

    busy_timeout: float = 5.0
    """Seconds to wait for another process (such as a backup) to let go, before StoreError.
    The daemon stands still meanwhile, so it is shorter than a device's patience."""


class Database:
    """A connection in autocommit mode; statements between `transaction` calls commit by themselves.

    A file must be new, empty, or made by hanota at this schema version or an older one, which is migrated;
    StoreError otherwise, and the file is not touched.
    """

    def __init__(self, path: str | Path, settings: StoreSettings) -> None:
        self._name = str(path)
        self._in_transaction = False
        self._failed = False
        self._fault: StoreError | None = None
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
        if self._fault is not None and not self._in_transaction:
            with suppress(StoreError), self.transaction():
                # It is there already, and writing it once more takes room as anything does.
                self._run(f"PRAGMA user_version = {len(MIGRATIONS)}")
        return self._fault

    def close(self) -> None:
        """Close the connection; what is not committed is lost."""
        self._connection.close()

    def _run(self, statement: str, values: dict[str, object] | None = None) -> list[tuple[Any, ...]]:
        if self._failed:
            # Neither go on nor commit: a part of what belongs together is missing already.
            raise StoreError(f"{self._name}: this transaction has failed, nothing of it is kept")
        try:
            return self._connection.execute(statement, values or {}).fetchall()
        except (sqlite3.Error, OverflowError, UnicodeError) as error:
            self._failed = self._in_transaction
            failure = self._store_error(error)
            if failure.hint is not None:  # it is the file's fault, and not the statement's
                self._fault = failure
            raise failure from error

    def _prepare(self) -> None:
        version = self._version()
        self._run("PRAGMA foreign_keys = ON")
        self._run("PRAGMA journal_mode = WAL")
        # FULL: a commit survives a power cut, not only a crash of the process.
        self._run("PRAGMA synchronous = FULL")
        if version < len(MIGRATIONS):
            self._migrate()

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
        # The low octet is the primary result code; errors of the Python module carry none.
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        return StoreError(f"{self._name}: {error}", hint=_HINTS.get(code))


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
