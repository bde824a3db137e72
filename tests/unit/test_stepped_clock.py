"""The machine's clock is set, by NTP or by hand: while the hub runs, and between two of its lives.

While it runs nothing follows the machine's clock (`hanota.clock`), and the hub says that it does not. Between
two lives what was noted is of another time; no wait may become longer by that than it can be at all.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING

import pytest

from hanota.api.access import Access, AccessRefusedError, AccessSettings
from hanota.clock import LoopClock, SystemClock
from hanota.daemon.clock_watch import ClockWatch
from hanota.daemon.lag import LagWatch
from hanota.daemon.readiness import ReadinessProbe
from hanota.dcc.audit import AuditTrail
from hanota.emulator.loop import run_virtual
from hanota.hub.events import EventKind, Party
from hanota.hub.jobs import JobKind
from hanota.hub.journal import Journal
from hanota.ota.commands import ImageBlockRequest, UpgradeEndRequest
from hanota.store.audit_store import SqliteAuditStore
from hanota.store.dcc_store import SqliteDccStore
from hanota.store.pruning import DAY, Pruning, PruningSettings
from hanota.store.store import SqliteStore
from hanota.zcl import Status
from tests import hub_support
from tests.api.delivery_support import USER, Receiver, delivering
from tests.api_support import token_settings
from tests.hub_parties_support import EPOCH, HCALCS, PPMID, PPMID_IMAGE
from tests.hub_support import FakeRadio, virtual

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from tests.hub_support import Lab

HOUR = 3600.0
NEW = PPMID_IMAGE.header.image_id


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    with closing(SqliteStore(":memory:")) as opened:
        yield opened


@asynccontextmanager
async def life(path: Path, monkeypatch: pytest.MonkeyPatch, epoch: float = EPOCH) -> AsyncIterator[Lab]:
    """Run a hub and a DCC on a file; at the start the machine's clock shows `epoch` and what has passed."""
    monkeypatch.setattr(hub_support, "EPOCH", epoch)
    with closing(SqliteStore(path)) as opened:
        async with hub_support.lab(store=opened) as made:
            yield made


# -- while the hub runs ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (5 * HOUR, "18000 s ahead of the hub's"),
        (-DAY, "86400 s behind the hub's"),
        (1.0, None),
        (-1.0, None),
    ],
)
def test_a_hub_that_has_not_the_machine_s_time_any_more_is_not_ready(
    monkeypatch: pytest.MonkeyPatch, store: SqliteStore, step: float, words: str | None
) -> None:
    radio = FakeRadio()
    clock = SystemClock()
    probe = ReadinessProbe(
        store.database, radio, LagWatch(1, lambda: None), 5, ClockWatch(clock.behind, limit=30, interval=60)
    )
    before = probe.look().faults
    machine = time.time  # noqa: TID251  # what is stepped
    monkeypatch.setattr(time, "time", lambda: machine() + step)
    faults = [fault for fault in probe.look().faults if fault not in before]
    if words is None:
        assert faults == []
    else:
        [fault] = faults
        assert words in fault
        assert "start hanota again" in fault
    again = ClockWatch(SystemClock().behind, limit=30, interval=60)
    assert again.fault() is None


def test_each_step_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "hanota.daemon.clock_watch")
    ahead = 0.0

    async def main() -> None:
        nonlocal ahead
        watching = asyncio.create_task(ClockWatch(lambda: ahead, limit=30, interval=60).run())
        for ahead in (0.5, 3600.0, 3600.5, -7200.0, 0.0):  # noqa: B007  # what the watch sees
            await asyncio.sleep(600)
        watching.cancel()

    run_virtual(main())
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 3
    assert "3600 s ahead" in told[0]
    assert "7200 s behind" in told[1]
    assert "right again" in told[2]


@pytest.mark.parametrize("step", [DAY, -DAY])
def test_a_step_neither_frees_who_guesses_tokens_nor_locks_him_out_for_longer(
    monkeypatch: pytest.MonkeyPatch, step: float
) -> None:
    passed = 0.0
    monotonic, machine = time.monotonic(), time.time()  # noqa: TID251  # what is stepped
    monkeypatch.setattr(time, "monotonic", lambda: monotonic + passed)
    access = Access(token_settings(), SystemClock(), AccessSettings(failures=1, failures_per_second=0.1))

    def guess() -> int:
        with pytest.raises(AccessRefusedError) as refused:
            access.authenticate("Bearer guess", "192.0.2.1")
        return int(refused.value.status)

    assert [guess(), guess()] == [401, 429]
    monkeypatch.setattr(time, "time", lambda: machine + step)
    assert guess() == 429
    passed = 10.5
    assert guess() == 401


# -- between two lives of the hub --------------------------------------------------------------------------


@pytest.mark.parametrize("step", [-365 * DAY, 365 * DAY])
@virtual
async def test_the_audit_trail_goes_on_whole(store: SqliteStore, step: float) -> None:
    loop = asyncio.get_running_loop()
    kept = SqliteAuditStore(store.database)
    for epoch in (EPOCH, EPOCH + step, EPOCH):
        audit = AuditTrail(kept, LoopClock(loop, epoch))
        audit.record("ada", "activator", "approve_job", "1", "done")
    audit = AuditTrail(kept, LoopClock(loop, EPOCH))
    assert [row.seq for row in audit.rows()] == [1, 2, 3]
    verdict = await audit.verify()
    assert (verdict.rows, verdict.broken) == (3, None)


