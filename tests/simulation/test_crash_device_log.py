"""The process is killed at every commit of SR 8.11: whoever is removed leaves, whoever is added may join.

And not for longer than was asked: a window goes on for the time that is left of it.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from hanota.duis.request import HanDeviceLogChange, RequestId, UpdateHanDeviceLog
from hanota.duis.response import GbcsPayload, ResponseMessage
from hanota.emulator.emulation.entries import default_install_code
from hanota.emulator.loop import run_virtual
from hanota.emulator.node import JoinRefusedError
from hanota.gbcs.device_log import AddDeviceResponse, RemoveDeviceResponse
from hanota.gbcs.message import Message
from hanota.gbcs.reference_test_data import HUB, PPMID, SUPPLIER
from hanota.gbcs.usecases import decode_payload
from hanota.hub.events import EventKind
from hanota.hub.jobs import JobKind
from tests.radio_dongles import FAMILIES, ZNP
from tests.radio_support import bench
from tests.simulation.crash_compositions import bare, fresh
from tests.simulation.crash_support import Cut

if TYPE_CHECKING:
    from pathlib import Path

    from tests.radio_dongles import Dongle
    from tests.simulation.crash_support import World

PERIOD = 90
"""Seconds for which a device that was added may join."""
BETWEEN = 5
"""Seconds between a device's tries to join."""
REMOVE = RequestId(SUPPLIER, HUB, 2001)
ADD = RequestId(SUPPLIER, HUB, 2002)
on_each_dongle = pytest.mark.parametrize("dongle", FAMILIES, ids=str)


async def change(world: World, request_id: RequestId) -> None:
    """Send SR 8.11 and see it succeed."""
    adding = request_id is ADD
    await world.ask(
        UpdateHanDeviceLog(
            request_id,
            PPMID,
            HanDeviceLogChange.ADD if adding else HanDeviceLogChange.REMOVE,
            install_code=default_install_code(PPMID) if adding else None,
            join_time_period=PERIOD if adding else None,
        )
    )
    await world.until(lambda: any(document.request_id == request_id for document in world.received))
    (answer,) = [document.body for document in world.received if document.request_id == request_id]
    assert isinstance(answer, ResponseMessage)
    assert isinstance(answer.content, GbcsPayload), "the hub answers itself, and is not gone when it does"
    payload = decode_payload(Message.decode(answer.content.octets))
    assert isinstance(payload, AddDeviceResponse if adding else RemoveDeviceResponse)
    assert payload.succeeded


async def tries_to_join(world: World, seconds: float) -> bool:
    """Have the device try to join for so long, as one that was switched on does; tell whether it did."""
    device = world.devices[PPMID]
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while not device.joined:
                with suppress(JoinRefusedError):
                    await device.join(world.air)
                await asyncio.sleep(BETWEEN)
    return device.joined


async def settled(world: World) -> None:
    while world.process is None:  # noqa: ASYNC110  # killed a moment ago, at the last commit
        await asyncio.sleep(1)
    await asyncio.sleep(5)


async def gone_and_back(dongle: Dongle, folder: Path, cut: Cut | None) -> int:
    """Remove a device and add it again, the process killed once or never; return how many commits it took."""
    async with bare(dongle, fresh(folder), JobKind.PPMID) as world:
        device = world.devices[PPMID]
        world.begin([] if cut is None else [cut])
        await change(world, REMOVE)
        async with asyncio.timeout(60):
            while device.joined:  # noqa: ASYNC110  # it tells nobody
                await asyncio.sleep(1)
        await change(world, ADD)
        assert await tries_to_join(world, PERIOD - 30)
        async with asyncio.timeout(120):
            while world.process is None or not world.process.hub.is_ready(PPMID):  # noqa: ASYNC110  # the same
                await asyncio.sleep(1)
        commits = len(world.commits)
        await settled(world)
        assert world.lives == (1 if cut is None else 2)
        assert world.process is not None
        store = world.process.store
        assert [entry.device for entry in store.devices()] == [PPMID]
        assert set(store.link_keys()) == {PPMID}
        assert (store.join_windows(), store.leaving()) == ({}, {}), "nothing is left to do"
        kinds = [event.kind for event in world.events()]
        assert (kinds.count(EventKind.DEVICE_ADDED), kinds.count(EventKind.DEVICE_REMOVED)) == (2, 1)
        return commits


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_killed_at_any_commit_a_removed_device_leaves_and_an_added_one_joins(
    tmp_path: Path, before: bool
) -> None:
    commits = run_virtual(gone_and_back(ZNP, tmp_path / "whole", None))
    assert commits > 10
    for number in range(1, commits + 1):
        cut = Cut(number, before)
        try:
            run_virtual(gone_and_back(ZNP, tmp_path / str(cut), cut))
        except Exception as error:
            raise AssertionError(f"killed {cut} of {commits}") from error


@on_each_dongle
@pytest.mark.parametrize(
    ("after", "joins"), [(PERIOD - 20, True), (PERIOD + 5, False)], ids=["within", "late"]
)
def test_killed_between_the_commit_and_the_radio_a_window_is_open_for_as_long_as_was_asked(
    dongle: Dongle, tmp_path: Path, after: float, joins: bool
) -> None:
    async def main() -> None:
        async with bare(dongle, fresh(tmp_path / "run"), JobKind.PPMID) as world:
            await change(world, REMOVE)
            await asyncio.sleep(30)
            world.begin([])
            task = asyncio.ensure_future(change(world, ADD))
            while "device_log.added " not in world.history:  # noqa: ASYNC110  # a commit tells nobody
                await asyncio.sleep(0)
            world.kill()
            asked = asyncio.get_running_loop().time()
            await task
            await asyncio.sleep(asked + after - asyncio.get_running_loop().time())
            assert await tries_to_join(world, BETWEEN) is joins
            permitted = [
                event.detail["seconds"]
                for event in world.events()
                if event.kind is EventKind.JOIN_PERMITTED and event.device == PPMID
            ]
            assert permitted[-1] == PERIOD - 2, "after two seconds without a process"

    run_virtual(main())


@on_each_dongle
def test_a_removed_device_whose_short_address_is_not_known_is_looked_for_and_told_to_leave(
    dongle: Dongle,
) -> None:
    """So it is after a restart, until the device says something."""

    async def main() -> None:
        async with bench(dongle) as b:
            await b.joined(PPMID)
            b.radio._peers.displace(PPMID)
            b.listener.admitted.discard(PPMID)
            b.radio.remove(PPMID)
            await b.listener.until(lambda: b.listener.left == [PPMID])

    run_virtual(main())
