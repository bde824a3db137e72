"""Options of the whole suite."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from hypothesis import settings

if TYPE_CHECKING:
    import pytest

# Tests read whole lines of plain words, whatever terminal their caller has or claims to have.
for _of_a_terminal in ("FORCE_COLOR", "COLUMNS", "LINES"):
    os.environ.pop(_of_a_terminal, None)

# What a shell runs in the background ignores Ctrl-C, and so would programs that tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# No deadline: machines are shared, and an absolute time says nothing. In CI the examples are the same each
# time, so that a change is judged by what it changes; elsewhere they are new, and a failure prints how to
# repeat it.
settings.register_profile("hanota", deadline=None, print_blob=True, derandomize=bool(os.environ.get("CI")))
settings.load_profile("hanota")

CHAOS_SEEDS = 12
"""Seeds of the chaos tests in a run that asks for no other number: some seconds."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("hanota")
    group.addoption(
        "--chaos-seeds", type=int, default=CHAOS_SEEDS, metavar="N", help="run the chaos tests with N seeds"
    )
    group.addoption(
        "--chaos-seed",
        type=int,
        default=None,
        metavar="SEED",
        help="run the chaos tests with this seed alone",
    )
    group.addoption(
        "--crash-all",
        action="store_true",
        help="kill the daemon at every commit, and again at every commit after that: an hour",
    )
    group.addoption(
        "--crash-seed",
        type=int,
        default=0,
        metavar="SEED",
        help="which of these commits are chosen where not all are",
    )
    group.addoption(
        "--full-mutations",
        action="store_true",
        help="try every misbehaviour against every case of the conformance suite",
    )
    group.addoption(
        "--all-ports",
        action="store_true",
        help="run tests/hardware on each kind of emulated dongle and port, two minutes each",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a test that asks for `chaos_seed` the seeds of the options."""
    if "chaos_seed" in metafunc.fixturenames:
        only = metafunc.config.getoption("--chaos-seed")
        seeds = range(metafunc.config.getoption("--chaos-seeds")) if only is None else (only,)
        metafunc.parametrize("chaos_seed", seeds)
