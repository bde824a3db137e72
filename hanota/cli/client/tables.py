"""Tables as wide as the terminal, with whatever is there to be copied in one piece."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final

from rich.cells import cell_len
from rich.text import Text

from hanota.cli.output import PIPED_COLUMNS, console

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

_GAP: Final = 2
"""Spaces between columns."""
_INDENT: Final = "    "
"""Before what stands beneath its row."""
_BENEATH: Final = " " * 7
"""Before what stands beneath a numbered line."""
_BROAD_ENOUGH: Final = 20
"""Columns a text is folded into at least; on a narrower terminal it is the terminal's to fold."""


def show_table(
    headings: Sequence[str], rows: Iterable[Sequence[str]], *, nothing: str, texts: Collection[str] = ()
) -> None:
    """Print rows under headings, or `nothing` where there are none.

    Where a line would be wider than the terminal, columns named in `texts` stand beneath their row and are
    folded there between words, the widest first; where that is not enough, each value has a line of its own.
    Nothing is cut, and an EUI-64 or a digest is never folded.
    """
    lines = [[plain(cell) for cell in row] for row in rows]
    if not lines:
        console.print(nothing, markup=False)
        return
    widths = [max(map(cell_len, column)) for column in zip(headings, *lines, strict=True)]
    shown = list(range(len(headings)))
    said = [any(line[i] for line in lines) for i in shown]
    # Those that say nothing go first, and leave nothing beneath.
    movable = sorted((i for i in shown if headings[i] in texts), key=lambda i: (not said[i], widths[i]))
    while movable and _width(widths, shown) > console.width:
        shown.remove(movable.pop())
    if _width(widths, shown) > console.width:
        _show_records(headings, lines)
        return
    beneath = [i for i in range(len(headings)) if i not in shown]
    console.print(Text(_line(headings, widths, shown), style="bold"))
    for line in lines:
        console.print(Text(_line(line, widths, shown)))
        for i in beneath:
            if line[i]:
                console.print(Text(_folded(f"{headings[i]}: {line[i]}", _INDENT)))


def show_record(values: Iterable[tuple[str, str]]) -> None:
    """Print names and values, one a line; values that are empty are left out."""
    pairs = [(name, plain(value)) for name, value in values if value]
    widest = max(cell_len(name) for name, _ in pairs)
    for name, value in pairs:
        console.print(folded(f"{_padded(name, widest)}  ", value, _INDENT))


def folded(first: str, text: str, beneath: str = _BENEATH) -> Text:
    """Return `text` behind `first`, folded so that it stays to the right of it.

    Where a word of it, such as a hash, is too long for that, `text` stands `beneath`, behind this indent.
    """
    text, indent = plain(text), cell_len(first)
    longest = max(map(cell_len, text.split()), default=0)
    if console.width - indent < max(longest, _BROAD_ENOUGH):
        return Text(f"{first.rstrip()}\n{_folded(text, beneath, beneath)}")
    return Text(_folded(first + text, "", " " * indent))


def plain(text: str) -> str:
    r"""Return what somebody else wrote without what would steer a terminal: ESC is told as \x1b."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in text
    )


def _show_records(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    for number, line in enumerate(lines):
        if number:
            console.print()
        show_record(zip(headings, line, strict=True))


def _width(widths: Sequence[int], shown: Sequence[int]) -> int:
    return sum(widths[i] for i in shown) + _GAP * (len(shown) - 1)


def _line(cells: Sequence[str], widths: Sequence[int], shown: Sequence[int]) -> str:
    return (" " * _GAP).join(_padded(cells[i], widths[i]) for i in shown).rstrip()


def _padded(text: str, width: int) -> str:
    return text + " " * (width - cell_len(text))


def _folded(text: str, indent: str, further: str | None = None) -> str:
    """Fold between words alone: what is longer than a line is left for the terminal, and copied whole."""
    if console.width >= PIPED_COLUMNS:
        return indent + text
    return "\n".join(
        textwrap.wrap(
            text,
            max(console.width, _BROAD_ENOUGH + len(indent)),
            initial_indent=indent,
            subsequent_indent=f"{indent}  " if further is None else further,
            drop_whitespace=True,
            replace_whitespace=False,
            break_long_words=False,
            break_on_hyphens=False,
        )
    )
