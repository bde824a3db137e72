"""Event loops for simulation: one whose clock jumps to the next timer, one that runs faster than the wall."""

from __future__ import annotations

import asyncio
import selectors
from contextlib import contextmanager
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeVar

from hanota.errors import ConfigError, HanotaError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from types import ModuleType

T = TypeVar("T")

Events = list[tuple[selectors.SelectorKey, int]]
"""What a selector's `select` returns."""


class SimulationDeadlockError(HanotaError):
    """Nothing is left to happen in virtual time, yet the simulation has not ended."""


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time: when nothing is ready, its clock jumps to the next timer.

    Executor work runs inline, so that a thread's speed cannot change the order of events. Sockets and other
    descriptors are polled but never waited for: peers must live on the same loop. Raises
    SimulationDeadlockError out of the running call when there is neither a ready callback nor a timer.
    """

    def __init__(self) -> None:
        self._virtual_now = 0.0
        super().__init__(_JumpingSelector(self))

    def time(self) -> float:
        """Return virtual seconds since the loop was made."""
        return self._virtual_now

    def run_in_executor(  # type: ignore[override]
        self,
        executor: object,  # noqa: ARG002  # the base class's signature; there is no executor here
        func: Callable[..., T],
        *args: Any,
    ) -> asyncio.Future[T]:
        """Call `func` here and now; return its outcome as a finished future."""
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001  # the future carries whatever the work raised
            future.set_exception(error)
        return future

    def jump(self, seconds: float) -> None:
        """Move the clock forward by `seconds`."""
        self._virtual_now += seconds

    def describe_deadlock(self) -> str:
        """Name the tasks that wait for something that cannot happen."""
        names = sorted(task.get_name() for task in asyncio.all_tasks(self))
        return f"no timer and no callback is left; waiting for ever: {', '.join(names) or 'nothing'}"


class ScaledTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock runs `speed` times as fast as the wall's; real descriptors work."""

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._origin = super().time()
        super().__init__(_ScaledSelector(speed))

    def time(self) -> float:
        """Return scaled seconds."""
        return self._origin + (super().time() - self._origin) * self._speed


def loop_factory(speed: float | None) -> Callable[[], asyncio.AbstractEventLoop]:
    """Return a factory of loops at `speed` times the wall clock; None is virtual time, as fast as it goes.

    Raises ConfigError unless `speed` is above 0.
    """
    if speed is None:
        return VirtualTimeLoop
    if speed <= 0:
        raise ConfigError(f"speed must be above 0, got {speed}", hint="1 is as fast as a real radio")
    return partial(ScaledTimeLoop, speed)


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` to its end in virtual time; raise SimulationDeadlockError if it can never end."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)


@contextmanager
def measured_by_loop(module: ModuleType) -> Iterator[None]:
    """Let `module` measure by the clock of the running loop what it measures by `time.monotonic`.

    bellows.ash times acknowledgements so, and by the wall they take no virtual time at all.
    """
    loop = asyncio.get_running_loop()
    original = vars(module)["time"]
    vars(module)["time"] = SimpleNamespace(monotonic=loop.time)
    try:
        yield
    finally:
        vars(module)["time"] = original


class _JumpingSelector(selectors.DefaultSelector):
    """Polls real descriptors (the loop's own wake-up pipe) and turns every wait into a jump of the clock."""

    def __init__(self, loop: VirtualTimeLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Events:
        events: Events = super().select(0)
        if events or timeout == 0:
            return events
        if timeout is None:
            raise SimulationDeadlockError(self._loop.describe_deadlock())
        self._loop.jump(timeout)
        return events


class _ScaledSelector(selectors.SelectSelector):
    """Waits `speed` times shorter; select(2), because epoll rounds every wait up to a millisecond."""

    def __init__(self, speed: float) -> None:
        super().__init__()
        self._speed = speed

    def select(self, timeout: float | None = None) -> Events:
        return super().select(None if timeout is None else timeout / self._speed)
