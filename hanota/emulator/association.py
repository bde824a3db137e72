"""How a device gets into a network: beacons, association, Transport-Key; and back in through another parent.

Sources: ZigBee specification 05-3474-21, 3.6.1.4 (joining and rejoining), 4.6.3.2 (joining a secured
network); Base Device Behaviour 10.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from hanota.emulator.topology import COORDINATOR
from hanota.errors import RadioError

if TYPE_CHECKING:
    from hanota.emulator.air import Air
    from hanota.emulator.medium import Medium
    from hanota.emulator.network import Network
    from hanota.emulator.stations import Admission, Node, TrustCentre
    from hanota.eui64 import Eui64

BEACON: Final = 28
_BEACON_REQUEST: Final = 10
_ASSOCIATION: Final = 27
_UPDATE_DEVICE: Final = 58
_TRANSPORT_KEY: Final = 73
_REJOIN: Final = 47
"""PSDU octets of the frames of a join."""


class JoinRefusedError(RadioError):
    """The device did not get into the network; the caller may try again."""


class Joiner(Protocol):
    """What a network needs to know of a device that wants to join."""

    @property
    def eui64(self) -> Eui64:
        """Its IEEE address."""
        ...

    @property
    def capabilities(self) -> int:
        """Its MAC capability flags."""
        ...

    @property
    def link_key(self) -> bytes:
        """The key it expects Transport-Key to be encrypted with."""
        ...


async def associate(device: Joiner, air: Air) -> Admission:
    """Join the best network that takes the device, and return what it gave; raise JoinRefusedError."""
    await _heard(air, _BEACON_REQUEST, device.eui64)
    refusal = JoinRefusedError("no network permits joining")
    for network, parent, trust_centre in _beacons(device.eui64, air):
        try:
            return await _associate(device, network, parent, trust_centre)
        except JoinRefusedError as error:
            refusal = error
    raise refusal


async def rejoin(device: Eui64, network: Network) -> None:
    """Make the best router in range the parent of a device that is on `network`; raise JoinRefusedError."""
    await _heard(network.medium, _BEACON_REQUEST, device)
    for parent in network.topology.parents_for(device):
        if await network.exchange(BEACON, device, parent.eui64) and await network.exchange(
            _REJOIN, device, parent.eui64
        ):
            network.topology.adopt(device, parent.eui64)
            return
    raise JoinRefusedError("no router of the network is in reach")


def _beacons(device: Eui64, air: Air) -> list[tuple[Network, Node, TrustCentre]]:
    """Return the networks that permit joining, each with its best router in range, the best heard first."""
    heard = []
    for network in air.networks:
        trust_centre = network.trust_centre
        if trust_centre is None or not trust_centre.permits_joining:
            continue
        heard += [(network, parent, trust_centre) for parent in network.topology.parents_for(device)[:1]]
    return sorted(heard, key=lambda beacon: air.links.loss(beacon[1].eui64, device))


async def _associate(device: Joiner, network: Network, parent: Node, trust_centre: TrustCentre) -> Admission:
    eui64 = device.eui64
    for octets in (BEACON, _ASSOCIATION):
        await _exchanged(network, octets, eui64, parent)
    with network.topology.adopting(eui64, parent.eui64):
        return await _admitted(device, network, parent, trust_centre)


async def _admitted(device: Joiner, network: Network, parent: Node, trust_centre: TrustCentre) -> Admission:
    eui64 = device.eui64
    # A parent that is not the trust centre tells it of the device, and passes Transport-Key on.
    relayed = parent.nwk != COORDINATOR
    if relayed and not await network.command(_UPDATE_DEVICE, parent.nwk, COORDINATOR):
        raise JoinRefusedError("the trust centre is out of reach")
    admission = trust_centre.admit(eui64, device.capabilities)
    if admission is None:
        raise JoinRefusedError("the trust centre holds no key for this device")
    if relayed and not await network.command(_TRANSPORT_KEY, COORDINATOR, parent.nwk):
        raise JoinRefusedError("Transport-Key did not arrive")
    await _exchanged(network, _TRANSPORT_KEY, eui64, parent)
    if admission.link_key != device.link_key:
        raise JoinRefusedError("Transport-Key is not encrypted with the key of our install code")
    return admission


async def _exchanged(network: Network, octets: int, device: Eui64, parent: Node) -> None:
    if not await network.exchange(octets, device, parent.eui64):
        raise JoinRefusedError(
            f"the {'coordinator' if parent.nwk == COORDINATOR else 'router'} is out of reach"
        )


async def _heard(medium: Medium, octets: int, device: Eui64) -> None:
    if not await medium.mac_command(octets, device):
        raise JoinRefusedError("the coordinator is out of reach")
