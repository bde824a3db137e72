"""The air of a test: the medium, and the networks that share it.

Every node is in range of every other unless a test says otherwise: `link(a, b).in_range`, `partition`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hanota.emulator.aps import (
    BROADCAST_ALL,
    BROADCAST_ROUTERS,
    BROADCAST_RX_ON_WHEN_IDLE,
    ApsFrame,
    TxStatus,
)
from hanota.emulator.medium import Medium
from hanota.emulator.network import Network
from hanota.emulator.stations import (
    CAPABILITY_FULL_FUNCTION,
    CAPABILITY_RX_ON_WHEN_IDLE,
    Admission,
    Node,
    TrustCentre,
)
from hanota.emulator.topology import COORDINATOR
from hanota.errors import LocalProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hanota.emulator.airtime import AirSettings
    from hanota.eui64 import Eui64

__all__ = [
    "BROADCAST_ALL",
    "BROADCAST_ROUTERS",
    "BROADCAST_RX_ON_WHEN_IDLE",
    "CAPABILITY_FULL_FUNCTION",
    "CAPABILITY_RX_ON_WHEN_IDLE",
    "Admission",
    "Air",
    "ApsFrame",
    "Node",
    "TrustCentre",
    "TxStatus",
]


class Air(Medium):
    """Everything within hearing, for life on one event loop and by its clock.

    Each coordinator has a network of its own, found by its EUI-64. While there is one network only, the air
    itself stands for it: `attach`, `detach`, `transmit` and `trust_centre` are those of that network.
    """

    def __init__(self, *, seed: int = 0, settings: AirSettings | None = None) -> None:
        super().__init__(seed=seed, settings=settings)
        self._networks: dict[Eui64, Network] = {}

    @property
    def networks(self) -> tuple[Network, ...]:
        """Every network, by age."""
        return tuple(self._networks.values())

    def network(self, coordinator: Eui64) -> Network:
        """Return the network of a coordinator, whether it is up or not."""
        found = self._networks.get(coordinator)
        if found is None:
            found = self._networks[coordinator] = Network(self, coordinator)
        return found

    # -- the only network --------------------------------------------------------------------------------

    @property
    def trust_centre(self) -> TrustCentre | None:
        """The trust centre of the one network, None while none is up."""
        return self._only().trust_centre if self._networks else None

    @trust_centre.setter
    def trust_centre(self, trust_centre: TrustCentre | None) -> None:
        self._only().trust_centre = trust_centre

    def attach(self, node: Node, *, takes_blocks: bool = False, sleeps: bool = False) -> None:
        """Attach to the one network, or a coordinator to its own; see `Network.attach`."""
        network = self.network(node.eui64) if node.nwk == COORDINATOR else self._only()
        network.attach(node, takes_blocks=takes_blocks, sleeps=sleeps)

    def detach(self, node: Node) -> None:
        """Take `node` off whatever network it is on."""
        for network in self._networks.values():
            network.detach(node)

    def eui64_of(self, nwk: int) -> Eui64 | None:
        """Return the IEEE address of `nwk` on the one network."""
        return self._only().eui64_of(nwk)

    def acknowledge_blocks(self, node: Node, sender: int, sequence: int, indices: Iterable[int]) -> None:
        """Acknowledge blocks on the one network; see `Network.acknowledge_blocks`."""
        self._only().acknowledge_blocks(node, sender, sequence, indices)

    async def transmit(self, frame: ApsFrame) -> TxStatus:
        """Send a frame on the one network; see `Network.transmit`."""
        return await self._only().transmit(frame)

    async def inject(self, frame: ApsFrame) -> bool:
        """Send again a frame that `intercept` was given, on its own network; see `Network.inject`."""
        network = self._only() if frame.network is None else self.network(frame.network)
        return await network.inject(frame)

    def _only(self) -> Network:
        if len(self._networks) != 1:
            raise LocalProtocolError(f"{len(self._networks)} networks are on this air: say which")
        (network,) = self._networks.values()
        return network
