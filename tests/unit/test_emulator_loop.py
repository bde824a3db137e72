"""Virtual and scaled time."""

from __future__ import annotations

import asyncio
import threading

import pytest

from hanota.clock import SystemClock
from hanota.emulator.loop import (
    SimulationDeadlockError,
    VirtualTimeLoop,
    loop_factory,
    run_virtual,
)
from hanota.errors import ConfigError

WALL = SystemClock()


def test_a_virtual_hour_passes_at_once_and_timers_fire_in_their_order() -> None:
    async def scenario() -> tuple[float, list[str]]:
        order: list[str] = []
        loop = asyncio.get_running_loop()
        loop.call_later(7200, order.append, "last")
        loop.call_later(10, order.append, "second")
        loop.call_later(1, order.append, "first")
        await asyncio.sleep(3600)
        return loop.time(), order

    started = WALL.now()
    assert run_virtual(scenario()) == (3600, ["first", "second"])
    assert WALL.now() - started < 5


def test_timeouts_of_asyncio_run_in_virtual_time() -> None:
    async def scenario() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(86_400 * 30):
                await asyncio.Event().wait()
        return asyncio.get_running_loop().time()

    assert run_virtual(scenario()) == 86_400 * 30


def test_a_simulation_in_which_nothing_can_happen_any_more_names_what_waits() -> None:
    async def waits_for_ever() -> None:
        await asyncio.Event().wait()

    async def scenario() -> None:
        await asyncio.create_task(waits_for_ever(), name="the forgotten one")

    with pytest.raises(SimulationDeadlockError, match="the forgotten one"):
        run_virtual(scenario())


def test_executor_work_runs_inline_and_takes_no_virtual_time() -> None:
    async def scenario() -> tuple[int, float]:
        thread = await asyncio.to_thread(threading.get_ident)
        return thread, asyncio.get_running_loop().time()

    assert run_virtual(scenario()) == (threading.get_ident(), 0)


def test_an_error_of_executor_work_reaches_who_waits_for_it() -> None:
    def fail() -> None:
        raise ValueError("inline")

    with pytest.raises(ValueError, match="inline"):
        run_virtual(asyncio.wait_for(asyncio.to_thread(fail), 1))


def test_call_soon_threadsafe_wakes_the_virtual_loop() -> None:
    async def scenario() -> None:
        woken = asyncio.Event()
        asyncio.get_running_loop().call_soon_threadsafe(woken.set)
        await woken.wait()

    run_virtual(scenario())


def test_a_scaled_loop_runs_as_much_faster_as_asked() -> None:
    async def scenario() -> float:
        loop = asyncio.get_running_loop()
        before = loop.time()
        await asyncio.sleep(20)
        return loop.time() - before

    started = WALL.now()
    with asyncio.Runner(loop_factory=loop_factory(100)) as runner:
        assert runner.run(scenario()) >= 20
    assert 0.2 <= WALL.now() - started < 10


def test_no_speed_given_means_virtual_time() -> None:
    loop = loop_factory(None)()
    assert isinstance(loop, VirtualTimeLoop)
    loop.close()


@pytest.mark.parametrize("speed", [0, -1])
def test_a_loop_cannot_stand_still_or_run_backwards(speed: float) -> None:
    with pytest.raises(ConfigError, match="above 0"):
        loop_factory(speed)
