"""`hanota client audit`: who had what done or was refused it, and whether the trail was tampered with."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.markup import escape

from hanota.cli.client.errors import ClientError, RefusedError, TamperedError
from hanota.cli.client.following import SERVER_ERROR
from hanota.cli.client.session import JsonOption, run
from hanota.cli.client.timeline import (
    PAGE,
    RECENT,
    AfterOption,
    FollowOption,
    LastOption,
    Timeline,
    check_span,
)
from hanota.cli.client.words import show_json
from hanota.cli.output import console, stderr
from hanota.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hanota.cli.client.connection import Connection

    Row = Mapping[str, Any]

app = typer.Typer(invoke_without_command=True, help="The audit trail: show, follow, verify.")

LOOK_INTERVAL: Final = 1.0
"""Seconds between looks: rows come as people and programs ask, not as frames do."""
_HASH_DIGITS: Final = 64


@app.callback()
def audit(
    context: typer.Context,
    *,
    follow: FollowOption = False,
    after: AfterOption = None,
    last: LastOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show who had what done, and who was refused it; for activators."""
    if context.invoked_subcommand is not None:
        return
    show: Callable[[Row], None] = show_json if as_json else _View()
    run(context, lambda connection: _audit(connection, after, last, show, follow=follow))


@app.command()
def verify(
    context: typer.Context,
    *,
    noted: Annotated[
        str | None,
        typer.Option(metavar="N:HASH", help="A row and its hash as noted before: is it still there?"),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Walk the chain of hashes; exit status 1 where a row was altered, replaced or is missing."""
    verdict = run(context, lambda connection: _verify(connection, noted))
    if as_json:
        show_json(verdict)
    elif verdict["intact"]:
        console.print(f"{verdict['rows']} rows, each as it was written", markup=False)
        if verdict["rows"]:
            console.print(
                "note elsewhere, since rows cut off at the end show by that alone:\n"
                f"hanota client audit verify --noted {verdict['rows']}:{verdict['head']}",
                markup=False,
            )
    if not verdict["intact"]:
        run(context, lambda _: _tampered(verdict))


async def _audit(
    connection: Connection,
    after: int | None,
    last: int | None,
    show: Callable[[Row], None],
    *,
    follow: bool,
) -> None:
    check_span(after, last)
    if after is None:
        page = await connection.get("/audit", {"newest": last or RECENT})
        reached = page["last"]
    else:
        page = await connection.get("/audit", {"after": after, "limit": PAGE})
        reached = after
    if not page["rows"]:
        stderr.print("no such rows" if after else "no rows")
    while True:
        for row in page["rows"]:
            reached = row["seq"]
            show(row)
        if page["next"] is None:
            if not follow:
                return
            await asyncio.sleep(LOOK_INTERVAL)
        page = await _look(connection, reached)


async def _look(connection: Connection, after: int) -> Any:
    """Return the next page; a daemon that is gone for a moment is waited for."""
    told, delay = False, connection.settings.retry_delay
    while True:
        try:
            return await connection.get("/audit", {"after": after, "limit": PAGE})
        except ClientError as error:
            if isinstance(error, RefusedError) and error.status < SERVER_ERROR:
                raise
            if not told:
                stderr.print(f"[yellow]{escape(str(error))}; going on where it stopped[/]")
                told = True
        await asyncio.sleep(delay)
        delay = min(2 * delay, connection.settings.retry_delay_limit)


async def _verify(connection: Connection, noted: str | None) -> dict[str, Any]:
    """Return the daemon's verdict, or that the row noted is another one or gone."""
    row = None if noted is None else _noted(noted)
    verdict: dict[str, Any] = await connection.get("/audit/verify")
    if row is None or not verdict["intact"]:
        return verdict
    number, digest = row
    page = await connection.get("/audit", {"after": number - 1, "limit": 1})
    (found,) = page["rows"] or [None]
    if found is None:
        fault = f"there are {verdict['rows']} rows, and there were {number}: rows were cut off"
    elif found["hash"] != digest:
        fault = f"it has another hash than was noted, {found['hash']}: the chain was made anew"
    else:
        return verdict
    return {**verdict, "intact": False, "broken": number, "fault": fault}


def _noted(text: str) -> tuple[int, str]:
    number, _, digest = text.partition(":")
    digest = digest.strip().lower()
    is_number = number.isascii() and number.isdigit() and int(number) > 0
    if not is_number or len(digest) != _HASH_DIGITS or set(digest) - set("0123456789abcdef"):
        raise ConfigError(f"no row and hash: {text!r}", hint="as `hanota client audit verify` prints it")
    return int(number), digest


async def _tampered(verdict: Mapping[str, Any]) -> None:
    raise TamperedError(
        f"row {verdict['broken']}: {verdict['fault']}",
        hint=f"the {verdict['rows']} rows before its fault are in order; compare with a backup"
        if verdict["broken"] == verdict["rows"] + 1
        else "compare with a backup of the database",
    )


class _View:
    """A line for each row."""

    def __init__(self) -> None:
        self._lines = Timeline()

    def __call__(self, row: Row) -> None:
        """Print a row."""
        who = f"{row['actor']} ({row['role']})" if row["role"] else row["actor"]
        self._lines.show(row["seq"], row["at"], who, f"{row['action']} {row['target']}: {row['outcome']}")
