"""Who is on one network, whose child, and which way frames go.

Routers relay for each other along the shortest way; an end device speaks to its parent alone (ZigBee
specification 05-3474-21, 3.6.1.4.3 and 3.6.3).
"""

from __future__ import annotations

from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from hanota.emulator.stations import is_router
from hanota.errors import LocalProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hanota.emulator.links import Links
    from hanota.emulator.stations import Node
    from hanota.eui64 import Eui64

COORDINATOR: Final = 0x0000
"""Short address of the coordinator."""


@dataclass(frozen=True, slots=True)
class Hop:
    """One transmission on a way; None is a station that is not on the network."""

    sender: Eui64 | None
    receiver: Eui64 | None
    indirect: bool = False
    """The receiver sleeps: the sender holds the frame until it asks."""


class Topology:
    """The members of one network."""

    def __init__(self, links: Links) -> None:
        self._links = links
        self._nodes: dict[int, Node] = {}
        self._sleepers: dict[int, Eui64] = {}
        self._parents: dict[Eui64, Eui64] = {}

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Who is on the air now."""
        return tuple(self._nodes.values())

    def node(self, nwk: int) -> Node | None:
        """Return the node with short address `nwk`, None where it is not on the air."""
        return self._nodes.get(nwk)

    def attach(self, node: Node, *, sleeps: bool) -> None:
        """Bring a node on the air; raise LocalProtocolError if its short address is taken."""
        if self._nodes.setdefault(node.nwk, node) is not node:
            raise LocalProtocolError(f"short address {node.nwk:#06x} is in use")
        self._sleepers.pop(node.nwk, None)
        if sleeps:
            self._sleepers[node.nwk] = node.eui64

    def detach(self, node: Node) -> bool:
        """Take a node off the air, parents still believe that it sleeps; return whether it was on it."""
        if self._nodes.get(node.nwk) is not node:
            return False
        del self._nodes[node.nwk]
        return True

    def forget(self, node: Node) -> None:
        """Remember a node no more: it has left."""
        self._sleepers.pop(node.nwk, None)
        self._parents.pop(node.eui64, None)

    def adopt(self, child: Eui64, parent: Eui64) -> None:
        """Make `child` the child of `parent`."""
        self._parents[child] = parent

    @contextmanager
    def adopting(self, child: Eui64, parent: Eui64) -> Iterator[None]:
        """Make `child` the child of `parent`, but take that back if the block raises."""
        before = self._parents.get(child)
        self.adopt(child, parent)
        try:
            yield
        except BaseException:
            if before is None:
                del self._parents[child]
            else:
                self._parents[child] = before
            raise

    def parent_of(self, child: Eui64) -> Node | None:
        """Return the parent, the coordinator unless another adopted it; None while that is off the air."""
        parent = self._parents.get(child)
        if parent is None:
            return self._nodes.get(COORDINATOR)
        return next((node for node in self._nodes.values() if node.eui64 == parent), None)

    def sleeps(self, nwk: int) -> bool:
        """Tell whether frames for `nwk` are held until it asks."""
        return nwk in self._sleepers

    def parents_for(self, eui64: Eui64) -> list[Node]:
        """Return the routers in range through which `eui64` reaches the coordinator, the best first."""
        coordinator = self._nodes.get(COORDINATOR)
        ways = {} if coordinator is None else self._ways(coordinator)
        found = [
            node
            for node in self._nodes.values()
            if node.nwk in ways and node.eui64 != eui64 and self._links.in_range(node.eui64, eui64)
        ]
        return sorted(
            found, key=lambda node: (self._links.loss(node.eui64, eui64), len(ways[node.nwk]), node.nwk)
        )

    def hop(self, sender: Node, receiver: Node) -> Hop:
        """Return the hop between two neighbours."""
        return Hop(sender.eui64, receiver.eui64, self.sleeps(receiver.nwk))

    def route(self, source: int, destination: int) -> list[Hop] | None:
        """Return the hops from one short address to another, None where there is no way."""
        sender, receiver = self._nodes.get(source), self._nodes.get(destination)
        asleep = self._sleepers.get(destination)
        if receiver is None and asleep is None:
            return None
        end = receiver.eui64 if receiver is not None else asleep
        last = receiver if receiver is not None and is_router(receiver) else self._parent(end)
        if sender is None:
            # Nobody knows where it stands; whoever writes frames by hand is a neighbour.
            return [Hop(None, end, indirect=False)]
        first = sender if is_router(sender) else self.parent_of(sender.eui64)
        if first is None:
            return [Hop(sender.eui64, None)]  # it calls a parent that is gone
        if last is None:
            return None
        way = [first] if first is last else self._ways(first, last).get(last.nwk)
        if way is None:
            return None
        hops = [] if first is sender else [self.hop(sender, first)]
        hops += [self.hop(one, other) for one, other in pairwise(way)]
        if last is not receiver:
            hops.append(Hop(last.eui64, end, self.sleeps(destination)))
        return hops

    def _parent(self, eui64: Eui64 | None) -> Node | None:
        return None if eui64 is None else self.parent_of(eui64)

    def _ways(self, start: Node, wanted: Node | None = None) -> dict[int, list[Node]]:
        """Return the shortest way from a router to every other, or at least to the one that is wanted."""
        if wanted is not None and self._links.in_range(start.eui64, wanted.eui64):
            return {wanted.nwk: [start, wanted]}
        ways = {start.nwk: [start]}
        waiting = deque([start])
        routers = [node for node in self._nodes.values() if is_router(node)]
        while waiting:
            here = waiting.popleft()
            for node in routers:
                if node.nwk not in ways and self._links.in_range(here.eui64, node.eui64):
                    ways[node.nwk] = [*ways[here.nwk], node]
                    waiting.append(node)
        return ways
