"""What an emulated device is made as, and everything about it that may be set."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hanota.emulator.devices.keep_alive import KeepAliveSettings
from hanota.emulator.devices.key_establishment import DeviceKeyEstablishmentSettings
from hanota.emulator.node import NodeSettings
from hanota.ota.settings import OtaClientSettings
from hanota.zse.tunneling import TunnelServerSettings

if TYPE_CHECKING:
    from hanota.gbcs.certificates import Credentials
    from hanota.ota.fields import ImageId
    from hanota.zse.cbke import CbkeCredentials

ENDPOINT = 1
"""The application endpoint of an emulated device; a hub discovers it."""


@dataclass(frozen=True, slots=True)
class DeviceIdentity:
    """What a device is made as; `image` names manufacturer, image type and the version it runs."""

    credentials: Credentials
    install_code: bytes = field(repr=False)
    """16 octets, without CRC."""
    image: ImageId
    hardware_version: int
    model: str
    cbke: CbkeCredentials | None = None
    """Its credentials for key establishment; None: it keeps the key of its install code."""


@dataclass(frozen=True, slots=True)
class DeviceSettings:
    """Times, limits and habits of a device."""

    reboot_seconds: float = 5
    """How long a device is off the HAN while it starts its new firmware."""
    frames_waiting: int = 32
    """Frames queued to the hub; one that is not read loses the rest."""
    refusals: int = 100
    """How many refused messages are remembered, the newest."""
    node: NodeSettings = field(default_factory=NodeSettings)
    aps_encryption: bool = True
    """False is a plain ZigBee device: it sends, and takes, everything without APS encryption."""
    refuses_plaintext: bool = False
    """Whether it answers a frame that should have been APS encrypted with Default Response FAILURE, as some
    stacks do; otherwise it says nothing."""
    takes_plaintext: bool = False
    """Whether it obeys frames that should have been APS encrypted: a device that is broken."""
    ota_endpoint: int = ENDPOINT
    """Where its Upgrade Client is: with another number than the application's, on an endpoint of its own."""
    names_node_address: bool = False
    """Whether its block requests carry its IEEE address."""
    key_establishment: DeviceKeyEstablishmentSettings = field(default_factory=DeviceKeyEstablishmentSettings)
    keep_alive: KeepAliveSettings = field(default_factory=KeepAliveSettings)
    client: OtaClientSettings = field(default_factory=OtaClientSettings)
    tunnel: TunnelServerSettings = field(default_factory=TunnelServerSettings)
