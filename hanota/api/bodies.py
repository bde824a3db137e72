"""Bodies of requests read within limits: a large, a slow or an endless one costs no more than those."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from hanota.api.refused import RequestRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import Request

_XML_TYPES: Final = frozenset({"application/xml", "text/xml"})
_CHARSETS: Final = frozenset({"utf-8", "us-ascii"})
"""US-ASCII is UTF-8 as well."""


class BodyRefusedError(RequestRefusedError):
    """A body is not taken: 400, 408, 413, 415 or 503."""


class BodyRoom:
    """Bounds the bodies held at once, in number and in octets; each octet counts once it has arrived."""

    def __init__(self, *, bodies: int, octets: int, retry_after: int) -> None:
        self._bodies, self._octets, self._retry_after = bodies, octets, retry_after
        self._bodies_held = self._octets_held = 0

    @contextmanager
    def place(self) -> Iterator[BodyPlace]:
        """Give the place of one body, free again at the end of the block; raise BodyRefusedError (503)."""
        if self._bodies_held >= self._bodies:
            raise self._full(f"{self._bodies_held} bodies are being worked on already")
        place = BodyPlace(self)
        self._bodies_held += 1
        try:
            yield place
        finally:
            self._bodies_held -= 1
            self._octets_held -= place.octets

    def take(self, octets: int) -> None:
        """Count octets that arrived; raise BodyRefusedError (503) where there is no room for them."""
        if self._octets_held + octets > self._octets:
            raise self._full(f"{self._octets_held} octets of bodies are being worked on already")
        self._octets_held += octets

    def _full(self, reason: str) -> BodyRefusedError:
        return BodyRefusedError(
            reason,
            HTTPStatus.SERVICE_UNAVAILABLE,
            hint=f"send it again in {self._retry_after} s",
            retry_after=self._retry_after,
        )


class BodyPlace:
    """What one body takes of the room."""

    def __init__(self, room: BodyRoom) -> None:
        self._room = room
        self.octets = 0

    def take(self, octets: int) -> None:
        """Count octets of this body; raise BodyRefusedError (503)."""
        self._room.take(octets)
        self.octets += octets


def check_xml(request: Request) -> None:
    """Raise BodyRefusedError (415) unless the body is said to be XML in UTF-8, not compressed."""
    media_type, _, parameters = request.headers.get("content-type", "").partition(";")
    if media_type.strip().lower() not in _XML_TYPES:
        raise BodyRefusedError(
            f"the Content-Type is {media_type.strip()[:80] or 'missing'}",
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            hint="send application/xml",
        )
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        charset = value.strip().strip('"').lower()
        if name.strip().lower() == "charset" and charset not in _CHARSETS:
            raise BodyRefusedError(
                f"the charset is {charset[:40]}", HTTPStatus.UNSUPPORTED_MEDIA_TYPE, hint="send UTF-8"
            )
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding != "identity":
        # What is small on the line could be of any size behind it.
        raise BodyRefusedError(
            f"the Content-Encoding is {encoding[:40]}",
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            hint="send it as it is, not compressed",
        )


async def read_body(request: Request, place: BodyPlace, *, size: int, seconds: float) -> bytes:
    """Return the body; raise BodyRefusedError: 413 above `size` octets, 408 after `seconds`, 503.

    Raises starlette's ClientDisconnect where the sender went away.
    """
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length[:20]) > size:
        raise _too_large(size)
    pieces = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for piece in request.stream():
                if len(pieces) + len(piece) > size:
                    raise _too_large(size)
                place.take(len(piece))
                pieces += piece
    except TimeoutError:
        raise BodyRefusedError(
            f"the body did not arrive in {seconds:g} s", HTTPStatus.REQUEST_TIMEOUT, hint="send it again"
        ) from None
    return bytes(pieces)


def _too_large(size: int) -> BodyRefusedError:
    return BodyRefusedError(
        f"the body has more than {size} octets", HTTPStatus.REQUEST_ENTITY_TOO_LARGE, hint="send less"
    )
