"""A Service Request that was looked at and may be carried out: what is recorded, answered and done."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hanota.duis.response_code import ResponseCode
from hanota.hub.events import EventKind

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping

    from hanota.duis.response import ResponseContent
    from hanota.errors import ProtocolError
    from hanota.gbcs.message import Message
    from hanota.hub.events import Json
    from hanota.hub.jobs import Job


@dataclass(frozen=True, slots=True)
class Done:
    """What a request began."""

    jobs: tuple[Job, ...] = ()
    outcome: asyncio.Future[Message] | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """What becomes of a request; preparing it has changed nothing."""

    name: str
    """The request's name in DUIS."""
    carry_out: Callable[[], Done]
    """Does it, inside the transaction that keeps the answer."""
    detail: Mapping[str, Json] = field(default_factory=dict)
    """What the event of its receipt has besides."""
    received: EventKind = EventKind.REQUEST_RECEIVED
    response_code: ResponseCode = ResponseCode.I99
    content: ResponseContent | None = None
    words: str | None = "accepted, the response follows"
    """The answer in words; None where another event says as much."""
    lists: Mapping[str, Json] = field(default_factory=dict)
    """What the event of the answer has besides."""
    otherwise: Callable[[ProtocolError], Done] | None = None
    """Does what is left to do where the hub refused in `carry_out`; None: the request is rejected."""
