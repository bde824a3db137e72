"""A radio between hub and coordinator that keeps every frame, and loses, delays, repeats or alters some.

What a device does about a bad link or a bad server is tried with the very hub that serves it well: no part
of the hub is patched, and on metal it is the same as with an emulated dongle.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

from hanota.errors import DeliveryError, RemoteProtocolError
from hanota.zcl import ZclFrame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from hanota.clock import Clock
    from hanota.eui64 import Eui64
    from hanota.hub.ports import (
        EstablishedKey,
        HanFrame,
        HanRadio,
        Priority,
        RadioListener,
        RadioState,
    )


class Way(StrEnum):
    """Where a frame goes."""

    TO_DEVICE = "hub -> device"
    FROM_DEVICE = "device -> hub"


@dataclass(frozen=True, slots=True)
class RadioFrame:
    """One ZCL frame between the hub and a device; `at` is Unix seconds, `number` counts all of them."""

    number: int
    at: float
    way: Way
    device: Eui64
    cluster: int
    data: bytes
    encrypted: bool

    @property
    def zcl(self) -> ZclFrame | None:
        """The frame parsed, None where it is none."""
        try:
            return ZclFrame.decode(self.data)
        except RemoteProtocolError:
            return None


@dataclass(frozen=True, slots=True)
class Lost:
    """The frame does not arrive; whoever sent it has no acknowledgement."""


@dataclass(frozen=True, slots=True)
class Delayed:
    """The frame leaves so many seconds later."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Repeated:
    """The frame goes out as often as this, each time anew."""

    times: int = 2


@dataclass(frozen=True, slots=True)
class Altered:
    """Other octets go in its place."""

    data: bytes


Fate = Lost | Delayed | Repeated | Altered
Fault: TypeAlias = "Callable[[RadioFrame], Fate | None]"
"""Says what becomes of a frame, None where it is none of its business."""


@dataclass(frozen=True, slots=True)
class TrafficSettings:
    """How much is remembered."""

    frames: int = 100_000
    """The last ones: two downloads of a large image."""


class Traffic:
    """Every frame so far, over restarts of the hub, and the faults that are set."""

    def __init__(self, clock: Clock, settings: TrafficSettings | None = None) -> None:
        self._clock = clock
        self._count = 0
        self._frames: deque[RadioFrame] = deque(maxlen=(settings or TrafficSettings()).frames)
        self._faults: list[Fault] = []
        self._told: list[Callable[[RadioFrame], None]] = []

    @property
    def mark(self) -> int:
        """The number of the next frame."""
        return self._count

    def since(self, mark: int = 0) -> Iterator[RadioFrame]:
        """Yield the frames from number `mark` on that are still remembered, in order."""
        return (frame for frame in tuple(self._frames) if frame.number >= mark)

    def add_fault(self, fault: Fault) -> Callable[[], None]:
        """Ask `fault` what becomes of each frame; return the function that takes it back.

        The first fault that says anything has its way.
        """
        self._faults.append(fault)
        return lambda: self._faults.remove(fault) if fault in self._faults else None

    def clear_faults(self) -> None:
        """Let every frame pass."""
        self._faults.clear()

    def subscribe(self, listener: Callable[[RadioFrame], None]) -> Callable[[], None]:
        """Call `listener` with each frame; return the function that ends it."""
        self._told.append(listener)
        return lambda: self._told.remove(listener)

    def take(self, way: Way, device: Eui64, cluster: int, data: bytes, *, encrypted: bool) -> RadioFrame:
        """Number a frame, without keeping it."""
        frame = RadioFrame(self._count, self._clock.now(), way, device, cluster, data, encrypted)
        self._count += 1
        return frame

    def keep(self, frame: RadioFrame) -> None:
        """Keep a frame that really goes, and tell of it."""
        self._frames.append(frame)
        for listener in tuple(self._told):
            listener(frame)

    def fate(self, frame: RadioFrame) -> Fate | None:
        """Return what becomes of a frame, None where it passes."""
        return next((fate for fault in self._faults if (fate := fault(frame)) is not None), None)


