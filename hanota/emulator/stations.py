"""What is on the air, as the air sees it: nodes, and the trust centre that lets them in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from hanota.emulator.aps import ApsFrame
    from hanota.eui64 import Eui64

CAPABILITY_FULL_FUNCTION: Final = 0x02
"""MAC capability flag: the node is a router (or the coordinator)."""
CAPABILITY_RX_ON_WHEN_IDLE: Final = 0x08
"""MAC capability flag: the node always listens."""


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


def is_router(node: Node) -> bool:
    """Tell whether the node relays frames and takes children."""
    return bool(node.capabilities & CAPABILITY_FULL_FUNCTION)


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
        """Tell whether the beacons of its network permit association now."""
        ...

    def admit(self, eui64: Eui64, capabilities: int) -> Admission | None:
        """Associate a device and send it Transport-Key; None when no key may be used for it."""
        ...

    def departed(self, eui64: Eui64, nwk: int, *, rejoin: bool) -> None:
        """Take a device's NWK Leave."""
        ...
