"""What is old goes, in order and a little at a time; what something open needs stays, however old."""

from __future__ import annotations

import asyncio
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from hanota.clock import LoopClock
from hanota.dcc.ports import CommandState, HandledRequest
from hanota.duis.request import CommandVariant, RequestId, ServiceReference
from hanota.emulator.loop import run_virtual
from hanota.errors import ConfigError, StoreError
from hanota.eui64 import Eui64
from hanota.hub.events import EventKind, Party
from hanota.hub.image_library import ImageLibrary
from hanota.hub.jobs import JobKind, JobState
from hanota.hub.journal import Journal
from hanota.store.dcc_store import SqliteDccStore
from hanota.store.pruning import DAY, Pruning, PruningSettings
from hanota.store.store import SqliteStore
from tests.hub_parties_support import EPOCH, image
from tests.hub_support import FullDisk, virtual

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hanota.hub.jobs import Job
    from hanota.store.pruning import Pruned

SUPPLIER, BROKER, PPMID, HCALCS = (Eui64(bytes((0,) * 7 + (number,))) for number in (1, 2, 3, 4))
KEPT = PruningSettings(events_days=10, jobs_days=10, images_days=10, requests_days=10)
OLD, YOUNG = EPOCH - 11 * DAY, EPOCH - 9 * DAY


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    with closing(SqliteStore(":memory:")) as opened:
        yield opened


def prune(store: SqliteStore, settings: PruningSettings = KEPT) -> Pruned:
    async def main() -> Pruned:
        clock = LoopClock(asyncio.get_running_loop(), EPOCH)
        return await Pruning(store.database, Journal(store, clock), clock, settings).prune()

    return run_virtual(main())


def record(store: SqliteStore, at: float, job: int | None = None) -> int:
    return store.append_event(
        at, EventKind.TRANSFER_PROGRESS, Party.DEVICE, Party.HUB, device=PPMID, job=job, detail={}
    ).seq


def request_id(counter: int, target: Eui64 = BROKER) -> RequestId:
    return RequestId(SUPPLIER, target, counter)


def add_job(
    store: SqliteStore,
    at: float,
    state: JobState,
    device: Eui64 = PPMID,
    counter: int = 1,
    data: bytes = b"image",
) -> Job:
    job = store.add_job(
        request_id=str(request_id(counter)),
        kind=JobKind.PPMID,
        device=device,
        image=store.put_image(data),
        firmware_version=bytes(4),
        manufacturer_image_hash=bytes(32),
        at=at,
    )
    moved = replace(job, state=state, updated=at)
    store.update_job(moved)
    return moved


def handled(store: SqliteStore, counter: int, at: float, originator: Eui64 = SUPPLIER) -> None:
    SqliteDccStore(store.database).add_request(
        HandledRequest(
            RequestId(originator, BROKER, counter),
            ServiceReference.READ_FIRMWARE_VERSION,
            CommandVariant.COMMAND,
            None,
            bytes(32),
            at,
            b"answer",
        )
    )


def counters(store: SqliteStore, originator: Eui64 = SUPPLIER, up_to: int = 20) -> list[int]:
    """The counters whose requests are still answered as they were."""
    dcc = SqliteDccStore(store.database)
    return [counter for counter in range(1, up_to) if dcc.requests(originator, counter)]


def test_old_events_go_and_the_journal_tells_how_many(store: SqliteStore) -> None:
    for _ in range(5):
        record(store, OLD)
    record(store, YOUNG)

    assert prune(store).events == 5

    young, told = store.events()
    assert (young.seq, young.at) == (6, YOUNG)
    assert told.kind is EventKind.STORE_PRUNED
    assert told.detail == {"events": 5, "jobs": 0, "images": 0, "requests": 0}


