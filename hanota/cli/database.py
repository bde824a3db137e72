"""`hanota database backup|check|prune`: a hub's database as a file."""

from __future__ import annotations

import asyncio
import json
from contextlib import closing
from dataclasses import asdict
from pathlib import Path  # Typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from hanota.cli.output import console, fail
from hanota.clock import SystemClock
from hanota.errors import HanotaError, StoreError
from hanota.hub.journal import Journal
from hanota.store import backup as backups
from hanota.store.lock import DatabaseLock
from hanota.store.pruning import Pruning, PruningSettings
from hanota.store.store import SqliteStore

if TYPE_CHECKING:
    from hanota.store.backup import DatabaseState
    from hanota.store.pruning import Pruned

app = typer.Typer(no_args_is_help=True, help="A hub's database: back up, check, prune.")

_File = Annotated[Path, typer.Argument(metavar="FILE", help="The hub's database.")]
_Json = Annotated[bool, typer.Option("--json", help="One JSON object.")]
_DEFAULT = PruningSettings()


@app.callback()
def database() -> None:
    """Look after a hub's database."""


@app.command()
def backup(
    file: _File,
    copy: Annotated[Path, typer.Argument(metavar="COPY", help="A file that is not there yet.")],
    *,
    as_json: _Json = False,
) -> None:
    """Copy a database, while a daemon drives it too, and verify the copy.

    To restore: stop the daemon, move FILE, FILE-wal and FILE-shm away, and back COPY up to FILE.
    """
    try:
        state = backups.backup(file, copy)
    except HanotaError as error:
        fail(error)
    _show(copy, state, as_json=as_json)


@app.command()
def check(file: _File, *, as_json: _Json = False) -> None:
    """Read a database from end to end and tell what is wrong; exit status 1 where anything is."""
    try:
        state = backups.check(file)
    except HanotaError as error:
        fail(error)
    _show(file, state, as_json=as_json)
    if state.faults:
        raise typer.Exit(1)


@app.command()
def prune(
    file: _File,
    *,
    events_days: Annotated[float, typer.Option(help="Keep events this long.")] = _DEFAULT.events_days,
    jobs_days: Annotated[float, typer.Option(help="Keep ended jobs this long.")] = _DEFAULT.jobs_days,
    images_days: Annotated[float, typer.Option(help="Keep retired images this long.")] = _DEFAULT.images_days,
    requests_days: Annotated[
        float, typer.Option(help="Keep answers to Service Requests this long.")
    ] = _DEFAULT.requests_days,
    as_json: _Json = False,
) -> None:
    """Remove what is old from the database of a hub that is not running; one that runs does so itself."""
    try:
        settings = PruningSettings(
            events_days=events_days,
            jobs_days=jobs_days,
            images_days=images_days,
            requests_days=requests_days,
            pause=0,
        )
        pruned = _pruned(file, settings)
    except HanotaError as error:
        fail(error)
    if as_json:
        typer.echo(json.dumps(asdict(pruned)))
        return
    console.print(
        f"removed {pruned.events} events, {pruned.jobs} jobs, {pruned.images} images, "
        f"{pruned.requests} answered requests"
    )


def _pruned(file: Path, settings: PruningSettings) -> Pruned:
    if not file.is_file():
        raise StoreError(f"{file}: no such file", hint="name the hub's database")
    clock = SystemClock()
    with DatabaseLock(file), closing(SqliteStore(file)) as store:
        return asyncio.run(Pruning(store.database, Journal(store, clock), clock, settings).prune())


def _show(file: Path, state: DatabaseState, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"file": str(file), **asdict(state)}))
        return
    for fault in state.faults:
        console.print(f"[bold red]fault:[/] {escape(fault)}")
    sound = "faulty" if state.faults else "sound"
    console.print(
        f"{escape(str(file))}: {sound}, schema {state.schema}, {state.octets} octets, {state.events} events"
    )
