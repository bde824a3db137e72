"""`hanota run` is killed before and after commits of 11.1, 11.3 and 11.4: it ends as if it had not been.

Documents are signed and posted to its DUIS gateway, and come signed to an answer address. A run without
`--crash-all` takes some of the commits, by `--crash-seed`.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from hanota.duis.certificates import SigningCertificates
from hanota.duis.signature import verify_document
from hanota.emulator.loop import run_virtual
from hanota.hub.jobs import JobKind
from hanota.store.audit_store import SqliteAuditStore
from tests.simulation.crash_cases import CASES, check, run
from tests.simulation.crash_compositions import DaemonProcess, daemon
from tests.simulation.crash_support import Cut
from tests.simulation.update_support import NEW

if TYPE_CHECKING:
    from pathlib import Path

    from tests.simulation.crash_cases import Case, Run
    from tests.simulation.crash_support import World

EVERY = 9
"""Of so many kills one is tried where not all are: a second of computing each."""
pytestmark = pytest.mark.parametrize("case", CASES, ids=str, scope="module")


def look(world: World) -> None:
    """Verify every document that came, and the audit trail: each answered request is there, once or twice."""
    process = world.process
    assert isinstance(process, DaemonProcess)
    keys = process.parts.keys
    dcc = SigningCertificates([keys.signing_certificate])
    for document in world.posted:
        verify_document(document, dcc, now=world.clock.now())
    rows = SqliteAuditStore(process.store.database).audit(limit=100)
    # The hash of each row is over the one before.
    assert [row.previous for row in rows[1:]] == [row.hash for row in rows[:-1]]
    assert all(row.hash == row.computed_hash() for row in rows)
    asked = {row.action for row in rows if row.actor == str(keys.supplier)}
    assert asked in ({"11.1", "11.2", "11.3"}, {"11.2", "11.4"})


@pytest.fixture(scope="module")
def whole(case: Case, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("whole") / "run"
    return run_virtual(run(case, folder, composition=daemon, look=look))


def test_the_daemon_does_it_all_over_its_gateway(case: Case, whole: Run) -> None:
    assert (whole.ending.version, whole.ending.activations) == (NEW, 1)
    assert len(whole.ending.documents) == whole.ending.delivered == 4
    assert [answer.split()[0] for answer in whole.ending.answers] == (
        ["I99", "I0", "I99", "I99"] if case.kind is JobKind.HCALCS else ["I99", "I99"]
    )


def test_the_daemon_killed_at_a_commit_ends_as_if_it_had_not_been(
    case: Case, whole: Run, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    numbers = range(1, len(whole.commits) + 1)
    cuts = [Cut(number, before) for number in numbers for before in (True, False)]
    seed = request.config.getoption("--crash-seed")
    if not request.config.getoption("--crash-all"):
        first = random.Random(seed).randrange(EVERY)
        cuts = cuts[first::EVERY]
    for cut in cuts:
        killed = run_virtual(run(case, tmp_path / str(cut), cut, composition=daemon, look=look))
        check(whole, killed, f"--crash-seed {seed}, killed {cut} ({whole.commits[cut.number - 1]})")
