"""A device as Read Inventory (8.2) answers it: the schema's type Device, as far as a bench knows of one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import date

    from hanota.eui64 import Eui64

MAXIMUM_DEVICES: Final = 17
"""Devices in one answer, by the schema."""
NAME_LENGTH: Final = 30
"""Most characters of a DeviceManufacturer or DeviceModel in the schema."""
VERSION_LENGTH: Final = 20
"""Most characters of a SMETSCHTSVersion in the schema."""


class DeviceType(StrEnum):
    """DeviceType of the schema."""

    ESME = "ESME"
    GSME = "GSME"
    GPF = "GPF"
    CHF = "CHF"
    HCALCS = "HCALCS"
    PPMID = "PPMID"
    IHD = "IHD"
    CAD = "CAD"


class DeviceStatus(StrEnum):
    """DeviceStatus of the schema: the device's state in the Smart Metering Inventory."""

    PENDING = "Pending"
    WHITELISTED = "Whitelisted"
    INSTALLED_NOT_COMMISSIONED = "InstalledNotCommissioned"
    COMMISSIONED = "Commissioned"
    DECOMMISSIONED = "Decommissioned"
    WITHDRAWN = "Withdrawn"
    SUSPENDED = "Suspended"
    RECOVERY = "Recovery"
    RECOVERED = "Recovered"


class CplStatus(StrEnum):
    """CPLStatus and FirmwareVersionStatus of the schema: a model's entry in the Central Products List."""

    ACTIVE = "Active"
    CANCELLED = "Cancelled"
    EXPIRED = "Expired"
    WITHDRAWN = "Withdrawn"


@dataclass(frozen=True, slots=True)
class InventoryDevice:
    """Device: what the Smart Metering Inventory tells of one; None where it does not know."""

    device_id: Eui64
    device_type: DeviceType
    device_status: DeviceStatus | None = None
    device_manufacturer: str = ""
    device_model: str = ""
    smets_chts_version: str | None = None
    device_firmware_version: str | None = None
    """1 to 8 characters."""
    device_firmware_version_status: CplStatus | None = None
    cpl_status: CplStatus | None = None
    date_commissioned: date | None = None
    import_mpxn: str | None = None
    secondary_import_mpan: str | None = None
    export_mpan: str | None = None
    device_gbcs_version: str | None = None
