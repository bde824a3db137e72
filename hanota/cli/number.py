"""Numbers on the command line."""

from __future__ import annotations

import typer


def number(value: str | int) -> int:
    """Read a decimal or 0x number; Typer sends an option's default through here too."""
    if isinstance(value, int):
        return value
    try:
        return int(value, 0)
    except ValueError:
        raise typer.BadParameter(f"{value!r} is not a number; write 4637 or 0x121D") from None
