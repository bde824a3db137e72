"""Which devices of a DeviceIDList an Upgrade Image may go to, and on which warning list the others are."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hanota.dcc import codes
from hanota.dcc.device_record import gbcs_order
from hanota.dcc.errors import RequestRejectedError
from hanota.duis.inventory import DeviceStatus, DeviceType
from hanota.duis.request import ServiceReference
from hanota.duis.response import UpdateFirmwareWarning
from hanota.hub.jobs import JobKind

if TYPE_CHECKING:
    from hanota.dcc.device_record import DeviceRecord
    from hanota.dcc.inventory import Inventory
    from hanota.dcc.product_entry import ProductEntry
    from hanota.dcc.products_list import ImageListing, ProductsList
    from hanota.duis.request import UpdateFirmware, UpdatePpmidFirmware
    from hanota.eui64 import Eui64
    from hanota.hub.hub import Hub
    from hanota.ota.image import OtaFile

VERSION_UNSAID: Final = "00000000"
"""The FirmwareVersion of every 11.1 and 11.4 that the DCC has published, whatever their images' versions."""

_DEVICE_TYPES: Final = {
    ServiceReference.UPDATE_FIRMWARE: DeviceType.HCALCS,
    ServiceReference.UPDATE_PPMID_FIRMWARE: DeviceType.PPMID,
}
"""Whom each is for: SECMP0007 gave 11.4 to PPMIDs and opened 11.1 to HCALCSs; the bench has no meters."""


_ELIGIBLE: Final = "eligible"


@dataclass(frozen=True, slots=True)
class Eligibility:
    """The devices that get the image, each once and in the order of the list, and the others."""

    eligible: tuple[Eui64, ...]
    warning: UpdateFirmwareWarning


def eligible_devices(
    request: UpdateFirmware | UpdatePpmidFirmware,
    file: OtaFile,
    *,
    inventory: Inventory,
    products: ProductsList,
    hub: Hub,
) -> Eligibility:
    """Look at every device of a request that was read as `file`.

    The whole request is refused (RequestRejectedError) where

    1. its FirmwareVersion is neither that of the OTA Header, as 8 hex digits, nor `00000000`;
    2. the Central Products List has that version with another hash for one of its devices.

    A device is on the first list of these that applies to it:

    | list | the device |
    |---|---|
    | invalid | is not in the inventory, or not of the type that the request is for |
    | not commissioned | has another status than Commissioned, or is not in the hub's Device Log |
    | not applicable firmware | is of another manufacturer or hardware than the OTA Header says, or the |
    | | products list restricts its type and has no Active entry of the image for it |
    | invalid GBCS version | would go back to an older GBCS version, or to one newer than the DCC's |
    | other request in progress | is an HCALCS that holds this very image and waits to activate it |
    """
    _check_version(request, file)
    device_type = _DEVICE_TYPES[request.service_reference]
    known = {record.eui64: record for record in inventory.devices() if record.device_type is device_type}
    # Each once: a list has room for 50,000 devices, and an image for 10 MB to hash.
    named, listing = tuple(dict.fromkeys(request.device_ids)), products.of_image(file)
    for device in named:
        if device in known:
            _check_hash(request, file, known[device], listing)
    highest = products.settings.gbcs_version
    lists: dict[str, list[Eui64]] = defaultdict(list)
    for device in named:
        record = known.get(device)
        name = "invalid" if record is None else _list_of(record, file, listing, highest, hub)
        lists[name].append(device)
    eligible = tuple(lists.pop(_ELIGIBLE, ()))
    return Eligibility(
        eligible, UpdateFirmwareWarning(**{name: tuple(devices) for name, devices in lists.items()})
    )


def _list_of(record: DeviceRecord, file: OtaFile, listing: ImageListing, highest: str, hub: Hub) -> str:
    entry = listing.entry(record)
    if record.status is not DeviceStatus.COMMISSIONED or not hub.is_admitted(record.eui64):
        return "not_commissioned"
    if not _is_made_for(file, record) or (entry is None and record.device_type in listing.restricted):
        return "not_applicable_firmware"
    if entry is not None and not _has_gbcs_version(entry, record, highest):
        return "invalid_gbcs_version"
    if _holds(hub, record.eui64, listing.manufacturer_image_hash):
        return "other_request_in_progress"
    return _ELIGIBLE


def _check_version(request: UpdateFirmware | UpdatePpmidFirmware, file: OtaFile) -> None:
    version = file.firmware_version.hex().upper()
    if request.firmware_version.upper() not in (version, VERSION_UNSAID):
        raise RequestRejectedError(
            f"FirmwareVersion is {request.firmware_version}, the OTA Header's File Version {version}",
            code=codes.VERSION_MISMATCH[request.service_reference],
            hint=f"give {version}, or {VERSION_UNSAID} as the published samples do",
        )


def _check_hash(
    request: UpdateFirmware | UpdatePpmidFirmware, file: OtaFile, record: DeviceRecord, listing: ImageListing
) -> None:
    if listing.contradicts(record):
        raise RequestRejectedError(
            f"the Central Products List has version {file.firmware_version.hex().upper()} for "
            f"{record.eui64} with another hash than {listing.manufacturer_image_hash.hex()}",
            code=codes.HASH_MISMATCH[request.service_reference],
            hint="the image was altered, or it was given another's version",
        )


def _is_made_for(file: OtaFile, record: DeviceRecord) -> bool:
    """Hold the OTA Header against what is known of a device."""
    header = file.header
    if record.manufacturer_code not in (None, header.manufacturer_code):
        return False
    hardware = header.hardware_versions
    return hardware is None or record.hardware_version is None or record.hardware_version in hardware


def _has_gbcs_version(entry: ProductEntry, record: DeviceRecord, highest: str) -> bool:
    if entry.gbcs_version is None:
        return True
    version = gbcs_order(entry.gbcs_version)
    if record.gbcs_version is not None and version < gbcs_order(record.gbcs_version):
        return False
    return version <= gbcs_order(highest)


def _holds(hub: Hub, device: Eui64, manufacturer_image_hash: bytes) -> bool:
    """Tell whether a device has this very image and waits to run it: it would not fetch it again."""
    job = hub.jobs.open_job(device)
    return (
        job is not None
        and job.kind is JobKind.HCALCS
        and job.has_image
        and job.manufacturer_image_hash == manufacturer_image_hash
    )
