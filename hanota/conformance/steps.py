"""What everybody who is no device does on a rig: the service user, its supplier, and who would forge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hanota.conformance.faulty_radio import FaultyRadio
from hanota.dcc.counters import REQUEST_COUNTER, next_counter
from hanota.duis.request import (
    ActivateFirmware,
    ReadFirmwareVersion,
    RequestId,
    SignedPreCommand,
    UpdateFirmware,
    UpdatePpmidFirmware,
)
from hanota.duis.response import PreCommand, ResponseMessage
from hanota.errors import HanotaError
from hanota.gbcs.activate_firmware import activate_firmware_precommand
from hanota.gbcs.crypto import protect, sign
from hanota.gbcs.message import Message
from hanota.gbcs.read_firmware_version import decode_response
from hanota.hub.jobs import JobKind
from hanota.hub.ports import Priority
from hanota.zcl import ClusterId

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable
    from datetime import datetime

    from hanota.conformance.faulty_radio import Traffic
    from hanota.conformance.rig_options import RigDevice
    from hanota.dcc.dcc import Dcc
    from hanota.demo.composition import HubKeys
    from hanota.duis.request import ServiceRequest
    from hanota.eui64 import Eui64
    from hanota.gbcs.crypto import PrivateKey
    from hanota.hub.hub import Hub
    from hanota.hub.jobs import Job, JobOptions
    from hanota.radio.coordinator import Coordinator
    from hanota.store.store import SqliteStore

SENT_COUNTER: Final = "sent"
"""The DCC's Originator Counter for commands of the broker's own."""


class Steps:
    """The steps of a rig's users; a rig is one."""

    keys: HubKeys
    store: SqliteStore
    traffic: Traffic
    coordinator: Coordinator
    hub: Hub
    dcc: Dcc

    # -- what a service user does --------------------------------------------------------------------------

    def request_id(self, target: Eui64 | None = None) -> RequestId:
        """Return a RequestID of the supplier that was not used yet, by default to the broker."""
        return self.dcc.next_request_id(self.keys.broker if target is None else target)

    def update(self, device: RigDevice, image: bytes, options: JobOptions | None = None) -> Job:
        """Send SR 11.4 or 11.1 for the device and return its job; raise RequestRejectedError."""
        shape = UpdatePpmidFirmware if device.kind is JobKind.PPMID else UpdateFirmware
        request = shape(self.request_id(), image, "00000000", (device.eui64,))
        jobs = self.dcc.submit(request, options).jobs
        return next(job for job in jobs if job.device == device.eui64)

    def job(self, device: RigDevice) -> Job | None:
        """Return the newest job of the device as it stands now, None where it has none."""
        jobs = self.store.jobs(device=device.eui64)
        return jobs[-1] if jobs else None

    def activate(
        self, device: RigDevice, image_hash: bytes, when: datetime | None = None
    ) -> asyncio.Future[Message]:
        """Send SR 11.3, sign its Pre-Command and return it; the future gives the device's response.

        Raise RequestRejectedError. The future has NoResponseError where the device does not answer.
        """
        request = ActivateFirmware(self.request_id(device.eui64), image_hash, when)
        match self.dcc.submit(request).response.body:
            case ResponseMessage(content=PreCommand(gbcs_payload=octets)):
                signed = sign(Message.decode(octets), self.supplier_key)
            case _:
                raise HanotaError("the answer to Activate Firmware has no Pre-Command")
        return self._outcome(SignedPreCommand(request.request_id, signed.encode()))

    def read_version(self, device: RigDevice) -> Awaitable[bytes]:
        """Send SR 11.2; the device's version, 4 octets; raise NoResponseError where it does not answer."""
        outcome = self._outcome(ReadFirmwareVersion(self.request_id(device.eui64)))
        return _version(outcome)

    def _outcome(self, request: ServiceRequest) -> asyncio.Future[Message]:
        outcome = self.dcc.submit(request).outcome
        if outcome is None:
            raise HanotaError(f"Service Request {request.service_reference} became no command")
        return outcome

    # -- commands that no DCC would send -----------------------------------------------------------------

    @property
    def supplier_key(self) -> PrivateKey:
        """What the supplier signs with."""
        return self.keys.dcc.signing_private_key(self.keys.supplier)

    def next_counter(self) -> int:
        """Return an Originator Counter of the supplier that no device has seen."""
        return next_counter(self.store, REQUEST_COUNTER, self.keys.supplier)

    def next_broker_counter(self) -> int:
        """Return an Originator Counter of the access control broker that no device has seen."""
        return next_counter(self.store, SENT_COUNTER, self.keys.broker)

    def activation_command(
        self,
        device: RigDevice,
        image_hash: bytes,
        *,
        counter: int | None = None,
        when: datetime | None = None,
        signing_key: PrivateKey | None = None,
        recipient: Eui64 | None = None,
    ) -> Message:
        """Return a CS06 as the DCC would hand it to the device, or wrong in what is given."""
        message = activate_firmware_precommand(
            self.keys.supplier,
            recipient or device.eui64,
            self.next_counter() if counter is None else counter,
            image_hash,
            when,
        )
        return self.with_mac(sign(message, signing_key or self.supplier_key), device)

    def with_mac(self, message: Message, device: RigDevice) -> Message:
        """Add the access control broker's MAC for `device`, as the DCC would."""
        keys = self.keys.dcc
        own = keys.agreement_private_key(self.keys.broker)
        return protect(message, own, keys.agreement_public_key(device.eui64))

    def relay(self, device: RigDevice, octets: bytes) -> None:
        """Hand octets to the device through its tunnel, behind the DCC's back."""
        self.hub.relay(device.eui64, octets)

    async def say(self, device: RigDevice, data: bytes, *, encrypted: bool = True) -> None:
        """Send a frame on the OTA Upgrade cluster past the hub; raise RadioError."""
        radio = FaultyRadio(self.coordinator, self.traffic)
        await radio.send(
            device.eui64, ClusterId.OTA_UPGRADE, data, priority=Priority.NORMAL, encrypted=encrypted
        )


async def _version(outcome: asyncio.Future[Message]) -> bytes:
    return decode_response((await outcome).payload).firmware_version
