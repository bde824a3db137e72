"""One network on the air: its frames hop by hop, APS acknowledgements and repetitions, broadcasts, polls.

Source: ZigBee specification 05-3474-21, 2.2 (APS), 3.6.5 (broadcast), 4.4 (APS security).
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from hanota.emulator.aps import (
    BROADCAST_ALL,
    BROADCAST_ROUTERS,
    BROADCAST_RX_ON_WHEN_IDLE,
    ApsFrame,
    Fragment,
    TxStatus,
)
from hanota.emulator.aps_security import counts_frames
from hanota.emulator.fragments import BlockAcknowledgements, Reassembly
from hanota.emulator.indirect import IndirectQueue
from hanota.emulator.stations import CAPABILITY_FULL_FUNCTION, CAPABILITY_RX_ON_WHEN_IDLE, is_router
from hanota.emulator.topology import Hop, Topology
from hanota.errors import LocalProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hanota.emulator.impairments import LinkFaults
    from hanota.emulator.medium import Medium
    from hanota.emulator.stations import Node, TrustCentre
    from hanota.eui64 import Eui64

_LISTENERS: Final = {
    BROADCAST_ALL: 0,
    BROADCAST_RX_ON_WHEN_IDLE: CAPABILITY_RX_ON_WHEN_IDLE,
    BROADCAST_ROUTERS: CAPABILITY_FULL_FUNCTION,
}
"""The MAC capabilities of those whom a broadcast address means."""


class Network:
    """The nodes that share one coordinator's network key; they hear no other network's frames."""

    def __init__(self, medium: Medium, coordinator: Eui64) -> None:
        self.coordinator = coordinator
        """The coordinator's IEEE address, by which its devices know the network."""
        self.trust_centre: TrustCentre | None = None
        """Who answers a joining device; a coordinator sets itself when its network is up."""
        self.topology = Topology(medium.links)
        self.medium = medium
        self._channel, self._links = medium.channel, medium.links
        self._settings = settings = medium.settings
        self._indirect: defaultdict[Eui64, IndirectQueue] = defaultdict(lambda: IndirectQueue(settings))
        self._block_acks = BlockAcknowledgements()
        self._reassembly = Reassembly()

    # -- who is on it ------------------------------------------------------------------------------------

    def attach(self, node: Node, *, takes_blocks: bool = False, sleeps: bool = False) -> None:
        """Let `node` send and receive under its short address; raise LocalProtocolError if that is taken.

        A node that takes blocks gets fragmented messages block by block, and each block is acknowledged when
        it says so by `acknowledge_blocks`; for any other node its stack reassembles. For a node that sleeps
        its parent holds every frame until it is asked for by `poll`.
        """
        self.topology.attach(node, sleeps=sleeps)
        if takes_blocks:
            self._block_acks.takers.add(node.nwk)

    def detach(self, node: Node) -> None:
        """Take `node` off the medium."""
        if self.topology.detach(node):
            self._block_acks.takers.discard(node.nwk)

    def eui64_of(self, nwk: int) -> Eui64 | None:
        """Return the IEEE address a frame from `nwk` carries in its NWK auxiliary header."""
        node = self.topology.node(nwk)
        return None if node is None else node.eui64

    def parent_of(self, device: Eui64) -> int | None:
        """Return the short address of a device's parent, None while that is off the medium."""
        parent = self.topology.parent_of(device)
        return None if parent is None else parent.nwk

    # -- frames ------------------------------------------------------------------------------------------

    async def transmit(self, frame: ApsFrame) -> TxStatus:
        """Send one frame and return what the sender's stack learns of its fate.

        The receiver gets the frame before its APS acknowledgement is on the air, as in a real stack; frames
        of other senders wait for the channel meanwhile. A message longer than one frame is cut into blocks;
        a frame that is a block already must fit. Raises LocalProtocolError if it is too long.
        """
        longest = self._settings.max_message
        if frame.fragment is not None:
            longest = self._settings.block_limit(secured=frame.secured)
        if len(frame.payload) > longest:
            raise LocalProtocolError(f"an ASDU of {len(frame.payload)} octets is too long, {longest} may be")
        frame = replace(frame, network=self.coordinator)
        status = await (self._broadcast(frame) if frame.is_broadcast else self._unicast(frame))
        self.medium.transmitted(frame, status)
        return status

    async def inject(self, frame: ApsFrame) -> bool:
        """Send again, once, a frame heard before, as an insider can who holds the network key.

        Nothing of it is changed, its frame counter least of all. Return whether the receiver's stack took it.
        """
        receiver = self.topology.node(frame.destination)
        if receiver is None:
            return False
        for octets in self._settings.frames(len(frame.payload), secured=frame.secured):
            await self._channel.broadcast(octets)
        if not self._accepts(receiver, frame):
            return False
        self._deliver(receiver, frame, ())
        return True

    def acknowledge_blocks(self, node: Node, sender: int, sequence: int, indices: Iterable[int]) -> None:
        """Let a node that takes blocks acknowledge some of the message `sequence` from `sender`."""
        self._block_acks.acknowledge(node.nwk, sender, sequence, indices)

    async def poll(self, node: Node) -> bool:
        """Ask the parent of `node` for what it holds; return whether there is a parent that answers."""
        parent = self.topology.parent_of(node.eui64)
        if parent is None:
            await self._hop(Hop(node.eui64, None), self._settings.data_request_octets)
            return False
        queue = self._indirect[parent.eui64]
        ask = partial(self._hop, Hop(node.eui64, parent.eui64), self._settings.data_request_octets)
        give = partial(self._hop, Hop(parent.eui64, node.eui64))
        answered = False
        while await ask() is TxStatus.SUCCESS:
            answered = True
            held = queue.first(node.eui64)
            # What the child does not acknowledge stays, and it asks again at its next poll.
            if held is None or await give(held.octets) is not TxStatus.SUCCESS:
                break
            queue.fetched(held)
            if queue.first(node.eui64) is None:
                break  # the frame said that there is no other
        return answered

    async def exchange(self, octets: int, device: Eui64, parent: Eui64) -> bool:
        """Exchange a command of `octets` (PSDU) between neighbours; return whether it came through."""
        return await self._hop(Hop(device, parent), octets) is TxStatus.SUCCESS

    async def command(self, octets: int, source: int, destination: int) -> bool:
        """Send a NWK command of `octets` (PSDU) from one node to another; return whether it arrived."""
        hops = self.topology.route(source, destination)
        return hops is not None and await self._carry(hops, octets) is TxStatus.SUCCESS

    # -- unicast -----------------------------------------------------------------------------------------

    async def _unicast(self, frame: ApsFrame) -> TxStatus:
        for piece in self._blocks(frame):
            status = await self._send(piece)
            if status is not TxStatus.SUCCESS:
                return status
        return TxStatus.SUCCESS

    def _blocks(self, frame: ApsFrame) -> list[ApsFrame]:
        """Cut a message that is longer than one frame; blocks are always acknowledged."""
        limit = self._settings.block_limit(secured=frame.secured)
        if frame.fragment is not None:
            return [replace(frame, ack=True)]
        if len(frame.payload) <= self._settings.payload_limit(secured=frame.secured):
            return [frame]
        pieces = [frame.payload[start : start + limit] for start in range(0, len(frame.payload), limit)]
        return [
            replace(frame, payload=piece, ack=True, fragment=Fragment(index, len(pieces)))
            for index, piece in enumerate(pieces)
        ]

    async def _send(self, frame: ApsFrame) -> TxStatus:
        """Send one frame, repeating it until its APS acknowledgement comes back."""
        ack_octets = self._settings.header_octets + self._settings.aps_security_octets * frame.secured
        block_octets = self._settings.fragment_octets * (frame.fragment is not None)
        delivered = False
        message = frame
        for _ in range(1 + self._settings.aps_retries * frame.ack):
            hops = self.topology.route(frame.source, frame.destination)
            if hops is None:
                return await self._no_route(frame.destination)
            frame = self._secured(message)
            status = await self._carry(hops, ack_octets + block_octets + len(frame.payload))
            if status is not TxStatus.SUCCESS and status is not TxStatus.APS_NO_ACK:
                return status
            receiver = self.topology.node(frame.destination)
            arrived = status is TxStatus.SUCCESS and receiver is not None and self._accepts(receiver, frame)
            if not frame.ack:
                if arrived and receiver is not None:
                    self._deliver(receiver, frame, hops)
                return TxStatus.SUCCESS
            if arrived and receiver is not None:
                if self._block_acks.expected(frame):
                    if not await self._block_taken(receiver, frame, hops):
                        continue  # the wait for the acknowledgement is over already
                elif not delivered:
                    delivered = True
                    self._deliver(receiver, frame, hops)
                back = self.topology.route(frame.destination, frame.source) or _reverse(hops)
                if await self._carry(back, ack_octets) is TxStatus.SUCCESS:
                    return TxStatus.SUCCESS
            await asyncio.sleep(self._settings.aps_ack_wait)
        return TxStatus.APS_NO_ACK

    async def _carry(self, hops: Sequence[Hop], octets: int) -> TxStatus:
        """Take a PSDU along its way; lost beyond the sender's own hop it is APS_NO_ACK."""
        for number, hop in enumerate(hops):
            status = await self._hop(hop, octets)
            if status is not TxStatus.SUCCESS:
                return status if number == 0 else TxStatus.APS_NO_ACK
            await self._channel.delay(self._links.faults(hop.sender, hop.receiver))
        return TxStatus.SUCCESS

    async def _hop(self, hop: Hop, octets: int) -> TxStatus:
        if hop.indirect and hop.sender is not None and hop.receiver is not None:
            return await self._indirect[hop.sender].hold(hop.receiver, octets)
        in_range = hop.sender is None or (
            hop.receiver is not None and self._links.in_range(hop.sender, hop.receiver)
        )
        faults = self._links.faults(hop.sender, hop.receiver)
        acknowledged = await self._channel.unicast(octets, faults, in_range=in_range)
        return TxStatus.SUCCESS if acknowledged else TxStatus.MAC_NO_ACK

    async def _no_route(self, destination: int) -> TxStatus:
        """Look for a node that is out of everybody's reach; one that is off the air is known to be."""
        if self.topology.node(destination) is not None:
            await self._channel.broadcast(self._settings.route_request_octets)
        return TxStatus.NO_ROUTE

    async def _block_taken(self, receiver: Node, frame: ApsFrame, hops: Sequence[Hop]) -> bool:
        """Hand a block over; return whether the receiver acknowledged it in time."""
        with self._block_acks.waiting(frame) as taken:
            self._deliver(receiver, frame, hops)
            try:
                async with asyncio.timeout(self._settings.aps_ack_wait):
                    await taken
            except TimeoutError:
                return False
        return True

    # -- broadcast ---------------------------------------------------------------------------------------

    async def _broadcast(self, frame: ApsFrame) -> TxStatus:
        """Flood the network: the sender, then each router from which somebody can still hear it."""
        (octets,) = self._settings.frames(len(frame.payload), secured=frame.secured)[:1]
        relay = sender = self.topology.node(frame.source)
        heard = {frame.source}
        if sender is not None and not is_router(sender):
            relay = self.topology.parent_of(sender.eui64)
            way = Hop(sender.eui64, None if relay is None else relay.eui64)
            status = await self._hop(way, octets)
            if status is not TxStatus.SUCCESS or relay is None:
                return status
            heard.add(relay.nwk)
            self._hear(relay, frame, way)
        relays: deque[Node | None] = deque([relay])
        while relays:
            relay = relays.popleft()
            listeners = self._listeners(relay, frame, heard)
            if not listeners and len(heard) > 1:
                continue  # a real router repeats it all the same, for nobody
            await self._channel.broadcast(octets)
            for node in listeners:
                if node.nwk not in heard and self._reached(relay, node, frame, octets):
                    heard.add(node.nwk)
                    if is_router(node):
                        relays.append(node)
        return TxStatus.SUCCESS

    def _listeners(self, relay: Node | None, frame: ApsFrame, heard: set[int]) -> list[Node]:
        """Return who has not heard a broadcast yet and can from `relay`: sleepers from their parent alone."""
        return [
            node
            for node in self.topology.nodes
            if node.nwk not in heard
            and (is_router(node) or self._is_meant(node, frame))
            and (relay is None or self._links.in_range(relay.eui64, node.eui64))
            and (not self.topology.sleeps(node.nwk) or self.topology.parent_of(node.eui64) is relay)
        ]

    def _reached(self, relay: Node | None, node: Node, frame: ApsFrame, octets: int) -> bool:
        """Let `node` hear a broadcast from `relay`; return whether it did, or will when it wakes."""
        hop = Hop(None if relay is None else relay.eui64, node.eui64)
        if relay is not None and self.topology.sleeps(node.nwk):
            fate = self._indirect[relay.eui64].hold(node.eui64, octets)
            fate.add_done_callback(lambda _: self._hear_late(node, frame, hop, fate.result()))
            return True
        if self._channel.loses(self._links.faults(hop.sender, hop.receiver)):
            return False
        self._hear(node, frame, hop)
        return True

    def _is_meant(self, node: Node, frame: ApsFrame) -> bool:
        needed = _LISTENERS.get(frame.destination, 0)
        return node.capabilities & needed == needed

    def _hear_late(self, node: Node, frame: ApsFrame, hop: Hop, fate: TxStatus) -> None:
        if fate is TxStatus.SUCCESS:
            self._hear(node, frame, hop)

    def _hear(self, node: Node, frame: ApsFrame, hop: Hop) -> None:
        if self._is_meant(node, frame) and self._accepts(node, frame):
            self._deliver(node, frame, (hop,))

    # -- arrival -----------------------------------------------------------------------------------------

    def _secured(self, frame: ApsFrame) -> ApsFrame:
        """Return the frame as its sender's stack encrypts it: a repetition has a counter of its own."""
        sender, peer = self.topology.node(frame.source), self.eui64_of(frame.destination)
        counted = frame.link_key is None or frame.frame_counter is not None
        if counted or peer is None or not counts_frames(sender):
            return frame
        return replace(frame, frame_counter=sender.next_frame_counter(peer))

    def _accepts(self, receiver: Node, frame: ApsFrame) -> bool:
        if frame.link_key is None:
            return True
        sender = self.eui64_of(frame.source)
        if sender is None:
            accepted = False
        elif counts_frames(receiver):
            accepted = receiver.unsecure(frame, sender) is None
        else:
            accepted = receiver.link_key_for(sender) == frame.link_key
        self._channel.statistics.refused += not accepted
        return accepted

    def _deliver(self, receiver: Node, frame: ApsFrame, hops: Sequence[Hop]) -> None:
        """Hand the frame over in a callback of its own, so that a node's fault is not the sender's."""
        if frame.fragment is not None and not self._block_acks.expected(frame):
            key = (frame.source, frame.destination, frame.sequence)
            now = asyncio.get_running_loop().time()
            message = self._reassembly.add(key, frame.fragment, frame.payload, now)
            if message is None:
                return
            frame = replace(frame, payload=message, fragment=None)
        copies = self.medium.arriving(frame)
        if self._channel.duplicates(self._faults(hops)):
            copies *= 2
        loop = asyncio.get_running_loop()
        for copy in copies:
            self._channel.statistics.delivered += 1
            loop.call_soon(receiver.receive, copy)

    def _faults(self, hops: Sequence[Hop]) -> list[LinkFaults]:
        """Return the faults of all links of a way, those of a relay once."""
        found = {id(link): link for hop in hops for link in self._links.faults(hop.sender, hop.receiver)}
        return list(found.values())


def _reverse(hops: Sequence[Hop]) -> list[Hop]:
    """Return the way back to a sender that is not on the network."""
    return [Hop(hop.receiver, hop.sender) for hop in reversed(hops)]
