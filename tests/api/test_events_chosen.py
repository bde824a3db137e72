"""Events chosen by a reader: the newest of a kind whatever else happened since, and no unknown kind."""

from __future__ import annotations

import pytest

from hanota.api.journal_search import EventFilter, last_number, search_back
from hanota.api.settings import ApiSettings
from hanota.hub.events import EventKind, Party
from hanota.store.store import SqliteStore
from tests.api_support import Bench, bench
from tests.hub_support import virtual


def happen(api: Bench, count: int, kind: EventKind) -> None:
    for _ in range(count):
        api.lab.journal.record(kind, Party.HUB, Party.DEVICE)


@virtual
async def test_the_newest_of_a_kind_are_found_though_others_happened_since() -> None:
    async with bench() as api:
        happen(api, 3, EventKind.JOB_PAUSED)
        happen(api, 300, EventKind.IMAGE_NOTIFY)
        last = last_number(api.lab.store)
        page = await api.get("/events", params={"newest": 2, "kind": "job"})
        assert [event["kind"] for event in page["events"]] == ["job.paused"] * 2
        assert [event["seq"] for event in page["events"]] == [last - 301, last - 300]
        assert (page["next"], page["last"]) == (last, last)
        later = {"newest": 2, "kind": "job", "after": last - 301}
        assert [event["seq"] for event in (await api.get("/events", params=later))["events"]] == [last - 300]


@virtual
async def test_earlier_ones_are_reached_by_the_page_to_the_first_that_is_kept() -> None:
    async with bench(settings=ApiSettings(scanned_rows=7, largest_page=3, page=3)) as api:
        happen(api, 5, EventKind.JOB_PAUSED)
        happen(api, 20, EventKind.IMAGE_NOTIFY)
        happen(api, 1, EventKind.JOB_RESUMED)
        seen: list[str] = []
        query = {"newest": 2, "kind": "job"}
        page = await api.get("/events", params=query)
        while True:
            seen = [event["kind"] for event in page["events"]] + seen
            if page["previous"] <= page["first"]:
                break
            page = await api.get("/events", params={**query, "before": page["previous"]})
        assert seen == ["job.paused"] * 5 + ["job.resumed"]


@virtual
@pytest.mark.parametrize(
    ("kind", "named"),
    [("jobs", "job"), ("job.sate", "job.state"), ("job,jobs", "gbcs"), ("JOB", "job"), ("job.", "job.state")],
)
@pytest.mark.parametrize("path", ["/events", "/events/stream"])
async def test_an_unknown_kind_is_refused_with_those_there_are(path: str, kind: str, named: str) -> None:
    async with bench() as api:
        refused = await api.ask("GET", path, params={"kind": kind})
        assert refused.status_code == 422
        body = refused.json()
        assert kind.rpartition(",")[2] in body["error"]
        assert named in body["hint"].replace(",", "").split()


@virtual
async def test_kinds_and_subsystems_may_be_mixed() -> None:
    async with bench() as api:
        happen(api, 1, EventKind.JOB_PAUSED)
        happen(api, 1, EventKind.JOB_RESUMED)
        happen(api, 1, EventKind.IMAGE_NOTIFY)
        page = await api.get("/events", params={"kind": "job.resumed, ota", "newest": 2})
        assert [event["kind"] for event in page["events"]] == ["job.resumed", "ota.image_notify"]


@pytest.mark.parametrize("pruned", [0, 1, 40, 99, 100])
def test_looking_back_ends_where_events_were_pruned(pruned: int) -> None:
    store = SqliteStore(":memory:")
    try:
        for _ in range(100):
            store.append_event(
                0, EventKind.DEVICE_JOINED, Party.DEVICE, Party.HUB, device=None, job=None, detail={}
            )
        store.database.rows("remove_events", seq=pruned)
        found, looked = search_back(store, EventFilter(), after=0, before=101, limit=1000, scan=1000, page=7)
        assert [event.seq for event in found] == list(range(pruned + 1, 101))
        assert looked <= pruned + 1
    finally:
        store.close()