def test_a_reader_who_resumes_where_events_are_gone_sees_it_by_the_first_seq(store: SqliteStore) -> None:
    for at in (OLD, OLD, OLD, YOUNG, YOUNG):
        record(store, at)
    prune(store)

    assert [event.seq for event in store.events(after=1)] == [4, 5, 6], "2 and 3 are gone"
    assert [event.seq for event in store.events(after=3)] == [4, 5, 6], "nothing is missing"


def test_a_journal_of_which_all_is_old_keeps_counting(store: SqliteStore) -> None:
    for _ in range(3):
        record(store, OLD)
    prune(store)

    (told,) = store.events()
    assert (told.kind, told.seq) == (EventKind.STORE_PRUNED, 4)


def test_events_after_a_young_one_stay_though_the_clock_went_back(store: SqliteStore) -> None:
    for at in (OLD, YOUNG, OLD):
        record(store, at)

    assert prune(store).events == 1
    assert [event.seq for event in store.events()][:2] == [2, 3]


def test_where_nothing_is_old_nothing_is_written(store: SqliteStore) -> None:
    record(store, YOUNG)
    add_job(store, YOUNG, JobState.ACTIVATED)
    handled(store, 1, YOUNG)

    prune(store)

    assert [event.seq for event in store.events()] == [1]


def test_more_than_one_transaction_holds_goes_in_several(store: SqliteStore) -> None:
    for _ in range(1001):
        record(store, OLD)
    statements: list[str] = []
    store.database._connection.set_trace_callback(statements.append)

    assert prune(store).events == 1001

    assert statements.count("COMMIT") == 7, "six of at most 200 rows, and one that tells of it"
    assert [event.kind for event in store.events()] == [EventKind.STORE_PRUNED]


def test_ended_jobs_go_with_their_events_but_the_newest_of_each_device_stays(store: SqliteStore) -> None:
    jobs = [add_job(store, OLD, JobState.ACTIVATED) for _ in range(3)]
    other = add_job(store, OLD, JobState.CANCELLED, HCALCS)
    for job in jobs:
        record(store, OLD, job.id)

    assert prune(store).jobs == 2
    assert list(store.jobs()) == [jobs[2], other]


def test_an_ended_job_stays_as_long_as_an_event_is_about_it(store: SqliteStore) -> None:
    job = add_job(store, OLD, JobState.ACTIVATED)
    newest = add_job(store, YOUNG, JobState.ACTIVATED)
    record(store, YOUNG, job.id)

    assert prune(store).jobs == 0
    assert list(store.jobs()) == [job, newest]


@pytest.mark.parametrize("state", [state for state in JobState if not state.is_end])
def test_an_open_job_stays_whatever_its_age_with_its_image_and_its_request(
    store: SqliteStore, state: JobState
) -> None:
    job = add_job(store, OLD, state, counter=3, data=b"held for months")
    add_job(store, OLD, JobState.ACTIVATED, counter=4, data=b"ended")
    for counter in (2, 3, 4, 5):
        handled(store, counter, OLD)

    pruned = prune(store)

    assert job in store.jobs()
    assert store.image(job.image) == b"held for months"
    assert counters(store) == [3, 5], "the job's, and the highest"
    assert (pruned.jobs, pruned.requests) == (0, 2)


def test_the_highest_counter_of_each_originator_stays_so_that_nothing_is_done_twice(
    store: SqliteStore,
) -> None:
    for counter in (1, 2, 9):
        handled(store, counter, OLD)
    handled(store, 1, OLD, HCALCS)

    assert prune(store).requests == 2
    assert counters(store) == [9]
    assert counters(store, HCALCS) == [1]


def test_requests_of_commands_and_pre_commands_under_way_stay(store: SqliteStore) -> None:
    dcc = SqliteDccStore(store.database)
    for counter in (1, 2, 3, 4):
        handled(store, counter, OLD)
    command = dcc.add_command(request_id(1), ServiceReference.ACTIVATE_FIRMWARE, b"octets", YOUNG)
    dcc.update_command(replace(command, state=CommandState.DELIVERED))
    dcc.add_pre_command(bytes(32), request_id(2), OLD, keep=10)

    assert prune(store).requests == 1
    assert counters(store) == [1, 2, 4]


