"""What the radio has to do of a Device Log change is done over restarts, a window for the time left of it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from hanota.clock import LoopClock
from hanota.errors import RadioError
from hanota.hub.admission import LEAVE_PATIENCE
from hanota.hub.events import EventKind
from hanota.hub.hub import Hub
from hanota.hub.journal import Journal
from hanota.hub.ports import DeviceLogEntry, DeviceType, RadioState
from hanota.store.store import SqliteStore
from tests.hub_parties_support import BROKER, EPOCH, HUB, PPMID, hub_trust
from tests.hub_support import FakeRadio, virtual

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from hanota.eui64 import Eui64

DEVICE = PPMID.eui64
CODE = bytes(range(16))
ENTRY = DeviceLogEntry(DEVICE, DeviceType.PPMID, CODE)


class MovableRadio(FakeRadio):
    """A radio that is lost while `lost`."""

    def __init__(self, *, lost: bool = False) -> None:
        super().__init__()
        self.lost = lost

    async def permit_joining(self, device: Eui64, install_code: bytes, seconds: float) -> None:
        if self.lost:
            raise RadioError("the coordinator is lost")
        await super().permit_joining(device, install_code, seconds)


class Uplink:
    def message_received(self, device: Eui64, octets: bytes) -> None: ...
    def message_delivered(self, device: Eui64, octets: bytes) -> None: ...
    def message_undelivered(self, device: Eui64, octets: bytes, reason: str) -> None: ...


@asynccontextmanager
async def running(
    store: SqliteStore, *, lost: bool = False, clock_step: float = 0
) -> AsyncIterator[tuple[Hub, MovableRadio]]:
    """Run one life of a hub on a store, with a clock that was set by `clock_step` before."""
    loop = asyncio.get_running_loop()
    clock = LoopClock(loop, EPOCH + loop.time() + clock_step)
    radio = MovableRadio(lost=lost)
    hub = Hub(
        radio=radio,
        store=store,
        journal=Journal(store, clock),
        clock=clock,
        credentials=HUB,
        broker=BROKER.eui64,
        trust=hub_trust(),
    )
    await hub.start(Uplink())
    try:
        yield hub, radio
    finally:
        await hub.stop()


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    with closing(SqliteStore(":memory:")) as store:
        yield store


def told(store: SqliteStore, kind: EventKind) -> list[object]:
    """Return for how long, or why not, of each event of a kind."""
    events = [event for event in store.events() if event.kind is kind]
    return [event.detail.get("seconds", event.detail.get("reason")) for event in events]


@virtual
async def test_a_window_is_opened_after_a_restart_for_the_time_that_is_left(store: SqliteStore) -> None:
    async with running(store) as (hub, radio):
        hub.admit(ENTRY, 90)
        await asyncio.sleep(30)
        assert radio.permitted == [(DEVICE, CODE, 90)]
    await asyncio.sleep(10)
    async with running(store) as (hub, radio):
        await asyncio.sleep(1)
        assert radio.permitted == [(DEVICE, CODE, 50)]
    assert told(store, EventKind.JOIN_PERMITTED) == [90, 50]
    await asyncio.sleep(60)
    async with running(store) as (hub, radio):
        await asyncio.sleep(1)
        assert radio.permitted == []


@pytest.mark.parametrize(("clock_step", "left"), [(-24 * 3600, 90), (30, 60)], ids=["back", "forward"])
@virtual
async def test_a_clock_that_was_set_back_makes_no_window_longer_than_it_was(
    store: SqliteStore, clock_step: float, left: float
) -> None:
    async with running(store) as (hub, _):
        await hub.add_device(ENTRY, 90)
    async with running(store, clock_step=clock_step) as (_, radio):
        await asyncio.sleep(1)
        assert radio.permitted == [(DEVICE, CODE, left)]


@virtual
async def test_a_hub_that_ends_between_the_row_and_the_radio_opens_the_window_at_its_next_start(
    store: SqliteStore,
) -> None:
    async with running(store) as (hub, radio):
        hub.admit(ENTRY, 90)
        await hub.stop()
        assert radio.permitted == []
    await asyncio.sleep(20)
    async with running(store) as (hub, radio):
        await asyncio.sleep(1)
        assert radio.permitted == [(DEVICE, CODE, 70)]


@virtual
async def test_a_device_that_has_joined_is_not_expected_after_a_restart(store: SqliteStore) -> None:
    async with running(store) as (hub, _):
        await hub.add_device(ENTRY, 90)
        hub.device_joined(DEVICE)
    async with running(store) as (_, radio):
        await asyncio.sleep(1)
        assert radio.permitted == []


@virtual
async def test_a_device_whose_joins_came_to_nothing_is_not_expected_after_a_restart(
    store: SqliteStore,
) -> None:
    async with running(store) as (hub, _):
        await hub.add_device(ENTRY, 90)
        hub.join_window_closed(DEVICE)
    async with running(store) as (_, radio):
        await asyncio.sleep(1)
        assert radio.permitted == []


@virtual
async def test_a_window_that_a_lost_coordinator_did_not_open_is_opened_when_it_is_there_again(
    store: SqliteStore,
) -> None:
    async with running(store, lost=True) as (hub, radio):
        hub.admit(ENTRY, 90)
        await asyncio.sleep(15)
        assert told(store, EventKind.JOIN_NOT_PERMITTED) == ["the coordinator is lost"]
        radio.lost = False
        for _ in range(2):  # the radio keeps a window that it has opened, over its own losses
            hub.radio_state_changed(RadioState.ONLINE, "opened again")
            await asyncio.sleep(5)
        assert radio.permitted == [(DEVICE, CODE, 75)]


@virtual
async def test_whoever_waits_for_a_window_hears_that_it_cannot_be_opened_and_it_is_not_opened_later(
    store: SqliteStore,
) -> None:
    async with running(store, lost=True) as (hub, radio):
        with pytest.raises(RadioError, match="lost"):
            await hub.add_device(ENTRY, 90)
        radio.lost = False
        hub.radio_state_changed(RadioState.ONLINE, "opened again")
        await asyncio.sleep(1)
        assert radio.permitted == []


@virtual
async def test_a_device_that_is_expected_at_a_start_is_let_in_once_with_the_code_it_has_now(
    store: SqliteStore,
) -> None:
    async with running(store) as (hub, radio):
        await hub.add_device(ENTRY, 90)
        hub.expect(replace(ENTRY, install_code=bytes(16)), 3600)
        assert len(radio.permitted) == 1
    async with running(store) as (hub, radio):
        await asyncio.sleep(1)
        assert radio.permitted == [(DEVICE, bytes(16), 3600)]
        assert [entry.install_code for entry in hub.device_log] == [bytes(16)]


@virtual
async def test_a_removed_device_is_told_to_leave_at_each_start_until_it_is_heard_to(
    store: SqliteStore,
) -> None:
    async with running(store) as (hub, radio):
        await hub.add_device(ENTRY, 90)
        hub.remove_device(DEVICE)
        assert radio.removed == [DEVICE]
    async with running(store) as (hub, radio):
        assert radio.removed == [DEVICE]
        assert radio.permitted == []
        hub.radio_state_changed(RadioState.ONLINE, "opened again")
        assert radio.removed == [DEVICE, DEVICE]
        hub.device_left(DEVICE)
    async with running(store) as (_, radio):
        assert radio.removed == []


@virtual
async def test_a_device_that_is_added_again_is_not_told_to_leave(store: SqliteStore) -> None:
    async with running(store) as (hub, _):
        await hub.add_device(ENTRY, 90)
        hub.remove_device(DEVICE)
        hub.admit(ENTRY, 90)
    async with running(store) as (_, radio):
        await asyncio.sleep(1)
        assert radio.removed == []
        assert [device for device, *_ in radio.permitted] == [DEVICE]


@virtual
async def test_a_device_that_was_off_for_a_day_is_not_looked_for_any_more(store: SqliteStore) -> None:
    async with running(store) as (hub, _):
        await hub.add_device(ENTRY, 90)
        hub.remove_device(DEVICE)
    await asyncio.sleep(LEAVE_PATIENCE)
    async with running(store) as (_, radio):
        assert radio.removed == []
    assert store.leaving() == {}
