"""The bench's DCC for one hub: Service Requests in; responses, device alerts and DCC alerts out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from hanota.dcc.errors import RequestRejectedError
from hanota.errors import LocalProtocolError, RemoteProtocolError, UnverifiableError
from hanota.gbcs.activate_firmware import CANCELLATION
from hanota.gbcs.counters import MAXIMUM_COUNTER
from hanota.hub.events import EventKind, Party
from hanota.hub.image_library import IMAGE_SHAPE
from hanota.hub.jobs import JobKind, Trigger
from hanota.hub.ports import DeviceType
from hanota.ota.image import parse_image

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from hanota.clock import Clock
    from hanota.dcc.broker import AccessControlBroker
    from hanota.dcc.exchange import Exchange
    from hanota.dcc.incoming import Incoming
    from hanota.duis.request import (
        ActivateFirmware,
        ReadFirmwareVersion,
        RequestId,
        ServiceRequest,
        UpdateFirmware,
        UpdatePpmidFirmware,
    )
    from hanota.eui64 import Eui64
    from hanota.gbcs.message import Message
    from hanota.hub.events import Json
    from hanota.hub.hub import Hub
    from hanota.hub.jobs import Job
    from hanota.hub.journal import Journal
    from hanota.hub.ports import Store
    from hanota.ota.image import OtaFile

_REQUEST_COUNTER: Final = "request"
"""The highest RequestID counter of a service user so far."""


class _Update(NamedTuple):
    name: str
    device_types: frozenset[DeviceType]


_UPDATES: Final = {
    JobKind.PPMID: _Update("Update PPMID Firmware", frozenset({DeviceType.PPMID})),
    JobKind.HCALCS: _Update("Update Firmware", frozenset({DeviceType.HCALCS})),
}
"""Which devices each update is for: SECMP0007 gave 11.4 to PPMIDs and opened 11.1 to HCALCSs."""


class Dcc:
    """The service user's counterpart and the hub's uplink."""

    def __init__(
        self,
        *,
        hub: Hub,
        broker: AccessControlBroker,
        exchange: Exchange,
        incoming: Incoming,
        store: Store,
        journal: Journal,
        clock: Clock,
    ) -> None:
        self._hub, self._broker, self._exchange, self._incoming = hub, broker, exchange, incoming
        self._store, self._journal, self._clock = store, journal, clock

    # -- Service Requests: each raises RequestRejectedError and then has done nothing ---------------------

    def update_firmware(self, request: UpdateFirmware | UpdatePpmidFirmware, kind: JobKind) -> Sequence[Job]:
        """Take SR 11.4 (`kind` PPMID) or 11.1 (HCALCS) and return the jobs it began."""
        update = _UPDATES[kind]
        try:
            file = parse_image(request.firmware_image, IMAGE_SHAPE[kind])
        except RemoteProtocolError as error:
            self._begin(request, update.name)
            raise self._rejected(request.request_id, error) from error
        self._begin(
            request,
            update.name,
            octets=len(file.data),
            manufacturer_image_hash=file.manufacturer_image_hash.hex(),
            firmware_version=file.firmware_version.hex().upper(),
            devices=[str(device) for device in request.device_ids],
        )
        types = {entry.device: entry.device_type for entry in self._hub.device_log}
        named = dict.fromkeys(request.device_ids)  # a device that is named twice is updated once
        invalid = [device for device in named if types.get(device) not in update.device_types]
        holding = [device for device in named if device not in invalid and self._holds(device, file)]
        eligible = [device for device in named if device not in invalid and device not in holding]
        if not eligible:
            raise self._rejected(request.request_id, _nobody(kind, invalid, holding))
        try:
            jobs = self._hub.distribute(str(request.request_id), kind, request.firmware_image, eligible)
        except RemoteProtocolError as error:
            raise self._rejected(request.request_id, error) from error
        self._acknowledge(
            request.request_id,
            "I99",
            "accepted, the outcome follows" if len(eligible) == len(named) else "accepted for some devices",
            invalid_devices=[str(device) for device in invalid],
            other_request_in_progress=[str(device) for device in holding],
        )
        return jobs

    def transform(self, request: ActivateFirmware) -> bytes:
        """Take SR 11.3, Command Variant 4, and return the Pre-Command to sign."""
        request_id = request.request_id
        self._begin(
            request,
            "Activate Firmware",
            firmware_hash=request.firmware_hash.hex(),
            execution_date_time=None
            if request.execution_date_time is None
            else request.execution_date_time.isoformat(),
        )
        self._check_target(request_id)
        octets = self._broker.activate_firmware(
            request_id.originator,
            request_id.target,
            request_id.counter,
            request.firmware_hash,
            CANCELLATION if request.is_cancellation else request.execution_date_time,
        ).encode()
        self._journal.record(
            EventKind.PRE_COMMAND,
            Party.DCC,
            Party.SERVICE_USER,
            device=request_id.target,
            detail={"request_id": str(request_id), "use_case": "CS06", "octets": len(octets)},
        )
        return octets

    def send_signed_pre_command(self, request_id: RequestId, octets: bytes) -> asyncio.Future[Message]:
        """Take a Signed Pre-Command (Command Variant 5); the future gives the device's response."""
        try:
            command = self._broker.accept(octets)
            _check_names(request_id, command)
            self._exchange.check_room()
        except (RemoteProtocolError, LocalProtocolError, UnverifiableError) as error:
            raise self._rejected(request_id, error) from error
        device = command.recipient
        with self._journal.transaction():
            self._broker.passed_on(command)
            self._journal.record(
                EventKind.SIGNED_PRE_COMMAND,
                Party.SERVICE_USER,
                Party.DCC,
                device=device,
                detail={
                    "request_id": str(request_id),
                    "use_case": "CS06",
                    "octets": len(octets),
                    "verified": "supplier's signature, Originator Counter",
                },
            )
            self._acknowledge(request_id, "I99", "accepted, the response follows")
            self._hub.settle(device, Trigger.COMMAND_RELAYED)
        return self._exchange.send(request_id, "11.3", command, "supplier's signature, ACB MAC")

    def read_firmware_version(self, request: ReadFirmwareVersion) -> asyncio.Future[Message]:
        """Take SR 11.2; the future gives the device's response."""
        request_id = request.request_id
        self._begin(request, "Read Firmware Version")
        self._check_target(request_id)
        try:
            self._exchange.check_room()
            command = self._broker.read_firmware_version(
                request_id.originator, request_id.counter, request_id.target
            )
        except (LocalProtocolError, UnverifiableError) as error:
            raise self._rejected(request_id, error) from error
        self._acknowledge(request_id, "I99", "accepted, the response follows")
        return self._exchange.send(request_id, request.service_reference, command, "ACB MAC")

    # -- what the hub hands up (Uplink) ------------------------------------------------------------------

    def message_received(self, device: Eui64, octets: bytes) -> None:
        """Take a GBCS message from the HAN, or the hub's own."""
        self._incoming.take(device, octets)

    def message_undelivered(self, device: Eui64, octets: bytes, reason: str) -> None:
        """Give up what waits for the answer to a message that the hub could not deliver."""
        self._exchange.undelivered(device, octets, reason)

    # -- inside ------------------------------------------------------------------------------------------

    def _begin(self, request: ServiceRequest, name: str, **detail: Json) -> None:
        """Note the request; one that was noted before is refused, so that nothing is done twice."""
        request_id, reference = str(request.request_id), str(request.service_reference)
        with self._journal.transaction():
            new = self._store.add_service_request(request_id, reference, self._clock.now())
            originator, counter = request.request_id.originator, request.request_id.counter
            if last_request_counter(self._store, originator) < counter <= MAXIMUM_COUNTER:
                self._store.raise_counter(_REQUEST_COUNTER, originator, counter)
            self._journal.record(
                EventKind.REQUEST_RECEIVED,
                Party.SERVICE_USER,
                Party.DCC,
                detail={"request_id": request_id, "service_reference": reference, "name": name, **detail},
            )
        if counter > MAXIMUM_COUNTER:
            too_high = RemoteProtocolError(
                f"the counter of RequestID {request_id} is above {MAXIMUM_COUNTER}, the highest of GBCS"
            )
            raise self._rejected(request.request_id, too_high)
        if not new:
            error = RemoteProtocolError(
                f"Service Request {reference} {request_id} was handled already",
                hint="raise the counter at the end of its RequestID",
            )
            raise self._rejected(request.request_id, error)

    def _holds(self, device: Eui64, file: OtaFile) -> bool:
        """Tell whether an HCALCS has this very image and waits to run it: it would not fetch it again."""
        job = self._hub.jobs.open_job(device)
        return (
            job is not None
            and job.kind is JobKind.HCALCS
            and job.has_image
            and job.manufacturer_image_hash == file.manufacturer_image_hash
        )

    def _check_target(self, request_id: RequestId) -> None:
        if not self._hub.is_admitted(request_id.target):
            error = RemoteProtocolError(f"{request_id.target} is not in the Device Log of this hub")
            raise self._rejected(request_id, error)

    def _acknowledge(self, request_id: RequestId, code: str, meaning: str, **detail: Json) -> None:
        self._journal.record(
            EventKind.REQUEST_ACKNOWLEDGED,
            Party.DCC,
            Party.SERVICE_USER,
            detail={
                "request_id": str(request_id),
                "response_code": code,
                "meaning": meaning,
                **{key: value for key, value in detail.items() if value},
            },
        )

    def _rejected(
        self, request_id: RequestId, error: RemoteProtocolError | LocalProtocolError | UnverifiableError
    ) -> RequestRejectedError:
        self._journal.record(
            EventKind.REQUEST_REJECTED,
            Party.DCC,
            Party.SERVICE_USER,
            detail={"request_id": str(request_id), "reason": str(error)},
        )
        return RequestRejectedError(str(error), hint=error.hint)


def _nobody(kind: JobKind, invalid: list[Eui64], holding: list[Eui64]) -> RemoteProtocolError:
    """Say why no device is left to update; DUIS calls the lists so."""
    reasons = []
    if invalid or not holding:
        reasons.append(f"the DeviceIDList names no {kind} of this hub: {', '.join(map(str, invalid))}")
    if holding:
        reasons.append(
            f"this image is held already and waits to be activated: {', '.join(map(str, holding))}"
        )
    return RemoteProtocolError("; ".join(reasons))


def last_request_counter(store: Store, service_user: Eui64) -> int:
    """Return the highest RequestID counter of `service_user` so far, 0 where there was none."""
    return store.counter(_REQUEST_COUNTER, service_user)


def _check_names(request_id: RequestId, command: Message) -> None:
    named = (request_id.originator, request_id.target, request_id.counter)
    if named != (command.originator, command.recipient, command.originator_counter):
        raise RemoteProtocolError(
            f"RequestID {request_id} does not name the command's parties and Originator Counter: "
            f"{command.originator}:{command.recipient}:{command.originator_counter}"
        )
