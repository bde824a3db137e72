"""What the hub needs from the world, as Protocols: the HAN radio, the store and the WAN uplink."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager

    from hanota.eui64 import Eui64
    from hanota.hub.events import Event, EventKind, Json, Party
    from hanota.hub.jobs import Job, JobKind, JobOptions
    from hanota.hub.library_image import LibraryImage
    from hanota.ota.block_size import DeviceModel
    from hanota.ota.fields import ImageId


class Priority(IntEnum):
    """Which frame goes first when the radio is busy."""

    CRITICAL = 0
    """GBCS commands through a tunnel."""
    NORMAL = 1
    """Everything that keeps a session going."""
    BULK = 2
    """Image blocks."""


class RadioState(StrEnum):
    """The state of the connection to the coordinator."""

    STOPPED = "stopped"
    STARTING = "starting"
    ONLINE = "online"
    LOST = "lost"


class DeviceType(IntEnum):
    """GBCS device_type, as CCS01 carries it."""

    ESME = 0
    GSME = 1
    HCALCS = 13
    IHD = 128
    CAD = 130
    PPMID = 132


@dataclass(frozen=True, slots=True)
class HanFrame:
    """One ZCL frame from a device on the Smart Energy profile; `at` is Unix seconds."""

    device: Eui64
    cluster: int
    data: bytes
    aps_encrypted: bool
    at: float
    lqi: int | None = None
    rssi: int | None = None


@dataclass(frozen=True, slots=True)
class EstablishedKey:
    """What is remembered of a link key made by key establishment; the key itself is in the coordinator."""

    coordinator: Eui64
    """Whose key table holds it."""
    suite: int
    """1 or 2."""
    fingerprint: bytes
    """16 octets by which the key is recognised and from which it cannot be computed."""
    at: float
    """Unix seconds."""


class RadioListener(Protocol):
    """What a radio tells; every call is made on the event loop and must not block."""

    def is_admitted(self, device: Eui64) -> bool:
        """Tell whether `device` is in the Device Log; frames of all others are refused."""
        ...

    def frame_received(self, frame: HanFrame) -> None:
        """Take one frame on OTA Upgrade, Tunneling or another cluster the hub handles."""
        ...

    def frame_refused(self, device: Eui64 | None, cluster: int, reason: str) -> None:
        """Hear of a frame that was refused: plain where APS encryption is due, a stranger's, malformed."""
        ...

    def device_joined(self, device: Eui64) -> None:
        """Hear that a device (re)joined and its endpoints are known."""
        ...

    def join_window_closed(self, device: Eui64) -> None:
        """Hear that a device that was expected may not join any more: its joins came to nothing."""
        ...

    def device_ready(self, device: Eui64) -> None:
        """Hear that a device may be talked to: it joined, and has its link key where one is due."""
        ...

    def link_key_established(self, device: Eui64, key: EstablishedKey) -> None:
        """Hear of a link key in the coordinator; told, and to be stored, before the device is told (MACV).

        Where `established_keys` does not have it afterwards it could not be stored: the device must not be
        told.
        """
        ...

    def link_key_lost(self, device: Eui64, reason: str) -> None:
        """Hear that the key of `device` is good no more: it joined afresh, or the coordinator lost it."""
        ...

    def key_establishment_failed(self, device: Eui64, reason: str) -> None:
        """Hear that a key establishment ended without a key."""
        ...

    def established_keys(self) -> Mapping[Eui64, EstablishedKey]:
        """Return what was stored of every link key that is good."""
        ...

    def device_left(self, device: Eui64) -> None:
        """Hear that a device left the network."""
        ...

    def radio_state_changed(self, state: RadioState, reason: str) -> None:
        """Hear that the coordinator came or went."""
        ...


class HanRadio(Protocol):
    """The coordinator, as the hub sees it."""

    @property
    def eui64(self) -> Eui64:
        """The coordinator's own EUI-64; raise RadioError before `start`."""
        ...

    @property
    def state(self) -> RadioState:
        """The connection's state."""
        ...

    @property
    def needs_established_key(self) -> bool:
        """Tell whether a device may be talked to under a link key made by key establishment only."""
        ...

    async def start(self, listener: RadioListener) -> None:
        """Open the coordinator and its network, forming it where there is none; raise RadioError."""
        ...

    async def stop(self) -> None:
        """Close the coordinator; never raises."""
        ...

    def room(self, device: Eui64) -> int | None:
        """Return the most octets of a ZCL frame to `device` that need no fragments, None if not known.

        It counts what APS encryption and the route take.
        """
        ...

    async def send(
        self,
        device: Eui64,
        cluster: int,
        data: bytes,
        *,
        priority: Priority,
        encrypted: bool = True,
        acknowledged: bool = True,
    ) -> None:
        """Send one ZCL frame to the endpoint of `device` that has `cluster`; return when it is delivered.

        One that is not `acknowledged` counts as delivered when it is off the air. Raise DeliveryError when
        the device did not acknowledge, RadioError when the coordinator is lost, LocalProtocolError when the
        frame is larger than the radio carries.
        """
        ...

    async def permit_joining(self, device: Eui64, install_code: bytes, seconds: float) -> None:
        """Let `device` alone join, with its install code (16 octets, no CRC); raise RadioError."""
        ...

    def remove(self, device: Eui64) -> None:
        """Tell `device`, which is not admitted any more, to leave the network, and forget its link key."""
        ...


