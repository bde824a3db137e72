"""Frames on their way to devices: in order for each device, the critical ones at once, never without bound.

A critical frame has a worker of its own: it does not wait for the image block that is on its way to its
device, nor for that block's place among those of all devices. Frames that no device acknowledges do not wait
for each other: they go to the radio at once, which keeps them in order.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

from hanota.errors import LocalProtocolError, RadioError
from hanota.hub.ports import Priority

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from hanota.eui64 import Eui64
    from hanota.hub.ports import HanRadio


@dataclass(order=True, slots=True)
class _Waiting:
    priority: Priority
    number: int
    cluster: int = field(compare=False)
    data: bytes = field(compare=False)
    done: Callable[[RadioError | LocalProtocolError | None], None] = field(compare=False)


class Delivery:
    """A queue and a worker for each device that has frames waiting, and for its critical ones."""

    def __init__(
        self, radio: HanRadio, limit: int, spawn: Callable[[Coroutine[Any, Any, None]], None]
    ) -> None:
        self._radio, self._limit, self._spawn = radio, limit, spawn
        self._queues: dict[tuple[Eui64, bool], asyncio.PriorityQueue[_Waiting]] = {}
        self._number = count()
        self._unacknowledged: Counter[Eui64] = Counter()
        """Such frames under way, by device."""
        self.dropped: Counter[Eui64] = Counter()
        """Frames dropped because a device asked faster than the radio carries; it asks again by itself."""

    def post(
        self,
        device: Eui64,
        cluster: int,
        data: bytes,
        priority: Priority,
        done: Callable[[RadioError | LocalProtocolError | None], None],
        *,
        acknowledged: bool = True,
    ) -> None:
        """Queue a frame; `done` is called once, with None when delivered or with the error."""
        frame = _Waiting(priority, next(self._number), cluster, data, done)
        if not acknowledged:
            if self._unacknowledged[device] >= self._limit:
                self._drop(device, frame)
            else:
                self._unacknowledged[device] += 1
                self._spawn(self._send_unacknowledged(device, frame))
            return
        lane = (device, priority is Priority.CRITICAL)
        queue = self._queues.get(lane)
        if queue is None:
            queue = self._queues[lane] = asyncio.PriorityQueue(self._limit)
            self._spawn(self._work(lane, queue))
        try:
            queue.put_nowait(frame)
        except asyncio.QueueFull:
            self._drop(device, frame)

    def room(self, device: Eui64) -> int | None:
        """Return the most octets of a frame to `device` that need no fragments, None if not known."""
        return self._radio.room(device)

    def _drop(self, device: Eui64, frame: _Waiting) -> None:
        self.dropped[device] += 1
        frame.done(RadioError(f"{self._limit} frames to {device} are waiting already"))

    async def _work(self, lane: tuple[Eui64, bool], queue: asyncio.PriorityQueue[_Waiting]) -> None:
        device, _ = lane
        try:
            while not queue.empty():
                await self._send(device, queue.get_nowait(), acknowledged=True)
        finally:
            del self._queues[lane]

    async def _send_unacknowledged(self, device: Eui64, frame: _Waiting) -> None:
        try:
            await self._send(device, frame, acknowledged=False)
        finally:
            self._unacknowledged[device] -= 1
            if not self._unacknowledged[device]:
                del self._unacknowledged[device]

    async def _send(self, device: Eui64, frame: _Waiting, *, acknowledged: bool) -> None:
        try:
            await self._radio.send(
                device, frame.cluster, frame.data, priority=frame.priority, acknowledged=acknowledged
            )
        except (RadioError, LocalProtocolError) as error:
            frame.done(error)
        else:
            frame.done(None)
