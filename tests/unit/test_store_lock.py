"""One process at a time drives a database, and one that was killed is in nobody's way."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from hanota.errors import StoreError
from hanota.store.lock import DatabaseLock
from hanota.store.store import SqliteStore

if TYPE_CHECKING:
    from pathlib import Path

HOLDER = """
import sys
from hanota.store.lock import DatabaseLock
with DatabaseLock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "hub.db"


def test_another_process_is_refused_with_the_pid_of_the_holder_until_that_is_killed(path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"

        with pytest.raises(StoreError) as caught, DatabaseLock(path):
            pass
        holder.send_signal(signal.SIGKILL)
        holder.wait()

    assert str(caught.value) == f"{path}: process {holder.pid} is driving this database"
    assert caught.value.hint == "stop that one first, or name another database"
    with DatabaseLock(path):
        assert path.with_name("hub.db.lock").read_text() == str(os.getpid())


def test_two_names_of_one_database_are_one_lock(path: Path) -> None:
    SqliteStore(path).close()
    other = path.with_name("link.db")
    other.symlink_to(path)

    with DatabaseLock(path), pytest.raises(StoreError, match="is driving this database"), DatabaseLock(other):
        pass


def test_two_databases_in_one_folder_are_driven_at_once(path: Path) -> None:
    with DatabaseLock(path), DatabaseLock(path.with_name("other.db")):
        pass


def test_a_database_in_memory_needs_no_lock() -> None:
    with DatabaseLock(":memory:"), DatabaseLock(":memory:"):
        pass


def test_the_lock_is_taken_again_after_it_was_let_go(path: Path) -> None:
    lock = DatabaseLock(path)
    for _ in range(2):
        with lock, pytest.raises(StoreError), DatabaseLock(path):
            pass


def test_taking_and_leaving_the_lock_does_not_let_go_of_sqlites_own(path: Path) -> None:
    with (
        closing(SqliteStore(path)) as store,
        closing(sqlite3.connect(path, timeout=0)) as other,
        store.transaction(),
    ):
        with DatabaseLock(path):
            pass

        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")


def test_a_missing_folder_is_told_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="No such file or directory") as caught:
        DatabaseLock(tmp_path / "nowhere" / "hub.db").__enter__()

    assert caught.value.hint == "check that the folder is there and may be written"


def test_attack_a_link_in_place_of_the_lock_is_not_followed(path: Path) -> None:
    precious = path.with_name("precious")
    precious.write_text("precious")
    path.with_name("hub.db.lock").symlink_to(precious)

    with pytest.raises(StoreError):
        DatabaseLock(path).__enter__()

    assert precious.read_text() == "precious"


def test_whatever_stands_in_the_lock_file_is_no_pid_and_is_not_shown(path: Path) -> None:
    with DatabaseLock(path):
        path.with_name("hub.db.lock").write_bytes(b"\x1b[31m nonsense")

        with pytest.raises(StoreError, match="another process is driving this database"):
            DatabaseLock(path).__enter__()
