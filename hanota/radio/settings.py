"""Settings of the radio: the network, the Smart Energy endpoint and every limit."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hanota.zcl import ClusterId
from hanota.zse.fragmentation import FragmentationSettings

if TYPE_CHECKING:
    from hanota.eui64 import Eui64


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """The network to form on a coordinator that has none; one that has keeps its own."""

    channel: int = 15
    """11 to 26; 15 lies between the usual Wi-Fi channels. Always set: without one zigpy scans first."""
    pan_id: int | None = None
    """None: random."""
    extended_pan_id: Eui64 | None = None
    """None: the coordinator's own EUI-64, which GBCS wants it to be."""
    network_key: bytes | None = field(default=None, repr=False)
    """16 octets; None: random."""
    trust_centre_key: bytes | None = field(default=None, repr=False)
    """16 octets of which an EZSP coordinator makes a key for each device that has none; None: random."""


@dataclass(frozen=True, slots=True)
class EndpointSettings:
    """The hub's Smart Energy endpoint, as devices discover it: what is listed here is served."""

    endpoint: int = 3
    """Not 1, which some devices assume instead of asking."""
    device_type: int = 0x0500
    """Energy Service Interface."""
    input_clusters: tuple[int, ...] = (ClusterId.TIME, ClusterId.OTA_UPGRADE)
    """Server clusters."""
    output_clusters: tuple[int, ...] = (ClusterId.TUNNELING,)
    """Client clusters. Never OTA Upgrade: zigpy would read its attributes from the coordinator itself."""


@dataclass(frozen=True, slots=True)
class RadioSettings:
    """Everything about the radio that may be set."""

    network: NetworkSettings = field(default_factory=NetworkSettings)
    endpoint: EndpointSettings = field(default_factory=EndpointSettings)
    require_aps_encryption: bool = True
    """Refuse Time, OTA Upgrade and Tunneling frames under the network key alone (ZSE 1.4 table 5-12)."""

    sends_waiting: int = 256
    """Frames in `send` at once; a block for each of many devices, and no caller that runs away."""
    busy_attempts: int = 8
    """How often a frame is offered to a coordinator that has no buffer for it."""
    busy_delay: float = 0.05
    """Seconds before the second offer, doubled each time (6.4 s in all); one APS exchange takes 11 ms."""
    locate_timeout: float = 10
    """Seconds to find a device's address and endpoints; above the indirect queue of a sleeper (7.68 s)."""
    refusal_interval: float = 1
    """Seconds before a refusal of one kind is reported again; each is counted all the same."""
    answers_waiting: int = 32
    """Time responses and refusals under way at once; what comes above is not answered."""
    discoveries: int = 8
    """Address requests and leave requests under way at once; a flood of strangers causes no more."""

    fragmentation: FragmentationSettings = field(default_factory=FragmentationSettings)
    """Of the host's part of APS fragmentation, which EZSP leaves to it."""

    join_rearm: float = 240
    """Seconds for which the network is opened at a time; ZigBee allows 254 (Mgmt_Permit_Joining_req)."""
    rejoin_quiet: float = 5
    """Seconds in which a second announcement of one device is the same event (trust centre, then device)."""

    start_timeout: float = 90
    """Seconds to open the coordinator and its network; forming one takes a CC2652 about 20."""
    stop_timeout: float = 5
    """Seconds to close it."""
    command_timeout: float = 15
    """Seconds the coordinator may take to answer a command; zigpy-znp's own default."""
    confirm_timeout: float = 10
    """Seconds an EZSP coordinator may take to tell what became of a frame: above 4 tries of 1.6 s each."""
    confirm_timeout_sleepy: float = 35
    """The same for a sleeper: 4 tries, each as long as the indirect queue (7.68 s)."""
    watchdog_period: float = 5
    """Seconds between pings; a silent line is noticed after this and `watchdog_patience`."""
    watchdog_patience: float = 8
    """Seconds the coordinator may take to answer a ping, once the network is up."""
    reconnect_delay: float = 1
    """Seconds before a lost coordinator is opened again, doubled each time it fails."""
    reconnect_delay_limit: float = 60
    """The longest of those delays; a replugged dongle is back within a minute."""
