"""What every command shares: where output goes, and how an error is told."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, NoReturn

import typer
from rich.console import Console, ConsoleDimensions
from rich.markup import escape

if TYPE_CHECKING:
    from hanota.errors import HanotaError

console: Final = Console(highlight=False, soft_wrap=True)
"""Standard output."""

stderr: Final = Console(stderr=True, highlight=False, soft_wrap=True)
"""Standard error: errors, hints and progress."""

PIPED_COLUMNS: Final = 1000
"""Characters of a line that goes to a file or another program: what is searched is neither cut nor folded."""


def fit_output() -> None:
    """Give lines that go to no terminal the room of `COLUMNS`, as it is now, or else `PIPED_COLUMNS`."""
    given = os.environ.get("COLUMNS", "")
    columns = (given.isdigit() and int(given)) or PIPED_COLUMNS
    for output in (console, stderr):
        if not output.file.isatty():
            # The height is set with it: rich heeds a width alone only on what it takes for no terminal.
            output.size = ConsoleDimensions(columns, output.height)


def left_out(error: HanotaError) -> None:
    """Tell of a file of a folder that is of no use; what the others have is used."""
    stderr.print(f"[yellow]left out:[/] {escape(str(error))}")


def fail(error: HanotaError) -> NoReturn:
    """Tell the user what happened and what to do next, and end with exit status 1."""
    stderr.print(f"[bold red]error:[/] {escape(str(error))}")
    if error.hint:
        stderr.print(f"[bold]hint:[/] {escape(error.hint)}")
    raise typer.Exit(1)
