"""What a coordinator is, in words and in JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.markup import escape
from rich.table import Table

from hanota.cli.output import console, stderr
from hanota.radio.fitness import Verdict, findings, next_command

if TYPE_CHECKING:
    from hanota.radio.facts import CoordinatorFacts
    from hanota.radio.url import RadioUrl

_COLOURS: Final = {Verdict.WORKS: "green", Verdict.LIMITED: "yellow", Verdict.NOT: "red"}


def show(
    url: RadioUrl, facts: CoordinatorFacts, *, fitness: bool = True, following: str | None = None
) -> None:
    """Print what a coordinator is, with what works on it, and the command to go on with."""
    about = Table(box=None, show_header=False, pad_edge=False)
    for name, text in _facts(url, facts):
        about.add_row(name, escape(text))
    console.print(about)
    if fitness:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for title in ("what", "works?", "why"):
            table.add_column(title)
        for finding in findings(facts):
            colour = _COLOURS[finding.verdict]
            table.add_row(finding.what, f"[{colour}]{finding.verdict}[/]", escape(finding.why))
        console.print()
        console.print(table)
    stderr.print(f"next: {following or next_command(url, facts)}", markup=False)


def to_json(url: RadioUrl, facts: CoordinatorFacts) -> dict[str, object]:
    """Return everything `show` prints, for scripts."""
    network = facts.network
    return {
        "url": str(url),
        "family": facts.family,
        "firmware": facts.firmware,
        "protocol": facts.protocol,
        "board": facts.board,
        "eui64": str(facts.eui64),
        "eui64_change": facts.eui64_change.name.lower(),
        "key_table_size": facts.key_table_size,
        "keys_held": facts.keys_held,
        "in_flight": facts.in_flight,
        "libraries": {name: str(status) for name, status in facts.libraries.items()},
        "network": None
        if network is None
        else {
            "channel": network.channel,
            "pan_id": f"{network.pan_id:04X}",
            "extended_pan_id": str(network.extended_pan_id),
            "security_level": network.security_level,
            "frame_counter": network.frame_counter,
        },
        "findings": [
            {"what": finding.what, "verdict": finding.verdict.name.lower(), "why": finding.why}
            for finding in findings(facts)
        ],
        "next": next_command(url, facts),
    }


def _facts(url: RadioUrl, facts: CoordinatorFacts) -> list[tuple[str, str]]:
    rows = [
        ("radio URL", str(url)),
        ("firmware", f"{facts.firmware}, {facts.protocol}"),
        ("board", facts.board or "not told"),
        ("EUI-64", str(facts.eui64)),
    ]
    if facts.libraries:
        rows.append(("libraries", ", ".join(f"{name} {status}" for name, status in facts.libraries.items())))
    network = facts.network
    if network is not None:
        ids = f"PAN id {network.pan_id:04X}, extended PAN id {network.extended_pan_id}"
        rows.append(("network", f"channel {network.channel}, {ids}, frame counter {network.frame_counter}"))
    return rows
