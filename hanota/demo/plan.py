"""What the demonstration does: Service Requests given as DUIS documents, or made here."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hanota.duis.request import ActivateFirmware, RequestId, UpdateFirmware, UpdatePpmidFirmware
from hanota.errors import ConfigError
from hanota.gbcs.reference_test_data import BROKER, HCALCS, PPMID, SUPPLIER
from hanota.hub.image_library import IMAGE_SHAPE
from hanota.hub.jobs import JobKind
from hanota.ota.build import build_ppmid_image, build_signed_image
from hanota.ota.fields import ImageId
from hanota.ota.header import HardwareVersions, OtaHeader
from hanota.ota.image import IMAGE_TYPE_HCALCS, IMAGE_TYPE_PPMID, parse_image
from hanota.ota.signature import supplier_signer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

    from hanota.duis.request import ServiceRequest
    from hanota.eui64 import Eui64
    from hanota.ota.image import OtaFile

MANUFACTURER: Final = 0x121D
"""The manufacturer code of the DCC's sample images."""
NEW_VERSION: Final = 0x0100_0001
_HARDWARE: Final = HardwareVersions(0x0001, 0x0002)
_NO_HARDWARE_VERSION: Final = 0x0001
"""The hardware version of a device whose image names none."""

Update = UpdatePpmidFirmware | UpdateFirmware


@dataclass(frozen=True, slots=True)
class PlannedDevice:
    """An emulated device the plan needs: what it is made as, and the version it has to end with."""

    device: Eui64
    kind: JobKind
    running: ImageId
    hardware_version: int
    target_version: bytes
    """4 octets, as GBCS sends it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The requests in order and the devices they are for."""

    requests: tuple[ServiceRequest, ...]
    devices: tuple[PlannedDevice, ...]
    supplier: Eui64
    broker: Eui64


def plan_of(documents: Sequence[ServiceRequest]) -> Plan:
    """Return the plan that carries out `documents` in order.

    A device that gets an image by 11.1 and no 11.3 of its own is activated by one made here, after all of
    them: RequestIDs only rise.
    Raise ConfigError for documents that make no demonstration together.
    """
    devices: dict[Eui64, PlannedDevice] = {}
    activated = {request.request_id.target for request in documents if isinstance(request, ActivateFirmware)}
    activations: list[ActivateFirmware] = []
    counter = max(request.request_id.counter for request in documents)
    suppliers = {request.request_id.originator for request in documents}
    if len(suppliers) > 1:
        raise ConfigError(f"the documents come from several service users: {', '.join(map(str, suppliers))}")
    (supplier,) = suppliers
    for request in documents:
        if not isinstance(request, Update):
            continue
        kind = JobKind.PPMID if isinstance(request, UpdatePpmidFirmware) else JobKind.HCALCS
        file = parse_image(request.firmware_image, IMAGE_SHAPE[kind])
        for device in request.device_ids:
            planned = _device_for(device, kind, file)
            if devices.setdefault(device, planned) != planned:
                raise ConfigError(f"two documents bring different firmware to {device}")
            if kind is JobKind.HCALCS and device not in activated:
                counter += 1
                request_id = RequestId(supplier, device, counter)
                activations.append(ActivateFirmware(request_id, file.manufacturer_image_hash))
    if not devices:
        raise ConfigError(
            "none of the documents brings an image", hint="give at least one document of SR 11.1 or 11.4"
        )
    brokers = {request.request_id.target for request in documents if isinstance(request, Update)}
    return Plan((*documents, *activations), tuple(devices.values()), supplier, min(brokers))


def default_plan(
    image_size: int, supplier_key: EllipticCurvePrivateKey, seed: int | None, counter: int
) -> Plan:
    """Return 11.4 for a PPMID, then 11.1 and 11.3 for an HCALCS; Manufacturer Images of `image_size` octets.

    `counter` is the last RequestID counter that was used.
    """
    octets = random.Random(seed)  # noqa: S311  # firmware nobody runs
    ppmid = build_ppmid_image(_header(IMAGE_TYPE_PPMID, "hanota demo PPMID"), octets.randbytes(image_size))
    hcalcs = build_signed_image(
        _header(IMAGE_TYPE_HCALCS, "hanota demo HCALCS"),
        octets.randbytes(image_size),
        supplier_signer(supplier_key),
    )
    version = f"{NEW_VERSION:08X}"
    return plan_of(
        [
            UpdatePpmidFirmware(RequestId(SUPPLIER, BROKER, counter + 1), ppmid.data, version, (PPMID,)),
            UpdateFirmware(RequestId(SUPPLIER, BROKER, counter + 2), hcalcs.data, version, (HCALCS,)),
        ]
    )


def _header(image_type: int, text: str) -> OtaHeader:
    return OtaHeader(
        manufacturer_code=MANUFACTURER,
        image_type=image_type,
        file_version=NEW_VERSION,
        header_string=text.encode().ljust(32, b"\0"),
        hardware_versions=_HARDWARE,
    )


def _device_for(device: Eui64, kind: JobKind, file: OtaFile) -> PlannedDevice:
    """Make the device that this image is for, running the version before it."""
    header = file.header
    before = max(header.file_version - 1, 0)
    hardware = header.hardware_versions
    return PlannedDevice(
        device=device,
        kind=kind,
        running=ImageId(header.manufacturer_code, header.image_type, before),
        hardware_version=_NO_HARDWARE_VERSION if hardware is None else hardware.minimum,
        target_version=file.firmware_version,
    )
