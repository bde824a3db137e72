"""The client's event stream and its following of jobs, over connections that break."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from hanota.cli.client.connection import Connection
from hanota.cli.client.errors import ClientError, RefusedError, UpdateFailedError
from hanota.cli.client.following import follow_jobs
from hanota.cli.client.settings import ClientSettings
from hanota.cli.client.stream import follow
from hanota.hub.jobs import JobKind
from tests.api.client_support import served
from tests.api_support import TOKENS
from tests.hub_parties_support import HCALCS, PPMID
from tests.hub_support import virtual

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

SETTINGS = ClientSettings(
    "http://127.0.0.1:8079", "token", line_limit=10_000, retry_delay=0.01, retry_delay_limit=0.04
)


class Broken(httpx.AsyncByteStream):
    """A body that ends in the middle, with an error or without one."""

    def __init__(self, text: str, error: Exception | None = None) -> None:
        self._text, self._error = text, error

    async def __aiter__(self) -> AsyncIterator[bytes]:
        # In pieces that fit neither lines nor characters.
        octets = self._text.encode()
        for start in range(0, len(octets), 7):
            yield octets[start : start + 7]
        if self._error is not None:
            raise self._error


def said(*numbers: int) -> str:
    return "".join(f"id: {number}\ndata: {json.dumps({'seq': number, 'é': '✓'})}\n\n" for number in numbers)


class Streams(httpx.AsyncBaseTransport):
    """A daemon that answers each connection with the next of what it is given."""

    def __init__(self, *answers: Callable[[], httpx.Response]) -> None:
        self._answers = iter(answers)
        self.resumed: list[tuple[str, str]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.resumed.append((request.url.params["after"], request.headers["Last-Event-ID"]))
        return next(self._answers)()


def body(text: str, error: Exception | None = None) -> Callable[[], httpx.Response]:
    return lambda: httpx.Response(200, stream=Broken(text, error))


def fails(error: Exception) -> Callable[[], httpx.Response]:
    def answer() -> httpx.Response:
        raise error

    return answer


async def taken(transport: httpx.AsyncBaseTransport, count: int, lost: list[str] | None = None) -> list[int]:
    """Follow until `count` events came, and return their numbers."""
    found: list[int] = []
    async with (
        Connection(SETTINGS, transport=transport) as connection,
        aclosing(
            follow(connection, 4, lost=lambda error: (lost if lost is not None else []).append(str(error)))
        ) as events,
    ):
        async for event in events:
            found.append(event["seq"])
            if len(found) == count:
                break
    return found


async def test_a_lost_stream_is_taken_up_after_the_last_event_that_came_whole() -> None:
    half = said(7)[:-8]
    streams = Streams(
        body(said(5, 6) + half, httpx.ReadError("reset")),
        fails(httpx.ConnectError("refused")),
        lambda: httpx.Response(503, json={"error": "starting"}),
        body(": nothing new\nid: 9\n\n"),
        body(said(10).replace("\n", "\r\n")),
    )
    lost: list[str] = []
    assert await taken(streams, 3, lost) == [5, 6, 10]
    assert streams.resumed == [("4", "4"), ("6", "6"), ("6", "6"), ("6", "6"), ("9", "9")]
    assert len(lost) == 4


async def test_a_daemon_that_was_never_reached_is_an_error_at_once() -> None:
    with pytest.raises(ClientError, match="no daemon at"):
        await taken(Streams(fails(httpx.ConnectError("refused"))), 1)


async def test_a_refused_stream_is_not_asked_for_again() -> None:
    streams = Streams(body(said(5)), lambda: httpx.Response(401, json={"error": "unknown token"}))
    with pytest.raises(RefusedError, match="unknown token"):
        await taken(streams, 2)


@pytest.mark.parametrize("text", ["data: {\n\n", "data: 5\n\n", "data: " + "x" * 10_000])
async def test_a_stream_that_is_no_event_stream_ends_with_an_error(text: str) -> None:
    with pytest.raises(ClientError):
        await taken(Streams(body(text)), 1)


@pytest.mark.parametrize(
    ("response", "message"),
    [
        (httpx.Response(200, text="<html>"), "not as a hanota daemon"),
        (httpx.Response(502, text="<html>bad gateway"), "HTTP 502"),
        (httpx.Response(418, json=["?"]), "HTTP 418"),
        (httpx.Response(422, json={"error": "no", "hint": None, "code": "E110101"}), r"no \(E110101\)"),
    ],
)
async def test_whatever_answers_in_the_daemon_s_place_is_told(response: httpx.Response, message: str) -> None:
    transport = httpx.MockTransport(lambda _: response)
    async with Connection(SETTINGS, transport=transport) as connection:
        with pytest.raises(ClientError, match=message):
            await connection.get("/hub")


@pytest.mark.parametrize(
    ("error", "message", "hint"),
    [
        (httpx.ConnectError("refused"), "no daemon at", "hanota run"),
        (httpx.ReadTimeout("slow"), "did not answer in time", "may be done all the same"),
        (httpx.RemoteProtocolError("gone"), "was lost", "hanota client status"),
    ],
)
async def test_what_keeps_a_daemon_from_being_reached_is_told(
    error: httpx.HTTPError, message: str, hint: str
) -> None:
    def fail(_: httpx.Request) -> httpx.Response:
        raise error

    async with Connection(SETTINGS, transport=httpx.MockTransport(fail)) as connection:
        with pytest.raises(ClientError, match=message) as caught:
            await connection.get("/hub")
    assert hint in (caught.value.hint or "")


def job(**changes: Any) -> dict[str, Any]:
    return {"id": 1, "device": str(PPMID.eui64), "state": "transferring", "ended": False, **changes}


async def test_a_daemon_that_restarts_under_a_followed_job_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("hanota.cli.client.following.LOOK_INTERVAL", 0.01)
    progress = {"percentage": 50.0, "octets": 32768, "total": 65536, "rate": 1937.4, "seconds_left": 3725.0}
    answers: Iterator[httpx.Response | httpx.HTTPError] = iter(
        [
            httpx.Response(200, json={"jobs": [job(progress=progress)]}),
            httpx.ConnectError("refused"),
            httpx.Response(503, json={"error": "draining"}),
            httpx.Response(200, json={"jobs": []}),
            httpx.Response(200, json=job(state="activated", ended=True)),
        ]
    )

    def answer(_: httpx.Request) -> httpx.Response:
        following = next(answers)
        if isinstance(following, Exception):
            raise following
        return following

    async with Connection(SETTINGS, transport=httpx.MockTransport(answer)) as connection:
        await follow_jobs(connection, [1])
    told = capsys.readouterr().err
    assert "50 %, 1,937 octets/s, 1 h 2 min left" in told
    assert "trying again" in told
    assert "activated" in told


async def test_a_followed_job_that_is_unknown_to_the_daemon_is_an_error() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/jobs"):
            return httpx.Response(200, json={"jobs": []})
        return httpx.Response(404, json={"error": "no job 1"})

    async with Connection(SETTINGS, transport=httpx.MockTransport(answer)) as connection:
        with pytest.raises(RefusedError, match="no job 1"):
            await follow_jobs(connection, [1])


async def test_a_followed_job_that_ends_badly_is_a_failed_update() -> None:
    ended = job(state="expired", ended=True, reason="time ran out")
    document = {"jobs": [ended]}
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=document))
    async with Connection(SETTINGS, transport=transport) as connection:
        with pytest.raises(UpdateFailedError, match="expired: time ran out"):
            await follow_jobs(connection, [1])


def test_events_are_followed_by_the_command_until_ctrl_c_and_no_longer() -> None:
    with served() as daemon:
        environment = {**os.environ, "HANOTA_TOKEN": TOKENS[next(iter(TOKENS))]}
        command = [sys.executable, "-m", "hanota", "client", "--url", daemon.url, "events"]
        with subprocess.Popen(
            [*command, "--follow", "--after", "0", "--kind", "han", "--json"],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        ) as follower:
            try:
                assert follower.stdout is not None
                daemon.do(daemon.api.lab.joined(PPMID, JobKind.PPMID))
                first = json.loads(follower.stdout.readline())
                daemon.do(daemon.api.lab.joined(HCALCS, JobKind.HCALCS))
                second = json.loads(follower.stdout.readline())
                follower.send_signal(signal.SIGINT)
                assert follower.wait(10) == 130
            finally:
                follower.kill()
    assert [each["device"] for each in (first, second)] == [str(PPMID.eui64), str(HCALCS.eui64)]
    assert second["seq"] > first["seq"]


@virtual
async def test_retries_come_slower_and_slower_up_to_a_limit() -> None:
    settings = ClientSettings("http://127.0.0.1:8079", retry_delay=1, retry_delay_limit=15)
    begun = asyncio.get_running_loop().time()
    streams = Streams(body(said(5)), *[fails(httpx.ConnectError("refused"))] * 6, body(said(6)))
    found = []
    async with (
        Connection(settings, transport=streams) as connection,
        aclosing(follow(connection, 4)) as events,
    ):
        async for event in events:
            found.append(event["seq"])
            if len(found) == 2:
                break
    assert asyncio.get_running_loop().time() - begun == 1 + 2 + 4 + 8 + 15 + 15 + 15
