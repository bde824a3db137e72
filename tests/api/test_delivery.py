"""Documents of the outbox reach service users: in order, each once answered, whatever the receivers do."""

from __future__ import annotations

import asyncio
import logging
from itertools import pairwise
from typing import TYPE_CHECKING

import httpx
import pytest

from hanota.api.delivery_post import tls_context
from hanota.api.delivery_settings import DeliverySettings
from hanota.errors import ConfigError, StoreError
from hanota.hub.events import EventKind
from hanota.store.store import SqliteStore
from tests.api.delivery_support import (
    EPOCH,
    HOSTS,
    OTHER,
    UNREACHABLE,
    USER,
    Receiver,
    User,
    Users,
    delivering,
)
from tests.hub_support import FullDisk, virtual

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from hanota.eui64 import Eui64

HOUR = 3600.0
DAY = 24 * HOUR


def numbered(count: int, first: int = 0) -> list[bytes]:
    return [b"<document %d>" % number for number in range(first, first + count)]


@virtual
async def test_documents_are_delivered_at_once_in_order_and_forgotten() -> None:
    receiver = Receiver()
    async with delivering(receiver) as world:
        world.put(USER, *numbered(40))
        await asyncio.sleep(0.1)

        assert receiver.got(USER) == numbered(40)
        assert world.outbox.outgoing_count() == 0
        delivered = world.of(EventKind.DOCUMENT_DELIVERED)
        assert [event.detail["document"] for event in delivered] == list(range(1, 41))
        assert delivered[0].detail == {
            "document": 1,
            "service_user": str(USER),
            "octets": len(b"<document 0>"),
            "status": 204,
            "attempts": 1,
        }


@virtual
async def test_what_waited_at_the_start_is_delivered() -> None:
    receiver, store = Receiver(), SqliteStore(":memory:")
    async with delivering(receiver, store=store) as world:
        await world.stop()
        world.put(USER, b"kept")

    async with delivering(receiver, store=store):
        await asyncio.sleep(0.1)

    assert receiver.got(USER) == [b"kept"]
    store.close()


@virtual
async def test_a_document_that_no_event_told_of_is_found_within_a_minute() -> None:
    receiver = Receiver()
    async with delivering(receiver) as world:
        await asyncio.sleep(0.1)
        world.outbox.add_outgoing(USER, b"silent", world.clock.now())
        await asyncio.sleep(60)

        assert receiver.got(USER) == [b"silent"]


@virtual
async def test_an_answer_address_down_for_an_hour_gets_everything_afterwards_in_order_each_once() -> None:
    receiver = Receiver()
    receiver.refuse(USER)
    async with delivering(receiver) as world:
        for number in range(60):
            world.put(USER, *numbered(1, number))
            await asyncio.sleep(60)
        assert world.outbox.outgoing_count() == 60
        receiver.listen(USER)
        await asyncio.sleep(300)

        assert receiver.got(USER) == numbered(60)
        assert world.outbox.outgoing_count() == 0
        assert world.of(EventKind.DOCUMENT_GIVEN_UP) == []
        assert len(world.of(EventKind.DOCUMENT_DELIVERED)) == 60


@virtual
async def test_the_delay_between_attempts_doubles_up_to_five_minutes() -> None:
    receiver = Receiver()
    receiver.refuse(USER)
    async with delivering(receiver) as world:
        world.put(USER, b"late")
        await asyncio.sleep(1200)

    times = [at for at, _, _ in receiver.posts]
    delays = [later - earlier for earlier, later in pairwise(times)]
    assert delays == pytest.approx([1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300], abs=0.01)


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (400, {}),
        (404, {}),
        (500, {}),
        (503, {}),
        (301, {"location": "https://supplier.example/new"}),
        (307, {"location": "http://169.254.169.254/"}),
        (304, {}),
    ],
)
def test_whatever_is_not_2xx_is_tried_again_and_a_redirect_is_not_followed(
    status: int, headers: dict[str, str]
) -> None:
    @virtual
    async def run() -> None:
        receiver = Receiver()
        receiver.answer(USER, status, **headers)
        async with delivering(receiver) as world:
            world.put(USER, *numbered(2))
            await asyncio.sleep(0.5)
            assert [post[1:] for post in receiver.posts] == [(HOSTS[USER], b"<document 0>")]
            receiver.listen(USER)
            await asyncio.sleep(2)

            assert receiver.got(USER) == numbered(2)
            assert [event.detail["attempts"] for event in world.of(EventKind.DOCUMENT_DELIVERED)] == [2, 1]

    run()


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_an_answer(status: int) -> None:
    @virtual
    async def run() -> None:
        receiver = Receiver()
        receiver.answer(USER, status)
        async with delivering(receiver) as world:
            world.put(USER, b"taken")
            await asyncio.sleep(100)

        assert len(receiver.posts) == 1

    run()


