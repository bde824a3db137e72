"""`hanota conformance`: which case runs is shown while it runs, and never on standard output."""

from __future__ import annotations

import io
import re
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from rich.console import Console
from typer.testing import CliRunner

from hanota.cli import conformance_running, conformance_view
from hanota.cli.conformance_running import RunningCase
from hanota.cli.main import app
from hanota.conformance.case import PPMID, Case, CaseResult, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from hanota.conformance.trial import Trial


async def nothing(_: Trial) -> None: ...


CASE = Case("resume-50", "It goes on after a power cut", PPMID, "ZCL 11.13", nothing)


@contextmanager
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Have both outputs go to one terminal, whose text this is."""
    text = io.StringIO()
    for module, name in ((conformance_running, "stderr"), (conformance_view, "console")):
        monkeypatch.setattr(module, name, Console(file=text, force_terminal=True, width=80, highlight=False))
    yield text


def words(text: io.StringIO) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text.getvalue())


def test_where_nobody_watches_each_case_has_a_line_as_it_begins_and_the_report_is_as_ever() -> None:
    arguments = ["conformance", "--device", "ppmid", "--case", "alert", "--case", "download"]
    result = CliRunner().invoke(app, [*arguments, "--case", "held-hourly"])
    assert result.exit_code == 0, result.output
    # Held images are an HCALCS's: that case is not one of those that are run.
    assert [line for line in result.stderr.splitlines() if line.startswith("case ")] == [
        "case 1 of 2: download",
        "case 2 of 2: alert",
    ]
    assert " of 2" not in result.stdout
    assert "\x1b" not in result.output


def test_on_a_terminal_the_case_that_runs_is_shown_with_its_time_and_goes_when_it_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with terminal(monkeypatch) as text, RunningCase() as running:
        running.begins(CASE, 3, 40)
        assert re.search(r"case 3 of 40: resume-50 +0:00:0\d", words(text))
        running.ends(CaseResult(CASE, Verdict.PASSED))
        drawn, _, verdict = text.getvalue().rpartition("\x1b[2K")
        assert "resume-50" in drawn
        assert "passed" in verdict


def test_what_a_person_is_asked_stands_by_itself_and_the_time_goes_on_afterwards(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with terminal(monkeypatch) as text, RunningCase() as running:
        running.begins(CASE, 1, 1)
        running.since = running.since - 75
        with running.aside():
            asked = text.getvalue()
            assert asked.endswith("\x1b[2K")
        assert re.search(r"case 1 of 1: resume-50 0:01:[1-5]\d", words(text))


def test_a_run_that_is_broken_off_leaves_nothing_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal(monkeypatch) as text:
        with suppress(KeyboardInterrupt), RunningCase() as running:
            running.begins(CASE, 1, 1)
            raise KeyboardInterrupt
        assert text.getvalue().rpartition("resume-50")[2].endswith("\x1b[2K")
        assert "\x1b[?25h" in text.getvalue()
