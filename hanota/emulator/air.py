"""The 2.4 GHz IEEE 802.15.4 medium of one HAN: airtime, MAC retries, APS acknowledgements, fragments.

One channel, one hop, no hidden node. Source: ZigBee specification 05-3474-21, 2.2 (APS), 4.4 (APS security).
"""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final, Protocol

from hanota.emulator.airtime import AirSettings, AirStatistics
from hanota.emulator.faults import LinkFaults
from hanota.errors import LocalProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hanota.eui64 import Eui64

BROADCAST_ALL: Final = 0xFFFF
BROADCAST_RX_ON_WHEN_IDLE: Final = 0xFFFD
BROADCAST_ROUTERS: Final = 0xFFFC

CAPABILITY_FULL_FUNCTION: Final = 0x02
"""MAC capability flag: the node is a router (or the coordinator)."""
CAPABILITY_RX_ON_WHEN_IDLE: Final = 0x08
"""MAC capability flag: the node always listens."""


class TxStatus(Enum):
    """How the sender's stack sees one transmission end."""

    SUCCESS = "success"
    MAC_NO_ACK = "no MAC acknowledgement"
    APS_NO_ACK = "no APS acknowledgement"
    NO_ROUTE = "no route"


@dataclass(frozen=True, slots=True)
class ApsFrame:
    """One APS data frame, before fragmentation and after security."""

    source: int
    destination: int
    source_endpoint: int
    destination_endpoint: int
    profile: int
    cluster: int
    payload: bytes
    link_key: bytes | None = field(default=None, repr=False)
    """The key of APS encryption; None is NWK security only."""
    sequence: int = 0
    """APS counter."""
    ack: bool = False
    """An APS acknowledgement is asked for."""

    @property
    def secured(self) -> bool:
        """Tell whether the frame carries APS encryption."""
        return self.link_key is not None

    @property
    def is_broadcast(self) -> bool:
        """Tell whether the destination is a broadcast address."""
        return self.destination >= BROADCAST_ROUTERS


class Node(Protocol):
    """A station on the network."""

    @property
    def eui64(self) -> Eui64:
        """Its IEEE address."""
        ...

    @property
    def nwk(self) -> int:
        """Its short address."""
        ...

    @property
    def capabilities(self) -> int:
        """Its MAC capability flags."""
        ...

    def link_key_for(self, peer: Eui64) -> bytes | None:
        """Return the APS link key it shares with `peer`."""
        ...

    def receive(self, frame: ApsFrame) -> None:
        """Take a frame whose security was accepted."""
        ...


@dataclass(frozen=True, slots=True)
class Admission:
    """What a joining device gets from the trust centre."""

    nwk: int
    trust_centre: Eui64
    link_key: bytes = field(repr=False)
    """The key that Transport-Key was encrypted with: a device that holds another cannot read it."""


class TrustCentre(Protocol):
    """The coordinator as a joining or leaving device meets it."""

    @property
    def permits_joining(self) -> bool:
        """Tell whether its beacons permit association now."""
        ...

    def admit(self, eui64: Eui64, capabilities: int) -> Admission | None:
        """Associate a device and send it Transport-Key; None when no key may be used for it."""
        ...

    def departed(self, eui64: Eui64, nwk: int, *, rejoin: bool) -> None:
        """Take a device's NWK Leave."""
        ...


