"""Whoever resumes where events are gone is told so, whatever of them was meant."""

from __future__ import annotations

import asyncio

import pytest

from hanota.cli.client.stream import EventParser
from hanota.hub.events import EventKind, Party
from hanota.store.pruning import DAY, Pruning, PruningSettings
from tests.api_support import Bench, bench, following
from tests.hub_support import virtual

GONE = 20


async def prune(api: Bench) -> int:
    """Have events happen, some of them pruned, and return the number of the first that is kept."""
    journal = api.lab.journal
    for _ in range(GONE):
        journal.record(EventKind.DEVICE_JOINED, Party.DEVICE, Party.HUB)
    await asyncio.sleep(2 * DAY)
    journal.record(EventKind.DEVICE_LEFT, Party.DEVICE, Party.HUB)
    settings = PruningSettings(events_days=1)
    await Pruning(api.lab.store.database, journal, api.lab.clock, settings).prune()
    first = api.lab.store.events()[0].seq
    assert first > GONE
    return first


@virtual
@pytest.mark.parametrize("query", ["", "&kind=job"])
async def test_a_follower_hears_from_where_on_the_journal_is_kept(query: str) -> None:
    async with bench() as api:
        first = await prune(api)
        async with following(api.app, f"after={GONE // 2}{query}") as follower:
            await asyncio.sleep(0.1)
            assert f'event: pruned\ndata: {{"first": {first}}}\n\n' in follower.text


@virtual
async def test_a_follower_to_whom_nothing_is_missing_hears_nothing_of_it() -> None:
    async with bench() as api:
        first = await prune(api)
        async with following(api.app, f"after={first - 1}") as follower:
            await asyncio.sleep(0.1)
            assert follower.numbers[0] == first
            assert "pruned\n" not in follower.text


@virtual
async def test_a_page_names_the_first_event_that_is_kept() -> None:
    async with bench() as api:
        first = await prune(api)
        page = await api.get("/events", params={"after": 1, "kind": "job"})
        assert page["first"] == first


def test_the_client_takes_no_message_about_the_stream_for_an_event() -> None:
    parser = EventParser("3")
    lines = ["event: pruned", 'data: {"first": 9}', "", "id: 9", 'data: {"seq": 9}', ""]

    assert [data for data in map(parser.feed, lines) if data is not None] == ['{"seq": 9}']
    assert parser.last_id == "9"
