"""The hub's work on the event loop: what is due is sent, timers are kept, and a failing store is survived."""

from __future__ import annotations

import asyncio
import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hanota.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Sequence
    from typing import Any, Protocol

    from hanota.clock import Clock
    from hanota.hub.journal import Journal

    class Timed(Protocol):
        """What has something to do at a time."""

        def next_timer(self) -> float | None:
            """Return when (Unix seconds), if ever."""
            ...

    class Sending(Timed, Protocol):
        """What has frames to send."""

        def pump(self) -> None:
            """Send what is due; raise StoreError."""
            ...


logger = logging.getLogger(__name__)


class Pump:
    """Runs between `start` and `stop`; `wake` may be called at any time, from within as well."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal, self._clock = journal, clock
        self.running = False
        self.fault: StoreError | None = None
        """Why the last event could not be stored, None as long as the store works."""
        self.tasks: set[asyncio.Task[None]] = set()
        """What was spawned and has not ended."""
        self.timer: asyncio.TimerHandle | None = None
        """What wakes the hub next."""
        self._sending: Sequence[Sending] = ()
        self._timed: Sequence[Timed] = ()
        self._expire: Callable[[], None] = lambda: None
        self._pumping = self._work_left = False

    def start(self, sending: Sequence[Sending], timed: Sequence[Timed], expire: Callable[[], None]) -> None:
        """Send from now on; `expire` does what is due when a timer of either fires."""
        self._sending, self._timed, self._expire = sending, (*sending, *timed), expire
        self.running = True

    async def stop(self) -> None:
        """Send nothing more, and cancel whatever was spawned."""
        self.running = False
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    @contextmanager
    def storing(self) -> Iterator[None]:
        """Do what the HAN asks as long as the store works.

        Where it fails (disk full) nothing is answered, as if the frame had been lost on the air: the device
        asks again, and is answered once there is room.
        """
        try:
            yield
        except StoreError as error:
            self.fault = error
            logger.error("%s", error)  # noqa: TRY400  # what to do is in the message, not in a traceback
        else:
            self.fault = None

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something beside everything else, until `stop`."""
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def wake(self) -> None:
        """Send what is due once the transaction has committed: no frame leaves before its row is there."""
        self._journal.after_commit(self._pump)

    def _pump(self) -> None:
        """Send what is due and set the timer to what falls due next."""
        if not self.running:
            return  # what came while the radio was starting is answered at the end of the hub's `start`
        self._work_left = True
        if self._pumping:
            return  # called from within: the loop below goes round once more
        self._pumping = True
        try:
            while self._work_left:
                self._work_left = False
                with self.storing():
                    for part in self._sending:
                        part.pump()
        finally:
            self._pumping = False
        self._arm()

    def _arm(self) -> None:
        """Have the timer fire no later than what is due next; one that fires too early is set again."""
        due = min((at for part in self._timed if (at := part.next_timer()) is not None), default=None)
        if due is None:
            return
        loop = asyncio.get_running_loop()
        at = loop.time() + max(0.0, due - self._clock.now())
        if self.timer is not None:
            if self.timer.when() <= at:
                return
            self.timer.cancel()
        self.timer = loop.call_at(at, self._fire)

    def _fire(self) -> None:
        self.timer = None
        self._expire()
        self.wake()
