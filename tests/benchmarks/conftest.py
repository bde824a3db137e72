"""The figures of all benchmarks, printed as tables when the run ends, as README shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Figures = Callable[[str, Sequence[str], Sequence[Sequence[str]]], None]
    """Takes the title of a table, its columns and some rows."""

_TABLES: dict[str, list[Sequence[str]]] = {}
"""By title; the first row has the names of the columns."""


@pytest.fixture
def figures() -> Figures:
    """Give what adds rows to a table by its title."""

    def add(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        _TABLES.setdefault(title, [columns]).extend(rows)

    return add


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("hanota").addoption(
        "--long-benchmarks", action="store_true", help="also measure what takes minutes, such as 64 devices"
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the tables in the form of README."""
    for title, rows in _TABLES.items():
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        terminalreporter.section(title)
        for number, row in enumerate(rows):
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            terminalreporter.line(f"| {' | '.join(cells)} |")
            if number == 0:
                terminalreporter.line(f"|{'|'.join('-' * (width + 2) for width in widths)}|")
