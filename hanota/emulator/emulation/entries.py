"""What a han.toml says: dongle and devices of an emulated HAN, and what they are where it says nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from hanota.emulator.impairments import LineFaults, LinkFaults
from hanota.gbcs.reference_test_data import HCALCS, HUB, PPMID
from hanota.ota.fields import ImageId
from hanota.ota.image import IMAGE_TYPE_HCALCS, IMAGE_TYPE_PPMID

if TYPE_CHECKING:
    from pathlib import Path

    from hanota.emulator.emulation.sockets import SocketAddress
    from hanota.emulator.zdo import SimpleDescriptor
    from hanota.eui64 import Eui64

MANUFACTURER: Final = 0x121D
"""The manufacturer code of the DCC's sample images."""
FILE_VERSION: Final = 0x0100_0000
"""The version before that of the DCC's sample images."""
HARDWARE_VERSION: Final = 0x0001
IN_HOME_DISPLAY: Final = 0x0502
"""ZigBee device id of a PPMID (ZSE)."""

INSTALL_CODE_OCTETS: Final = 16
"""Of a GB device, without the CRC."""


class DeviceKind(StrEnum):
    """What a device is."""

    PPMID = "ppmid"
    HCALCS = "hcalcs"
    EXTERNAL = "external"


@dataclass(frozen=True, slots=True)
class DongleEntry:
    """The table [dongle]."""

    eui64: Eui64 = HUB
    baudrate: int = 115_200
    flow_control: bool = True
    version: int | str | None = None
    """EZSP version, or Z-Stack release of a ZNP dongle; None is the emulation's own choice."""
    to_host: LineFaults = field(default_factory=LineFaults)
    to_ncp: LineFaults = field(default_factory=LineFaults)


@dataclass(frozen=True, slots=True)
class Firmware:
    """The application of an emulated PPMID or HCALCS."""

    kind: DeviceKind
    image: ImageId
    """Manufacturer, image type and the version it runs."""
    hardware_version: int = HARDWARE_VERSION
    model: str = ""
    keystore: Path | None = None
    """Folder with its own key pairs; None: they are made."""
    trust: Path | None = None
    """Folder with the certificates of the remote parties it obeys; None: those that are made."""
    client: str = "common"
    """Whose Upgrade Client it has, by the names of `client_shapes.CLIENTS`."""
    quirks: tuple[str, ...] = ()
    """What else that client does, by the names on record."""
    misbehaviour: tuple[str, ...] = ()
    keep_alive: float | None = None
    """Seconds between its reads of the hub's Keep-Alive and Time, None for never."""


@dataclass(frozen=True, slots=True)
class External:
    """An application in a process of its own."""

    socket: SocketAddress
    listen: bool
    """Whether hanota listens on the socket or connects to it."""
    endpoint: SimpleDescriptor
    manufacturer: int = MANUFACTURER


@dataclass(frozen=True, slots=True)
class DeviceEntry:
    """One table [[device]]."""

    eui64: Eui64
    install_code: bytes | None = field(repr=False)
    """Without CRC; None joins with the well-known key, as devices outside of GB do."""
    application: Firmware | External
    autojoin: float | None = 5.0
    """Seconds between tries to join, None to join when told only."""
    sleep: float | None = None
    """Seconds between polls of a device that sleeps, None for one that always listens."""
    faults: LinkFaults = field(default_factory=LinkFaults)
    suite: int | None = None
    """Of its key establishment, 1 or 2; None keeps the key of its install code."""
    credentials: Path | None = None
    """File with its certificate and private key; None: they are made by a lab CA."""
    console: Path | None = None
    """Name of the pseudo terminal with its debug console; None: it has none."""

    @property
    def kind(self) -> DeviceKind:
        """What it is."""
        application = self.application
        return application.kind if isinstance(application, Firmware) else DeviceKind.EXTERNAL


@dataclass(frozen=True, slots=True)
class HanFile:
    """A whole han.toml."""

    dongle: DongleEntry
    devices: tuple[DeviceEntry, ...]


def default_install_code(device: Eui64) -> bytes:
    """Return the install code of a device that is given none: 16 octets, without CRC, the same every time."""
    return sha256(b"hanota install code" + device).digest()[:INSTALL_CODE_OCTETS]


def default_firmware(kind: DeviceKind) -> Firmware:
    """Return the application of a PPMID or an HCALCS as it is where han.toml says nothing."""
    image_type = IMAGE_TYPE_PPMID if kind is DeviceKind.PPMID else IMAGE_TYPE_HCALCS
    image = ImageId(MANUFACTURER, image_type, FILE_VERSION)
    return Firmware(kind, image, model=f"emulated {kind.upper()}")


def default_han(suite: int | None = None) -> HanFile:
    """Return a HAN of one PPMID and one HCALCS; `suite` is that of their key establishment."""
    devices = tuple(
        DeviceEntry(eui64, default_install_code(eui64), default_firmware(kind), suite=suite)
        for eui64, kind in ((PPMID, DeviceKind.PPMID), (HCALCS, DeviceKind.HCALCS))
    )
    return HanFile(DongleEntry(), devices)
