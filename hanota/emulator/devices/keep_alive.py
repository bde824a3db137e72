"""A device's watch over its hub: it reads Keep-Alive and Time under APS encryption, again and again.

Source: ZigBee Cluster Library 07-5123, 3.17 (Keep-Alive, of Smart Energy), 3.12 (Time).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hanota.emulator.devices.attributes import attribute_values, read_attributes
from hanota.errors import RadioError, RemoteProtocolError
from hanota.zcl import PROFILE_SMART_ENERGY, ClusterId, ZclFrame

if TYPE_CHECKING:
    from collections.abc import Callable

    from hanota.emulator.air import ApsFrame
    from hanota.emulator.node import HanNode

ATTRIBUTES: Final = {ClusterId.KEEP_ALIVE: (0x0000, 0x0001), ClusterId.TIME: (0x0000, 0x0001)}
"""What is read: TC Keep-Alive Base (minutes) and Jitter (seconds); Time and TimeStatus."""


@dataclass(frozen=True, slots=True)
class KeepAliveSettings:
    """When a device asks, and what it makes of silence."""

    period: float | None = None
    """Seconds between two rounds; None asks never, as most tests are about something else."""
    response_timeout: float = 5.0
    """Seconds to wait for each response."""
    failures: int = 3
    """Rounds in a row without a Keep-Alive response after which the hub's link key counts as lost."""


class KeepAlive:
    """Reads the attributes of one device's hub."""

    def __init__(self, node: HanNode, settings: KeepAliveSettings, lost: Callable[[], None]) -> None:
        """`lost` is called after each `settings.failures` rounds in vain."""
        self.values: dict[tuple[int, int], int] = {}
        """The last value by cluster and attribute."""
        self.rounds = 0
        """Rounds answered so far."""
        self._node, self._settings, self._lost = node, settings, lost
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self._endpoints: dict[int, int] = {}

    def begin(self) -> None:
        """Watch for as long as the node has power, if the settings say so."""
        if self._settings.period is not None:
            self._node.spawn(self._run(self._settings.period))

    def receive(self, frame: ApsFrame) -> None:
        """Take a frame of the hub that is a response on one of the clusters read."""
        waiting = self._waiting.get(frame.cluster)
        if waiting is not None and not waiting.done():
            waiting.set_result(frame.payload)

    async def _run(self, period: float) -> None:
        missed = 0
        while True:
            await asyncio.sleep(period)
            answered = [await self._read(cluster) for cluster in ATTRIBUTES]
            missed = 0 if answered[0] else missed + 1
            self.rounds += all(answered)
            if missed >= self._settings.failures:
                missed = 0
                self._lost()

    async def _read(self, cluster: ClusterId) -> bool:
        waiting = self._waiting[cluster] = asyncio.get_running_loop().create_future()
        node = self._node
        try:
            async with asyncio.timeout(self._settings.response_timeout):
                endpoint = await self._endpoint(cluster)
                request = read_attributes(*ATTRIBUTES[cluster], sequence=node.next_sequence())
                own = node.endpoints[0].endpoint
                await node.send(PROFILE_SMART_ENERGY, cluster, own, endpoint, request.encode())
                values = attribute_values(ZclFrame.decode(await waiting))
        except (TimeoutError, RadioError, RemoteProtocolError):
            return False
        finally:
            del self._waiting[cluster]
        self.values |= {(cluster, attribute): value for attribute, value in values.items()}
        return bool(values)

    async def _endpoint(self, cluster: ClusterId) -> int:
        if cluster not in self._endpoints:
            _, self._endpoints[cluster] = await self._node.match_descriptor(cluster)
        return self._endpoints[cluster]
