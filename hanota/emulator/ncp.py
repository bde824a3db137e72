"""What every emulated network co-processor has: a line, a place on the air, activities that end with it."""

from __future__ import annotations

import asyncio
import random
from abc import ABC, abstractmethod
from collections import Counter
from typing import TYPE_CHECKING, TypeVarTuple, Unpack

from hanota.emulator.air import ApsFrame, TxStatus
from hanota.emulator.line import Line
from hanota.emulator.zdo import ZDO_ENDPOINT, ZDO_PROFILE

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from hanota.emulator.air import Air, TrustCentre
    from hanota.emulator.aps_security import ApsRefusal
    from hanota.emulator.line import LineSettings
    from hanota.emulator.network import Network
    from hanota.eui64 import Eui64

Args = TypeVarTuple("Args")


class Ncp(ABC):
    """Base of the emulated coordinators: node 0x0000 and trust centre of a network of its own."""

    nwk = 0x0000

    def __init__(self, air: Air, *, capabilities: int, line: LineSettings | None, seed: int) -> None:
        self.air = air
        self.capabilities = capabilities
        self.line = Line(line, seed=seed)
        self.random = random.Random(seed)  # noqa: S311  # reproducible, not secret
        self.han: Network | None = None
        """The network it is on, None since a reset or before it was formed or resumed."""
        self.buffers_full = False
        """Assign to have messages of the host refused as for want of a buffer."""
        self.aps_refused: Counter[ApsRefusal] = Counter()
        """Frames dropped for their APS encryption."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._aps_counter = 0

    @property
    @abstractmethod
    def eui64(self) -> Eui64:
        """Its IEEE address."""

    @property
    def network_up(self) -> bool:
        """Tell whether the network was formed or resumed since the last reset."""
        return self.han is not None

    @abstractmethod
    def link_key_for(self, peer: Eui64) -> bytes | None:
        """Return the link key held for `peer`."""

    @abstractmethod
    def next_frame_counter(self, peer: Eui64) -> int:
        """Return the frame counter of the next frame encrypted for `peer`."""

    @abstractmethod
    def unsecure(self, frame: ApsFrame, sender: Eui64) -> ApsRefusal | None:
        """Take a frame's APS encryption off; say why not where it is refused, and count that."""

    @abstractmethod
    def receive(self, frame: ApsFrame) -> None:
        """Take a frame from the air."""

    def go_on_air(self, trust_centre: TrustCentre, *, takes_blocks: bool) -> None:
        """Start the network; `takes_blocks` if the host reassembles long messages, not the firmware."""
        self.han = self.air.network(self.eui64)
        self.han.attach(self, takes_blocks=takes_blocks)
        self.han.trust_centre = trust_centre

    def go_off_air(self) -> None:
        """Leave the air."""
        if self.han is not None:
            self.han.detach(self)
            self.han.trust_centre = None
        self.han = None

    async def transmit(self, frame: ApsFrame) -> TxStatus:
        """Send a frame and return its fate; off the air there is no route to anywhere."""
        return TxStatus.NO_ROUTE if self.han is None else await self.han.transmit(frame)

    def later(self, call: Callable[[Unpack[Args]], None], *args: *Args) -> None:
        """Do something after the response to the command being handled."""
        asyncio.get_running_loop().call_soon(call, *args)

    def spawn(self, activity: Coroutine[None, None, None]) -> None:
        """Run `activity` until it ends or the firmware restarts; the caller bounds their number."""
        task = asyncio.get_running_loop().create_task(activity)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def cancel_activities(self) -> None:
        """End every activity."""
        for task in self._tasks:
            task.cancel()

    def next_aps_counter(self) -> int:
        """Return the APS counter of the next frame."""
        self._aps_counter = (self._aps_counter + 1) & 0xFF
        return self._aps_counter


class InFlight:
    """Messages being sent, bounded by whoever begins one."""

    def __init__(self) -> None:
        self.count = 0

    def begin(self, limit: int) -> bool:
        """Count one more; return False, and do not, when `limit` are under way."""
        if self.count >= limit:
            return False
        self.count += 1
        return True

    def end(self) -> None:
        """Count one less."""
        self.count -= 1

    def clear(self) -> None:
        """Forget all: the activities that would end them were cancelled."""
        self.count = 0


class ZdoSender:
    """Sends ZDO messages of the firmware's own, a bounded number at once."""

    def __init__(self, ncp: Ncp, limit: int) -> None:
        self._ncp = ncp
        self._limit = limit
        self._in_flight = InFlight()

    def send(self, destination: int, cluster: int, payload: bytes) -> bool:
        """Start sending; return False when too many are under way."""
        if not self._in_flight.begin(self._limit):
            return False
        self._ncp.spawn(self._transmit(destination, cluster, payload))
        return True

    def reset(self) -> None:
        """Forget what was under way."""
        self._in_flight.clear()

    async def _transmit(self, destination: int, cluster: int, payload: bytes) -> None:
        await self._ncp.transmit(
            ApsFrame(
                source=self._ncp.nwk,
                destination=destination,
                source_endpoint=ZDO_ENDPOINT,
                destination_endpoint=ZDO_ENDPOINT,
                profile=ZDO_PROFILE,
                cluster=cluster,
                payload=payload,
                sequence=self._ncp.next_aps_counter(),
            )
        )
        self._in_flight.end()
