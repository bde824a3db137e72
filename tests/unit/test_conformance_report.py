"""Reports of a conformance run: what they say, what they escape, and how a run ends."""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import etree
from lxml import html as html_parser

from hanota.conformance.case import PPMID, Case, CaseResult, Verdict
from hanota.conformance.evidence import Evidence
from hanota.conformance.report import html, junit, write
from hanota.conformance.suite import SuiteReport
from hanota.errors import ConfigError
from hanota.hub.jobs import JobKind

HOSTILE = "<script>alert('x')</script> & ]]> \x00\x1b[31m"


async def nothing(_: object) -> None: ...


def case(name: str) -> Case:
    return Case(name, f"title of {name}", PPMID, "ZCL 11.13.6", nothing)


def report(*results: CaseResult) -> SuiteReport:
    return SuiteReport(
        device="00-DB-12-34-56-78-90-A4",
        kind=JobKind.PPMID,
        radio="znp+emulator://",
        seed=7,
        firmware="01000000",
        started=1_800_000_000.0,
        seconds=12.5,
        results=results,
    )


PASSED = CaseResult(
    case("passed"),
    Verdict.PASSED,
    evidence=[Evidence(1_800_000_001.0, "SUCCESS", (57,))],
    started=1_800_000_000.0,
    seconds=2.0,
)
FAILED = CaseResult(
    case("failed"),
    Verdict.FAILED,
    HOSTILE,
    expected="silence",
    seen=HOSTILE,
    artifacts=Path("art/failed"),
)
INCONCLUSIVE = CaseResult(case("doubtful"), Verdict.INCONCLUSIVE, "the bench failed: unplugged", "plug it in")
NOT_APPLICABLE = CaseResult(case("elsewhere"), Verdict.NOT_APPLICABLE, "it takes hours", "run it with --long")
NOT_RUN = CaseResult(case("later"), Verdict.NOT_RUN, "the bench is broken")
ALL = report(PASSED, FAILED, INCONCLUSIVE, NOT_APPLICABLE, NOT_RUN)


@pytest.mark.parametrize(
    ("results", "status"),
    [
        ([PASSED], 0),
        ([PASSED, NOT_APPLICABLE], 0),
        ([PASSED, FAILED, INCONCLUSIVE], 1),
        ([PASSED, INCONCLUSIVE], 3),
        ([PASSED, NOT_RUN], 3),
    ],
)
def test_the_exit_status_says_failed_before_inconclusive(results: list[CaseResult], status: int) -> None:
    assert report(*results).exit_status == status


def test_junit_counts_every_verdict_and_has_properties_of_the_run() -> None:
    suite = etree.fromstring(junit(ALL))
    counts = {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": "5", "failures": "1", "errors": "1", "skipped": "2"}
    properties = {each.get("name"): each.get("value") for each in suite.findall("properties/property")}
    assert properties["radio"] == "znp+emulator://"
    assert properties["firmware"] == "01000000"
    assert properties["seed"] == "7"
    assert properties["device"] == "00-DB-12-34-56-78-90-A4"
    outcome = {each.get("name"): [child.tag for child in each][1:] for each in suite.findall("testcase")}
    assert outcome == {
        "passed": [],
        "failed": ["failure"],
        "doubtful": ["error"],
        "elsewhere": ["skipped"],
        "later": ["skipped"],
    }
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert failure.text is not None
    assert "expected: silence" in failure.text
    assert "art/failed" in failure.text
    skipped = [each.get("message") for each in suite.findall("testcase/skipped")]
    assert skipped[0] == "not applicable: it takes hours run it with --long"


def test_the_page_is_whole_by_itself_and_escapes_what_a_device_may_say() -> None:
    octets = html(ALL)
    text = octets.decode()
    assert text.startswith("<!DOCTYPE html>")
    page = html_parser.fromstring(octets)
    assert page.findall(".//script") == []
    assert [each.tag for each in page.iter() if each.get("src") or each.get("href")] == []
    assert "url(" not in text
    assert "@import" not in text
    rows = {row.get("class"): row for row in page.findall(".//tbody/tr")}
    assert list(rows) == ["passed", "failed", "inconclusive", "not-applicable", "not-run"]
    assert "<script>alert('x')</script> & ]]>" in "".join(map(str, rows["failed"].itertext()))
    assert "\x00" not in text
    assert "\x1b" not in text
    assert [each.text for each in rows["passed"].iter("li")] == ["1.0 s: SUCCESS (event 57)"]


def test_a_report_that_cannot_be_written_is_an_error_of_the_user(tmp_path: Path) -> None:
    write(tmp_path / "report.xml", b"<testsuite/>")
    assert (tmp_path / "report.xml").read_bytes() == b"<testsuite/>"
    with pytest.raises(ConfigError, match="cannot write"):
        write(tmp_path / "nowhere" / "report.xml", b"")
