"""`hanota client events`: the journal, and what is added to it."""

from __future__ import annotations

from contextlib import aclosing
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.markup import escape

from hanota.cli.client.session import JsonOption, end, eui64, run
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
from hanota.errors import HanotaError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hanota.cli.client.connection import Connection
    from hanota.cli.client.errors import ClientError
    from hanota.hub.events import Event

_NOT_DETAIL: Final = frozenset({"seq", "at", "kind", "from", "to", "device", "job"})
_WIDEST_PARTIES: Final = 19
"""Characters of `service user -> DCC`."""
_DEVICE: Final = 23
"""Characters of an EUI-64."""
_SHORT: Final = 5
"""Characters of its end, enough to tell the devices of a bench apart."""
_WIDE: Final = 120
"""Columns from which on a line has room for all of an EUI-64."""


def events(
    context: typer.Context,
    *,
    follow: FollowOption = False,
    after: AfterOption = None,
    last: LastOption = None,
    kind: Annotated[
        list[str] | None, typer.Option(help="Such as `job.state`, or all of `job`; repeatable.")
    ] = None,
    device: Annotated[str | None, typer.Option(metavar="EUI64", help="Of this device.")] = None,
    job: Annotated[int | None, typer.Option(min=1, metavar="JOB", help="Of this job.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what happened, in order: requests, messages, transfers, alerts; from any point on."""
    parameters: dict[str, str | int | bool] = {}
    try:
        check_span(after, last)
        if device is not None:
            parameters["device"] = eui64(device)
    except HanotaError as error:
        end(error)
    if kind:
        parameters["kind"] = ",".join(kind)
    if job is not None:
        parameters["job"] = job
    show = show_json if as_json else _View()
    run(
        context,
        lambda connection: _events(connection, after, last or RECENT, parameters, show, follow=follow),
    )


async def _events(
    connection: Connection,
    after: int | None,
    count: int,
    parameters: Mapping[str, str | int | bool],
    show: Callable[[Mapping[str, Any]], None],
    *,
    follow: bool,
) -> None:
    if after is None:
        newest, reached = await _newest(connection, count, parameters)
        for event in newest:
            show(event)
        found = bool(newest)
    else:
        found, reached = await _later(connection, after, parameters, show)
    if not found:
        stderr.print("no such events" if parameters or after else "no events")
    if follow:
        await _follow(connection, reached, parameters, show)


async def _newest(
    connection: Connection, count: int, parameters: Mapping[str, str | int | bool]
) -> tuple[list[Mapping[str, Any]], int]:
    """Return the last events, and the number of the last that was looked at."""
    page = await connection.get("/events", {**parameters, "newest": count})
    found, reached = list(page["events"]), page["next"]
    # The daemon looks at so many at once; what is rare may be further back.
    while len(found) < count and page.get("previous", 0) > page["first"]:
        earlier = {"newest": count - len(found), "before": page["previous"]}
        page = await connection.get("/events", {**parameters, **earlier})
        found = [*page["events"], *found]
    return found, reached


async def _later(
    connection: Connection,
    after: int,
    parameters: Mapping[str, str | int | bool],
    show: Callable[[Mapping[str, Any]], None],
) -> tuple[bool, int]:
    """Show the events above a number; return whether there was one, and the last that was looked at."""
    found = False
    while True:
        page = await connection.get("/events", {**parameters, "after": after, "limit": PAGE})
        if page["first"] > after + 1:
            stderr.print(f"the events before {page['first']} were pruned")
        for event in page["events"]:
            found = True
            show(event)
        reached = page["next"]
        if reached >= page["last"] or reached <= after:
            return found, reached
        after = reached


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


class _View:
    """A line for each event."""

    def __init__(self) -> None:
        self._lines = Timeline()

    def __call__(self, event: Mapping[str, Any]) -> None:
        """Print an event."""
        source, target = event["from"], event["to"]
        parties = source if source == target else f"{source} -> {target}"
        device, width = event.get("device") or "", _DEVICE
        if console.width < _WIDE:
            device, width = device[-_SHORT:], _SHORT
        who = f"{parties:{_WIDEST_PARTIES}} {device:{width}}"
        self._lines.show(event["seq"], event["at"], who, _describe(event))


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
