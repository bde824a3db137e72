"""The demonstration itself: join the devices, carry out the plan, read the versions back, judge."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, assert_never

from hanota.dcc.errors import NoResponseError, RequestRejectedError
from hanota.demo.bench import DEVICE_TYPES
from hanota.duis.request import (
    ActivateFirmware,
    ReadFirmwareVersion,
    ReadInventory,
    SignedPreCommand,
    UpdateFirmware,
    UpdateHanDeviceLog,
    UpdatePpmidFirmware,
)
from hanota.duis.response import PreCommand, ResponseMessage
from hanota.emulator.emulation.entries import default_install_code
from hanota.emulator.node import JoinRefusedError
from hanota.errors import HanotaError
from hanota.gbcs.crypto import sign
from hanota.gbcs.message import Message
from hanota.gbcs.read_firmware_version import decode_response
from hanota.hub.events import EventKind
from hanota.hub.jobs import JobKind, JobState
from hanota.hub.ports import DeviceLogEntry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hanota.dcc.submission import Answer
    from hanota.demo.assembly import Assembly
    from hanota.demo.plan import Plan, PlannedDevice
    from hanota.duis.request import ServiceRequest
    from hanota.eui64 import Eui64
    from hanota.hub.events import Event


_REFUSALS: Final = frozenset(
    {EventKind.GBCS_REFUSED, EventKind.FRAME_REFUSED, EventKind.KEY_ESTABLISHMENT_FAILED}
)


@dataclass(frozen=True, slots=True)
class ScenarioSettings:
    """How long the demonstration waits for what; seconds of the emulated time."""

    join_seconds: float = 90
    """The joining window: join_timeout of the published CCS01."""
    join_retry: float = 5
    """Time between a device's attempts to join."""
    slowest_transfer: float = 100
    """Octets a second below which a transfer counts as failed; a modelled radio carries above 1,500."""
    patience: float = 3600
    """Time allowed on top: notifications, stalls, reboots and retries."""
    store_check: float = 10
    """How often to see whether the store still takes events, while none come."""
    longest_future_dating: float = 24 * 3600
    """How far ahead an executionDateTime may be to be waited for."""


class DemonstrationError(HanotaError):
    """The demonstration did not end as it should; the journal says why."""


@dataclass(frozen=True, slots=True)
class DeviceOutcome:
    """How it ended for one device; `reported` is what CS08 read back, None where there was no answer.

    `cause` is what moved the job last.
    """

    device: Eui64
    kind: JobKind
    before: bytes
    wanted: bytes
    reported: bytes | None
    job: JobState | None
    cause: str

    @property
    def succeeded(self) -> bool:
        """Tell whether the job ended activated and the device runs the new version."""
        return self.reported == self.wanted and self.job is JobState.ACTIVATED


