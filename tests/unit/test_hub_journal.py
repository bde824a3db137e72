"""The journal: one order for all who listen, and nothing told that was not kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hanota.errors import StoreError, VerificationError
from hanota.hub.events import Event, EventKind, Party
from hanota.hub.job_book import JobBook
from hanota.hub.jobs import JobKind, JobState, Trigger
from hanota.hub.journal import Journal
from tests.hub_parties_support import EPOCH, HCALCS, HCALCS_IMAGE, PPMID
from tests.hub_support import FullDisk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Fixed:
    def now(self) -> float:
        return EPOCH


@pytest.fixture
def store() -> Iterator[FullDisk]:
    store = FullDisk()
    yield store
    store.close()


@pytest.fixture
def journal(store: FullDisk) -> Journal:
    return Journal(store, Fixed())


def note(journal: Journal, text: str = "") -> Event:
    return journal.record(
        EventKind.DEVICE_JOINED, Party.DEVICE, Party.HUB, device=PPMID.eui64, detail={"text": text}
    )


def fail_within(journal: Journal, do: Callable[[], object]) -> None:
    """Do something in a transaction, then fail in a block within it."""
    with journal.transaction():
        do()
        with journal.transaction():
            raise VerificationError("forged")


def test_every_listener_hears_every_event_in_the_order_of_seq_though_one_records_more(
    journal: Journal, store: FullDisk
) -> None:
    heard: dict[str, list[int]] = {"first": [], "second": [], "third": []}

    def echo(event: Event) -> None:
        heard["second"].append(event.seq)
        if event.detail["text"]:
            note(journal, str(event.detail["text"])[1:])

    journal.subscribe(lambda event: heard["first"].append(event.seq))
    journal.subscribe(echo)
    journal.subscribe(lambda event: heard["third"].append(event.seq))
    note(journal, "aaa")
    note(journal)
    order = [event.seq for event in store.events()]
    assert len(order) == 5
    assert heard == {"first": order, "second": order, "third": order}


def test_events_of_a_transaction_are_told_together_after_it_has_committed(
    journal: Journal, store: FullDisk
) -> None:
    heard: list[Event] = []
    journal.subscribe(heard.append)
    with journal.transaction():
        note(journal, "one")
        with journal.transaction():
            note(journal, "two")
        assert heard == []
    assert heard == store.events()
    assert [event.detail["text"] for event in heard] == ["one", "two"]


def test_nothing_of_a_transaction_that_fails_is_kept_or_told(journal: Journal, store: FullDisk) -> None:
    heard: list[Event] = []
    journal.subscribe(heard.append)
    note(journal, "before")

    def fail() -> None:
        with journal.transaction():
            note(journal, "lost")
            store.failing = "INSERT INTO event"
            note(journal, "lost, too")

    with pytest.raises(StoreError, match="full"):
        fail()
    store.failing = None
    note(journal, "after")
    assert [event.detail["text"] for event in heard] == ["before", "after"]
    assert heard == store.events()
    assert heard[0].seq < heard[1].seq


def test_nothing_is_told_when_the_commit_itself_fails(journal: Journal, store: FullDisk) -> None:
    heard: list[Event] = []
    journal.subscribe(heard.append)
    store.failing = "COMMIT"
    with pytest.raises(StoreError):
        note(journal, "lost")
    store.failing = None
    note(journal, "kept")
    assert [event.detail["text"] for event in heard] == ["kept"]


def test_a_failure_within_comes_out_as_it_is(journal: Journal) -> None:
    undone: list[str] = []
    journal.on_rollback(lambda: undone.append("undone"))
    with pytest.raises(VerificationError, match="forged"):
        fail_within(journal, lambda: note(journal))
    assert undone == ["undone"]  # once, when all of it is over


def test_memory_is_put_right_after_a_rollback_within_a_rollback(journal: Journal, store: FullDisk) -> None:
    book = JobBook(store, journal, Fixed())
    digest = store.put_image(HCALCS_IMAGE.data)
    job = book.add("request", JobKind.HCALCS, HCALCS.eui64, digest, HCALCS_IMAGE)
    with pytest.raises(VerificationError, match="forged"):
        fail_within(journal, lambda: book.move(job, Trigger.CANCEL))
    assert book.open_job(HCALCS.eui64) == job


def test_who_hears_of_a_move_finds_the_job_moved(journal: Journal, store: FullDisk) -> None:
    book = JobBook(store, journal, Fixed())
    digest = store.put_image(HCALCS_IMAGE.data)
    found: list[JobState | None] = []

    def look(_: Event) -> None:
        job = book.open_job(HCALCS.eui64)
        found.append(None if job is None else job.state)

    journal.subscribe(look)
    job = book.add("request", JobKind.HCALCS, HCALCS.eui64, digest, HCALCS_IMAGE)
    job = book.move(job, Trigger.IMAGE_NOTIFY)
    book.move(job, Trigger.CANCEL)
    assert found == [JobState.ACCEPTED, JobState.NOTIFIED, None]


# -- effects -----------------------------------------------------------------------------------------------


def test_an_effect_waits_for_the_outermost_commit_and_for_the_listeners(journal: Journal) -> None:
    happened: list[str] = []
    journal.subscribe(lambda _: happened.append("told"))
    with journal.transaction():
        with journal.transaction():
            journal.after_commit(lambda: happened.append("effect"))
            note(journal)
        assert happened == []
    assert happened == ["told", "effect"]


def test_without_a_transaction_an_effect_comes_at_once(journal: Journal) -> None:
    happened: list[str] = []
    journal.after_commit(lambda: happened.append("effect"))
    assert happened == ["effect"]


def test_no_effect_comes_of_a_transaction_that_keeps_nothing(journal: Journal) -> None:
    happened: list[str] = []
    with pytest.raises(VerificationError):
        fail_within(journal, lambda: journal.after_commit(lambda: happened.append("effect")))
    note(journal)
    assert happened == []


def test_an_effect_may_have_a_transaction_and_effects_of_its_own(journal: Journal) -> None:
    happened: list[str] = []

    def first() -> None:
        with journal.transaction():
            journal.after_commit(lambda: happened.append("third"))
            note(journal)
        happened.append("first")

    with journal.transaction():
        journal.after_commit(first)
        journal.after_commit(lambda: happened.append("second"))
    assert happened == ["first", "second", "third"]


def test_an_effect_that_fails_does_not_take_the_others_with_it(journal: Journal) -> None:
    happened: list[str] = []

    def fail() -> None:
        raise StoreError("the disk is full")

    def transaction() -> None:
        with journal.transaction():
            journal.after_commit(fail)
            journal.after_commit(lambda: happened.append("effect"))

    with pytest.raises(StoreError):
        transaction()
    assert happened == ["effect"]


def test_a_listener_that_ended_hears_no_more(journal: Journal) -> None:
    heard: list[Event] = []
    end = journal.subscribe(heard.append)
    note(journal)
    end()
    note(journal)
    assert len(heard) == 1


def test_an_event_as_json_says_who_what_and_when() -> None:
    event = Event(7, EPOCH, EventKind.JOB_STATE, Party.HUB, Party.DCC, PPMID.eui64, 3, {"state": "held"})
    assert event.to_json() == {
        "seq": 7,
        "at": "2027-01-15T08:00:00.000Z",
        "kind": "job.state",
        "from": "hub",
        "to": "DCC",
        "device": str(PPMID.eui64),
        "job": 3,
        "state": "held",
    }
