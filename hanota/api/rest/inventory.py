"""REST: what the Smart Metering Inventory holds of a device."""

from dataclasses import replace
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from hanota.api.access import Role
from hanota.api.context import ApiContext
from hanota.api.rest.devices import TAG, find_device
from hanota.api.rest.fields import CodeField, EuiField
from hanota.api.rest.routes import CallerOf, Routes
from hanota.api.rest.views import DeviceView
from hanota.dcc.device_record import DeviceRecord
from hanota.duis.inventory import NAME_LENGTH, DeviceStatus, DeviceType
from hanota.errors import LocalProtocolError
from hanota.eui64 import Eui64


class InventoryEntry(BaseModel):
    """What is to be known of a device. What is left out stays as it is; null: it is not known."""

    model_config = ConfigDict(extra="forbid")

    device_type: DeviceType | None = Field(
        default=None, description="Of a device that is new; it never changes."
    )
    status: DeviceStatus | None = Field(
        default=None, description="Updates and commands are for Commissioned devices; a new one is Pending."
    )
    manufacturer_code: CodeField | None = Field(
        default=None, description="As in the OTA Header of its images."
    )
    model: str = Field(default="", max_length=NAME_LENGTH)
    hardware_version: CodeField | None = None
    firmware_version: str | None = Field(
        default=None, pattern="^[0-9A-F]{8}$", description="Until the device says it under its own key."
    )
    gbcs_version: str | None = Field(
        default=None, pattern=r"^[0-9]{1,3}(\.[0-9]{1,3}){0,2}$", examples=["4.1"]
    )


def add(routes: Routes) -> None:
    """Add the operations."""
    context = routes.context

    @routes.put("/devices/{device}/inventory", TAG, Role.OPERATOR)
    async def put_inventory(device: EuiField, entry: InventoryEntry, caller: CallerOf) -> DeviceView:
        """Say what the inventory holds of a device; one it does not have yet is pre-notified for SR 8.11."""
        fields = entry.model_dump(exclude_unset=True)
        told = ", ".join(f"{name} {value}" for name, value in fields.items())
        caller.have_done(f"{device}: {told}", lambda: _put(context, device, fields))
        return find_device(routes, device)

    @routes.delete("/devices/{device}/inventory", TAG, Role.ACTIVATOR, status_code=HTTPStatus.NO_CONTENT)
    async def remove_inventory(device: EuiField, caller: CallerOf) -> Response:
        """Forget what the inventory holds of a device; its entry in the Device Log stays."""
        find_device(routes, device)
        caller.have_done(str(device), lambda: context.inventory.remove(device))
        return Response(status_code=HTTPStatus.NO_CONTENT)


def _put(context: ApiContext, device: Eui64, fields: dict[str, Any]) -> None:
    """Change or add a device; raise LocalProtocolError, ConfigError."""
    inventory = context.inventory
    asked, status = fields.pop("device_type", None), fields.pop("status", None)
    record = inventory.device(device)
    logged = (entry.device_type.name for entry in context.hub.device_log if entry.device == device)
    known = next(map(DeviceType, logged), asked) if record is None else record.device_type
    if known is None:
        raise LocalProtocolError(f"{device} is new to the inventory", hint="say its device_type")
    if asked not in (None, known):
        raise LocalProtocolError(f"{device} is of type {known}")
    inventory.put(replace(record or DeviceRecord(device, known), **fields))
    if status is not None:
        inventory.set_status(device, status)
