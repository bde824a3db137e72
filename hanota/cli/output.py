"""What every command shares: where output goes, and how an error is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NoReturn

import typer
from rich.console import Console
from rich.markup import escape

if TYPE_CHECKING:
    from hanota.errors import HanotaError

console: Final = Console(highlight=False, soft_wrap=True)
"""Standard output."""

stderr: Final = Console(stderr=True, highlight=False, soft_wrap=True)
"""Standard error: errors, hints and progress."""


def fail(error: HanotaError) -> NoReturn:
    """Tell the user what happened and what to do next, and end with exit status 1."""
    stderr.print(f"[bold red]error:[/] {escape(str(error))}")
    if error.hint:
        stderr.print(f"[bold]hint:[/] {escape(error.hint)}")
    raise typer.Exit(1)
