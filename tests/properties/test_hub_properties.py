"""What holds for the hub wherever it is killed, whenever its store fails, whatever a device sends."""

from __future__ import annotations

import asyncio
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from hanota.emulator.loop import run_virtual
from hanota.errors import HanotaError, LocalProtocolError, StoreError
from hanota.hub.events import EventKind
from hanota.hub.job_book import JobBook
from hanota.hub.jobs import TRANSITIONS, JobKind, JobOptions, JobState, Trigger
from hanota.hub.journal import Journal
from hanota.ota.client_events import Activate, DownloadFailed
from hanota.ota.commands import CommandId
from hanota.store.store import SqliteStore
from hanota.zcl import ClusterId, Direction, Status, ZclFrame
from tests.hub_parties_support import (
    EPOCH,
    HCALCS,
    HCALCS_IMAGE,
    NEIGHBOUR,
    PPMID,
    PPMID_IMAGE,
    activation_alert,
    image,
    outcome,
)
from tests.hub_support import FullDisk, lab

if TYPE_CHECKING:
    from collections.abc import Callable

    from hanota.hub.events import Event
    from tests.hub_support import FakeDevice, Lab

LARGE = image(JobKind.HCALCS, size=3000)
PPMID_ID, HCALCS_ID = PPMID.eui64, HCALCS.eui64
UPGRADE_AFTER = 2 * 3600.0
"""When the PPMID of a campaign is to activate; seconds."""
FAILING = st.sampled_from(
    ["INSERT INTO event", "INSERT INTO counter", "UPDATE job", "INSERT INTO job", "COMMIT"]
)


class Fixed:
    def now(self) -> float:
        return EPOCH


def check_journal(store: SqliteStore) -> None:
    """Check that what the journal tells is a life the table allows, and where each job stands is its end."""
    told: dict[int | None, JobState] = {}
    for event in store.events(limit=100_000):
        if event.kind is not EventKind.JOB_STATE:
            continue
        state = JobState(str(event.detail["state"]))
        before = told.get(event.job)
        assert (state in TRANSITIONS[before].values()) if before else state is JobState.ACCEPTED
        told[event.job] = state
    assert told == {job.id: job.state for job in store.jobs()}


def transfer_alerts(store: SqliteStore) -> list[Event]:
    return [
        event
        for event in store.events(limit=100_000)
        if event.kind is EventKind.DCC_ALERT and event.detail["alert"] == "CommsHubAlert"
    ]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0.001, 2.5), max_size=4))
def test_a_hub_killed_anywhere_finishes_and_does_nothing_twice(lives: list[float]) -> None:
    async def main() -> None:
        with closing(SqliteStore(":memory:")) as store:
            device: FakeDevice | None = None
            for number, life in enumerate([*lives, 7200.0]):
                async with lab(store=store) as made:
                    if device is None:
                        device = made.device(HCALCS, JobKind.HCALCS)
                        made.update(JobKind.HCALCS, HCALCS_ID, file=LARGE)
                    else:
                        made.adopt(device)
                    await asyncio.sleep(life)
                    assert number < len(lives) or made.state(HCALCS_ID) == "held"
            assert device is not None
            assert device.client.image == LARGE.data
            assert not [event for event in device.client.events() if isinstance(event, DownloadFailed)]
            check_journal(store)
            (alert,) = transfer_alerts(store)
            assert alert.detail["outcome"] == "success"

    run_virtual(main())


class Killable(SqliteStore):
    """A store whose process is killed after so many commits: nothing that comes after is done."""

    def __init__(self) -> None:
        self.commits_left: int | None = None
        self.kill: Callable[[], None] = lambda: None
        super().__init__(":memory:")
        run = self._database._run

        def run_or_die(statement: str, values: dict[str, object] | None = None) -> list[tuple[Any, ...]]:
            if self.commits_left == 0:
                self._database._failed = self._database._in_transaction
                raise StoreError("the process is dead")
            rows = run(statement, values)
            if statement == "COMMIT" and self.commits_left is not None:
                self.commits_left -= 1
                if self.commits_left == 0:
                    self.kill()
            return rows

        self._database._run = run_or_die  # type: ignore[method-assign]


async def drive(made: Lab, store: Killable, device: FakeDevice) -> None:
    """Ask for an update that waits for approval and for its time, and approve it, each once."""
    while made.clock.now() < EPOCH + UPGRADE_AFTER + 3600 and store.commits_left != 0:
        jobs = store.jobs()
        if not jobs:
            options = JobOptions(upgrade_at=EPOCH + UPGRADE_AFTER, needs_approval=True)
            made.hub.distribute("campaign", JobKind.PPMID, PPMID_IMAGE.data, [PPMID_ID], options)
        elif jobs[-1].waits_for_approval and made.clock.now() > EPOCH + UPGRADE_AFTER / 2:
            made.hub.approve(PPMID_ID)
        elif jobs[-1].failures:
            device.status = Status.SUCCESS
        await asyncio.sleep(30)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 12), max_size=5), st.booleans())
