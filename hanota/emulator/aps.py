"""APS frames as they are on the air, and how the sender's stack sees them end.

Source: ZigBee specification 05-3474-21, 2.2 (APS), 3.6.5 (broadcast addresses).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from hanota.eui64 import Eui64

BROADCAST_ALL: Final = 0xFFFF
BROADCAST_RX_ON_WHEN_IDLE: Final = 0xFFFD
BROADCAST_ROUTERS: Final = 0xFFFC


class TxStatus(Enum):
    """How the sender's stack sees one transmission end."""

    SUCCESS = "success"
    MAC_NO_ACK = "no MAC acknowledgement"
    MAC_TRANSACTION_EXPIRED = "not fetched by a sleeping child"
    MAC_TRANSACTION_OVERFLOW = "no room to hold it for a sleeping child"
    APS_NO_ACK = "no APS acknowledgement"
    NO_ROUTE = "no route"


@dataclass(frozen=True, slots=True)
class Fragment:
    """Which block of a message a frame carries."""

    index: int
    count: int
    """Blocks of the whole message; on the air only the first block tells it."""


@dataclass(frozen=True, slots=True)
class ApsFrame:
    """One APS message, or one block of it, before security."""

    source: int
    destination: int
    source_endpoint: int
    destination_endpoint: int
    profile: int
    cluster: int
    payload: bytes
    link_key: bytes | None = field(default=None, repr=False)
    """The key of APS encryption; None is NWK security only."""
    frame_counter: int | None = None
    """Of the auxiliary header of APS encryption; the sender's stack sets it when the frame goes out."""
    sequence: int = 0
    """APS counter."""
    ack: bool = False
    """An APS acknowledgement is asked for."""
    fragment: Fragment | None = None
    """The block of a message that the payload is; None for a whole message."""
    network: Eui64 | None = field(default=None, compare=False)
    """The coordinator of the network it is sent on; the network sets it."""

    @property
    def secured(self) -> bool:
        """Tell whether the frame carries APS encryption."""
        return self.link_key is not None

    @property
    def is_broadcast(self) -> bool:
        """Tell whether the destination is a broadcast address."""
        return self.destination >= BROADCAST_ROUTERS
