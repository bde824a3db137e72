"""The daemon's events as they happen: server-sent events, taken up again where they stopped."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx

from hanota.cli.client.connection import LOST, refusal, unreachable
from hanota.cli.client.errors import ClientError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping

    from hanota.cli.client.connection import Connection, Parameters


@dataclass
class EventParser:
    """Lines of a server-sent event stream made into events (WHATWG HTML, 9.2.6)."""

    last_id: str = ""
    """Of the newest event that came whole, and what to resume after."""
    _id: str | None = None
    _data: list[str] = field(default_factory=list)
    _type: str = ""

    def feed(self, line: str) -> str | None:
        """Take one line, without its end; return an event's data when it is complete."""
        if not line:
            if self._id is not None:
                self.last_id, self._id = self._id, None
            data, self._data = self._data, []
            kind, self._type = self._type, ""
            # Of another type is what tells of the stream itself, such as that older events are gone.
            return "\n".join(data) if data and not kind else None
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._type = value
        elif name == "id" and "\0" not in value:
            self._id = value
        return None


async def follow(
    connection: Connection,
    after: int,
    parameters: Parameters | None = None,
    *,
    lost: Callable[[ClientError], None] = lambda _: None,
) -> AsyncGenerator[Mapping[str, Any], None]:
    """Give every event above `after` for as long as it is asked, over however many connections.

    `lost` hears of each that failed; raise ClientError where the first one fails, or the daemon refuses.
    """
    settings = connection.settings
    parser = EventParser(str(after))
    delay = settings.retry_delay
    reached = False
    while True:
        try:
            async for event in _listen(connection, parser, parameters or {}):
                reached, delay = True, settings.retry_delay
                if event is not None:
                    yield event
            error = ClientError("the daemon ended the event stream")
        except LOST as failure:
            error = unreachable(settings, failure)
            if not reached:
                raise error from failure
        lost(error)
        await asyncio.sleep(delay)
        delay = min(2 * delay, settings.retry_delay_limit)
        parser = EventParser(parser.last_id)


async def _listen(
    connection: Connection, parser: EventParser, parameters: Parameters
) -> AsyncIterator[Mapping[str, Any] | None]:
    """Give the events of one connection, and None when it is open and at each sign of life."""
    query = {**parameters, "after": parser.last_id}
    async with connection.stream("/events/stream", query, {"Last-Event-ID": parser.last_id}) as response:
        if not response.is_success:
            await response.aread()
            # A daemon that starts or stops says so with 503; everything else will not change.
            if response.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                raise refusal(connection.settings, response)
            raise httpx.RemoteProtocolError("the daemon is not ready")
        yield None
        async for line in _lines(response, connection.settings.line_limit):
            data = parser.feed(line)
            yield None if data is None else _event(data)


async def _lines(response: httpx.Response, limit: int) -> AsyncIterator[str]:
    """Give every line, without its end, CR LF or LF; raise ClientError for one that is too long."""
    begun: list[str] = []
    length = 0
    async for text in response.aiter_text():
        first, *more = text.split("\n")
        begun.append(first)
        length += len(first)
        if length > limit:
            raise ClientError(f"the event stream has a line of more than {limit} characters")
        for following in more:
            yield "".join(begun).removesuffix("\r")
            begun, length = [following], len(following)


def _event(data: str) -> Mapping[str, Any]:
    try:
        event = json.loads(data)
    except ValueError as error:
        raise ClientError("the event stream has an event that is not JSON", hint="check --url") from error
    if not isinstance(event, dict):
        raise ClientError("the event stream has an event that is no object", hint="check --url")
    return event