class Air:
    """One channel shared by the coordinator and its devices, for life on one event loop and by its clock."""

    def __init__(self, *, seed: int = 0, settings: AirSettings | None = None) -> None:
        self.settings = settings or AirSettings()
        self.statistics = AirStatistics()
        self.faults: defaultdict[Eui64, LinkFaults] = defaultdict(LinkFaults)
        """Impairments by device."""
        self.trust_centre: TrustCentre | None = None
        """Who answers a joining device; a coordinator sets itself when its network is up."""
        self.intercept: Callable[[ApsFrame], Iterable[ApsFrame]] | None = None
        """Called with each frame that arrives; what it returns is delivered instead."""
        self.observe: Callable[[float, ApsFrame, TxStatus], None] | None = None
        """Called with loop time, frame and outcome of each finished transmission."""
        self._nodes: dict[int, Node] = {}
        self._random = random.Random(seed)  # noqa: S311  # reproducible, not secret
        self._free_at = 0.0

    def attach(self, node: Node) -> None:
        """Let `node` send and receive under its short address; raise LocalProtocolError if that is taken."""
        if self._nodes.setdefault(node.nwk, node) is not node:
            raise LocalProtocolError(f"short address {node.nwk:#06x} is in use")

    def detach(self, node: Node) -> None:
        """Take `node` off the network."""
        if self._nodes.get(node.nwk) is node:
            del self._nodes[node.nwk]

    async def transmit(self, frame: ApsFrame) -> TxStatus:
        """Send one frame and return what the sender's stack learns of its fate.

        The receiver gets the frame before its APS acknowledgement is on the air, as in a real stack; frames
        of other senders wait for the channel meanwhile. Raises LocalProtocolError above `max_message`.
        """
        if len(frame.payload) > self.settings.max_message:
            raise LocalProtocolError(f"an ASDU of {len(frame.payload)} octets is too long to fragment")
        status = await (self._broadcast(frame) if frame.is_broadcast else self._unicast(frame))
        if self.observe is not None:
            self.observe(asyncio.get_running_loop().time(), frame, status)
        return status

    async def mac_command(self, octets: int, eui64: Eui64) -> bool:
        """Exchange a MAC or NWK command of `octets` (PSDU) with `eui64`; return whether it got through."""
        return await self._mac_transmit(octets, [self.faults[eui64]] if eui64 in self.faults else [])

    async def _broadcast(self, frame: ApsFrame) -> TxStatus:
        (octets,) = self.settings.frames(len(frame.payload), secured=frame.secured)[:1]
        await self._occupy(octets, acknowledged=False)
        needed = {
            BROADCAST_ALL: 0,
            BROADCAST_RX_ON_WHEN_IDLE: CAPABILITY_RX_ON_WHEN_IDLE,
            BROADCAST_ROUTERS: CAPABILITY_FULL_FUNCTION,
        }.get(frame.destination, 0)
        for node in list(self._nodes.values()):
            if node.nwk == frame.source or node.capabilities & needed != needed:
                continue
            if not self._lost(self._links(frame.source, node.nwk)) and self._accepts(node, frame):
                self._deliver(node, frame)
        return TxStatus.SUCCESS

    async def _unicast(self, frame: ApsFrame) -> TxStatus:
        receiver = self._nodes.get(frame.destination)
        if receiver is None:
            return TxStatus.NO_ROUTE
        frames = self.settings.frames(len(frame.payload), secured=frame.secured)
        acknowledged = frame.ack or len(frames) > 1
        for number, octets in enumerate(frames, 1):
            status = await self._send(
                frame, receiver, octets, acknowledged=acknowledged, last=number == len(frames)
            )
            if status is not TxStatus.SUCCESS:
                return status
        return TxStatus.SUCCESS

    async def _send(
        self, frame: ApsFrame, receiver: Node, octets: int, *, acknowledged: bool, last: bool
    ) -> TxStatus:
        """Send one frame or fragment, repeating it until its APS acknowledgement comes back."""
        links = self._links(frame.source, frame.destination)
        ack_octets = self.settings.header_octets + (self.settings.aps_security_octets * frame.secured)
        delivered = False
        for _ in range(1 + self.settings.aps_retries * acknowledged):
            if not await self._mac_transmit(octets, links):
                return TxStatus.MAC_NO_ACK
            await self._delay(links)
            if self._nodes.get(frame.destination) is receiver and self._accepts(receiver, frame):
                if last and not delivered:
                    delivered = True
                    self._deliver(receiver, frame)
                if not acknowledged or await self._mac_transmit(ack_octets, links):
                    return TxStatus.SUCCESS
            elif not acknowledged:
                return TxStatus.SUCCESS
            await asyncio.sleep(self.settings.aps_ack_wait)
        return TxStatus.APS_NO_ACK

    async def _mac_transmit(self, octets: int, links: list[LinkFaults]) -> bool:
        for _ in range(1 + self.settings.frame_retries):
            await self._occupy(octets)
            if not self._lost(links):
                return True
        return False

    async def _occupy(self, octets: int, *, acknowledged: bool = True) -> None:
        """Wait for the channel, then hold it for one transmission; stations are served in order of asking."""
        periods = self._random.randrange(1 << self.settings.backoff_exponent)
        duration = self.settings.airtime(octets, periods, acknowledged=acknowledged)
        now = asyncio.get_running_loop().time()
        self._free_at = max(now, self._free_at) + duration
        self.statistics.frames += 1
        self.statistics.octets += octets
        self.statistics.airtime += duration
        await asyncio.sleep(self._free_at - now)

    async def _delay(self, links: list[LinkFaults]) -> None:
        delay = sum(link.latency + self._random.random() * link.jitter for link in links)
        if delay > 0:
            await asyncio.sleep(delay)

    def _lost(self, links: list[LinkFaults]) -> bool:
        lost = any(self._happens(link.loss) for link in links)
        self.statistics.lost += lost
        return lost

    def _happens(self, chance: float) -> bool:
        return chance > 0 and self._random.random() < chance

    def _links(self, source: int, destination: int) -> list[LinkFaults]:
        ends = (self._nodes.get(source), self._nodes.get(destination))
        return [self.faults[node.eui64] for node in ends if node is not None and node.eui64 in self.faults]

    def _accepts(self, receiver: Node, frame: ApsFrame) -> bool:
        if frame.link_key is None:
            return True
        sender = self._nodes.get(frame.source)
        held = receiver.link_key_for(sender.eui64) if sender is not None else None
        self.statistics.refused += held != frame.link_key
        return held == frame.link_key

    def _deliver(self, receiver: Node, frame: ApsFrame) -> None:
        """Hand the frame over in a callback of its own, so that a node's fault is not the sender's."""
        copies = list(self.intercept(frame)) if self.intercept is not None else [frame]
        if any(self._happens(link.duplicate) for link in self._links(frame.source, frame.destination)):
            copies *= 2
        loop = asyncio.get_running_loop()
        for copy in copies:
            self.statistics.delivered += 1
            loop.call_soon(receiver.receive, copy)