@pytest.mark.parametrize("step", [-DAY, DAY])
@virtual
async def test_who_waits_for_a_device_s_answer_is_told_in_time_that_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: float
) -> None:
    path = tmp_path / "hub.sqlite"
    async with life(path, monkeypatch) as made:
        await made.joined(HCALCS, JobKind.HCALCS)
        _ = made.read_version(HCALCS.eui64)
        await asyncio.sleep(1)
    async with life(path, monkeypatch, EPOCH + step) as made:
        await asyncio.sleep(601)
        [returned] = made.of(EventKind.RESPONSE_RETURNED)
        assert "no response within 600 s" in str(returned.detail["outcome"])
        assert made.dcc_store.commands() == []


@pytest.mark.parametrize("step", [-DAY, DAY])
@virtual
async def test_a_download_that_failed_is_offered_again_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: float
) -> None:
    path = tmp_path / "hub.sqlite"
    async with life(path, monkeypatch) as made:
        made.hub.distribute("of the bench", JobKind.PPMID, PPMID_IMAGE.data, [PPMID.eui64])
        made.ask(PPMID.eui64, ImageBlockRequest(NEW, 0, 48))
        await asyncio.sleep(1)
        made.ask(PPMID.eui64, UpgradeEndRequest(Status.ABORT, NEW))
        await asyncio.sleep(1)
        assert (made.state(PPMID.eui64), made.job(PPMID.eui64).failures) == ("accepted", 1)
    async with life(path, monkeypatch, EPOCH + step) as made:
        await asyncio.sleep(HOUR + 1)
        assert made.state(PPMID.eui64) == "notified"


@virtual
async def test_documents_of_long_ago_are_not_given_up_because_the_address_is_down_at_first(
    store: SqliteStore,
) -> None:
    """The clock was set ahead by a week meanwhile, or the hub was off for one."""
    receiver = Receiver()
    receiver.refuse(USER)
    dcc_store = SqliteDccStore(store.database)
    for document in (b"first", b"second"):
        outgoing = dcc_store.add_outgoing(USER, document, EPOCH - 7 * DAY)
        dcc_store.not_delivered(outgoing.seq, 300, EPOCH - 7 * DAY)
    async with delivering(receiver, store=store) as world:
        await asyncio.sleep(60)
        assert world.of(EventKind.DOCUMENT_GIVEN_UP) == []
        receiver.listen(USER)
        await asyncio.sleep(300)
        assert receiver.got(USER) == [b"first", b"second"]


@virtual
async def test_documents_of_long_ago_are_given_up_when_the_address_stays_down(store: SqliteStore) -> None:
    receiver = Receiver()
    receiver.refuse(USER)
    SqliteDccStore(store.database).add_outgoing(USER, b"old", EPOCH - 7 * DAY)
    async with delivering(receiver, store=store) as world:
        await asyncio.sleep(HOUR)
        [given_up] = world.of(EventKind.DOCUMENT_GIVEN_UP)
        assert given_up.detail["attempts"] == 10


@virtual
async def test_a_ppmid_that_says_nothing_of_its_activation_is_given_up_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "hub.sqlite"
    async with life(path, monkeypatch) as made:
        await made.told_to_activate()
    async with life(path, monkeypatch, EPOCH - 7 * DAY) as made:
        assert made.state(PPMID.eui64) == "activating"
        await asyncio.sleep(26 * HOUR)
        assert made.state(PPMID.eui64) == "expired"


def record(store: SqliteStore, at: float) -> None:
    store.append_event(
        at, EventKind.TRANSFER_PROGRESS, Party.DEVICE, Party.HUB, device=None, job=None, detail={}
    )


@pytest.mark.parametrize("ahead", [3, 30])
def test_events_of_a_time_to_come_do_not_keep_the_journal_from_being_pruned(
    store: SqliteStore, ahead: int
) -> None:
    """The clock was a year ahead once; `rows` of one step are 10."""
    for _ in range(ahead):
        record(store, EPOCH + 365 * DAY)
    for days in (20, 15, 1):
        record(store, EPOCH - days * DAY)
    settings = PruningSettings(events_days=10, rows=10)

    async def main() -> None:
        clock = LoopClock(asyncio.get_running_loop(), EPOCH)
        await Pruning(store.database, Journal(store, clock), clock, settings).prune()

    run_virtual(main())
    kept = [event for event in store.events() if event.kind is EventKind.TRANSFER_PROGRESS]
    assert [event.at for event in kept] == [EPOCH - DAY]


def test_events_of_a_time_to_come_are_kept_while_nothing_after_them_is_old(store: SqliteStore) -> None:
    for at in (EPOCH + DAY, EPOCH + DAY, EPOCH - DAY, EPOCH - 20 * DAY):
        record(store, at)

    async def main() -> None:
        clock = LoopClock(asyncio.get_running_loop(), EPOCH)
        settings = PruningSettings(events_days=10, rows=1)
        await Pruning(store.database, Journal(store, clock), clock, settings).prune()

    run_virtual(main())
    assert len(store.events()) == 4
