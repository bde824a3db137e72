"""Opening a database: what is made, what is refused, and what a full disk or a cut leaves behind."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import pytest

from hanota.errors import StoreError
from hanota.eui64 import Eui64
from hanota.hub.events import EventKind, Party
from hanota.hub.ports import DeviceLogEntry, DeviceType, EstablishedKey
from hanota.store.database import StoreSettings
from hanota.store.queries import MIGRATIONS
from hanota.store.store import SqliteStore

if TYPE_CHECKING:
    from pathlib import Path

PPMID = Eui64.parse("00-0D-6F-00-00-00-00-01")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "hub.db"


def record(store: SqliteStore, **detail: str) -> int:
    return store.append_event(
        1.0, EventKind.RADIO_STATE, Party.RADIO, Party.HUB, device=None, job=None, detail=detail
    ).seq


def alter(path: Path, script: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)


def schema(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def refusal(path: Path) -> StoreError:
    """Return the error `path` is refused with, having checked that the file is left as it was."""
    before = path.read_bytes()
    with pytest.raises(StoreError) as caught:
        SqliteStore(path)
    assert path.read_bytes() == before
    return caught.value


def test_a_new_database_and_its_wal_are_for_the_owner_only(path: Path) -> None:
    with closing(SqliteStore(path)) as store:
        store.put_device(DeviceLogEntry(PPMID, DeviceType.PPMID, bytes(16)))

        modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}

    assert modes == {"hub.db": 0o600, "hub.db-wal": 0o600, "hub.db-shm": 0o600}


def test_an_empty_file_becomes_a_database(path: Path) -> None:
    path.touch()

    with closing(SqliteStore(path)) as store:
        assert record(store) == 1


def test_a_commit_survives_a_power_cut_and_references_are_kept(path: Path) -> None:
    with closing(SqliteStore(path)) as store:
        connection = store._database._connection
        pragmas = {
            name: connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }

    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


@pytest.mark.parametrize(
    "octets",
    [b"x", b"[radio]\n" * 20, b"SQLite format 3\0", b"SQLite format 4\0" * 64, b"SQLite format 3\0" * 64],
)
def test_a_file_that_is_not_a_database_is_refused(path: Path, octets: bytes) -> None:
    path.write_bytes(octets)

    error = refusal(path)

    assert str(error) == f"{path}: file is not a database"
    assert error.hint is not None
    assert "that hanota made" in error.hint


def test_another_programs_database_is_refused(path: Path) -> None:
    alter(path, "CREATE TABLE devices (ieee TEXT)")

    assert str(refusal(path)) == f"{path}: a database of another program"


def test_another_programs_marked_database_is_refused(path: Path) -> None:
    alter(path, "PRAGMA application_id = 252006674; PRAGMA user_version = 1")

    assert str(refusal(path)) == f"{path}: a database of another program"


def test_a_newer_hanotas_database_is_refused(path: Path) -> None:
    SqliteStore(path).close()
    alter(path, "PRAGMA user_version = 99")

    error = refusal(path)

    assert f"written by a newer hanota (schema 99, known here: {len(MIGRATIONS)})" in str(error)
    assert error.hint == "upgrade hanota, or name another file"


def test_a_database_of_the_first_schema_is_migrated_and_keeps_what_it_holds(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = DeviceLogEntry(PPMID, DeviceType.PPMID, bytes(16))
    with monkeypatch.context() as first_schema:
        first_schema.setattr("hanota.store.database.MIGRATIONS", MIGRATIONS[:1])
        with closing(SqliteStore(path)) as store:
            store.put_device(entry)
            record(store)
    assert schema(path) == 1

    with closing(SqliteStore(path)) as store:
        assert dict(store.link_keys()) == {}
        assert list(store.devices()) == [entry]
        assert [event.seq for event in store.events()] == [1]
        store.put_link_key(PPMID, EstablishedKey(PPMID, 2, bytes(16), 1.0))
    assert schema(path) == len(MIGRATIONS) > 1


def test_a_missing_folder_is_told_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="No such file or directory") as caught:
        SqliteStore(tmp_path / "nowhere" / "hub.db")

    assert caught.value.hint == "check that the folder is there and may be written"


def test_a_dangling_link_is_a_store_error(path: Path) -> None:
    path.symlink_to(path.with_name("gone.db"))

    with pytest.raises(StoreError, match="No such file or directory"):
        SqliteStore(path)


def test_a_folder_is_not_a_database(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="unable to open database file"):
        SqliteStore(tmp_path)


def test_a_damaged_page_is_a_store_error_with_a_hint(path: Path) -> None:
    with closing(SqliteStore(path)) as store:
        for _ in range(200):
            record(store, note="x" * 100)
    octets = bytearray(path.read_bytes())
    octets[8192:] = b"\xff" * (len(octets) - 8192)
    path.write_bytes(octets)

    with pytest.raises(StoreError) as caught, closing(SqliteStore(path)) as store:
        store.events()

    assert caught.value.hint == "restore the file from a backup, or name another one"


def test_a_row_that_means_nothing_is_a_store_error(path: Path) -> None:
    with closing(SqliteStore(path)) as store:
        record(store)
        alter(path, "UPDATE event SET kind = 'radio.exploded'")

        with pytest.raises(StoreError, match="a row of events cannot be read"):
            store.events()


def test_a_database_held_by_another_process_is_a_store_error_after_the_timeout(path: Path) -> None:
    with (
        closing(SqliteStore(path, StoreSettings(busy_timeout=0.01))) as store,
        closing(sqlite3.connect(path)) as other,
    ):
        other.execute("BEGIN IMMEDIATE")

        with pytest.raises(StoreError, match="database is locked") as caught:
            record(store)
        assert caught.value.hint is not None
        assert "another process" in caught.value.hint

        other.rollback()
        assert record(store) == 1


def test_a_closed_store_is_a_store_error() -> None:
    store = SqliteStore(":memory:")
    store.close()

    with pytest.raises(StoreError, match="closed database"):
        store.events()
    with pytest.raises(StoreError, match="closed database"), store.transaction():
        pass


def test_a_full_disk_loses_nothing_that_was_committed(path: Path) -> None:
    with closing(SqliteStore(path)) as store:
        record(store, note="before")
        connection = store._database._connection
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")

        with pytest.raises(StoreError, match="database or disk is full") as caught:
            store.put_image(bytes(100_000))
        assert caught.value.hint is not None
        assert "free some disk space" in caught.value.hint

        assert [event.detail for event in store.events()] == [{"note": "before"}]
        connection.execute("PRAGMA max_page_count = 1000000")
        record(store, note="after")

    with closing(SqliteStore(path)) as store:
        assert [event.detail for event in store.events()] == [{"note": "before"}, {"note": "after"}]


def test_a_store_that_failed_tells_its_fault_until_it_can_be_written_again(path: Path) -> None:
    with closing(SqliteStore(path)) as store:
        assert store.database.fault() is None
        store._database._connection.execute("PRAGMA query_only = ON")
        with pytest.raises(StoreError, match="readonly"):
            record(store, note="lost")
        for _ in range(2):
            assert "readonly" in str(store.database.fault())
        store._database._connection.execute("PRAGMA query_only = OFF")
        assert store.database.fault() is None
        assert store.events() == []


def test_a_statement_that_cannot_be_is_no_fault_of_the_store(path: Path) -> None:
    with closing(SqliteStore(path)) as store:
        with pytest.raises(StoreError):
            store.events(after=2**63)
        assert store.database.fault() is None


def test_a_disk_full_inside_a_transaction_leaves_nothing_of_it_even_if_the_error_is_caught(
    path: Path,
) -> None:
    with closing(SqliteStore(path)) as store:
        connection = store._database._connection
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")

        def go_on_after_the_error() -> None:
            with store.transaction():
                record(store, note="half")
                with suppress(StoreError):
                    store.put_image(bytes(100_000))
                # SQLite has rolled back here by itself: this must not commit on its own.
                record(store, note="other half")

        with pytest.raises(StoreError, match="this transaction has failed"):
            go_on_after_the_error()

        assert store.events() == []


def test_attack_power_loss_leaves_a_transaction_whole_or_absent(path: Path, tmp_path: Path) -> None:
    wal = path.with_name("hub.db-wal")
    copy = tmp_path / "copy" / "hub.db"
    with closing(SqliteStore(path)) as store:
        store._database._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        before = path.read_bytes()
        for value in (1, 2, 3):
            with store.transaction():
                store.raise_counter("sent", PPMID, value)
                record(store)
                store.put_image(bytes([value]) * 5000)
        log = wal.read_bytes()
        assert path.read_bytes() == before

    seen = set()
    for cut in range(0, len(log) + 1, 997):
        shutil.rmtree(copy.parent, ignore_errors=True)
        copy.parent.mkdir()
        copy.write_bytes(before)
        copy.with_name("hub.db-wal").write_bytes(log[:cut])
        with closing(SqliteStore(copy)) as store:
            images = store._database._connection.execute("SELECT count(*) FROM image").fetchone()[0]
            assert len(store.events()) == store.counter("sent", PPMID) == images
            seen.add(images)

    assert seen >= {0, 1, 2}


def test_attack_killed_inside_a_transaction_shows_the_state_before(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    with closing(SqliteStore(path)) as store:
        record(store, note="before")
        # A cache of one page spills uncommitted pages to the WAL, as a long transaction would.
        store._database._connection.execute("PRAGMA cache_size = 1")
        with store.transaction():
            record(store, note="inside")
            store.put_image(bytes(1_000_000))
            shutil.copytree(path.parent, copy, ignore=shutil.ignore_patterns("copy"))

    assert (copy / "hub.db-wal").stat().st_size > 1_000_000
    with closing(SqliteStore(copy / "hub.db")) as store:
        assert [event.detail for event in store.events()] == [{"note": "before"}]
    with closing(SqliteStore(path)) as store:
        assert [event.detail for event in store.events()] == [{"note": "before"}, {"note": "inside"}]
