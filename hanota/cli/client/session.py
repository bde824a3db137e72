"""One command of the client: its connection, and how its errors are told."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeAlias, TypeVar

import typer
from rich.markup import escape

from hanota.cli.client.errors import ClientError, Exit, TamperedError, UpdateFailedError
from hanota.cli.output import stderr
from hanota.errors import HanotaError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    import httpx

    from hanota.cli.client.connection import Connection
    from hanota.cli.client.settings import ClientSettings

T = TypeVar("T")

JsonOption: TypeAlias = Annotated[bool, typer.Option("--json", help="As JSON, for scripts.")]
YesOption: TypeAlias = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@dataclass(frozen=True, slots=True)
class Session:
    """What the options before the command's name said."""

    settings: Callable[[], ClientSettings]
    transport: httpx.AsyncBaseTransport | None = None
    """What stands in for a socket in tests."""


def run(context: typer.Context, work: Callable[[Connection], Coroutine[Any, Any, T]]) -> T:
    """Run one command's work on a connection; tell its errors and end with their exit status."""
    from hanota.cli.client.connection import Connection  # noqa: PLC0415  # httpx takes its time to load

    session: Session = context.obj

    async def connected() -> T:
        settings = session.settings()
        if settings.in_the_clear and settings.token is not None:
            stderr.print(f"[yellow]the token goes to {escape(settings.url)} in the clear: use https[/]")
        async with Connection(settings, transport=session.transport) as connection:
            return await work(connection)

    try:
        return asyncio.run(connected())
    except HanotaError as error:
        end(error)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def end(error: HanotaError) -> NoReturn:
    """Tell the user what happened and what to do next, and end with the exit status for it."""
    stderr.print(f"[bold red]error:[/] {escape(str(error))}")
    if error.hint:
        stderr.print(f"[bold]hint:[/] {escape(error.hint)}")
    match error:
        case UpdateFailedError() | TamperedError():
            raise typer.Exit(Exit.FAILED)
        case ClientError():
            raise typer.Exit(Exit.REFUSED)
        case _:
            raise typer.Exit(Exit.USAGE)


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something is done that cannot be undone; end with exit status 1 where the answer is no."""
    if not yes:
        typer.confirm(question, abort=True, err=True)


def eui64(text: str) -> str:
    """Return an EUI-64 as the daemon writes it; raise RemoteProtocolError for anything else."""
    from hanota.eui64 import Eui64  # noqa: PLC0415  # as for Connection

    return str(Eui64.parse(text))
