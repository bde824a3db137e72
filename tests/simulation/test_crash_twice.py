"""The process is killed, and once more while it recovers: it ends as if it had not been killed at all.

A run without `--crash-all` takes some of the pairs of commits, by `--crash-seed`.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from hanota.emulator.loop import run_virtual
from tests.simulation.crash_cases import CASES, check, run
from tests.simulation.crash_support import Cut

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.simulation.crash_cases import Case, Run

FIRST = 6
"""First kills that are tried where not all are, each with one second kill: half a second of computing."""
pytestmark = pytest.mark.parametrize("case", CASES, ids=str, scope="module")


@pytest.fixture(scope="module")
def whole(case: Case, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run_virtual(run(case, tmp_path_factory.mktemp("whole") / "run"))


def cuts_of(life: Run) -> list[Cut]:
    """Return every place where the last process of a run can be killed."""
    numbers = range(1, len(life.commits) + 1)
    return [Cut(number, before) for number in numbers for before in (True, False)]


def test_killed_again_while_it_recovers_it_ends_as_if_it_had_not_been_killed(
    case: Case, whole: Run, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    seed = request.config.getoption("--crash-seed")
    chance = random.Random(f"{seed} {case}")

    def second(first: Cut, recovery: Run) -> Iterator[Cut]:
        check(whole, recovery, f"killed {first}")
        places = cuts_of(recovery)
        yield from places if complete else chance.sample(places, 1)

    complete = request.config.getoption("--crash-all")
    firsts = cuts_of(whole)
    for first in firsts if complete else chance.sample(firsts, FIRST):
        recovery = run_virtual(run(case, tmp_path / str(first), first))
        for again in second(first, recovery):
            folder = tmp_path / f"{first}, {again}"
            killed = run_virtual(run(case, folder, first, again))
            told = whole.commits[first.number - 1], recovery.commits[again.number - 1]
            check(whole, killed, f"--crash-seed {seed}, killed {first}, then {again} ({told})")