class FaultyRadio:
    """`hanota.hub.ports.HanRadio` around another one."""

    def __init__(self, radio: HanRadio, traffic: Traffic) -> None:
        self._radio, self._traffic = radio, traffic

    @property
    def eui64(self) -> Eui64:
        """The coordinator's own EUI-64; raise RadioError before `start`."""
        return self._radio.eui64

    @property
    def state(self) -> RadioState:
        """The connection's state."""
        return self._radio.state

    @property
    def needs_established_key(self) -> bool:
        """Tell whether a device may be talked to under a link key made by key establishment only."""
        return self._radio.needs_established_key

    async def start(self, listener: RadioListener) -> None:
        """Open the coordinator; raise RadioError."""
        await self._radio.start(_Listener(listener, self._traffic))

    async def stop(self) -> None:
        """Close the coordinator; never raises."""
        await self._radio.stop()

    def room(self, device: Eui64) -> int | None:
        """Return the most octets of a ZCL frame to `device` that need no fragments, None if not known."""
        return self._radio.room(device)

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
        """Send one ZCL frame as its fate wants; raise as HanRadio.send does, DeliveryError for a lost one."""
        frame = self._traffic.take(Way.TO_DEVICE, device, cluster, data, encrypted=encrypted)
        times = 1
        match self._traffic.fate(frame):
            case Lost():
                raise DeliveryError(f"{device} did not acknowledge (the rig lost the frame)")
            case Delayed(seconds=seconds):
                await asyncio.sleep(seconds)
            case Repeated(times=wanted):
                times = wanted
            case Altered(data=other):
                frame = replace(frame, data=other)
            case None:
                pass
        for _ in range(times):
            self._traffic.keep(frame)
            await self._radio.send(
                device,
                cluster,
                frame.data,
                priority=priority,
                encrypted=encrypted,
                acknowledged=acknowledged,
            )

    async def permit_joining(self, device: Eui64, install_code: bytes, seconds: float) -> None:
        """Let `device` alone join, with its install code; raise RadioError."""
        await self._radio.permit_joining(device, install_code, seconds)

    def remove(self, device: Eui64) -> None:
        """Tell `device` to leave the network, and forget its link key."""
        self._radio.remove(device)


class _Listener:
    """`hanota.hub.ports.RadioListener` in front of the hub."""

    def __init__(self, hub: RadioListener, traffic: Traffic) -> None:
        self._hub, self._traffic = hub, traffic

    def is_admitted(self, device: Eui64) -> bool:
        """Tell whether `device` is in the Device Log."""
        return self._hub.is_admitted(device)

    def frame_received(self, frame: HanFrame) -> None:
        """Take one frame as its fate wants."""
        kept = self._traffic.take(
            Way.FROM_DEVICE, frame.device, frame.cluster, frame.data, encrypted=frame.aps_encrypted
        )
        # A device's own frame is kept whatever becomes of it: it did say that.
        self._traffic.keep(kept)
        match self._traffic.fate(kept):
            case Lost():
                pass
            case Delayed(seconds=seconds):
                asyncio.get_running_loop().call_later(seconds, self._hub.frame_received, frame)
            case Repeated(times=times):
                for _ in range(times):
                    self._hub.frame_received(frame)
            case Altered(data=other):
                self._hub.frame_received(replace(frame, data=other))
            case None:
                self._hub.frame_received(frame)

    def frame_refused(self, device: Eui64 | None, cluster: int, reason: str) -> None:
        """Hear of a frame that was refused."""
        self._hub.frame_refused(device, cluster, reason)

    def device_joined(self, device: Eui64) -> None:
        """Hear that a device (re)joined."""
        self._hub.device_joined(device)

    def join_window_closed(self, device: Eui64) -> None:
        """Hear that a device may not join any more."""
        self._hub.join_window_closed(device)

    def device_ready(self, device: Eui64) -> None:
        """Hear that a device may be talked to."""
        self._hub.device_ready(device)

    def link_key_established(self, device: Eui64, key: EstablishedKey) -> None:
        """Hear of a link key in the coordinator."""
        self._hub.link_key_established(device, key)

    def link_key_lost(self, device: Eui64, reason: str) -> None:
        """Hear that the key of `device` is good no more."""
        self._hub.link_key_lost(device, reason)

    def key_establishment_failed(self, device: Eui64, reason: str) -> None:
        """Hear that a key establishment ended without a key."""
        self._hub.key_establishment_failed(device, reason)

    def established_keys(self) -> Mapping[Eui64, EstablishedKey]:
        """Return what was stored of every link key that is good."""
        return self._hub.established_keys()

    def device_left(self, device: Eui64) -> None:
        """Hear that a device left the network."""
        self._hub.device_left(device)

    def radio_state_changed(self, state: RadioState, reason: str) -> None:
        """Hear that the coordinator came or went."""
        self._hub.radio_state_changed(state, reason)
