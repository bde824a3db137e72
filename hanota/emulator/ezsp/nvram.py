"""What an EZSP co-processor keeps over a reset: network, keys, children, counters, manufacturing tokens."""

from __future__ import annotations

import copy
import struct
from dataclasses import dataclass, field
from typing import Final

from hanota.eui64 import Eui64

ERASED: Final = Eui64(b"\xff" * 8)
"""An EUI64 token that was never written."""
NODE_TYPE_COORDINATOR: Final = 0x01

_PARAMETERS: Final = struct.Struct("<8sHbBBHBI")
"""EmberNetworkParameters."""


@dataclass(frozen=True, slots=True)
class NetworkParameters:
    """EmberNetworkParameters: what a network is formed with."""

    extended_pan_id: bytes
    """Octets in air order, least significant first."""
    pan_id: int
    tx_power: int
    channel: int
    join_method: int = 0
    manager: int = 0x0000
    update_id: int = 0
    channels: int = 0

    @classmethod
    def decode(cls, data: bytes) -> NetworkParameters:
        """Read the structure; raise struct.error if it is cut short."""
        extended, pan_id, power, channel, method, manager, update_id, channels = _PARAMETERS.unpack_from(data)
        return cls(extended, pan_id, power, channel, method, manager, update_id, channels)

    def encode(self) -> bytes:
        """Return the structure's 20 octets."""
        return _PARAMETERS.pack(
            self.extended_pan_id,
            self.pan_id,
            self.tx_power,
            self.channel,
            self.join_method,
            self.manager,
            self.update_id,
            self.channels,
        )


NO_NETWORK: Final = NetworkParameters(bytes(8), 0, 0, 0)


@dataclass(frozen=True, slots=True)
class StoredNetwork:
    """The network the node is part of."""

    parameters: NetworkParameters
    network_key: bytes = field(repr=False)
    key_sequence: int
    trust_centre_key: bytes = field(repr=False)
    security: int
    """EmberCurrentSecurityBitmask."""
    trust_centre: Eui64


@dataclass(frozen=True, slots=True)
class LinkKey:
    """One entry of the link key table."""

    eui64: Eui64
    """Partner."""
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Child:
    """One entry of the child table: an end device that has the coordinator for parent."""

    eui64: Eui64
    nwk: int
    node_type: int


@dataclass(slots=True)
class EzspNvram:
    """What survives a reset: give a copy to a new co-processor for a warm restart."""

    network: StoredNetwork | None = None
    link_keys: dict[int, LinkKey] = field(default_factory=dict)
    """Link key table by index; its size is the firmware's."""
    children: dict[int, Child] = field(default_factory=dict)
    """Child table by index."""
    network_frame_counter: int = 0
    aps_frame_counter: int = 0
    restored_eui64: Eui64 = ERASED
    """Token that replaces the hardware's EUI64 at the next reset."""
    manufacturing: dict[int, bytes] = field(default_factory=dict)
    """Manufacturing tokens written by the host, by id; each can be written once."""

    def copy(self) -> EzspNvram:
        """Return an independent copy."""
        return copy.deepcopy(self)

    def forget_network(self) -> None:
        """Clear what belongs to the network; link keys stay until the host clears them."""
        self.network = None
        self.children.clear()
