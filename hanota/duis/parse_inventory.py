"""Read the inventory in an answer to 8.2 by the rules of the DUIS 5.4 schema."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, Final

from hanota.duis import values
from hanota.duis.document import DuisError, ElementSequence, path, text, token
from hanota.duis.inventory import (
    MAXIMUM_DEVICES,
    NAME_LENGTH,
    VERSION_LENGTH,
    CplStatus,
    DeviceStatus,
    DeviceType,
    InventoryDevice,
)

if TYPE_CHECKING:
    from lxml.etree import _Element

_DATE: Final = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:Z|[+-][0-9]{2}:[0-9]{2})?")


def inventory(element: _Element) -> tuple[InventoryDevice, ...]:
    """Read a DSPInventory; raise DuisError."""
    fields = ElementSequence(element)
    devices = [_device(fields.required("Device"))]
    while (child := fields.optional("Device")) is not None:
        devices.append(_device(child))
    fields.end()
    if len(devices) > MAXIMUM_DEVICES:
        raise DuisError(f"{path(element)}: expected at most {MAXIMUM_DEVICES} devices, got {len(devices)}")
    return tuple(devices)


def _device(element: _Element) -> InventoryDevice:
    """Read a Device; what a bench has no use for (region, property, variants) is passed over."""
    fields = ElementSequence(element)
    device_id = values.eui(fields.required("DeviceID"))
    device_type = values.enumerated(fields.required("DeviceType"), DeviceType)
    status = fields.optional("DeviceStatus")
    device_status = None if status is None else values.enumerated(status, DeviceStatus)
    manufacturer = values.string(fields.required("DeviceManufacturer"), range(NAME_LENGTH + 1))
    model = values.string(fields.required("DeviceModel"), range(NAME_LENGTH + 1))
    smets = fields.optional("SMETSCHTSVersion")
    version = fields.optional("DeviceFirmwareVersion")
    version_status = fields.optional("DeviceFirmwareVersionStatus")
    cpl_status = fields.optional("CPLStatus")
    commissioned = fields.optional("DateCommissioned")
    import_mpxn = fields.optional("ImportMPxN")
    secondary_import_mpan = fields.optional("SecondaryImportMPAN")
    export_mpan = fields.optional("ExportMPAN")
    for name in ("ESMEVariant", "UPRN", "PropertyFilter", "CSPRegion"):
        fields.optional(name)
    gbcs_version = fields.optional("DeviceGBCSVersion")
    for name in ("HANVariant", "S1SP", "Connectivity"):
        fields.optional(name)
    fields.end()
    return InventoryDevice(
        device_id,
        device_type,
        device_status,
        manufacturer,
        model,
        smets_chts_version=None if smets is None else values.string(smets, range(1, VERSION_LENGTH + 1)),
        device_firmware_version=None if version is None else values.firmware_version(version),
        device_firmware_version_status=_cpl_status(version_status),
        cpl_status=_cpl_status(cpl_status),
        date_commissioned=None if commissioned is None else _date(commissioned),
        import_mpxn=None if import_mpxn is None else values.mpxn(import_mpxn),
        secondary_import_mpan=None if secondary_import_mpan is None else values.mpan(secondary_import_mpan),
        export_mpan=None if export_mpan is None else values.mpan(export_mpan),
        device_gbcs_version=None if gbcs_version is None else text(gbcs_version),
    )


def _cpl_status(element: _Element | None) -> CplStatus | None:
    return None if element is None else values.enumerated(element, CplStatus)


def _date(element: _Element) -> date:
    """Read an xs:date; a time zone, which DCC Boxed writes, says nothing more of a day."""
    value = token(element)
    try:
        if (match := _DATE.fullmatch(value)) is not None:
            return date.fromisoformat(match[1])
    except ValueError:
        pass
    raise DuisError(f"{path(element)}: expected a date such as 2030-01-15, got {value[:40]!r}")