class Scenario:
    """One plan played on an assembly: whole by `run`, or step by step."""

    def __init__(self, plan: Plan, assembly: Assembly, settings: ScenarioSettings | None = None) -> None:
        self._plan = plan
        self._parties, self._bench, self._clock = assembly.parties, assembly.bench, assembly.clock
        self._hub, self._dcc, self._journal = assembly.hub, assembly.dcc, assembly.journal
        self._settings = settings or ScenarioSettings()
        self._jobs: dict[Eui64, JobState] = {}
        self._causes: dict[Eui64, str] = {}
        self._joined: set[Eui64] = set()
        self._refused = 0
        self._journal.subscribe(self._follow)

    async def run(self) -> Sequence[DeviceOutcome]:
        """Carry out the plan and return how it ended for each device.

        Raise DemonstrationError where it cannot be carried out, RequestRejectedError and NoResponseError
        where the DCC says so.
        """
        for planned in self._plan.devices:
            await self.join(planned)
        for request in self._plan.requests:
            await self.carry_out(request)
        return [await self.outcome(planned) for planned in self._plan.devices]

    @property
    def refused(self) -> int:
        """Messages and frames that somebody refused: 0 in a demonstration that succeeded."""
        return self._refused + sum(len(device.refused) for device in self._bench.devices.values())

    # -- steps -------------------------------------------------------------------------------------------

    async def join(self, planned: PlannedDevice) -> None:
        """Put the device into the Device Log, have it join and establish its link key where one is due.

        Raise DemonstrationError where it does not.
        """
        settings, node = self._settings, self._bench.devices[planned.device]
        self._joined.discard(planned.device)
        entry = DeviceLogEntry(
            planned.device, DEVICE_TYPES[planned.kind], default_install_code(planned.device)
        )
        await self._hub.add_device(entry, settings.join_seconds)
        try:
            async with asyncio.timeout(settings.join_seconds):
                while not node.joined:
                    try:
                        await node.join(self._bench.air)
                    except JoinRefusedError:
                        await asyncio.sleep(settings.join_retry)
        except TimeoutError:
            raise DemonstrationError(
                f"{planned.device} did not join within {settings.join_seconds:.0f} s"
            ) from None
        await self._until(lambda: self._is_there(planned.device), settings.join_seconds)

    async def carry_out(self, request: ServiceRequest) -> None:
        """Play the service user of one request and return when nothing more comes of it by itself."""
        match request:
            case UpdatePpmidFirmware() | UpdateFirmware():
                await self._update(request)
            case ActivateFirmware():
                await self._activate(request)
            case SignedPreCommand() | ReadFirmwareVersion() | UpdateHanDeviceLog():
                await self._answered(request)
            case ReadInventory():
                self._submit(request)
            case _:
                assert_never(request)

    def _submit(self, request: ServiceRequest) -> Answer:
        answer = self._dcc.submit(request)
        if answer.repeated:
            raise DemonstrationError(
                f"Service Request {request.service_reference} {request.request_id} was handled already",
                hint="raise the counter at the end of its RequestID, or name another database",
            )
        return answer

    async def _answered(self, request: ServiceRequest) -> Message:
        """Send a request that becomes a command and return the device's response."""
        outcome = self._submit(request).outcome
        if outcome is None:
            raise DemonstrationError(f"Service Request {request.service_reference} became no command")
        return await outcome

    async def _update(self, request: UpdatePpmidFirmware | UpdateFirmware) -> None:
        """Distribute, and wait until every job has ended or is held."""
        self._submit(request)
        seconds = len(request.firmware_image) * len(request.device_ids) / self._settings.slowest_transfer
        await self._until(
            lambda: all(self._is_settled(device) for device in request.device_ids),
            seconds + self._settings.patience,
        )

    async def _activate(self, request: ActivateFirmware) -> None:
        """Play the supplier's part: ask for the Pre-Command, sign it, send it back, wait for the outcome."""
        device = request.request_id.target
        wait = self._wait_for_execution(request)
        match self._submit(request).response.body:
            case ResponseMessage(content=PreCommand(gbcs_payload=octets)):
                pre_command = Message.decode(octets)
            case _:
                raise DemonstrationError("the answer to Activate Firmware has no Pre-Command")
        key = self._parties.remote.signing_private_key(self._parties.supplier)
        await self._answered(SignedPreCommand(request.request_id, sign(pre_command, key).encode()))
        await self._until(lambda: self._is_settled(device), wait + self._settings.patience)

    def _wait_for_execution(self, request: ActivateFirmware) -> float:
        when = request.execution_date_time
        if when is None or request.is_cancellation:
            return 0
        seconds = max(0.0, when.timestamp() - self._clock.now())
        longest = self._settings.longest_future_dating
        if seconds > longest:
            raise DemonstrationError(
                f"the ExecutionDateTime {when.isoformat()} is {seconds / 86400:.0f} days ahead",
                hint=f"the demonstration waits for at most {longest / 3600:.0f} h",
            )
        return seconds

    async def outcome(self, planned: PlannedDevice) -> DeviceOutcome:
        """Read the device's version back (SR 11.2) and judge."""
        request_id = self._dcc.next_request_id(planned.device)
        reported: bytes | None = None
        try:
            response = await self._answered(ReadFirmwareVersion(request_id))
            reported = decode_response(response.payload).firmware_version
        except (NoResponseError, RequestRejectedError):
            pass  # the journal has it; the outcome says that nothing was read
        return DeviceOutcome(
            device=planned.device,
            kind=planned.kind,
            before=planned.running.file_version.to_bytes(4, "big"),
            wanted=planned.target_version,
            reported=reported,
            job=self._jobs.get(planned.device),
            cause=self._causes.get(planned.device, ""),
        )

    # -- waiting -----------------------------------------------------------------------------------------

    def _follow(self, event: Event) -> None:
        if event.kind is EventKind.JOB_STATE and event.device is not None:
            self._jobs[event.device] = JobState(str(event.detail["state"]))
            self._causes[event.device] = str(event.detail["cause"])
        if event.kind is EventKind.DEVICE_JOINED and event.device is not None:
            self._joined.add(event.device)
        if event.kind in _REFUSALS:
            self._refused += 1

    def _is_there(self, device: Eui64) -> bool:
        """Tell whether the device joined and may be talked to."""
        return device in self._joined and self._hub.is_ready(device)

    def _is_settled(self, device: Eui64) -> bool:
        """Tell whether nothing more happens to the device's job without another Service Request."""
        state = self._jobs.get(device)
        return state is None or state.is_end or state is JobState.HELD

    async def _change(self, changed: asyncio.Event) -> None:
        """Wait for an event; raise StoreError where none can be stored any more."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.store_check):
                await changed.wait()
        if self._hub.store_fault is not None:
            raise self._hub.store_fault

    async def _until(self, holds: Callable[[], bool], seconds: float) -> None:
        """Return when `holds` is true, looked at after every event."""
        changed = asyncio.Event()
        unsubscribe = self._journal.subscribe(lambda _: changed.set())
        try:
            async with asyncio.timeout(seconds):
                while not holds():
                    changed.clear()
                    await self._change(changed)
        except TimeoutError:
            raise DemonstrationError(f"nothing came of it within {seconds:.0f} s") from None
        finally:
            unsubscribe()
