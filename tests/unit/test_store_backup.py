"""A backup is one sound file of one moment, taken while a daemon writes, and comes back whole."""

from __future__ import annotations

import sqlite3
import stat
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from hanota.errors import StoreError
from hanota.eui64 import Eui64
from hanota.hub.events import EventKind, Party
from hanota.store.backup import backup, check
from hanota.store.queries import MIGRATIONS
from hanota.store.store import SqliteStore

if TYPE_CHECKING:
    from pathlib import Path

DEVICE = Eui64.parse("00-0D-6F-00-00-00-00-01")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "hub.db"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return tmp_path / "backup.db"


def record(store: SqliteStore, **detail: str) -> None:
    store.append_event(
        1.0, EventKind.RADIO_STATE, Party.RADIO, Party.HUB, device=None, job=None, detail=detail
    )


def alter(path: Path, script: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)


def test_a_backup_of_an_open_database_has_every_commit_and_is_one_file_for_its_owner(
    path: Path, copy: Path
) -> None:
    with closing(SqliteStore(path)) as store:
        record(store, note="in the WAL alone")
        digest = store.put_image(b"an Upgrade Image")

        state = backup(path, copy)

    assert (state.schema, state.events, state.faults) == (len(MIGRATIONS), 1, [])
    assert [file.name for file in copy.parent.glob("backup*")] == ["backup.db"]
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    with closing(SqliteStore(copy)) as restored:
        assert [event.detail for event in restored.events()] == [{"note": "in the WAL alone"}]
        assert restored.image(digest) == b"an Upgrade Image"
        record(restored, note="goes on")


def test_a_backup_amid_a_transaction_has_nothing_of_it(path: Path, copy: Path) -> None:
    with closing(SqliteStore(path)) as store:
        record(store, note="before")
        with store.transaction():
            record(store, note="inside")
            backup(path, copy)

    with closing(SqliteStore(copy)) as restored:
        assert [event.detail for event in restored.events()] == [{"note": "before"}]


def test_backups_while_another_thread_writes_without_pause_end_and_are_each_of_one_moment(
    path: Path, copy: Path
) -> None:
    SqliteStore(path).close()
    writing, stop = threading.Event(), threading.Event()

    def write() -> None:
        with closing(SqliteStore(path)) as store:
            value = 0
            while not stop.is_set():
                value += 1
                with store.transaction():
                    store.raise_counter("sent", DEVICE, value)
                    record(store, note="x" * 1000)
                    store.put_image(value.to_bytes(500))
                writing.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert writing.wait(5)
        counts = []
        for number in range(5):
            destination = copy.with_name(f"{number}.db")
            backup(path, destination)
            with closing(SqliteStore(destination)) as restored:
                counts.append(len(restored.events()))
                assert restored.counter("sent", DEVICE) == counts[-1]
    finally:
        stop.set()
        writer.join()

    assert counts == sorted(counts)
    assert counts[0] < counts[-1], "the writer went on between the backups"


@pytest.mark.parametrize("name", ["backup.db", "backup.db-wal", "backup.db-shm", "backup.db-journal"])
def test_nothing_is_overwritten_nor_put_beside_what_belongs_to_another_database(
    path: Path, copy: Path, name: str
) -> None:
    SqliteStore(path).close()
    copy.with_name(name).write_bytes(b"precious")

    with pytest.raises(StoreError, match=f"{name}: is there already"):
        backup(path, copy)

    assert {file.name for file in copy.parent.iterdir()} == {"hub.db", name}
    assert copy.with_name(name).read_bytes() == b"precious"


def test_attack_a_link_in_place_of_the_backup_is_not_followed(path: Path, copy: Path) -> None:
    SqliteStore(path).close()
    copy.symlink_to(copy.with_name("elsewhere"))

    with pytest.raises(StoreError, match="is there already"):
        backup(path, copy)

    assert not copy.with_name("elsewhere").exists()


def test_a_damaged_database_is_not_backed_up_and_leaves_no_file(path: Path, copy: Path) -> None:
    with closing(SqliteStore(path)) as store:
        for _ in range(200):
            record(store, note="x" * 100)
    octets = bytearray(path.read_bytes())
    octets[-4096:] = b"\xff" * 4096
    path.write_bytes(octets)

    with pytest.raises(StoreError):
        backup(path, copy)

    assert not list(copy.parent.glob("backup*"))
    assert check(path).faults


def test_an_image_that_was_altered_is_found_by_check_and_not_backed_up(path: Path, copy: Path) -> None:
    with closing(SqliteStore(path)) as store:
        digest = store.put_image(b"an Upgrade Image")
    alter(path, "UPDATE image SET data = x'00'")

    assert check(path).faults == [f"image {digest.hex()} was altered"]
    with pytest.raises(StoreError, match="the copy is not sound: image") as caught:
        backup(path, copy)
    assert caught.value.hint == f"the database may be damaged: see `hanota database check {path}`"
    assert not copy.exists()


def test_an_image_whose_octets_were_freed_is_no_fault(path: Path) -> None:
    with closing(SqliteStore(path)) as store:
        store.free_image(store.put_image(b"an Upgrade Image"))

    assert check(path).faults == []


def test_a_row_that_refers_to_nothing_is_found_by_check(path: Path) -> None:
    SqliteStore(path).close()
    alter(
        path,
        "PRAGMA foreign_keys = OFF; INSERT INTO event (at, kind, source, target, job, detail) "
        "VALUES (1, 'radio.state', 'hub', 'hub', 7, '{}')",
    )

    assert check(path).faults == ["a row of event refers to one of job that is not there"]


@pytest.mark.parametrize("octets", [b"", b"[radio]\n" * 200])
def test_what_is_no_database_of_hanotas_is_neither_checked_nor_backed_up(
    path: Path, copy: Path, octets: bytes
) -> None:
    path.write_bytes(octets)

    with pytest.raises(StoreError, match="not a database") as caught:
        check(path)
    with pytest.raises(StoreError, match="not a database"):
        backup(path, copy)

    assert caught.value.hint == "name the hub's database"
    assert path.read_bytes() == octets
    assert not copy.exists()


def test_a_missing_database_is_not_made_by_looking_at_it(path: Path, copy: Path) -> None:
    with pytest.raises(StoreError, match="unable to open"):
        check(path)
    with pytest.raises(StoreError, match="unable to open"):
        backup(path, copy)

    assert list(path.parent.iterdir()) == []


def test_a_newer_hanotas_database_is_not_judged(path: Path, copy: Path) -> None:
    SqliteStore(path).close()
    alter(path, "PRAGMA user_version = 99")

    with pytest.raises(StoreError, match="newer hanota"):
        backup(path, copy)
    assert not copy.exists()


def test_a_full_disk_leaves_no_half_a_backup(path: Path, copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    SqliteStore(path).close()

    def full(_: int) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr("hanota.store.backup._sync", full)

    with pytest.raises(StoreError, match="database or disk is full"):
        backup(path, copy)
    assert not copy.exists()


def test_an_older_schema_is_backed_up_as_it_is(
    path: Path, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as first_schema:
        first_schema.setattr("hanota.store.database.MIGRATIONS", MIGRATIONS[:1])
        SqliteStore(path).close()

    assert backup(path, copy).schema == 1