@virtual
async def test_one_dead_user_does_not_hold_up_another() -> None:
    async def hang(_: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    receiver = Receiver(answers={HOSTS[USER]: hang})
    async with delivering(receiver) as world:
        for number in range(100):
            world.put(USER, *numbered(1, number))
            world.put(OTHER, *numbered(1, number))
            await asyncio.sleep(1)
            assert receiver.got(OTHER) == numbered(number + 1)

        assert world.outbox.outgoing_count(USER) == 100


@virtual
async def test_a_receiver_that_trickles_its_answer_is_given_up_on_in_time_and_tried_again() -> None:
    async def trickle(request: httpx.Request) -> httpx.Response:
        for _ in range(10_000):  # a headers' worth at one octet in 5 s: no single read times out
            await asyncio.sleep(5)
        return httpx.Response(204)

    receiver = Receiver(answers={HOSTS[USER]: trickle})
    async with delivering(receiver) as world:
        world.put(USER, b"patience")
        await asyncio.sleep(40)

        assert [at for at, _, _ in receiver.posts] == pytest.approx([0, 31], abs=0.1)


@virtual
async def test_an_answer_with_an_endless_body_counts_and_is_not_read_to_its_end() -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 1024
            yield bytes(1024)

    async def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=endless())

    receiver = Receiver(answers={HOSTS[USER]: answer})
    async with delivering(receiver) as world:
        world.put(USER, b"first", b"second")
        await asyncio.sleep(1)

        assert receiver.got(USER) == [b"first", b"second"]
        assert read <= 2 * (DeliverySettings().answer_size + 2048)


@virtual
async def test_an_answer_whose_body_never_ends_coming_counts() -> None:
    async def stuck() -> AsyncIterator[bytes]:
        yield b"thanks"
        await asyncio.Event().wait()

    async def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=stuck())

    receiver = Receiver(answers={HOSTS[USER]: answer})
    async with delivering(receiver) as world:
        world.put(USER, b"first", b"second")
        await asyncio.sleep(70)

        assert receiver.got(USER) == [b"first", b"second"]
        assert world.outbox.outgoing_count() == 0


@virtual
async def test_documents_two_days_old_are_given_up_with_an_event_each() -> None:
    receiver = Receiver()
    receiver.refuse(USER)
    async with delivering(receiver) as world:
        world.put(USER, *numbered(40))
        await asyncio.sleep(DAY)
        world.put(USER, b"younger")
        await asyncio.sleep(DAY + HOUR)

        given_up = world.of(EventKind.DOCUMENT_GIVEN_UP)
        assert [event.detail["document"] for event in given_up] == list(range(1, 41))
        assert given_up[0].detail["reason"] == "connection refused"
        assert min(event.at for event in given_up) >= EPOCH + 2 * DAY
        receiver.listen(USER)
        await asyncio.sleep(300)
        assert receiver.got(USER) == [b"younger"]


@virtual
async def test_giving_up_does_not_hurry_the_attempts() -> None:
    receiver = Receiver()
    receiver.refuse(USER)
    async with delivering(receiver, settings=DeliverySettings(keep=1000)) as world:
        world.put(USER, *numbered(100))
        await asyncio.sleep(DAY)

        assert world.outbox.outgoing_count() == 0
        assert len(world.of(EventKind.DOCUMENT_GIVEN_UP)) == 100
    times = [at for at, _, _ in receiver.posts]
    late = [later - earlier for earlier, later in pairwise(times) if earlier > 600]
    assert late
    assert min(late) >= 300


@virtual
async def test_a_user_without_an_answer_address_holds_up_nobody() -> None:
    receiver = Receiver()
    async with delivering(receiver) as world:
        world.put(UNREACHABLE, b"nowhere")
        world.put(USER, b"somewhere")
        await asyncio.sleep(60)

        assert receiver.got(USER) == [b"somewhere"]
        assert world.outbox.outgoing_count(UNREACHABLE) == 1


@virtual
async def test_after_a_restart_the_rest_is_delivered_and_the_delay_stands(tmp_path: Path) -> None:
    receiver, path = Receiver(), str(tmp_path / "hub.db")
    store = SqliteStore(path)
    async with delivering(receiver, store=store) as world:
        world.put(USER, *numbered(3))
        await asyncio.sleep(0.1)
        receiver.refuse(USER)
        world.put(USER, *numbered(3, 3))
        await asyncio.sleep(200)
    store.close()
    attempts = len(receiver.posts)

    store = SqliteStore(path)
    async with delivering(receiver, store=store):
        receiver.listen(USER)
        await asyncio.sleep(10)
        assert len(receiver.posts) == attempts
        await asyncio.sleep(300)
    store.close()

    assert receiver.got(USER) == numbered(6)


