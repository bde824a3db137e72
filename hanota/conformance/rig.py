"""A hub with its DCC on one dongle and the devices of a bench: emulated, behind a port, or metal alike."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

from hanota.bench.errors import BenchError
from hanota.conformance.errors import RigTimeoutError
from hanota.conformance.faulty_radio import FaultyRadio, Traffic, Way
from hanota.conformance.messages import Heard, Tunnelled
from hanota.conformance.rig_options import DEVICE_TYPES, Foundation, RigDevice, RigOptions, RigSettings
from hanota.conformance.steps import SENT_COUNTER, Steps
from hanota.dcc.counters import REQUEST_COUNTER
from hanota.demo.composition import composed
from hanota.hub.events import EventKind
from hanota.hub.journal import Journal
from hanota.hub.ports import DeviceLogEntry
from hanota.zcl import ClusterId

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from hanota.conformance.faulty_radio import RadioFrame
    from hanota.eui64 import Eui64
    from hanota.hub.events import Event, Json
    from hanota.hub.jobs import JobKind
    from hanota.radio.settings import LinkSecurity

__all__ = ["Foundation", "Rig", "RigDevice", "RigOptions", "RigSettings", "open_rig"]

_LOOK: Final = 0.5
"""Seconds between looks at what tells of no change by an event."""


class Rig(Steps):
    """A started hub and its devices; what happened, and the steps of everybody who is no device."""

    def __init__(self, options: RigOptions, foundation: Foundation) -> None:
        self.options, self._foundation = options, foundation
        self.radio_url, self.keys, self.clock = foundation.radio_url, foundation.keys, foundation.clock
        self.store, self.security = foundation.store, foundation.security
        self.database, self.capture_head = foundation.database, foundation.capture_head
        self.devices: Mapping[str, RigDevice] = foundation.devices
        self.dongle = foundation.dongle
        """Where it is emulated in this process."""
        self.artifacts = options.artifacts
        self.events: list[Event] = []
        """Everything the hub has noted, over its restarts."""
        self.traffic = Traffic(self.clock)
        """Every ZCL frame, over restarts, and the faults that are set."""
        self._running = AsyncExitStack()
        self._told = asyncio.Event()
        self._started = False
        self.journal: Journal

    # -- life ----------------------------------------------------------------------------------------------

    async def start_hub(self, security: LinkSecurity | None = None) -> None:
        """Start the hub and its DCC on the dongle; raise HanotaError.

        With another `security` than the bench's, the hub is one that does not know its duty.
        """
        self.journal = Journal(self.store, self.clock)
        self.journal.subscribe(self._heard)
        self.coordinator = self._foundation.new_coordinator(security or self.security)
        started = composed(
            self.keys,
            FaultyRadio(self.coordinator, self.traffic),
            store=self.store,
            journal=self.journal,
            clock=self.clock,
            settings=self.options.hub,
        )
        running = await self._running.enter_async_context(started)
        self.hub, self.dcc = running.hub, running.dcc
        self._raise_counters()
        self._started = True

    async def stop_hub(self) -> None:
        """End the hub and its DCC; the database, the dongle and the devices stay."""
        self._started = False
        running, self._running = self._running, AsyncExitStack()
        await running.aclose()

    async def ensure_hub(self) -> None:
        """Start the hub where a restart was cut short; raise HanotaError."""
        if not self._started:
            await self.start_hub()

    async def restart_hub(self, pause: float = 0, security: LinkSecurity | None = None) -> None:
        """End the hub with its DCC; start another `pause` seconds later on the same database and dongle."""
        await self.stop_hub()
        await asyncio.sleep(pause)
        await self.start_hub(security)

    def _raise_counters(self) -> None:
        """Count on from the time: devices remember counters of runs that this database does not know."""
        floor = int(self.clock.now() * 1000)
        for name, party in ((REQUEST_COUNTER, self.keys.supplier), (SENT_COUNTER, self.keys.broker)):
            if self.store.counter(name, party) < floor:
                self.store.raise_counter(name, party, floor)

    def look(self) -> None:
        """Have `until` look at what it waits for now."""
        self._told.set()

    def _heard(self, event: Event) -> None:
        self.events.append(event)
        self._told.set()

    # -- devices -------------------------------------------------------------------------------------------

    def device(self, eui64: Eui64) -> RigDevice | None:
        """Return the device with this EUI-64, None where the bench has none."""
        return next((device for device in self.devices.values() if device.eui64 == eui64), None)

    def of_kind(self, kind: JobKind) -> RigDevice | None:
        """Return the first device of a kind, None where the bench has none."""
        return next((device for device in self.devices.values() if device.kind is kind), None)

    async def join(self, device: RigDevice) -> None:
        """Have the device on the HAN, with the link key that is due; raise BenchError where it does not come.

        One that is there already is left alone; one that is silent is let join, with its power cut once.
        """
        settings = self.options.settings
        known = any(entry.device == device.eui64 for entry in self.hub.device_log)
        if known:
            with suppress(RigTimeoutError):
                await self.until(lambda: self.is_there(device), settings.settle)
                return
        entry = DeviceLogEntry(device.eui64, DEVICE_TYPES[device.kind], device.install_code)
        await self.hub.add_device(entry, settings.join_window)
        if device.power is not None and (known or device.emulated is None):
            await self.cut_power(device)
        try:
            async with asyncio.timeout(settings.join_window):
                await self._associate(device)
                await self.until(lambda: self.is_there(device), settings.join_window)
        except (TimeoutError, RigTimeoutError):
            raise BenchError(
                f"{device.name} ({device.eui64}) did not join within {settings.join_window:.0f} s",
                hint="is it powered, in range, and its install code that of the bench file?",
            ) from None

    def is_there(self, device: RigDevice) -> bool:
        """Tell whether the device may be talked to: it joined, and has its link key where one is due."""
        return self.hub.is_ready(device.eui64)

    async def cut_power(self, device: RigDevice, seconds: float | None = None) -> None:
        """Cut the device's power for a while; raise BenchError where it has none to switch."""
        if device.power is None:
            raise BenchError(
                f"the power of {device.name} cannot be switched", hint="give it `power` in the bench file"
            )
        await device.power.off()
        try:
            await asyncio.sleep(self.options.settings.power_off if seconds is None else seconds)
        finally:
            await device.power.on()

    async def back(self, device: RigDevice) -> None:
        """Wait until a device whose power was cut has its tunnel again, or does not open one in time."""
        since = self.last_event
        with suppress(RigTimeoutError):
            await self.until(
                lambda: self.seen(EventKind.TUNNEL_OPENED, device, since=since), self.options.settings.settle
            )

    async def _associate(self, device: RigDevice) -> None:
        """Have an emulated device of this process join; others do so by themselves."""
        node, air = device.emulated, self._foundation.air
        if node is None or air is None:
            return
        from hanota.emulator.node import JoinRefusedError  # noqa: PLC0415  # with an emulated rig alone

        while not node.joined:
            try:
                await node.join(air)
            except JoinRefusedError:
                await asyncio.sleep(self.options.settings.join_retry)

    # -- what happened -------------------------------------------------------------------------------------

    def seen(
        self, kind: EventKind, device: RigDevice | None = None, *, since: int = 0, **detail: Json
    ) -> list[Event]:
        """Return the events of `kind` after number `since`, of `device` and with this detail where given."""
        return [
            event
            for event in self.events
            if event.seq > since
            and event.kind is kind
            and (device is None or event.device == device.eui64)
            and detail.items() <= event.detail.items()
        ]

    @property
    def last_event(self) -> int:
        """The number of the last event, 0 before the first."""
        return self.events[-1].seq if self.events else 0

    def frames(self, device: RigDevice, way: Way, cluster: int, *, since: int = 0) -> list[RadioFrame]:
        """Return the frames between the hub and the device from number `since` on."""
        return [
            frame
            for frame in self.traffic.since(since)
            if (frame.device, frame.way, frame.cluster) == (device.eui64, way, cluster)
        ]

    def messages(self, device: RigDevice, way: Way, *, since: int = 0) -> list[Heard]:
        """Return the GBCS messages that went through the device's tunnel from frame `since` on."""
        frames = self.frames(device, way, ClusterId.TUNNELING, since=since)
        return list(Tunnelled.of(frames))

    async def until(self, holds: Callable[[], object], seconds: float) -> None:
        """Return when `holds()` is true, looked at after every event; raise RigTimeoutError, StoreError."""
        try:
            async with asyncio.timeout(seconds):
                while not holds():
                    self._told.clear()
                    with suppress(TimeoutError):
                        async with asyncio.timeout(_LOOK):
                            await self._told.wait()
                    if self.hub.store_fault is not None:
                        raise self.hub.store_fault
        except TimeoutError:
            raise RigTimeoutError(f"it did not come within {seconds:.0f} s") from None


@asynccontextmanager
async def open_rig(options: RigOptions) -> AsyncIterator[Rig]:
    """Open a rig for the length of a `with` block, its devices not joined yet; raise HanotaError.

    An emulated rig needs nothing else and lives in the time of the running loop.
    """
    from hanota.conformance.emulated import emulated_foundation, is_emulated  # noqa: PLC0415  # by need
    from hanota.conformance.metal import metal_foundation  # noqa: PLC0415  # by need

    opened = emulated_foundation if is_emulated(options.radio) else metal_foundation
    async with opened(options) as foundation:
        rig = Rig(options, foundation)
        try:
            await rig.start_hub()
            yield rig
        finally:
            await rig.stop_hub()
