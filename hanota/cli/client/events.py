"""`hanota client events`: the journal, and what is added to it."""

from __future__ import annotations

from contextlib import aclosing
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.markup import escape

from hanota.cli.client.session import JsonOption, end, eui64, run
from hanota.cli.client.words import show_json
from hanota.cli.output import console, stderr
from hanota.errors import HanotaError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hanota.cli.client.connection import Connection
    from hanota.cli.client.errors import ClientError
    from hanota.hub.events import Event

PAGE: Final = 500
"""Events asked for at once."""
RECENT: Final = 50
"""Events shown where the user does not say from which on."""
_NOT_DETAIL: Final = frozenset({"seq", "at", "kind", "from", "to", "device", "job"})


def events(
    context: typer.Context,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with those that come.")] = False,
    after: Annotated[
        int | None, typer.Option(min=0, metavar="N", help=f"Those above this number; else the last {RECENT}.")
    ] = None,
    kind: Annotated[
        list[str] | None, typer.Option(help="Such as `job.state`, or all of `job`; repeatable.")
    ] = None,
    device: Annotated[str | None, typer.Option(metavar="EUI64", help="Of this device.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what happened, in order: requests, messages, transfers, alerts; from any point on."""
    parameters: dict[str, str | int | bool] = {}
    try:
        if device is not None:
            parameters["device"] = eui64(device)
    except HanotaError as error:
        end(error)
    if kind:
        parameters["kind"] = ",".join(kind)
    show = show_json if as_json else _show
    run(context, lambda connection: _events(connection, after, parameters, show, follow=follow))


async def _events(
    connection: Connection,
    after: int | None,
    parameters: Mapping[str, str | int | bool],
    show: Callable[[Mapping[str, Any]], None],
    *,
    follow: bool,
) -> None:
    begin: dict[str, int] = {"newest": RECENT} if after is None else {"after": after}
    while True:
        page = await connection.get("/events", {**parameters, **begin, "limit": PAGE})
        if page["first"] > begin.get("after", page["first"]) + 1:
            stderr.print(f"the events before {page['first']} were pruned")
        for event in page["events"]:
            show(event)
        reached = page["next"]
        if reached >= page["last"] or reached <= begin.get("after", -1):
            break
        begin = {"after": reached}
    if follow:
        await _follow(connection, reached, parameters, show)


async def _follow(
    connection: Connection,
    after: int,
    parameters: Mapping[str, str | int | bool],
    show: Callable[[Mapping[str, Any]], None],
) -> None:
    from hanota.cli.client.stream import follow as follow_stream  # noqa: PLC0415  # httpx takes its time

    def lost(error: ClientError) -> None:
        stderr.print(f"[yellow]{escape(str(error))}; going on where it stopped[/]")

    async with aclosing(follow_stream(connection, after, parameters, lost=lost)) as following:
        async for event in following:
            show(event)


def _show(event: Mapping[str, Any]) -> None:
    device = (event.get("device") or "")[-5:]
    parties = f"{event['from']} -> {event['to']}"
    console.print(
        f"[dim]{event['seq']:>6}[/] {escape(event['at'])} {escape(parties):28} {escape(device):5}"
        f"  {escape(_describe(event))}"
    )


def _describe(event: Mapping[str, Any]) -> str:
    """Return an event's text; of a kind that this client does not know, what the daemon sent."""
    from hanota.demo.transcript import describe  # noqa: PLC0415  # loads the use cases

    try:
        return describe(_event(event))
    except (KeyError, ValueError, TypeError):
        detail = ", ".join(f"{name} {value}" for name, value in event.items() if name not in _NOT_DETAIL)
        return f"{event['kind']} {detail}".rstrip()


def _event(event: Mapping[str, Any]) -> Event:
    from hanota.eui64 import Eui64  # noqa: PLC0415  # as in _describe
    from hanota.hub.events import Event, EventKind, Party  # noqa: PLC0415

    return Event(
        seq=event["seq"],
        at=datetime.fromisoformat(event["at"]).timestamp(),
        kind=EventKind(event["kind"]),
        source=Party(event["from"]),
        target=Party(event["to"]),
        device=None if event["device"] is None else Eui64.parse(event["device"]),
        job=event["job"],
        detail={name: value for name, value in event.items() if name not in _NOT_DETAIL},
    )
