"""The Communications Hub: what comes from the HAN goes to the right protocol, what they answer goes out."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hanota.errors import LocalProtocolError, RadioError
from hanota.hub.activation_watch import ActivationWatch
from hanota.hub.admission import Admission
from hanota.hub.delivery import Delivery
from hanota.hub.device_log import DeviceLog
from hanota.hub.distribution import Distribution
from hanota.hub.events import EventKind, Party
from hanota.hub.job_book import JobBook
from hanota.hub.jobs import Trigger
from hanota.hub.link_keys import LinkKeys
from hanota.hub.own_commands import OwnCommands
from hanota.hub.ports import RadioState
from hanota.hub.pump import Pump
from hanota.hub.refusals import Refusals
from hanota.hub.settings import HubSettings
from hanota.hub.transfer_alerts import TransferAlerts
from hanota.hub.tunnels import Tunnels
from hanota.zcl import ClusterId

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hanota.clock import Clock
    from hanota.errors import StoreError
    from hanota.eui64 import Eui64
    from hanota.gbcs.certificates import Credentials
    from hanota.gbcs.keystore import KeyStore
    from hanota.hub.device_files import DeviceFiles
    from hanota.hub.image_library import ImageLibrary
    from hanota.hub.jobs import Job, JobKind, JobOptions
    from hanota.hub.journal import Journal
    from hanota.hub.ports import DeviceLogEntry, EstablishedKey, HanFrame, HanRadio, Store, Uplink
    from hanota.hub.progress import Progress, Signal

__all__ = ["Hub", "HubSettings"]


class Hub:
    """One hub on one coordinator; everything happens on the event loop that called `start`.

    `credentials` sign its CCS08 alerts, which go to the access control broker `broker`; with the broker's
    Key Agreement certificate in `trust` the hub also carries out the broker's commands.
    """

    def __init__(
        self,
        *,
        radio: HanRadio,
        store: Store,
        journal: Journal,
        clock: Clock,
        credentials: Credentials,
        broker: Eui64,
        settings: HubSettings | None = None,
        trust: KeyStore | None = None,
    ) -> None:
        self._radio, self._journal, self._clock = radio, journal, clock
        self._settings = settings or HubSettings()
        self._uplink: Uplink | None = None
        self._pump = Pump(journal, clock)
        self._device_log = DeviceLog(store, journal)
        self._delivery = Delivery(radio, self._settings.frames_waiting, self._pump.spawn)
        self._link_keys = LinkKeys(store, journal)
        self._ready: set[Eui64] = set()
        self.jobs = JobBook(store, journal, clock)
        self.refusals = Refusals(journal, clock, self._settings.refusals)
        self._watch = ActivationWatch(self._settings.activation)
        journal.subscribe(self._watch.follow)
        alerts = TransferAlerts(credentials, broker, store, journal, clock, self._message_received)
        self._distribution = Distribution(
            store,
            journal,
            self.jobs,
            self._delivery,
            self.refusals,
            clock,
            settings=self._settings,
            wake=self._pump.wake,
            transfer_ended=alerts.transfer_ended,
        )
        self._admission = Admission(
            radio,
            self._device_log,
            self._link_keys,
            store,
            journal,
            clock,
            spawn=self._pump.spawn,
            storing=self._pump.storing,
            cancel=self._distribution.cancel,
            forget=self._forget,
        )
        self._credentials = credentials
        self._own_commands: OwnCommands | None = None
        if trust is not None:
            self._own_commands = OwnCommands(
                credentials, trust, store, journal, self.refusals, self._admission, self._message_received
            )
        self._tunnels = Tunnels(
            journal,
            self._delivery,
            self.refusals,
            clock=clock,
            settings=self._settings.tunnel,
            wake=self._pump.wake,
            message_received=self._message_received,
            message_delivered=self._message_delivered,
            send_failed=self._send_failed,
        )

    @property
    def eui64(self) -> Eui64:
        """The hub's own EUI-64: that of its coordinator."""
        return self._radio.eui64

    @property
    def device_log(self) -> Sequence[DeviceLogEntry]:
        """The CHF Device Log."""
        return self._device_log.entries

    @property
    def store_fault(self) -> StoreError | None:
        """Why the last event could not be stored, None as long as the store works."""
        return self._pump.fault

    def is_ready(self, device: Eui64) -> bool:
        """Tell whether the device may be talked to: it joined, and has its link key where one is due."""
        return device in self._ready

    async def start(self, uplink: Uplink) -> None:
        """Start the radio and take up every job that had not ended; raise RadioError."""
        self._uplink = uplink
        # Before the radio: a device that asks at once and found no session would give up its download.
        self._distribution.resume()
        self._watch.take_up(self.jobs.open_jobs(), self._clock.now())
        await self._radio.start(self)
        self._pump.start((self._distribution, self._tunnels), (self._watch,), self._expire)
        if not self._radio.needs_established_key:
            # Where a key is due, the radio tells which devices still have theirs.
            now = self._clock.now()
            for device in self._device_log:
                self._ready.add(device)
                self._tunnels.open(device, now)
        with self._pump.storing():
            self._admission.resume()
        self._pump.wake()

    async def stop(self) -> None:
        """Stop the radio and everything under way; what is stored goes on at the next start."""
        await self._pump.stop()
        await self._radio.stop()

    # -- what the WAN asks for ---------------------------------------------------------------------------

    async def add_device(self, entry: DeviceLogEntry, join_seconds: float) -> None:
        """Put a device into the Device Log and let it alone join for `join_seconds`; raise RadioError."""
        await self._admission.add(entry, join_seconds)

    def expect(self, entry: DeviceLogEntry, join_seconds: float) -> None:
        """Have a device of the Device Log let in by the next `start`; raise StoreError."""
        self._admission.expect(entry, join_seconds)

    def admit(self, entry: DeviceLogEntry, join_seconds: float) -> None:
        """Do as `add_device`, but let the device join once this is committed; raise StoreError.

        Where it cannot join, the journal says so.
        """
        self._admission.admit(entry, join_seconds)

    def remove_device(self, device: Eui64) -> None:
        """Take a device out of the Device Log: its job ends, its link key is void, and it is told to leave.

        Raise LocalProtocolError where it is not there, StoreError where nothing was done.
        """
        self._admission.remove(device)

    @property
    def library(self) -> ImageLibrary:
        """The image library."""
        return self._distribution.library

    @property
    def device_files(self) -> DeviceFiles:
        """The device specific files."""
        return self._distribution.device_files

    def distribute(
        self,
        request_id: str,
        kind: JobKind,
        image: bytes,
        devices: Sequence[Eui64],
        options: JobOptions | None = None,
    ) -> Sequence[Job]:
        """Begin to bring one Upgrade Image to `devices` and return their jobs.

        Raise RemoteProtocolError for the image's fault, LocalProtocolError for options that cannot be.
        """
        jobs = self._distribution.distribute(request_id, kind, image, devices, options)
        self._pump.wake()
        return jobs

    def approve(self, device: Eui64) -> None:
        """Let a device have the last block of its image; LocalProtocolError where none waits for that."""
        self._distribution.approve(device)
        self._pump.wake()

    def pause(self, devices: Iterable[Eui64] | None = None, *, reason: str) -> None:
        """Have devices wait with their next image blocks, with None all that have a job now."""
        self._distribution.pause(devices, reason)

    def go_on(self, devices: Iterable[Eui64] | None = None) -> None:
        """Serve paused devices again, with None all; each comes back within its wait."""
        self._distribution.go_on(devices)

    def read_client_attributes(self, device: Eui64) -> None:
        """Ask a device for the attributes of its OTA Upgrade client; event CLIENT_ATTRIBUTES tells them."""
        self._distribution.read_attributes(device)
        self._pump.wake()

    def cancel(self, device: Eui64, reason: str) -> None:
        """End the device's open job, if it has one; the transfer is answered ABORT."""
        self._distribution.cancel(device, reason)
        self._pump.wake()

    def relay(self, device: Eui64, octets: bytes) -> None:
        """Carry one GBCS message to a device, unchanged, or carry it out soon where it is for the hub itself.

        Raise LocalProtocolError if it cannot be.
        """
        if device == self._credentials.eui64:
            if self._own_commands is None:
                raise LocalProtocolError("the hub has no certificate of the access control broker")
            asyncio.get_running_loop().call_soon(self.execute, octets)
            return
        self._tunnels.send(device, octets, self._clock.now())
        self._pump.wake()

    def execute(self, octets: bytes) -> None:
        """Carry out a GBCS command to the hub itself; one that does not verify is noted and not answered."""
        if self._own_commands is not None and self._pump.running:
            with self._pump.storing():
                self._own_commands.execute(octets)

    def settle(self, device: Eui64, trigger: Trigger, reason: str = "") -> None:
        """Move the device's open job, if it has one, by a statement that the DCC has verified."""
        self._distribution.settle(device, trigger, reason)
        self._pump.wake()

    def settle_activation(self, device: Eui64, firmware_version: bytes) -> None:
        """End the device's open job by the verified version it now runs (4 octets): the job's, or another."""
        job = self.jobs.open_job(device)
        if job is None:
            return
        if firmware_version == job.firmware_version:
            self.settle(device, Trigger.OUTCOME_SUCCESS)
        else:
            reason = f"the device reports success but runs {firmware_version.hex().upper()}"
            self.settle(device, Trigger.OUTCOME_FAILURE, reason)

    def progress(self) -> Sequence[Progress]:
        """Return how far each transfer under way is."""
        return self._distribution.progress()

    def signal(self, device: Eui64) -> Signal:
        """Return how a device's last frame was heard."""
        return self._distribution.signal(device)

    # -- what the radio tells (RadioListener) ------------------------------------------------------------

    def is_admitted(self, device: Eui64) -> bool:
        """Tell whether the device is in the Device Log."""
        return device in self._device_log

    def frame_received(self, frame: HanFrame) -> None:
        """Take one frame from the HAN; one of a device that is not in the Device Log is refused."""
        if not self.is_admitted(frame.device):
            self.frame_refused(frame.device, frame.cluster, "not in the Device Log")
            return
        self._distribution.heard(frame)
        with self._pump.storing():
            match frame.cluster:
                case ClusterId.OTA_UPGRADE:
                    self._distribution.receive(frame)
                case ClusterId.TUNNELING:
                    self._tunnels.receive(frame)
                case _:
                    self.frame_refused(frame.device, frame.cluster, "the hub does not serve this cluster")
        self._pump.wake()

    def frame_refused(self, device: Eui64 | None, cluster: int, reason: str) -> None:
        """Note a frame that the radio refused."""
        with self._pump.storing():
            self._journal.record(
                EventKind.FRAME_REFUSED,
                Party.RADIO,
                Party.HUB,
                device=device,
                detail={"cluster": cluster, "reason": reason},
            )

    def device_joined(self, device: Eui64) -> None:
        """Note a join; the device is talked to when it is ready."""
        with self._pump.storing():
            self._admission.joined(device)

    def join_window_closed(self, device: Eui64) -> None:
        """Expect a device no more whose joins came to nothing, not after a restart either."""
        with self._pump.storing():
            self._admission.closed(device)

    def device_ready(self, device: Eui64) -> None:
        """Open the tunnel of a device that may be talked to and offer it again what waits for it."""
        self._ready.add(device)
        self._tunnels.reopen(device, self._clock.now())
        self._distribution.device_ready(device)
        self._pump.wake()

    def link_key_established(self, device: Eui64, key: EstablishedKey) -> None:
        """Store and note a link key; `established_keys` has it only where that succeeded."""
        with self._pump.storing():
            self._link_keys.add(device, key)

    def link_key_lost(self, device: Eui64, reason: str) -> None:
        """Forget a link key that is good no more; the device's job and messages wait for another."""
        self._ready.discard(device)
        with self._pump.storing():
            self._link_keys.lose(device, reason)

    def key_establishment_failed(self, device: Eui64, reason: str) -> None:
        """Note a key establishment that ended without a key."""
        with self._pump.storing():
            kind, detail = EventKind.KEY_ESTABLISHMENT_FAILED, {"reason": reason}
            self.refusals.record(kind, Party.DEVICE, Party.HUB, device=device, detail=detail)

    def established_keys(self) -> Mapping[Eui64, EstablishedKey]:
        """Return what is stored of every link key that is good."""
        return self._link_keys.established

    def device_left(self, device: Eui64) -> None:
        """Note a leave; its job and its messages wait for it to come back."""
        self._ready.discard(device)
        with self._pump.storing():
            self._admission.left(device)

    def radio_state_changed(self, state: RadioState, reason: str) -> None:
        """Note that the coordinator came or went; transfers go on where the devices ask."""
        with self._pump.storing():
            self._journal.record(
                EventKind.RADIO_STATE, Party.RADIO, Party.HUB, detail={"state": str(state), "reason": reason}
            )
            if state is RadioState.ONLINE and self._pump.running:
                self._admission.resume()

    # -- inside ------------------------------------------------------------------------------------------

    def _message_received(self, device: Eui64, octets: bytes) -> None:
        if self._uplink is None:
            raise RadioError("a message came before the hub was started")
        self._uplink.message_received(device, octets)

    def _message_delivered(self, device: Eui64, octets: bytes) -> None:
        if self._uplink is not None:
            with self._pump.storing():
                self._uplink.message_delivered(device, octets)

    def _send_failed(self, device: Eui64, octets: bytes, reason: str) -> None:
        if self._uplink is not None:
            self._uplink.message_undelivered(device, octets, reason)

    def _forget(self, device: Eui64) -> None:
        """Break off with a device that is in the Device Log no more."""
        self._ready.discard(device)
        with self._pump.storing():
            self._tunnels.close(device)
        self._pump.wake()

    def _expire(self) -> None:
        with self._pump.storing():
            self._distribution.expire()
        now = self._clock.now()
        self._tunnels.expire(now)
        silent, over = self._watch.expire(now)
        for device in silent:
            self._tunnels.reopen(device, now)
            self._distribution.tell_upgrade_time(device)
        with self._pump.storing():
            for device in over:
                self.settle(device, Trigger.EXPIRE, "the device did not say whether it activated the image")
