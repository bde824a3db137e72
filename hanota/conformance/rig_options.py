"""What a rig is opened with, and what it stands on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from hanota.hub.jobs import JobKind
from hanota.hub.ports import DeviceType
from hanota.radio.settings import LinkSecurity
from hanota.zse.cbke import Suite

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from pathlib import Path

    from hanota.bench.bench_file import Bench
    from hanota.bench.console import Console
    from hanota.bench.power import Power
    from hanota.clock import Clock
    from hanota.demo.composition import HubKeys
    from hanota.emulator.air import Air
    from hanota.emulator.devices import FirmwareDevice
    from hanota.emulator.dongles import Dongle
    from hanota.eui64 import Eui64
    from hanota.hub.hub import HubSettings
    from hanota.radio.coordinator import Coordinator
    from hanota.store.store import SqliteStore

DEVICE_TYPES: Final = {JobKind.PPMID: DeviceType.PPMID, JobKind.HCALCS: DeviceType.HCALCS}


@dataclass(frozen=True, slots=True)
class RigSettings:
    """How long is waited for what, in seconds."""

    join_window: float = 180
    """How long the network is open for one device; a join with key establishment takes up to a minute."""
    settle: float = 30
    """How long a device that is on the HAN already has to show itself, before it is let join."""
    join_retry: float = 5
    """Between the tries of an emulated device to join."""
    power_off: float = 6
    """How long power is cut for: the capacitors of a device run down, and the hub counts its coming back as a
    new one (RadioSettings.rejoin_quiet)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RigOptions:
    """Which rig."""

    radio: str = "znp"
    """A radio URL; or `znp`, `ezsp`, `znp+emulator://`, `ezsp+emulator://` for an emulated dongle here."""
    bench: Bench | None = None
    """The devices behind a radio URL; None: the demonstration's emulated PPMID and HCALCS."""
    dongle: Eui64 | None = None
    """The EUI-64 of a dongle of metal without credentials, where it is known; None: it is asked."""
    lab: Path | None = None
    """Folder of a lab that has everybody's keys, where the bench file names none."""
    seed: int = 1
    """Of an emulated rig: the same keys and the same air every time."""
    artifacts: Path | None = None
    """Folder for the database, the capture and the consoles' logs; None: nothing is kept."""
    database: Path | None = None
    """The hub's database; None: one in `artifacts`, else in memory."""
    misbehaviours: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """What the emulated device of this name does wrong."""
    security: LinkSecurity = LinkSecurity.KEY_ESTABLISHMENT
    """Of an emulated rig; the bench file says it of metal."""
    suite: Suite = Suite.TWO
    epoch: float = 1_800_000_000.0
    """Unix seconds at which the time of an emulated rig begins."""
    prompt: Callable[[str], Awaitable[None]] | None = None
    """Asks a person to switch a device; None: those devices have no power to switch."""
    hub: HubSettings | None = None
    settings: RigSettings = field(default_factory=RigSettings)


@dataclass
class RigDevice:
    """One device of the bench."""

    name: str
    kind: JobKind
    eui64: Eui64
    install_code: bytes = field(repr=False)
    power: Power | None
    console: Console | None
    emulated: FirmwareDevice | None
    """The device itself where it is emulated in this process; no case may look at it."""


@dataclass
class Foundation:
    """What a rig stands on, whatever becomes of its hub."""

    radio_url: str
    keys: HubKeys
    devices: dict[str, RigDevice]
    clock: Clock
    store: SqliteStore
    new_coordinator: Callable[[LinkSecurity], Coordinator]
    security: LinkSecurity
    """What hub and devices secure their frames with."""
    database: Path | None
    """The hub's database, None in memory."""
    capture_head: int = 0
    """Octets before the first frame of the capture."""
    air: Air | None = None
    """Where emulated devices of this process join; None: devices join by themselves."""
    dongle: Dongle | None = None
    """The dongle where it is emulated in this process."""
