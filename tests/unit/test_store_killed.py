"""A process that is killed by the kernel in the midst of writing: what it has told is there, whole."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from hanota.eui64 import Eui64
from hanota.store.backup import check
from hanota.store.store import SqliteStore

if TYPE_CHECKING:
    from pathlib import Path

PARTY = Eui64(b"ac-broke")
WRITER = """
import sys
from hanota.eui64 import Eui64
from hanota.hub.events import EventKind, Party
from hanota.store.store import SqliteStore

store, party = SqliteStore(sys.argv[1]), Eui64(b"ac-broke")
value = store.counter("sent", party)
while True:
    value += 1
    with store.transaction():
        store.raise_counter("sent", party, value)
        store.append_event(1.0, EventKind.GBCS_SENT, Party.DCC, Party.HUB, device=None, job=None, detail={})
        store.put_image(value.to_bytes(2000))
    print(value, flush=True)
"""


@pytest.mark.parametrize("told", [1, 7, 40])
def test_attack_kill_9_loses_nothing_that_was_told_and_leaves_no_half(tmp_path: Path, told: int) -> None:
    path = tmp_path / "hub.db"
    last = 0
    for _ in range(2):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            for _ in range(told):
                last = int(writer.stdout.readline())
            writer.kill()
            last = max([last, *map(int, writer.stdout.read().splitlines())])

    with closing(SqliteStore(path)) as store:
        held = store.counter("sent", PARTY)
        assert last <= held <= last + 1, "one more may have been committed and not been told"
        assert len(store.events(limit=held + 1)) == held
        assert len(store.database._connection.execute("SELECT 1 FROM image").fetchall()) == held
    assert check(path).faults == []