@dataclass(frozen=True, slots=True)
class DeviceLogEntry:
    """One line of the CHF Device Log (CHTS): who may join, as what, with which install code (no CRC)."""

    device: Eui64
    device_type: DeviceType
    install_code: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class JoinWindow:
    """How long a device of the Device Log may join."""

    until: float
    """Unix seconds."""
    seconds: float
    """For how long it was let."""

    def left(self, now: float) -> float:
        """Return the seconds left of it: never more than it was let, should the clock have been set back."""
        return min(self.until - now, self.seconds)


class Store(Protocol):
    """Durable state. Calls outside `transaction` commit by themselves; all raise StoreError."""

    def transaction(self) -> AbstractContextManager[None]:
        """Make everything inside commit together or not at all; nested transactions join the outer one."""
        ...

    def append_event(
        self,
        at: float,
        kind: EventKind,
        source: Party,
        target: Party,
        *,
        device: Eui64 | None,
        job: int | None,
        detail: Mapping[str, Json],
    ) -> Event:
        """Append to the journal and return the event with its `seq`, which only ever rises."""
        ...

    def events(self, *, after: int = 0, limit: int = 1000) -> Sequence[Event]:
        """Return at most `limit` events with `seq` above `after`, in order."""
        ...

    def put_device(self, entry: DeviceLogEntry) -> None:
        """Add or replace a Device Log entry."""
        ...

    def remove_device(self, device: Eui64) -> None:
        """Remove a Device Log entry, if there."""
        ...

    def devices(self) -> Sequence[DeviceLogEntry]:
        """Return the Device Log."""
        ...

    def put_link_key(self, device: Eui64, key: EstablishedKey) -> None:
        """Add or replace what is remembered of the link key of a device in the Device Log."""
        ...

    def remove_link_key(self, device: Eui64) -> None:
        """Remove what is remembered of a device's link key, if there."""
        ...

    def link_keys(self) -> Mapping[Eui64, EstablishedKey]:
        """Return what is remembered of each device's link key."""
        ...

    def put_join_window(self, device: Eui64, window: JoinWindow) -> None:
        """Remember how long a device of the Device Log may join."""
        ...

    def remove_join_window(self, device: Eui64) -> None:
        """Remove what is remembered of a device's join window, if there."""
        ...

    def join_windows(self) -> Mapping[Eui64, JoinWindow]:
        """Return how long each device that is expected may join."""
        ...

    def put_leaving(self, device: Eui64, at: float) -> None:
        """Remember that a device was removed at `at` (Unix seconds) and has not been heard to leave."""
        ...

    def remove_leaving(self, device: Eui64) -> None:
        """Forget that a device is to leave, if there."""
        ...

    def leaving(self) -> Mapping[Eui64, float]:
        """Return the devices that are to leave, and when each was removed."""
        ...

    def put_device_file(self, device: Eui64, image: ImageId, data: bytes) -> None:
        """Add or replace a device specific file of a device in the Device Log, with whose entry it goes."""
        ...

    def remove_device_files(self, device: Eui64) -> None:
        """Remove the device specific files of a device, if there."""
        ...

    def device_files(self) -> Sequence[tuple[Eui64, bytes]]:
        """Return every device specific file and whose it is."""
        ...

    def put_image(self, data: bytes) -> bytes:
        """Store an Upgrade Image once by content and return its SHA-256."""
        ...

    def image(self, digest: bytes) -> bytes:
        """Return the image with that SHA-256; raise StoreError where there is none, or none any more."""
        ...

    def free_image(self, digest: bytes) -> None:
        """Free the octets of an image; its digest stays known, and `put_image` brings them back."""
        ...

    def put_library_image(self, image: LibraryImage) -> None:
        """Add an image to the library, or write how it is signed and whether it is retired."""
        ...

    def library_images(self) -> Sequence[LibraryImage]:
        """Return every image that is or was in the library, oldest first."""
        ...

    def put_block_size(self, model: DeviceModel, octets: int, at: float) -> None:
        """Remember how long a block devices of this model take."""
        ...

    def block_sizes(self) -> Sequence[tuple[DeviceModel, int]]:
        """Return how long a block each model takes, the longest unchanged first."""
        ...

    def add_job(
        self,
        *,
        request_id: str,
        kind: JobKind,
        device: Eui64,
        image: bytes,
        firmware_version: bytes,
        manufacturer_image_hash: bytes,
        at: float,
        options: JobOptions | None = None,
    ) -> Job:
        """Add a job in state `accepted` and return it with its id."""
        ...

    def update_job(self, job: Job) -> None:
        """Write whatever of the job may change."""
        ...

    def jobs(self, *, device: Eui64 | None = None) -> Sequence[Job]:
        """Return the jobs, oldest first."""
        ...

    def counter(self, name: str, party: Eui64) -> int:
        """Return a counter's value, 0 where it was never raised. `name` is its use, such as `sent`."""
        ...

    def raise_counter(self, name: str, party: Eui64, value: int) -> None:
        """Set a counter higher; raise StoreError where `value` is not higher than what is stored."""
        ...

    def close(self) -> None:
        """Close the database."""
        ...


class Uplink(Protocol):
    """The WAN side: where GBCS messages from the HAN go."""

    def message_received(self, device: Eui64, octets: bytes) -> None:
        """Take one GBCS message that `device` (or the hub itself) sent towards a remote party."""
        ...

    def message_delivered(self, device: Eui64, octets: bytes) -> None:
        """Hear that the device has acknowledged (APS) all of a message relayed to it; an answer may follow.

        May be told after that answer, or not at all where the hub stops or the acknowledgement is lost.
        """
        ...

    def message_undelivered(self, device: Eui64, octets: bytes, reason: str) -> None:
        """Hear that a message relayed to `device` was given up, and why."""
        ...
