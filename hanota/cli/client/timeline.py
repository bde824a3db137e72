"""What happened, a line each, as it comes: events and rows of the audit trail."""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

import typer

from hanota.cli.client.tables import folded, plain
from hanota.cli.client.when import of_day
from hanota.cli.output import console
from hanota.errors import ConfigError

PAGE: Final = 500
"""Entries asked for at once."""
RECENT: Final = 50
"""Entries shown where the user does not say from which on."""
MOST: Final = 1000
"""Entries that may be asked for by how many they are: the largest page of the daemon."""

FollowOption: TypeAlias = Annotated[bool, typer.Option("--follow", "-f", help="Go on with those that come.")]
AfterOption: TypeAlias = Annotated[
    int | None, typer.Option(min=0, metavar="N", help=f"Those above this number; else the last {RECENT}.")
]
LastOption: TypeAlias = Annotated[
    int | None, typer.Option(min=1, max=MOST, metavar="N", help="The last so many instead.")
]


def check_span(after: int | None, last: int | None) -> None:
    """Raise ConfigError where both --after and --last are given."""
    if after is not None and last is not None:
        raise ConfigError("--after and --last exclude each other", hint="give one of them")


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
