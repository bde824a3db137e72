"""A run as files: JUnit for a CI, one HTML page for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, assert_never

from lxml import etree

from hanota import __version__
from hanota.conformance.case import Verdict
from hanota.conformance.report_style import STYLE
from hanota.errors import ConfigError
from hanota.timestamps import iso

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hanota.conformance.case import CaseResult
    from hanota.conformance.evidence import Evidence
    from hanota.conformance.suite import SuiteReport

_NOT_IN_XML: Final = dict.fromkeys(
    [*range(9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF], "\N{REPLACEMENT CHARACTER}"
)
"""Characters that XML has no place for; a device may say anything."""


def _tag(tag: str, /, *content: etree._Element | str, **attributes: str) -> etree._Element:
    """Return an element with this content, its text cleaned of what XML has no place for."""
    element = etree.Element(tag, {key.rstrip("_"): value for key, value in attributes.items()})
    for each in content:
        if not isinstance(each, str):
            element.append(each)
        elif len(element):
            element[-1].tail = (element[-1].tail or "") + _clean(each)
        else:
            element.text = (element.text or "") + _clean(each)
    return element


def junit(report: SuiteReport) -> bytes:
    """Return the report as JUnit XML: an inconclusive case is an error, one that was not run is skipped."""
    failed, errors = report.count(Verdict.FAILED), report.count(Verdict.INCONCLUSIVE)
    skipped = report.count(Verdict.NOT_APPLICABLE) + report.count(Verdict.NOT_RUN)
    suite = etree.Element(
        "testsuite",
        {
            "name": "hanota conformance",
            "tests": str(len(report.results)),
            "failures": str(failed),
            "errors": str(errors),
            "skipped": str(skipped),
            "time": f"{report.seconds:.3f}",
            "timestamp": iso(report.started),
        },
    )
    properties = etree.SubElement(suite, "properties")
    for name, value in _facts(report):
        etree.SubElement(properties, "property", {"name": name, "value": _clean(value)})
    for result in report.results:
        suite.append(_testcase(report, result))
    return _octets(suite)


def _testcase(report: SuiteReport, result: CaseResult) -> etree._Element:
    case = etree.Element(
        "testcase",
        {
            "classname": f"hanota.conformance.{report.kind.lower()}",
            "name": result.case.name,
            "time": f"{result.seconds:.3f}",
        },
    )
    properties = etree.SubElement(case, "properties")
    etree.SubElement(properties, "property", {"name": "clause", "value": result.case.clause})
    words = " ".join(filter(None, (result.reason, result.hint)))
    match result.verdict:
        case Verdict.PASSED:
            pass
        case Verdict.FAILED:
            etree.SubElement(case, "failure", {"message": _clean(words)}).text = _clean(_lines(result))
        case Verdict.INCONCLUSIVE:
            etree.SubElement(case, "error", {"message": _clean(words)}).text = _clean(_lines(result))
        case Verdict.NOT_APPLICABLE | Verdict.NOT_RUN:
            etree.SubElement(case, "skipped", {"message": _clean(f"{result.verdict}: {words}")})
        case _:
            assert_never(result.verdict)
    return case


def html(report: SuiteReport) -> bytes:
    """Return the report as one page that needs nothing else."""
    head = _tag(
        "head",
        _tag("meta", charset="utf-8"),
        _tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        _tag("title", f"Conformance of {report.device}"),
        _tag("style", STYLE),
    )
    run = [
        *_facts(report),
        ("began", iso(report.started)),
        ("took", f"{report.seconds:.0f} s of the device's time"),
    ]
    columns = ("verdict", "case", "clause", "what was seen")
    body = _tag(
        "body",
        _tag("h1", f"Conformance of {report.kind} {report.device}"),
        _tag("p", _summary(report)),
        _tag(
            "table",
            _tag("caption", "The run"),
            *(_tag("tr", _tag("th", name, scope="row"), _tag("td", value)) for name, value in run),
        ),
        _tag(
            "table",
            _tag("caption", "The cases"),
            _tag("thead", _tag("tr", *(_tag("th", name, scope="col") for name in columns))),
            _tag("tbody", *map(_row, report.results)),
        ),
    )
    page = _tag("html", head, body, lang="en")
    return etree.tostring(page, method="html", encoding="utf-8", doctype="<!DOCTYPE html>", pretty_print=True)


def _row(result: CaseResult) -> etree._Element:
    case, cell = result.case, _tag("td")
    for word, text in (
        ("", result.reason if result.verdict is not Verdict.FAILED else ""),
        ("expected: ", result.expected),
        ("seen: ", result.seen),
        ("hint: ", result.hint),
        ("artefacts: ", "" if result.artifacts is None else str(result.artifacts)),
    ):
        if text:
            cell.append(_tag("p", _tag("b", word), text))
    if result.evidence:
        seen = (_tag("li", text) for text in evidence_lines(result))
        cell.append(_tag("details", _tag("summary", "evidence"), _tag("ol", *seen)))
    return _tag(
        "tr",
        _tag("td", str(result.verdict)),
        _tag("td", _tag("b", case.name), _tag("br"), case.title),
        _tag("td", case.clause),
        cell,
        class_=result.verdict.replace(" ", "-"),
    )


def write(path: Path, octets: bytes) -> None:
    """Write a report; raise ConfigError."""
    try:
        path.write_bytes(octets)
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror or error}") from error


def evidence_lines(result: CaseResult) -> list[str]:
    """Return what was seen, a line each, in seconds from the beginning of the case."""
    return [_line(each, result.started) for each in result.evidence]


def _line(evidence: Evidence, started: float) -> str:
    events = f" (event {', '.join(map(str, evidence.events))})" if evidence.events else ""
    return f"{evidence.at - started:.1f} s: {evidence.text}{events}"


def _lines(result: CaseResult) -> str:
    lines: Sequence[str] = (
        f"{result.case.title} ({result.case.clause})",
        f"expected: {result.expected}" if result.expected else "",
        f"seen: {result.seen}" if result.seen else "",
        *evidence_lines(result),
        "" if result.artifacts is None else f"artefacts: {result.artifacts}",
    )
    return "\n".join(filter(None, lines))


def _facts(report: SuiteReport) -> list[tuple[str, str]]:
    return [
        ("device", report.device),
        ("kind", str(report.kind)),
        ("firmware", report.firmware),
        ("radio", report.radio),
        ("seed", str(report.seed)),
        ("hanota", __version__),
    ]


def _summary(report: SuiteReport) -> str:
    return ", ".join(f"{report.count(verdict)} {verdict}" for verdict in Verdict if report.count(verdict))


def _clean(text: str) -> str:
    return text.translate(_NOT_IN_XML)


def _octets(element: etree._Element) -> bytes:
    return etree.tostring(element, encoding="utf-8", xml_declaration=True, pretty_print=True)
