"""Every older schema becomes today's with all its rows, whole or not at all."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from hashlib import sha256
from typing import TYPE_CHECKING, Final

import pytest

from hanota.errors import StoreError
from hanota.store.backup import check
from hanota.store.queries import MIGRATIONS, statements
from hanota.store.store import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EUI = "x'000D6F0000000001'"
HASH = f"x'{sha256(bytes((1, 2))).hexdigest()}'"
ROWS: Final = {
    1: f"""
        INSERT INTO device VALUES ({EUI}, 1, x'00');
        INSERT INTO image VALUES ({HASH}, x'0102');
        INSERT INTO job (request_id, kind, device, image, firmware_version, manufacturer_image_hash,
                         state, created, updated, reason)
        VALUES ('00-00-00-00-00-00-00-01:00-00-00-00-00-00-00-02:7', 'PPMID', {EUI}, {HASH}, x'01000001',
                {HASH}, 'held', 1.5, 2.5, '');
        INSERT INTO counter VALUES ('alert', {EUI}, 7);
        INSERT INTO event (at, kind, source, target, device, job, detail)
        VALUES (1.5, 'job.state', 'hub', 'hub', {EUI}, 1, '{{"state": "held"}}');
    """,
    2: f"INSERT INTO link_key VALUES ({EUI}, {EUI}, 2, zeroblob(16), 1.5);",
    3: f"""
        INSERT INTO library VALUES ({HASH}, 'PPMID', 1, 2, 3, NULL, NULL, {HASH}, 2, 'none', 1.5, NULL);
        INSERT INTO block_size VALUES (1, 2, -1, 56, 1.5);
    """,
    4: f"""
        INSERT INTO handled_request VALUES ({EUI}, 7, {EUI}, '11.2', 1, NULL, {HASH}, 1.5, x'3C');
        INSERT INTO pre_command (digest, request_id, at) VALUES ({HASH}, '{"-".join(["00"] * 8)}', 1.5);
        INSERT INTO command (request_id, service_reference, octets, state, expires_at)
        VALUES ('{"-".join(["00"] * 8)}', '11.2', x'DF', 'sent', 1.5);
        INSERT INTO outgoing (service_user, document, created, next_attempt) VALUES ({EUI}, x'3C', 1.5, 1.5);
    """,
    5: f"""
        INSERT INTO inventory VALUES ({EUI}, 'PPMID', 'Commissioned', 1, 'm', 1, '1', '4.1', '1', NULL, 1.5);
        INSERT INTO product VALUES ('PPMID', 1, 2, 'm', '01000001', {HASH}, 1, 5, '4.1', 'Current');
    """,
    6: f"INSERT INTO audit VALUES (1, 1.5, 'a', 'operator', 'b', 'c', 'd', {HASH}, {HASH});",
    8: f"""
        INSERT INTO join_window VALUES ({EUI}, 1.5, 90);
        INSERT INTO leaving VALUES ({EUI}, 1.5);
        INSERT INTO device_file VALUES ({EUI}, 1, 2, 3, x'0102');
    """,
}
"""Rows of the tables that each schema version brought."""
DROPPED: Final = frozenset({"service_request"})
"""Tables that are gone: the counter `request` tells an old RequestID as well."""


def run(path: Path, script: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.executescript(script)


def rows_of(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table, with as many columns as the table has."""
    with closing(sqlite3.connect(path)) as connection:
        names = [
            name
            for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
            if not name.startswith("sqlite_")
        ]
        return {name: sorted(connection.execute(f"SELECT * FROM {name}").fetchall()) for name in names}


def schema_of(path: Path) -> dict[str, str]:
    with closing(sqlite3.connect(path)) as connection:
        return dict(connection.execute("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL"))


def make(path: Path, version: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a database as the hanota of that schema version left it, with rows in its tables."""
    with monkeypatch.context() as older:
        older.setattr("hanota.store.database.MIGRATIONS", MIGRATIONS[:version])
        SqliteStore(path).close()
    for introduced in range(1, version + 1):
        run(path, ROWS.get(introduced, ""))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "hub.db"


@pytest.mark.parametrize("version", range(len(MIGRATIONS) + 1))
def test_every_older_schema_becomes_todays_and_keeps_each_row(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int
) -> None:
    make(path, version, monkeypatch)
    before = rows_of(path)

    SqliteStore(path).close()

    after = rows_of(path)
    for table, rows in before.items():
        if table in DROPPED:
            continue
        kept = [row[: len(old)] for row, old in zip(after[table], rows, strict=True)]
        assert kept == rows
    new = tmp_path / "new.db"
    SqliteStore(new).close()
    assert schema_of(path) == schema_of(new)
    assert check(path).faults == []


def test_what_migrated_is_read_as_what_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(path, 1, monkeypatch)

    with closing(SqliteStore(path)) as store:
        (job,) = store.jobs()
        assert (str(job.state), job.failures, job.paused, job.options.upgrade_at) == ("held", 0, False, None)
        assert [event.detail for event in store.events()] == [{"state": "held"}]
        assert len(store.devices()) == 1


def migration_statements() -> Iterator[tuple[int, int]]:
    for version, script in enumerate(MIGRATIONS):
        for number in range(len(list(statements(script)))):
            yield version, number


@pytest.mark.parametrize(("version", "number"), list(migration_statements()))
def test_a_disk_full_at_any_statement_of_a_migration_leaves_the_older_schema_intact(
    path: Path, monkeypatch: pytest.MonkeyPatch, version: int, number: int
) -> None:
    make(path, version, monkeypatch)
    before, schema = rows_of(path), schema_of(path)
    failing = list(statements(MIGRATIONS[version]))[number]
    with monkeypatch.context() as full:

        def cut(script: str) -> Iterator[str]:
            for statement in statements(script):
                # A table of every octet the disk has not: SQLite itself finds the disk full.
                if script == MIGRATIONS[version] and statement == failing:
                    yield "PRAGMA max_page_count = 1"
                    yield "CREATE TABLE filler (octets BLOB DEFAULT (zeroblob(1)))"
                    yield "INSERT INTO filler VALUES (zeroblob(1000000))"
                yield statement

        full.setattr("hanota.store.database.statements", cut)
        with pytest.raises(StoreError, match="disk is full"):
            SqliteStore(path)

    assert (rows_of(path), schema_of(path)) == (before, schema)
    SqliteStore(path).close()
    assert check(path).faults == []
