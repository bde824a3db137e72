"""Frames on their way to devices: in order for each device, the critical ones first, never without bound."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

from hanota.errors import LocalProtocolError, RadioError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from hanota.eui64 import Eui64
    from hanota.hub.ports import HanRadio, Priority


@dataclass(order=True, slots=True)
class _Waiting:
    priority: Priority
    number: int
    cluster: int = field(compare=False)
    data: bytes = field(compare=False)
    done: Callable[[RadioError | LocalProtocolError | None], None] = field(compare=False)


class Delivery:
    """One queue and one worker for each device that has frames waiting."""

    def __init__(
        self, radio: HanRadio, limit: int, spawn: Callable[[Coroutine[Any, Any, None]], None]
    ) -> None:
        self._radio, self._limit, self._spawn = radio, limit, spawn
        self._queues: dict[Eui64, asyncio.PriorityQueue[_Waiting]] = {}
        self._number = count()
        self.dropped: Counter[Eui64] = Counter()
        """Frames dropped because a device asked faster than the radio carries; it asks again by itself."""

    def post(
        self,
        device: Eui64,
        cluster: int,
        data: bytes,
        priority: Priority,
        done: Callable[[RadioError | LocalProtocolError | None], None],
    ) -> None:
        """Queue a frame; `done` is called once, with None when delivered or with the error."""
        queue = self._queues.get(device)
        if queue is None:
            queue = self._queues[device] = asyncio.PriorityQueue(self._limit)
            self._spawn(self._work(device, queue))
        try:
            queue.put_nowait(_Waiting(priority, next(self._number), cluster, data, done))
        except asyncio.QueueFull:
            self.dropped[device] += 1
            done(RadioError(f"{self._limit} frames to {device} are waiting already"))

    async def _work(self, device: Eui64, queue: asyncio.PriorityQueue[_Waiting]) -> None:
        try:
            while not queue.empty():
                frame = queue.get_nowait()
                try:
                    await self._radio.send(device, frame.cluster, frame.data, priority=frame.priority)
                except (RadioError, LocalProtocolError) as error:
                    frame.done(error)
                else:
                    frame.done(None)
        finally:
            del self._queues[device]
