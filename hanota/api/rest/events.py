"""REST: the journal, in pages and as a stream."""

from typing import Annotated, Any

from fastapi import Header, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from hanota.api.events_stream import MEDIA_TYPE, EventStreams
from hanota.api.journal_search import (
    EventFilter,
    first_number,
    kinds_of,
    last_number,
    search,
    search_back,
)
from hanota.api.rest.fields import EuiField
from hanota.api.rest.routes import Routes

TAG = "events"
MAXIMUM_NUMBER = 2**53
"""More than any number; above it JavaScript cannot tell one from the next."""

_Number = Annotated[int, Query(ge=0, le=MAXIMUM_NUMBER)]
_Kinds = Annotated[
    list[str] | None,
    Query(max_length=32, description="Kinds such as `job.state`, or subsystems such as `job`."),
]


class EventView(BaseModel):
    """What happened; further fields are those of its kind."""

    model_config = {"extra": "allow"}

    seq: int
    at: str
    kind: str
    from_: str = Field(alias="from")
    to: str
    device: str | None
    job: int | None


class EventList(BaseModel):
    """A page of the journal, oldest first."""

    events: list[EventView]
    next: int = Field(description="`after` of the next page; there is one where it differs from `last`.")
    previous: int = Field(description="`before` of the page before; there is one where it is above `first`.")
    last: int = Field(description="The number of the newest event.")
    first: int = Field(
        description="The number of the oldest event that is kept; those before it were pruned."
    )


def add(routes: Routes) -> None:
    """Add the operations."""
    context = routes.context
    store, settings = context.store, context.settings
    streams = EventStreams(store, context.journal, context.draining, settings.events)

    @routes.get("/events", TAG)
    async def list_events(
        after: Annotated[_Number | None, Query(description="Only later ones; null: from the first.")] = None,
        newest: Annotated[
            int | None,
            Query(ge=1, le=settings.largest_page, description="Only the last so many of those meant."),
        ] = None,
        before: Annotated[
            _Number | None, Query(description="Only the last of those before it; null: to the last.")
        ] = None,
        kind: _Kinds = None,
        device: Annotated[EuiField | None, Query()] = None,
        job: Annotated[_Number | None, Query()] = None,
        limit: Annotated[int, Query(ge=1, le=settings.largest_page)] = settings.page,
    ) -> EventList:
        """Read the journal; a page may have fewer events than asked for, though more follow."""
        last = last_number(store)
        meant = EventFilter(kinds_of(kind or ()), device, job)
        bounds = {"scan": settings.scanned_rows, "page": settings.largest_page}
        begin = after or 0
        if newest is None and before is None:
            found, looked = search(store, meant, after=begin, limit=limit, **bounds)
            previous = begin + 1
        else:
            looked = last if before is None else max(0, min(before - 1, last))
            most = newest or limit
            found, previous = search_back(store, meant, after=begin, before=looked + 1, limit=most, **bounds)
        return EventList(
            events=[EventView.model_validate(event.to_json()) for event in found],
            next=looked,
            previous=previous,
            last=last,
            first=first_number(store),
        )

    @routes.get(
        "/events/stream",
        TAG,
        response_class=Response,
        responses={200: _STREAM},
    )
    async def stream_events(
        after: Annotated[_Number | None, Query(description="Only later ones; null: from now on.")] = None,
        kind: _Kinds = None,
        device: Annotated[EuiField | None, Query()] = None,
        job: Annotated[_Number | None, Query()] = None,
        last_event_id: Annotated[
            str | None, Header(max_length=20, description="Goes before `after`.")
        ] = None,
    ) -> Response:
        """Follow the journal by server-sent events, each with its number; resume by `Last-Event-ID`.

        A message of the type `pruned` tells that events are gone, and the `first` number that is kept.
        """
        begin = after
        if last_event_id is not None and last_event_id.isascii() and last_event_id.isdigit():
            begin = min(int(last_event_id), MAXIMUM_NUMBER)
        if begin is None:
            begin = last_number(store)
        return streams.respond(begin, EventFilter(kinds_of(kind or ()), device, job))


_STREAM: dict[str, Any] = {
    "description": "Each event as JSON, the form of GET /events.",
    "content": {MEDIA_TYPE: {"schema": {"type": "string"}}},
}
