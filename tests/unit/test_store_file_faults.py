"""What happens to a database's file while it is in use: told in words, nothing stored where it is lost."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from hanota.clock import SystemClock
from hanota.errors import StoreError
from hanota.hub.events import EventKind, Party
from hanota.hub.journal import Journal
from hanota.hub.ports import DeviceLogEntry, DeviceType
from hanota.store.backup import backup, check
from hanota.store.database import StoreSettings
from hanota.store.lock import DatabaseLock
from hanota.store.store import SqliteStore
from tests.hub_parties_support import PPMID

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ENTRY = DeviceLogEntry(PPMID.eui64, DeviceType.PPMID, bytes(16))


def note(store: SqliteStore) -> None:
    Journal(store, SystemClock()).record(EventKind.DAEMON_STARTED, Party.HUB, Party.HUB)


def delete(path: Path) -> None:
    path.unlink()


def replace(path: Path) -> None:
    """Put a backup in its place, as an operator who restores one does while the daemon still runs."""
    copy = path.with_name("copy")
    backup(path, copy)
    copy.replace(path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "hub.db"


@pytest.mark.parametrize(
    ("act", "what"), [(delete, "deleted or moved"), (replace, "replaced")], ids=["deleted", "replaced"]
)
def test_a_file_that_is_gone_is_written_no_more_and_read_to_the_end(
    path: Path, act: Callable[[Path], None], what: str
) -> None:
    with closing(SqliteStore(path)) as store:
        note(store)
        act(path)

        assert what in str(store.database.fault()), "told before anything is lost"
        writes: tuple[Callable[[], None], ...] = (lambda: note(store), lambda: store.put_device(ENTRY))
        for write in writes:
            with pytest.raises(StoreError, match=f"the file was {what} while it was in use") as caught:
                write()
            assert caught.value.hint is not None
            assert "put it back" in caught.value.hint
        assert len(store.events()) == 1
        assert store.devices() == []


def test_a_file_that_is_put_back_is_written_again(path: Path, tmp_path: Path) -> None:
    with closing(SqliteStore(path)) as store:
        path.rename(tmp_path / "away")
        with pytest.raises(StoreError, match="deleted or moved"):
            note(store)
        (tmp_path / "away").rename(path)

        assert store.database.fault() is None
        note(store)

    with closing(SqliteStore(path)) as store:
        assert len(store.events()) == 1


def test_a_copy_without_its_wal_is_known_for_a_database_of_an_earlier_moment(
    path: Path, tmp_path: Path
) -> None:
    """Never for a new one: its counters would begin anew."""
    copy = tmp_path / "copy.db"
    with closing(SqliteStore(path)) as store:
        store.put_device(ENTRY)
        shutil.copyfile(path, copy)

    assert check(copy).faults == []
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("SELECT count(*) FROM device").fetchone() == (0,)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM device").fetchone() == (1,)


def test_a_process_that_holds_the_database_for_long_is_waited_for_once(path: Path) -> None:
    """The event loop stands still meanwhile: with a wait at each frame nobody would be answered any more."""
    timeouts: list[int] = []
    with (
        closing(SqliteStore(path, StoreSettings(busy_timeout=0.03))) as store,
        closing(sqlite3.connect(path)) as other,
    ):

        def timeout() -> int:
            [(milliseconds,)] = store.database._connection.execute("PRAGMA busy_timeout")
            return int(milliseconds)

        other.execute("BEGIN IMMEDIATE")
        assert timeout() == 30
        for _ in range(3):
            with pytest.raises(StoreError, match="database is locked"):
                note(store)
            timeouts.append(timeout())
        assert timeouts == [0, 0, 0]
        assert store.database.fault() is not None

        other.rollback()
        note(store)
        assert timeout() == 30
        assert store.database.fault() is None


def test_a_lock_file_on_a_full_disk_is_told_with_what_to_do(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("hanota.store.lock.os.pwrite", full)
    with pytest.raises(StoreError, match="No space left") as caught, DatabaseLock(path):
        pass
    assert caught.value.hint == "free some disk space"


def test_a_damaged_file_is_found_before_anything_is_stored_beside_the_damage(path: Path) -> None:
    with closing(SqliteStore(path)) as store:
        for _ in range(200):
            note(store)
        store.database.check()
    octets = path.read_bytes()
    path.write_bytes(octets[:-4096] + bytes(4096))  # one page, of events

    with closing(SqliteStore(path)) as store:
        with pytest.raises(StoreError, match=r"damaged|malformed") as caught:
            store.database.check()
        assert caught.value.hint is not None
        assert "backup" in caught.value.hint
