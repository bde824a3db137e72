"""The app behind the daemon's own HTTP server, on a real socket."""

from __future__ import annotations

import asyncio

import httpx

from hanota.api.access import Role
from hanota.config.settings import ApiSection
from hanota.daemon.server import HttpServer
from hanota.hub.events import EventKind, Party
from tests.api_support import API, bearer, bench


async def test_events_are_followed_over_a_socket_until_the_daemon_drains() -> None:
    async with bench() as api:
        server = HttpServer(api.app, ApiSection(port=0), drain=5)
        await server.start()
        try:
            async with httpx.AsyncClient(base_url=server.url, headers=bearer(Role.OBSERVER)) as client:
                assert (await client.get(f"{API}/hub")).json()["role"] == "observer"
                async with client.stream("GET", f"{API}/events/stream") as stream:
                    assert stream.headers["content-type"].startswith("text/event-stream")
                    api.lab.journal.record(EventKind.DEVICE_JOINED, Party.DEVICE, Party.HUB)
                    lines = stream.aiter_lines()
                    async with asyncio.timeout(5):
                        async for line in lines:
                            if line.startswith("data: "):
                                break
                    assert '"han.joined"' in line
                    api.context.draining.set()
                    async with asyncio.timeout(5):
                        rest = [line async for line in lines]
                    assert ": the daemon stops" in rest
        finally:
            async with asyncio.timeout(5):
                await server.stop()


async def test_a_client_that_vanishes_leaves_no_stream_behind() -> None:
    async with bench() as api:
        server = HttpServer(api.app, ApiSection(port=0), drain=5)
        await server.start()
        listeners = len(api.lab.journal._listeners)
        try:
            async with (
                httpx.AsyncClient(base_url=server.url, headers=bearer(Role.OBSERVER)) as client,
                client.stream("GET", f"{API}/events/stream"),
            ):
                assert len(api.lab.journal._listeners) == listeners + 1
            async with asyncio.timeout(5):
                while len(api.lab.journal._listeners) > listeners:  # noqa: ASYNC110  # nobody tells
                    await asyncio.sleep(0.01)
        finally:
            api.context.draining.set()
            await server.stop()
