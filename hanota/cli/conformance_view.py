"""How `hanota conformance` tells of a run on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.markup import escape
from rich.table import Table

from hanota.cli.output import console
from hanota.conformance.case import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hanota.conformance.case import Case, CaseResult
    from hanota.conformance.suite import SuiteReport

_COLOURS: Final = {
    Verdict.PASSED: "green",
    Verdict.FAILED: "bold red",
    Verdict.INCONCLUSIVE: "yellow",
    Verdict.NOT_APPLICABLE: "dim",
    Verdict.NOT_RUN: "dim",
}


def told(result: CaseResult) -> None:
    """Tell of a case as it ends; one that is not for this device stands in the table alone."""
    if result.verdict is not Verdict.NOT_APPLICABLE:
        console.print(f"{_coloured(result.verdict)} {escape(result.case.name)}")


def conclude(report: SuiteReport) -> None:
    """Print the table of a run, why cases did not pass, and how it ended."""
    results = [result for result in report.results if report.kind in result.case.kinds]
    table = Table(title=f"Conformance of {report.kind} {report.device}")
    for name in ("case", "verdict"):
        table.add_column(name, no_wrap=True)
    table.add_column("clause")
    for result in results:
        table.add_row(escape(result.case.name), _coloured(result.verdict), escape(result.case.clause))
    console.print(table)
    for result in results:
        why = "; ".join(filter(None, (result.reason, result.hint)))
        if why:
            console.print(f"{_coloured(result.verdict)} {result.case.name}: {escape(why)}")
        if result.artifacts is not None:
            console.print(f"  artefacts: {escape(str(result.artifacts))}")
    counts = ", ".join(f"{count} {verdict}" for verdict in Verdict if (count := _count(results, verdict)))
    console.print(f"{report.kind} {report.device} on {escape(report.radio)}: {counts}")


def _count(results: Sequence[CaseResult], verdict: Verdict) -> int:
    return sum(result.verdict is verdict for result in results)


def listed(cases: Sequence[Case]) -> None:
    """Print what cases there are."""
    table = Table()
    table.add_column("case", no_wrap=True)
    for name in ("for", "needs", "clause", "what it is about"):
        table.add_column(name)
    for case in cases:
        kinds, needs = ", ".join(sorted(case.kinds)), ", ".join(sorted(case.needs))
        table.add_row(case.name, kinds, needs, case.clause, case.title)
    console.print(table)


def _coloured(verdict: Verdict) -> str:
    return f"[{_COLOURS[verdict]}]{verdict}[/]"
