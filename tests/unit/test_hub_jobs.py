"""The job table: every state meets every trigger, and what may never happen to a job does not."""

from __future__ import annotations

import itertools

import pytest

from hanota.errors import LocalProtocolError
from hanota.hub.events import EventKind
from hanota.hub.job_book import JobBook
from hanota.hub.jobs import TRANSITIONS, Job, JobKind, JobState, Trigger, follow
from hanota.hub.journal import Journal
from hanota.store.store import SqliteStore
from tests.hub_parties_support import EPOCH, HCALCS, HCALCS_IMAGE

ENDS = {
    JobState.ACTIVATED,
    JobState.REJECTED,
    JobState.INVALID_IMAGE,
    JobState.ABORTED,
    JobState.EXPIRED,
    JobState.CANCELLED,
    JobState.FAILED,
}
OPEN = set(JobState) - ENDS
HAVING_THE_IMAGE = [JobState.TRANSFERRED, JobState.HELD, JobState.ACTIVATING]


class Fixed:
    def now(self) -> float:
        return EPOCH


@pytest.mark.parametrize(("state", "trigger"), list(itertools.product(JobState, Trigger)))
def test_a_job_moves_as_the_table_says_or_not_at_all(state: JobState, trigger: Trigger) -> None:
    store = SqliteStore(":memory:")
    journal = Journal(store, Fixed())
    digest = store.put_image(HCALCS_IMAGE.data)
    book = JobBook(store, journal, Fixed())
    job = book.add("request", JobKind.HCALCS, HCALCS.eui64, digest, HCALCS_IMAGE)
    job = _brought_to(book, state)
    told = len(store.events())
    if (target := TRANSITIONS[state].get(trigger)) is None:
        with pytest.raises(LocalProtocolError, match=f"{state} cannot take"):
            book.move(job, trigger)
        target = state
    else:
        assert book.move(job, trigger, "a reason").state is target
    [row] = store.jobs()
    assert row.state is target
    events = store.events()[told:]
    assert [event.detail["state"] for event in events] == ([] if target is state else [target])
    assert {event.kind for event in events} <= {EventKind.JOB_STATE}
    assert book.open_job(HCALCS.eui64) == (None if target in ENDS else row)
    if target in ENDS and target is not state:
        assert row.reason == "a reason"
    store.close()


def _brought_to(book: JobBook, state: JobState) -> Job:
    """Walk the one open job of `book` to `state` by the shortest way the table has."""
    ways: dict[JobState, list[Trigger]] = {JobState.ACCEPTED: []}
    queue = [JobState.ACCEPTED]
    for at in queue:
        for trigger, target in TRANSITIONS[at].items():
            if target not in ways:
                ways[target] = [*ways[at], trigger]
                queue.append(target)
    (job,) = book.open_jobs()
    for trigger in ways[state]:
        job = book.move(job, trigger)
    return job


def test_exactly_the_named_ends_are_ends() -> None:
    assert {state for state in JobState if state.is_end} == ENDS
    assert all(not TRANSITIONS[state] for state in ENDS)


@pytest.mark.parametrize("state", sorted(OPEN))
def test_every_open_job_can_be_cancelled_aborted_refused_and_run_out_of_time(state: JobState) -> None:
    assert follow(state, Trigger.CANCEL) is JobState.CANCELLED
    assert follow(state, Trigger.ABORT) is JobState.ABORTED
    assert follow(state, Trigger.NOT_FOR_DEVICE) is JobState.REJECTED
    assert follow(state, Trigger.EXPIRE) is JobState.EXPIRED


@pytest.mark.parametrize("state", sorted(set(JobState) - {JobState.ACTIVATING}))
def test_no_statement_of_an_outcome_is_taken_before_the_device_was_told_to_activate(state: JobState) -> None:
    for trigger in (Trigger.OUTCOME_SUCCESS, Trigger.OUTCOME_FAILURE, Trigger.HASH_MISMATCH):
        with pytest.raises(LocalProtocolError):
            follow(state, trigger)


@pytest.mark.parametrize("state", HAVING_THE_IMAGE)
@pytest.mark.parametrize("trigger", [Trigger.IMAGE_NOTIFY, Trigger.QUERY, Trigger.BLOCK, Trigger.UPGRADE_END])
def test_what_a_device_asks_late_or_again_takes_no_image_away(state: JobState, trigger: Trigger) -> None:
    assert TRANSITIONS[state].get(trigger, state) is state


def test_a_ppmid_goes_from_accepted_to_activated_without_being_held() -> None:
    way = [
        Trigger.IMAGE_NOTIFY,
        Trigger.QUERY,
        Trigger.BLOCK,
        Trigger.BLOCK,
        Trigger.UPGRADE_END,
        Trigger.TOLD_TO_ACTIVATE,
        Trigger.OUTCOME_SUCCESS,
    ]
    states = list(itertools.accumulate(way, follow, initial=JobState.ACCEPTED))
    assert states[-3:] == [JobState.TRANSFERRED, JobState.ACTIVATING, JobState.ACTIVATED]


def test_an_hcalcs_is_activated_though_the_hub_could_not_tell_it_to_wait() -> None:
    way = [Trigger.UPGRADE_END, Trigger.COMMAND_RELAYED, Trigger.TOLD_TO_WAIT, Trigger.OUTCOME_SUCCESS]
    states = list(itertools.accumulate(way, follow, initial=JobState.ACCEPTED))
    assert states[1:] == [
        JobState.TRANSFERRED,
        JobState.ACTIVATING,
        JobState.ACTIVATING,
        JobState.ACTIVATED,
    ]


def test_an_hcalcs_is_held_until_the_command_and_again_after_a_wrong_hash() -> None:
    way = [
        Trigger.QUERY,
        Trigger.BLOCK,
        Trigger.UPGRADE_END,
        Trigger.TOLD_TO_WAIT,
        Trigger.UPGRADE_END,
        Trigger.TOLD_TO_WAIT,
        Trigger.COMMAND_RELAYED,
        Trigger.HASH_MISMATCH,
        Trigger.COMMAND_RELAYED,
        Trigger.OUTCOME_SUCCESS,
    ]
    states = list(itertools.accumulate(way, follow, initial=JobState.ACCEPTED))
    assert states[4:] == [
        JobState.HELD,
        JobState.HELD,
        JobState.HELD,
        JobState.ACTIVATING,
        JobState.HELD,
        JobState.ACTIVATING,
        JobState.ACTIVATED,
    ]


def test_every_state_can_be_reached_and_every_open_one_left_for_an_end() -> None:
    reached = {JobState.ACCEPTED}
    while new := {target for state in reached for target in TRANSITIONS[state].values()} - reached:
        reached |= new
    assert reached == set(JobState)
    assert all(ENDS & set(TRANSITIONS[state].values()) for state in OPEN)
