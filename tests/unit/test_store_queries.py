"""The SQL files: every query is named and used, and migrations run whole or not at all."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path

import pytest

from hanota.errors import StoreError
from hanota.store import database
from hanota.store.queries import MIGRATIONS, QUERIES, named, statements
from hanota.store.store import SqliteStore


def test_queries_are_read_by_name() -> None:
    script = "-- a comment\n-- name: one\nSELECT 1;\n\n-- name: two\nSELECT 2,\n       3;\n"

    assert named(script) == {"one": "SELECT 1;", "two": "SELECT 2,\n       3;"}


def test_every_query_is_used_and_every_used_query_is_there() -> None:
    source = "".join(file.read_text() for file in Path(database.__file__).parent.glob("*.py"))

    assert {name for name in re.findall(r'"(\w+)"', source) if name in QUERIES} == set(QUERIES)


def test_a_script_is_cut_into_statements_at_its_own_semicolons() -> None:
    script = "CREATE TABLE a (b TEXT DEFAULT ';');\n-- c;\nINSERT INTO a\nVALUES ('x');\n"

    assert list(statements(script)) == [
        "CREATE TABLE a (b TEXT DEFAULT ';');",
        "-- c;\nINSERT INTO a\nVALUES ('x');",
    ]


def test_an_older_database_is_migrated_with_its_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "hub.db"
    with closing(SqliteStore(path)) as old:
        digest = old.put_image(b"an Upgrade Image")
    monkeypatch.setattr(
        database,
        "MIGRATIONS",
        (*MIGRATIONS, "ALTER TABLE image ADD COLUMN note TEXT NOT NULL DEFAULT 'old';\n"),
    )

    with closing(SqliteStore(path)) as new:
        assert new.image(digest) == b"an Upgrade Image"
        connection = new._database._connection
        assert connection.execute("SELECT note FROM image").fetchall() == [("old",)]
        assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS) + 1,)


def test_a_migration_that_fails_leaves_the_database_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "hub.db"
    with closing(SqliteStore(path)) as old:
        digest = old.put_image(b"an Upgrade Image")
    with monkeypatch.context() as patch:
        patch.setattr(database, "MIGRATIONS", (*MIGRATIONS, "DROP TABLE counter;\nDROP TABLE absent;\n"))
        with pytest.raises(StoreError, match="no such table: absent"):
            SqliteStore(path)

    with closing(SqliteStore(path)) as same:
        assert same.image(digest) == b"an Upgrade Image"
        assert same._database.rows("devices") == []
        same._database._connection.execute("SELECT * FROM counter")
