"""The HTTP server's bounds, of heads whatever their segmentation and of connections, told in words."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi import FastAPI, Request, Response
from starlette.requests import ClientDisconnect

from hanota.config.settings import ApiSection
from hanota.daemon.server import HttpServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LIMIT = 16 * 1024
MANY_HEADERS = b"".join(b"X-Header-%d: a value\r\n" % number for number in range(5000))
WHOLE = 1 << 20


class Served:
    """A server, and connections to it."""

    def __init__(self, url: str) -> None:
        self.url = httpx.URL(url)
        self.requests = 0
        self.told_of_the_end = asyncio.Event()

    async def send(self, octets: bytes, piece: int = WHOLE) -> bytes:
        """Return all that is answered to what is sent in pieces, until the server hangs up."""
        reader, writer = await asyncio.open_connection(self.url.host, self.url.port)
        for start in range(0, len(octets), piece):
            writer.write(octets[start : start + piece])
            await writer.drain()
            if piece != WHOLE:
                await asyncio.sleep(0)
        answered = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        await writer.wait_closed()
        return answered


@asynccontextmanager
async def served(**settings: Any) -> AsyncIterator[Served]:
    application = FastAPI()

    @application.api_route("/", methods=["GET", "POST"])
    async def hello(request: Request) -> Response:
        here.requests += 1
        try:
            await request.body()
        except ClientDisconnect:
            here.told_of_the_end.set()
        return Response("hello")

    @application.post("/early")
    async def early() -> Response:
        return Response("no body is wanted")

    server = HttpServer(application, ApiSection(port=0, **settings), drain=1)
    await server.start()
    here = Served(server.url)
    try:
        yield here
    finally:
        await server.stop()


def head(octets: int, *, last: bool = True) -> bytes:
    """Return the head of a request that has so many octets."""
    begin = b"GET / HTTP/1.1\r\nHost: localhost\r\n" + (b"Connection: close\r\n" if last else b"") + b"X: "
    return begin + b"x" * (octets - len(begin) - 4) + b"\r\n\r\n"


def told(answered: bytes, status: int) -> dict[str, Any]:
    """Return the error of an answer in the form of the REST API."""
    first, _, body = answered.partition(b"\r\n\r\n")
    assert first.startswith(b"HTTP/1.1 %d " % status), first
    assert b"content-type: application/json" in first.lower()
    assert b"connection: close" in first.lower()
    error: dict[str, Any] = json.loads(body)
    assert set(error) == {"error", "hint", "code"}
    return error


@pytest.mark.parametrize("piece", [WHOLE, 60_000, 1500], ids=["one write", "large pieces", "packets"])
async def test_a_head_of_thousands_of_headers_is_refused_in_words(piece: int) -> None:
    async with served() as server:
        answered = await server.send(b"GET / HTTP/1.1\r\nHost: a\r\n" + MANY_HEADERS + b"\r\n", piece)
        error = told(answered, 431)
        assert "16384 octets" in error["error"]
        assert "api.header_octets" in error["hint"]
        assert server.requests == 0
        assert (await server.send(head(100))).endswith(b"hello")


@pytest.mark.parametrize("piece", [WHOLE, 1000], ids=["one write", "pieces"])
async def test_the_bound_is_that_of_the_settings_to_the_octet(piece: int) -> None:
    async with served(header_octets=2048) as server:
        assert (await server.send(head(2048), piece)).endswith(b"hello")
        told(await server.send(head(2049), piece), 431)
        assert server.requests == 1


async def test_a_body_is_no_part_of_the_head() -> None:
    async with served() as server:
        body = bytes(3 * LIMIT)
        begin = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
        assert (await server.send(begin + body)).endswith(b"hello")


async def test_the_head_of_a_later_request_is_bounded_too() -> None:
    async with served() as server:
        answered = await server.send(head(LIMIT, last=False) + head(LIMIT + 1))
        first, _, rest = answered.partition(b"hello")
        assert first.startswith(b"HTTP/1.1 200")
        told(rest, 431)
        assert server.requests == 1


async def test_who_goes_on_sending_still_gets_the_answer() -> None:
    async with served() as server:
        told(await server.send(b"GET / HTTP/1.1\r\n" + 30 * MANY_HEADERS, 100_000), 431)


async def test_what_is_no_http_is_refused_in_words() -> None:
    async with served() as server:
        assert "HTTP" in told(await server.send(b"Good morning\r\n\r\n"), 400)["error"]


async def test_nothing_is_left_waiting_where_a_body_goes_wrong() -> None:
    async with served() as server:
        begin = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        told(await server.send(begin + b"3\r\nabc\r\nno length\r\n"), 400)
        await asyncio.wait_for(server.told_of_the_end.wait(), 10)


async def test_a_body_that_goes_wrong_after_its_answer_ends_the_connection_and_nothing_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with served() as server:
        reader, writer = await asyncio.open_connection(server.url.host, server.url.port)
        writer.write(b"POST /early HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        await reader.readuntil(b"wanted")
        writer.write(b"no length\r\n")
        assert await asyncio.wait_for(reader.read(), 10) == b""
        writer.close()
        await writer.wait_closed()
    assert [record for record in caplog.records if record.exc_info] == []


async def test_a_connection_too_many_is_refused_in_words_and_the_next_is_served() -> None:
    async with served(connections=2) as server:
        first = await asyncio.open_connection(server.url.host, server.url.port)
        second = await asyncio.open_connection(server.url.host, server.url.port)
        error = told(await server.send(head(100)), 503)
        assert "2 connections" in error["error"]
        assert "api.connections" in error["hint"]
        for _, writer in (first, second):
            writer.close()
            await writer.wait_closed()
        await asyncio.sleep(0.05)  # the server hears of it
        assert (await server.send(head(100))).endswith(b"hello")


async def test_as_many_connections_as_the_settings_say_are_served() -> None:
    async with served(connections=2) as server:
        _, writer = await asyncio.open_connection(server.url.host, server.url.port)
        assert (await server.send(head(100))).endswith(b"hello")
        writer.close()
        await writer.wait_closed()