def test_documents_that_wait_for_delivery_counters_and_devices_are_never_pruned(store: SqliteStore) -> None:
    dcc = SqliteDccStore(store.database)
    waiting = dcc.add_outgoing(SUPPLIER, b"document", OLD)
    store.raise_counter("alert", PPMID, 7)

    prune(store)

    assert list(dcc.outgoing(SUPPLIER)) == [waiting]
    assert store.counter("alert", PPMID) == 7


@virtual
async def test_an_image_goes_when_it_was_retired_and_no_job_names_it() -> None:
    clock = LoopClock(asyncio.get_running_loop(), OLD)
    with closing(SqliteStore(":memory:")) as store:
        journal = Journal(store, clock)
        library = ImageLibrary(store, journal, clock)
        kept, named, gone = (
            library.add(image(JobKind.PPMID, number).data, JobKind.PPMID) for number in (1, 2, 3)
        )
        add_job(store, OLD, JobState.ACTIVATED, data=image(JobKind.PPMID, 2).data)
        for retired in (named, gone):
            library.retire(retired.digest)
        assert {held.digest for held in store.library_images()} == {kept.digest, named.digest, gone.digest}

        now = LoopClock(asyncio.get_running_loop(), EPOCH)
        pruned = await Pruning(store.database, journal, now, KEPT).prune()

        assert pruned.images == 1
        assert {held.digest for held in store.library_images()} == {kept.digest, named.digest}
        assert store.image(kept.digest) == image(JobKind.PPMID, 1).data
        with pytest.raises(StoreError, match="no image"):
            store.image(gone.digest)
        assert library.add(image(JobKind.PPMID, 3).data, JobKind.PPMID).retired is None


def test_a_full_disk_in_the_middle_leaves_whole_transactions_and_the_rest_goes_later() -> None:
    with closing(FullDisk()) as store:
        for _ in range(300):
            record(store, OLD)
        store.failing = "DELETE FROM event WHERE seq <= :seq"
        with pytest.raises(StoreError, match="disk is full"):
            prune(store)
        assert len(store.events(limit=1000)) == 300

        store.failing = None
        assert prune(store).events == 300


@virtual
async def test_the_daemons_pruning_goes_on_after_a_store_that_failed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    loop = asyncio.get_running_loop()
    with closing(FullDisk()) as store:
        record(store, OLD)
        clock = LoopClock(loop, EPOCH)
        task = loop.create_task(Pruning(store.database, Journal(store, clock), clock, KEPT).run())
        store.failing = "COMMIT"
        await asyncio.sleep(1)
        assert "disk is full" in caplog.text
        store.failing = None
        await asyncio.sleep(KEPT.interval)
        task.cancel()

        assert [event.kind for event in store.events()] == [EventKind.STORE_PRUNED]


@virtual
async def test_what_went_before_the_daemon_was_stopped_is_told() -> None:
    loop = asyncio.get_running_loop()
    with closing(SqliteStore(":memory:")) as store:
        for _ in range(1000):
            record(store, OLD)
        clock = LoopClock(loop, EPOCH)
        task = loop.create_task(Pruning(store.database, Journal(store, clock), clock, KEPT).run())
        await asyncio.sleep(KEPT.pause * 1.5)
        task.cancel()
        await asyncio.wait([task])

        assert store.events(limit=2000)[-1].detail["events"] == 400


@pytest.mark.parametrize(
    "wrong", [{"events_days": 0}, {"jobs_days": -1}, {"rows": 0}, {"requests_days": 0.5}, {"interval": 0}]
)
def test_settings_that_would_remove_what_is_in_use_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        PruningSettings(**wrong)  # type: ignore[arg-type]
