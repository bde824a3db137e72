"""REST: devices of the Device Log."""

import asyncio
from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from hanota.api.access import Role
from hanota.api.errors import NotFoundError
from hanota.api.rest.fields import EuiField
from hanota.api.rest.routes import CallerOf, Routes, response_code
from hanota.api.rest.views import DeviceView, JobView
from hanota.dcc.errors import NoResponseError
from hanota.duis.request import ReadFirmwareVersion
from hanota.eui64 import Eui64
from hanota.gbcs.read_firmware_version import ReadResponseCode, decode_response
from hanota.hub.ports import DeviceLogEntry, DeviceType
from hanota.zse.install_code import parse_install_code

TAG = "devices"
_INSTALL_CODE = 16
"""Octets of a GB device's install code without its CRC."""


class NewDevice(BaseModel):
    """A device for the Device Log."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    device: EuiField
    device_type: Literal["ESME", "GSME", "HCALCS", "PPMID"]
    install_code: str = Field(
        max_length=80,
        repr=False,
        description="In hex as on the label, or its 16 octets without the CRC.",
        examples=["83FE D340 7A93 9723 A5C6 39B2 6916 D505 C3B5"],
    )
    join_seconds: float = Field(default=3600, gt=0, le=3600, description="How long it may join.")

    def entry(self) -> DeviceLogEntry:
        """Return the entry; raise RemoteProtocolError for an install code that is none."""
        digits = "".join(character for character in self.install_code if character not in " -:\t\n")
        code = bytes(0)
        if len(digits) == 2 * _INSTALL_CODE:
            try:
                code = bytes.fromhex(digits)
            except ValueError:
                code = bytes(0)
        code = code or parse_install_code(self.install_code)
        return DeviceLogEntry(self.device, DeviceType[self.device_type], code)


class DeviceList(BaseModel):
    """Every device of the Device Log and of the inventory."""

    devices: list[DeviceView]


class VersionRead(BaseModel):
    """What came of asking a device for its version (SR 11.2)."""

    request_id: str
    state: Literal["pending", "answered", "no response"] = Field(
        description="With `pending` the events tell the answer."
    )
    firmware_version: str | None = Field(default=None, description="8 hex digits.")
    reason: str = ""


def add(routes: Routes) -> None:
    """Add the operations."""
    context = routes.context
    hub, dcc, inventory = context.hub, context.dcc, context.inventory
    longest = context.settings.version_wait

    def known(device: Eui64) -> DeviceView:
        return find_device(routes, device)

    @routes.get("/devices", TAG)
    async def list_devices() -> DeviceList:
        """List the devices of the Device Log and of the inventory, by EUI-64."""
        named = {entry.device for entry in hub.device_log}
        named.update(record.eui64 for record in inventory.devices())
        return DeviceList(devices=[known(device) for device in sorted(named)])

    @routes.post("/devices", TAG, Role.OPERATOR, status_code=HTTPStatus.CREATED)
    async def add_device(new: NewDevice, caller: CallerOf) -> DeviceView:
        """Put a device into the Device Log and let it alone join, with its install code."""
        entry = new.entry()
        target = f"{entry.device} {new.device_type}"
        caller.have_done(target, lambda: hub.admit(entry, new.join_seconds))
        return known(entry.device)

    @routes.get("/devices/{device}", TAG)
    async def get_device(device: EuiField) -> DeviceView:
        """Tell of one device."""
        return known(device)

    @routes.delete("/devices/{device}", TAG, Role.ACTIVATOR, status_code=HTTPStatus.NO_CONTENT)
    async def remove_device(device: EuiField, caller: CallerOf) -> Response:
        """Take a device out of the Device Log: its job ends, its link key is void, it is told to leave."""
        known(device)
        caller.have_done(str(device), lambda: hub.remove_device(device))
        return Response(status_code=HTTPStatus.NO_CONTENT)

    @routes.post("/devices/{device}/read-version", TAG, Role.OPERATOR, size=0)
    async def read_version(
        device: EuiField,
        caller: CallerOf,
        wait: Annotated[
            float, Query(ge=0, le=longest, description="Seconds to wait for the device's answer.")
        ] = 0,
    ) -> VersionRead:
        """Ask a device which version it runs (SR 11.2, CS08)."""
        known(device)
        request_id = dcc.next_request_id(device)
        answer = caller.have_asked(
            f"{device}, {request_id}",
            lambda: dcc.submit(ReadFirmwareVersion(request_id)),
            response_code,
        )
        name = str(request_id)
        if answer.outcome is None:
            return VersionRead(request_id=name, state="pending")
        try:
            async with asyncio.timeout(wait):
                message = await asyncio.shield(answer.outcome)
        except TimeoutError:
            return VersionRead(request_id=name, state="pending")
        except NoResponseError as error:
            return VersionRead(request_id=name, state="no response", reason=str(error))
        read = decode_response(message.payload)
        if read.response_code != ReadResponseCode.SUCCESS:
            return VersionRead(request_id=name, state="answered", reason="the device could not read it")
        version = read.firmware_version.hex().upper()
        return VersionRead(request_id=name, state="answered", firmware_version=version)


def find_device(routes: Routes, device: Eui64) -> DeviceView:
    """Tell of a device of the Device Log or of the inventory; raise NotFoundError."""
    hub = routes.context.hub
    entry = next((entry for entry in hub.device_log if entry.device == device), None)
    record = routes.context.inventory.device(device)
    if entry is None and record is None:
        raise NotFoundError(f"{device} is not in the Device Log", hint="add it with its install code")
    job = hub.jobs.open_job(device)
    progress = {progress.device: progress for progress in hub.progress()}
    return DeviceView.of(
        entry,
        record,
        ready=hub.is_ready(device),
        key=hub.established_keys().get(device),
        signal=hub.signal(device),
        job=None if job is None else JobView.of(job, progress.get(device)),
    )
