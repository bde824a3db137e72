"""`hanota database backup|check|prune`: what is done, and why something is refused."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from hanota.cli.main import app
from hanota.hub.events import EventKind, Party
from hanota.store.lock import DatabaseLock
from hanota.store.queries import MIGRATIONS
from hanota.store.store import SqliteStore

if TYPE_CHECKING:
    from pathlib import Path


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["database", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def db(tmp_path: Path) -> Path:
    path = tmp_path / "hub.db"
    with closing(SqliteStore(path)) as store:
        for _ in range(3):
            store.append_event(
                1.0, EventKind.RADIO_STATE, Party.RADIO, Party.HUB, device=None, job=None, detail={}
            )
    return path


def test_a_backup_is_restored_by_backing_it_up_to_where_the_database_was(db: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    with closing(SqliteStore(db)):
        status, out, _ = run("backup", db, copy)
    assert status == 0
    assert f"copy.db: sound, schema {len(MIGRATIONS)}, " in out
    assert "3 events" in out
    db.unlink()

    assert run("backup", copy, db)[0] == 0
    with closing(SqliteStore(db)) as restored:
        assert len(restored.events()) == 3


def test_a_backup_overwrites_nothing(db: Path, tmp_path: Path) -> None:
    assert run("backup", db, db)[0] == 1
    status, _, err = run("backup", db, tmp_path / "hub.db")
    assert status == 1
    assert "is there already" in err
    assert "hint: name a file that is not there" in err


def test_check_tells_what_is_wrong_and_ends_with_status_1(db: Path) -> None:
    assert run("check", db)[0] == 0
    with closing(sqlite3.connect(db)) as connection:
        connection.execute("INSERT INTO image (digest, data) VALUES (zeroblob(32), x'00')")
        connection.commit()

    status, out, _ = run("check", db)
    assert status == 1
    assert f"fault: image {'00' * 32} was altered" in out
    assert "faulty" in out
    told = json.loads(run("check", db, "--json")[1])
    assert (told["events"], told["faults"]) == (3, [f"image {'00' * 32} was altered"])


def test_prune_removes_what_is_old_and_says_how_much(db: Path) -> None:
    status, out, _ = run("prune", db)
    assert status == 0
    assert "removed 3 events, 0 jobs, 0 images, 0 answered requests" in out
    assert json.loads(run("prune", db, "--json")[1]) == {"events": 0, "jobs": 0, "images": 0, "requests": 0}


def test_a_database_that_is_driven_is_pruned_by_its_driver_alone(db: Path) -> None:
    with DatabaseLock(db):
        status, _, err = run("prune", db)

    assert status == 1
    assert "is driving this database" in err


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    for command in ("check", "prune"):
        assert run(command, tmp_path / "hub.db")[0] == 1
    assert list(tmp_path.iterdir()) == []


def test_times_that_make_no_sense_are_refused_with_words(db: Path) -> None:
    status, _, err = run("prune", db, "--requests-days", "0.5")
    assert status == 1
    assert "requests_days must be at least 1" in err
