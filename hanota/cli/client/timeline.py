"""What happened, a line each, as it comes: events and rows of the audit trail."""

from __future__ import annotations

from hanota.cli.client.tables import folded, plain
from hanota.cli.client.when import of_day
from hanota.cli.output import console


class Timeline:
    """Prints lines with number and time; on a terminal by the user's own clock, with a line for each day."""

    def __init__(self) -> None:
        self._day = ""

    def show(self, number: int, at: str, who: str, text: str) -> None:
        """Print one line; `at` is ISO 8601, and stays so where no terminal is."""
        if console.file.isatty():
            day, at = of_day(at)
            if day != self._day:
                console.print(f"[bold]{day}[/], local time")
                self._day = day
        console.print(folded(f"{number:>6} {at} {plain(who)}  ", text))