@virtual
async def test_a_clock_set_back_delays_an_attempt_by_no_more_than_the_longest_delay() -> None:
    receiver = Receiver()
    async with delivering(receiver) as world:
        outgoing = world.outbox.add_outgoing(USER, b"when", world.clock.now())
        world.outbox.not_delivered(outgoing.seq, 3, world.clock.now() + DAY)
        await asyncio.sleep(301)

        assert receiver.got(USER) == [b"when"]


@virtual
async def test_at_the_end_a_document_under_way_has_the_time_to_be_answered() -> None:
    async def slow(_: httpx.Request) -> httpx.Response:
        await asyncio.sleep(3)
        return httpx.Response(204)

    receiver = Receiver(answers={HOSTS[USER]: slow})
    async with delivering(receiver) as world:
        world.put(USER, b"under way", b"next")
        await asyncio.sleep(1)
        await world.stop()

        assert asyncio.get_running_loop().time() == pytest.approx(3, abs=0.1)
        assert [outgoing.document for outgoing in world.outbox.outgoing(USER, 9)] == [b"next"]


@virtual
async def test_at_the_end_nobody_waits_longer_than_the_grace() -> None:
    async def hang(_: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    receiver = Receiver(answers={HOSTS[USER]: hang})
    receiver.refuse(OTHER)
    async with delivering(receiver) as world:
        world.put(USER, b"never")
        world.put(OTHER, b"refused")
        await asyncio.sleep(10)
        await world.stop()

        assert asyncio.get_running_loop().time() == pytest.approx(15, abs=0.1)
        assert world.outbox.outgoing_count() == 2


@virtual
async def test_what_was_answered_and_cannot_be_noted_is_not_posted_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    receiver, store = Receiver(), FullDisk()
    async with delivering(receiver, store=store) as world:
        world.put(USER, b"once", b"then")
        store.failing = "COMMIT"
        await asyncio.sleep(10)
        assert receiver.got(USER) == [b"once"]
        store.failing = None
        await asyncio.sleep(10)

        assert receiver.got(USER) == [b"once", b"then"]
        assert "the outcome of a delivery cannot be stored: database or disk is full" in caplog.text
    store.close()


@virtual
async def test_a_store_that_cannot_be_read_is_asked_again(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver = Receiver()
    async with delivering(receiver) as world:
        await asyncio.sleep(1)
        working = world.outbox.outgoing_users

        def failing() -> list[Eui64]:
            raise StoreError("disk I/O error")

        monkeypatch.setattr(world.outbox, "outgoing_users", failing)
        world.put(USER, b"later")
        await asyncio.sleep(100)
        assert receiver.posts == []
        monkeypatch.setattr(world.outbox, "outgoing_users", working)
        await asyncio.sleep(60)

        assert receiver.got(USER) == [b"later"]
        assert "the outbox cannot be read: disk I/O error" in caplog.text


@virtual
async def test_a_fault_in_one_delivery_is_logged_and_delivery_begins_again(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Users, eui64: Eui64) -> User:
        raise RuntimeError("a fault of ours")

    receiver = Receiver()
    async with delivering(receiver) as world:
        with monkeypatch.context() as patch:
            patch.setattr(Users, "find", broken)
            world.put(USER, b"in the end")
            await asyncio.sleep(10)
        await asyncio.sleep(60)

        assert receiver.got(USER) == [b"in the end"]
        assert "begins again after a fault" in caplog.text


@virtual
async def test_the_first_failure_is_a_warning_and_the_rest_are_not(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    receiver = Receiver()
    receiver.answer(USER, 500)
    async with delivering(receiver) as world:
        world.put(USER, b"late")
        await asyncio.sleep(HOUR)

    records = [record for record in caplog.records if record.name == "hanota.api.delivery"]
    assert [record.getMessage() for record in records] == [
        f"document 1 to {USER} is not delivered: answered 500; attempt 1"
    ]


@pytest.mark.parametrize(
    "settings",
    [lambda path: DeliverySettings(ca_file=path), lambda path: DeliverySettings(client_certificate=path)],
    ids=["authorities", "client certificate"],
)
@pytest.mark.parametrize("content", [None, "", "-----BEGIN CERTIFICATE-----"])
def test_a_tls_file_that_is_wrong_is_named(
    settings: Callable[[Path], DeliverySettings], content: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "wrong.pem"
    if content is not None:
        path.write_text(content)

    with pytest.raises(ConfigError, match=r"^delivery: .*wrong\.pem: ."):
        tls_context(settings(path))