def test_a_hub_killed_after_any_commit_keeps_hold_approval_and_upgrade_time_and_does_nothing_twice(
    lives: list[int], refused_once: bool
) -> None:
    async def main() -> None:
        device: FakeDevice | None = None
        with closing(Killable()) as store:
            for commits in [*lives, None]:
                store.commits_left = None
                async with lab(store=store) as made:
                    if device is None:
                        device = made.device(PPMID, JobKind.PPMID)
                        device.status = Status.INVALID_IMAGE if refused_once else Status.SUCCESS
                    else:
                        made.adopt(device)
                    store.kill = made.radio.devices.clear
                    store.commits_left = commits
                    with suppress(StoreError):
                        await drive(made, store, device)
            store.commits_left = None
            assert device is not None
            (activated,) = [event for event in device.client.events() if isinstance(event, Activate)]
            assert activated.at >= EPOCH + UPGRADE_AFTER
            assert device.client.image == PPMID_IMAGE.data
            check_journal(store)
            kinds = [event.kind for event in store.events(limit=100_000)]
            assert kinds.count(EventKind.JOB_APPROVED) == 1
            (alert,) = transfer_alerts(store)
            assert alert.detail["outcome"] == "success"

    run_virtual(main())


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(FAILING, st.floats(0.001, 8), st.floats(0.001, 8)), max_size=4))
def test_a_store_that_fails_for_a_while_leaves_memory_and_rows_the_same_and_the_update_ends_well(
    faults: list[tuple[str, float, float]],
) -> None:
    async def main() -> None:
        with closing(FullDisk()) as store:
            async with lab(store=store) as made:
                device = await made.joined(HCALCS, JobKind.HCALCS)
                ppmid = await made.joined(PPMID, JobKind.PPMID)
                made.update(JobKind.HCALCS, HCALCS_ID, file=LARGE)
                made.update(JobKind.PPMID, PPMID_ID)
                for failing, seconds, pause in faults:
                    store.failing = failing
                    with suppress(StoreError):
                        made.update(JobKind.PPMID, PPMID_ID)
                    await asyncio.sleep(seconds)
                    store.failing = None
                    assert list(made.hub.jobs.open_jobs()) == [j for j in store.jobs() if not j.state.is_end]
                    await asyncio.sleep(pause)
                await asyncio.sleep(2 * 3600)
                assert made.state(HCALCS_ID) == "held"
                assert made.state(PPMID_ID) == "activating"
                assert device.client.image == LARGE.data
                ppmid.say(activation_alert())
                await asyncio.sleep(1)
                assert made.state(PPMID_ID) == "activated"
                check_journal(store)
                assert made.events == store.events(limit=100_000)
                assert len([alert for alert in transfer_alerts(store) if alert.device == HCALCS_ID]) == 1

    run_virtual(main())


OTA_COMMANDS = st.sampled_from(list(CommandId))
ZCL_FRAMES = st.builds(
    lambda sequence, command, payload, direction, cluster_specific: ZclFrame(
        sequence, command, payload, direction, cluster_specific
    ).encode(),
    st.integers(0, 255),
    OTA_COMMANDS | st.integers(0, 255),
    st.binary(max_size=30),
    st.sampled_from(Direction),
    st.booleans(),
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([ClusterId.OTA_UPGRADE, ClusterId.TUNNELING, ClusterId.PRICE]),
            st.binary(max_size=60) | ZCL_FRAMES,
        ),
        min_size=1,
        max_size=20,
    )
)
def test_whatever_a_device_sends_harms_no_other_and_brings_about_no_storm(
    frames: list[tuple[ClusterId, bytes]],
) -> None:
    async def main() -> None:
        async with lab() as made:
            hostile = NEIGHBOUR.eui64
            made.update(JobKind.HCALCS, hostile, HCALCS_ID)
            before = len([frame for frame in made.radio.sent if frame.device == hostile])
            for cluster, data in frames:
                made.say(hostile, cluster, data)
            await asyncio.sleep(1)
            answered = len([frame for frame in made.radio.sent if frame.device == hostile]) - before
            # Image Notify and RequestTunnel are the hub's own; a frame is answered with one frame at most.
            assert answered <= len(frames) + 2
            device = await made.joined(HCALCS, JobKind.HCALCS)
            await asyncio.sleep(60)
            response = made.activate()
            await asyncio.sleep(1)
            device.say(outcome(device.messages[-1]))
            await response
            assert made.state(HCALCS_ID) == "activated"
            assert made.state(hostile) != "activated"

    run_virtual(main())


@given(st.lists(st.tuples(st.sampled_from(Trigger), st.none() | FAILING), max_size=30))
def test_memory_and_rows_agree_after_any_moves_and_any_failures(
    steps: list[tuple[Trigger, str | None]],
) -> None:
    with closing(FullDisk()) as store:
        journal = Journal(store, Fixed())
        heard: list[Event] = []
        journal.subscribe(heard.append)
        book = JobBook(store, journal, Fixed())
        digest = store.put_image(HCALCS_IMAGE.data)
        for trigger, failing in steps:
            store.failing = failing
            with suppress(HanotaError):
                job = book.open_job(HCALCS_ID)
                if job is None:
                    job = book.add("request", JobKind.HCALCS, HCALCS_ID, digest, HCALCS_IMAGE)
                with suppress(LocalProtocolError):
                    book.move(job, trigger)
            store.failing = None
            assert list(book.open_jobs()) == [job for job in store.jobs() if not job.state.is_end]
            assert len(book.open_jobs()) <= 1
        assert heard == store.events()
        check_journal(store)
