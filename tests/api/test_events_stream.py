"""The event stream: resumable by number, bounded, ended with the daemon."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from hanota.api.access import Role
from hanota.api.events_stream import EventStreamSettings
from hanota.api.journal_search import EventFilter, last_number, search
from hanota.api.settings import ApiSettings
from hanota.errors import StoreError
from hanota.hub.events import EventKind, Party
from hanota.hub.jobs import JobKind
from hanota.store.store import SqliteStore
from tests.api_support import bench, following
from tests.hub_parties_support import HCALCS, PPMID
from tests.hub_support import FullDisk, virtual

if TYPE_CHECKING:
    from hanota.hub.journal import Journal
    from tests.api_support import Bench


def happen(api: Bench, times: int = 1, kind: EventKind = EventKind.DEVICE_JOINED) -> None:
    for _ in range(times):
        record(api.lab.journal, kind)


def record(journal: Journal, kind: EventKind) -> None:
    journal.record(kind, Party.DEVICE, Party.HUB, device=PPMID.eui64)


def settings(**events: float) -> ApiSettings:
    return ApiSettings(events=EventStreamSettings(**events))  # type: ignore[arg-type]


@virtual
async def test_a_follower_hears_what_happens_from_now_on_in_order() -> None:
    async with bench() as api:
        happen(api, 5)
        last = last_number(api.lab.store)
        async with following(api.app) as follower:
            assert follower.status == 200
            happen(api, 3)
            await asyncio.sleep(0.1)
            assert follower.numbers == [last + 1, last + 2, last + 3]
            happen(api)
            await asyncio.sleep(0.1)
            assert follower.numbers[-1] == last + 4
            assert f"id: {last + 4}\n" in follower.text
            assert follower.events[0]["kind"] == "han.joined"
            assert "retry: 2000" in follower.text


@virtual
async def test_a_follower_that_comes_back_has_missed_nothing_and_gets_nothing_twice() -> None:
    async with bench() as api:
        happen(api, 350)
        numbers = list(range(1, last_number(api.lab.store) + 1))
        async with following(api.app, "after=0") as follower:
            await asyncio.sleep(0.1)
            assert follower.numbers == numbers
        async with following(api.app, "after=0", last_event_id="200") as follower:
            await asyncio.sleep(0.1)
            assert follower.numbers == numbers[200:]
        async with following(api.app, "after=349", last_event_id="nonsense") as follower:
            await asyncio.sleep(0.1)
            assert follower.numbers == numbers[349:]


@virtual
async def test_an_event_that_comes_while_an_old_page_is_sent_is_not_lost() -> None:
    async with bench(settings=settings(page=2)) as api:
        happen(api, 10)
        taking = asyncio.Event()
        async with following(api.app, "after=0", taking=taking) as follower:
            happen(api, 5)
            taking.set()
            await asyncio.sleep(0.1)
            assert follower.numbers == list(range(1, last_number(api.lab.store) + 1))


@virtual
async def test_only_what_is_meant_is_told_and_its_number_goes_on() -> None:
    async with bench() as api:
        begin = last_number(api.lab.store)
        async with (
            following(api.app, "kind=job.paused&kind=radio") as by_kind,
            following(api.app, f"device={HCALCS.eui64}") as by_device,
            following(api.app, "kind=han,job.resumed") as by_list,
        ):
            happen(api, 2)
            happen(api, 1, EventKind.JOB_PAUSED)
            happen(api, 1, EventKind.JOB_APPROVED)
            happen(api, 1, EventKind.RADIO_STATE)
            await asyncio.sleep(0.1)
            assert [event["kind"] for event in by_kind.events] == ["job.paused", "radio.state"]
            assert by_device.events == []
            assert [event["kind"] for event in by_list.events] == ["han.joined"] * 2
            await asyncio.sleep(20)
            assert f"id: {begin + 5}\n\n" in by_device.text


@virtual
async def test_a_quiet_stream_says_that_it_lives() -> None:
    async with bench(settings=settings(heartbeat=15)) as api, following(api.app) as follower:
        await asyncio.sleep(31)
        assert follower.text.count(": nothing new") == 2


@virtual
async def test_a_follower_that_takes_nothing_is_cut_off_and_costs_no_memory() -> None:
    async with bench(settings=settings(write_timeout=30, clients=1)) as api:
        taking = asyncio.Event()
        async with following(api.app, taking=taking) as stuck:
            happen(api, 1000)
            await asyncio.sleep(29)
            async with following(api.app) as second:
                assert second.status == 503
            await asyncio.sleep(2)
            assert stuck.pieces == []
            async with following(api.app) as second:
                assert second.status == 200


@virtual
async def test_there_are_so_many_followers_and_no_more() -> None:
    async with bench(settings=settings(clients=2)) as api:
        async with following(api.app), following(api.app), following(api.app) as third:
            assert third.status == 503
            assert '"hint"' in third.text
        async with following(api.app) as later:
            assert later.status == 200


@virtual
async def test_streams_end_when_the_daemon_drains() -> None:
    async with bench() as api, following(api.app) as follower:
        happen(api)
        await asyncio.sleep(0.1)
        api.context.draining.set()
        await asyncio.sleep(0.1)
        assert follower.ended
        assert follower.text.endswith(": the daemon stops\n\n")
        async with following(api.app) as late:
            assert late.ended


@virtual
async def test_a_stream_ends_where_the_journal_cannot_be_read(caplog: pytest.LogCaptureFixture) -> None:
    store = FullDisk()
    async with bench(store=store) as api, following(api.app) as follower:
        store.failing = "SELECT"
        await asyncio.sleep(0.1)
        with suppress(StoreError):
            happen(api)
        await asyncio.sleep(20)
        assert follower.ended
        assert "an event stream ends: database or disk is full" in caplog.text
        store.failing = None
    store.close()


@virtual
async def test_a_follower_that_went_away_is_forgotten_by_the_journal() -> None:
    async with bench() as api:
        before = len(api.lab.journal._listeners)
        async with following(api.app):
            assert len(api.lab.journal._listeners) == before + 1
        assert len(api.lab.journal._listeners) == before
        assert len(asyncio.all_tasks()) == 1


@virtual
async def test_who_has_no_token_follows_nothing() -> None:
    async with bench() as api, following(api.app, role=None) as follower:
        assert follower.status == 401


# -- pages -------------------------------------------------------------------------------------------------


@virtual
async def test_the_journal_is_read_in_pages() -> None:
    async with bench() as api:
        happen(api, 10)
        last = last_number(api.lab.store)
        seen: list[int] = []
        after = 0
        while after < last:
            page = await api.get("/events", Role.OBSERVER, params={"after": after, "limit": 4})
            assert page["last"] == last
            seen += [event["seq"] for event in page["events"]]
            after = page["next"]
        assert seen == list(range(1, last + 1))
        newest = await api.get("/events", params={"newest": 3})
        assert [event["seq"] for event in newest["events"]] == [last - 2, last - 1, last]
        assert newest["events"][-1] == api.lab.store.events(after=last - 1)[0].to_json()


@virtual
async def test_a_search_looks_at_so_many_rows_and_says_how_far_it_came() -> None:
    async with bench(settings=ApiSettings(scanned_rows=5, largest_page=2, page=2)) as api:
        happen(api, 12)
        happen(api, 1, EventKind.JOB_PAUSED)
        page = await api.get("/events", params={"kind": "job"})
        assert (page["events"], page["next"]) == ([], 5)
        page = await api.get("/events", params={"kind": "job", "after": page["next"] + 5})
        assert [event["kind"] for event in page["events"]] == ["job.paused"]


@virtual
async def test_the_events_of_one_job_are_found() -> None:
    async with bench() as api:
        api.lab.update(JobKind.HCALCS, HCALCS.eui64)
        api.lab.update(JobKind.PPMID, PPMID.eui64)
        page = await api.get("/events", params={"job": 2})
        assert {event["device"] for event in page["events"]} == {str(PPMID.eui64)}


@pytest.mark.parametrize(
    "query", ["after=-1", "after=x", "after=1e30", "limit=0", "limit=100000", "newest=0", "device=x", "job=x"]
)
def test_a_question_that_cannot_be_meant_is_refused(query: str) -> None:
    @virtual
    async def ask() -> None:
        async with bench() as api:
            response = await api.ask("GET", f"/events?{query}")
            assert response.status_code == 422
            assert query.split("=", maxsplit=1)[0] in response.json()["error"]

    ask()


@pytest.mark.parametrize("events", [0, 1, 2, 3, 7, 8, 9, 100])
def test_the_newest_number_is_found_whatever_was_pruned(events: int) -> None:
    store = SqliteStore(":memory:")
    for _ in range(events):
        store.append_event(
            0, EventKind.DEVICE_JOINED, Party.DEVICE, Party.HUB, device=None, job=None, detail={}
        )
    assert last_number(store) == events
    if events > 3:
        store.database.rows("remove_events", seq=events - 2)
        assert last_number(store) == events
    found, looked = search(store, EventFilter(), after=0, limit=1, scan=10, page=10)
    assert looked == (0 if not events else found[0].seq)
    store.close()
