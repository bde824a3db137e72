"""Back-pressure of a coordinator: whose turn it is when there is room again, and places for image blocks."""

from __future__ import annotations

import asyncio

import pytest

from hanota.radio.block_window import BlockWindow
from hanota.radio.room import Room
from tests.hub_support import virtual

DELAY, PATIENCE = 0.05, 6.4
LOW, HIGH = 0, 1


class Queue:
    """A room, and who went on when."""

    def __init__(self) -> None:
        self.room = Room(DELAY, PATIENCE)
        self.went_on: list[tuple[str, float]] = []
        self._began = asyncio.get_running_loop().time()

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.went_on]

    def wait(self, name: str, priority: int = LOW) -> asyncio.Task[None]:
        return asyncio.get_running_loop().create_task(self._wait(name, priority))

    async def _wait(self, name: str, priority: int) -> None:
        await self.room.wait(priority)
        self.went_on.append((name, asyncio.get_running_loop().time() - self._began))


@virtual
async def test_each_frame_off_the_air_lets_one_go_on_the_urgent_first_and_then_in_order() -> None:
    queue = Queue()
    tasks = [queue.wait("first"), queue.wait("second"), queue.wait("urgent", HIGH)]
    await asyncio.sleep(0)
    for expected in (["urgent"], ["urgent", "first"], ["urgent", "first", "second"]):
        assert queue.room.wanted
        queue.room.free()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert queue.names == expected
    assert not queue.room.wanted
    await asyncio.gather(*tasks)


@virtual
async def test_the_first_tries_by_itself_after_growing_intervals_where_nothing_is_under_way() -> None:
    queue = Queue()
    await asyncio.gather(queue.wait("first"), queue.wait("second"), queue.wait("third"))
    assert [at for _, at in queue.went_on] == pytest.approx([DELAY, 3 * DELAY, 7 * DELAY])


@virtual
async def test_the_turn_of_one_that_gave_up_is_the_next_ones() -> None:
    queue = Queue()
    first, second = queue.wait("first"), queue.wait("second")
    await asyncio.sleep(0)
    queue.room.free()
    first.cancel()
    await asyncio.wait_for(second, DELAY / 2)
    assert queue.names == ["second"]


@virtual
async def test_one_that_gave_up_while_it_waited_takes_nobodys_turn() -> None:
    queue = Queue()
    first, second = queue.wait("first"), queue.wait("second")
    await asyncio.sleep(0)
    first.cancel()
    queue.room.free()
    await asyncio.wait_for(second, DELAY / 2)
    assert queue.names == ["second"]


@virtual
async def test_a_coordinator_is_given_up_when_it_has_got_rid_of_nothing_for_too_long() -> None:
    queue = Queue()
    refused_at = asyncio.get_running_loop().time()
    await asyncio.sleep(PATIENCE - 1)
    queue.room.free()
    await asyncio.sleep(PATIENCE - 1)
    assert not queue.room.exhausted(refused_at)
    await asyncio.sleep(1)
    assert queue.room.exhausted(refused_at)


@virtual
async def test_blocks_get_their_places_in_order_and_a_slow_one_gives_its_own_up() -> None:
    window = BlockWindow(1, 0.1)
    began: list[tuple[str, float]] = []
    loop = asyncio.get_running_loop()
    start = loop.time()

    async def block(name: str, seconds: float) -> None:
        async with window.place():
            began.append((name, loop.time() - start))
            await asyncio.sleep(seconds)

    await asyncio.gather(
        block("quick", 0.01), block("to a sleeper", 5), block("next", 0.01), block("last", 1)
    )
    assert began == [
        ("quick", 0),
        ("to a sleeper", pytest.approx(0.01)),
        ("next", pytest.approx(0.11)),
        ("last", pytest.approx(0.12)),
    ]
    async with asyncio.timeout(0.01), window.place():
        pass
