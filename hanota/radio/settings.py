"""Settings of the radio: the network, the Smart Energy endpoint and every limit."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from hanota.zcl import ClusterId
from hanota.zse.fragmentation import FragmentationSettings
from hanota.zse.key_establishment import KeyEstablishmentSettings

if TYPE_CHECKING:
    from pathlib import Path

    from hanota.eui64 import Eui64


class LinkSecurity(StrEnum):
    """Which link key frames between the hub and its devices have to be encrypted with."""

    KEY_ESTABLISHMENT = "key-establishment"
    """One made by certificate-based key establishment (ZSE), for each device its own."""
    INSTALL_CODE = "install-code"
    """That of the install code, with which the device joined."""
    NONE = "none"
    """None: a bench with plain ZigBee devices. Frames go as they come, under the network key alone."""


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
    input_clusters: tuple[int, ...] = (
        ClusterId.BASIC,
        ClusterId.TIME,
        ClusterId.OTA_UPGRADE,
        ClusterId.KEEP_ALIVE,
        ClusterId.KEY_ESTABLISHMENT,
    )
    """Server clusters."""
    output_clusters: tuple[int, ...] = (ClusterId.TUNNELING, ClusterId.KEY_ESTABLISHMENT)
    """Client clusters. Never OTA Upgrade: zigpy would read its attributes from the coordinator itself."""


@dataclass(frozen=True, slots=True)
class RadioSettings:
    """Everything about the radio that may be set."""

    network: NetworkSettings = field(default_factory=NetworkSettings)
    endpoint: EndpointSettings = field(default_factory=EndpointSettings)
    link_security: LinkSecurity = LinkSecurity.KEY_ESTABLISHMENT
    """Under which key frames must come that are not to come in the clear (ZSE 1.4 table 5-12)."""
    key_establishment: KeyEstablishmentSettings = field(default_factory=KeyEstablishmentSettings)
    """Of the Key Establishment server: its times and limits."""
    key_establishment_due: float = 20 * 60
    """Seconds in which a device that joined has to establish a key, before it is told to leave. GBCS leaves
    the time to the hub; slow devices take minutes after a power cut."""
    computing_threads: int = 2
    """Handshakes computed at once where libcrypto does it, which takes milliseconds each; in pure Python it
    is one, in a process of its own."""
    key_export: Path | None = None
    """A file to write every key to, for Wireshark; never those of production credentials."""

    sends_waiting: int = 256
    """Frames in `send` at once; a block for each of many devices, and no caller that runs away."""
    busy_attempts: int = 8
    """How often a block amid a fragmented message is offered to an EZSP coordinator that has no room."""
    busy_delay: float = 0.05
    """Seconds before it is offered again at the latest, doubled each time: sooner where another is off the
    air, which takes 11 ms."""
    busy_patience: float = 6.4
    """Seconds in which a coordinator without room may get rid of no frame, before it is given up: as long as
    an exchange with a device that is gone, 4 tries of 1.6 s."""
    blocks_in_flight: int = 2
    """Image blocks in the coordinator at once: one on the air while the next one passes the line."""
    block_patience: float = 0.1
    """Seconds after which a block under way does not count any more: its device sleeps or is gone, and must
    not hold up the others. An exchange of one hop takes 11 ms, with the line some 30."""
    locate_timeout: float = 10
    """Seconds to find a device's address and endpoints; above the indirect queue of a sleeper (7.68 s)."""
    locate_again: float = 1
    """Seconds for a device to say where it is after another claimed its address; a broadcast takes 0.5."""
    refusal_interval: float = 1
    """Seconds before a refusal of one kind is reported again; each is counted all the same."""
    answers_waiting: int = 32
    """Attribute responses and refusals under way at once; what comes above is not answered."""
    frames_in_doubt: int = 32
    """Encrypted frames held until the coordinator has told whose key they came under: two of each of 16
    devices."""
    discoveries: int = 8
    """Address requests and leave requests under way at once; a flood of strangers causes no more."""

    fragmentation: FragmentationSettings = field(default_factory=FragmentationSettings)
    """Of the host's part of APS fragmentation, which EZSP leaves to it."""

    join_rearm: float = 240
    """Seconds for which the network is opened at a time; ZigBee allows 254 (Mgmt_Permit_Joining_req)."""
    join_attempts: int = 10
    """Joins of one expected device that may fail in its window before it is shut out: a bad link fails some,
    and ten guesses at the shortest install code, of 48 bits, are nothing."""
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
