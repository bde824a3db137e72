"""The SQL beside this module: named queries and numbered migrations."""

from __future__ import annotations

import re
import sqlite3
from importlib import resources
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_NAME: Final = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


def named(script: str) -> Mapping[str, str]:
    """Return the queries of a script by the name in the `-- name:` line above each."""
    _, *pieces = _NAME.split(script)
    return {name: query.strip() for name, query in zip(pieces[::2], pieces[1::2], strict=True)}


def statements(script: str) -> Iterator[str]:
    """Yield the statements of a script, one by one, so that they can run inside a transaction."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement.strip()
            statement = ""


def _migrations() -> Sequence[str]:
    folder = resources.files(__package__).joinpath("migrations")
    files = sorted(
        (file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name
    )
    return tuple(file.read_text(encoding="utf-8") for file in files)


QUERIES: Final = named(resources.files(__package__).joinpath("queries.sql").read_text(encoding="utf-8"))
"""Every query the store runs, by name."""
MIGRATIONS: Final = _migrations()
"""The scripts that bring a database from schema version n to n + 1, in order."""
