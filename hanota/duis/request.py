"""The firmware Service Requests of DUIS 5.4: 11.1, 11.2, 11.3 (to be transformed) and 11.4."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from typing import ClassVar, Final, Self, TypeAlias

from hanota.duis.document import DuisError
from hanota.eui64 import Eui64

EUI_PATTERN: Final = "[0-9A-Fa-f]{2}(?:-[0-9A-Fa-f]{2}){7}"
"""The one form of an EUI-64 in DUIS (type EUI in the schema)."""
CANCELLATION: Final = datetime(3000, 12, 31, tzinfo=UTC)
"""The Execution Date Time that cancels a future-dated Activate Firmware."""
FIRMWARE_HASH_SIZE: Final = 32
"""Octets of a Firmware Hash: SHA-256 of the Manufacturer Image."""
FIRMWARE_VERSION_LENGTH: Final = 8
"""Most characters of a Firmware Version in the schema."""

_REQUEST_ID: Final = re.compile(f"({EUI_PATTERN}):({EUI_PATTERN}):(0|[1-9][0-9]{{0,19}})")
_MAX_COUNTER: Final = 2**64 - 1


class ServiceReference(StrEnum):
    """Which Service Request a document makes."""

    UPDATE_FIRMWARE = "11.1"
    READ_FIRMWARE_VERSION = "11.2"
    ACTIVATE_FIRMWARE = "11.3"
    UPDATE_PPMID_FIRMWARE = "11.4"


class CommandVariant(IntEnum):
    """What the DCC is to make of a Service Request (the table in the schema's CommandVariant type)."""

    COMMAND = 1
    """Send a Command over the SM WAN."""
    PRE_COMMAND = 4
    """Transform into a Pre-Command and return it for signature."""
    DCC_ONLY = 8
    """Served by the DCC itself."""


@dataclass(frozen=True, slots=True)
class RequestId:
    """RequestID: who asks, the target, and the originator's counter (0 to 2^64 - 1)."""

    originator: Eui64
    target: Eui64
    counter: int

    @classmethod
    def parse(cls, value: str) -> Self:
        """Read `EUI:EUI:counter`; raise DuisError where the schema's RequestIDType does not match."""
        match = _REQUEST_ID.fullmatch(value)
        if match is None or int(match[3]) > _MAX_COUNTER:
            raise DuisError(f"expected originator EUI:target EUI:counter, got {value[:80]!r}")
        return cls(Eui64.parse(match[1]), Eui64.parse(match[2]), int(match[3]))

    def __str__(self) -> str:
        return f"{self.originator}:{self.target}:{self.counter}"


@dataclass(frozen=True, slots=True)
class UpdateFirmware:
    """SR 11.1: distribute an Upgrade Image to meters or HCALCSs, to be activated later by 11.3.

    `firmware_version` is 1 to 8 characters of the service user's; it need not be the OTA Header's.
    """

    service_reference: ClassVar[ServiceReference] = ServiceReference.UPDATE_FIRMWARE
    command_variant: ClassVar[CommandVariant] = CommandVariant.DCC_ONLY

    request_id: RequestId
    firmware_image: bytes = field(repr=False)
    firmware_version: str
    device_ids: tuple[Eui64, ...]


@dataclass(frozen=True, slots=True)
class UpdatePpmidFirmware:
    """SR 11.4: distribute an Upgrade Image to PPMIDs, which activate it on the hub's word."""

    service_reference: ClassVar[ServiceReference] = ServiceReference.UPDATE_PPMID_FIRMWARE
    command_variant: ClassVar[CommandVariant] = CommandVariant.DCC_ONLY

    request_id: RequestId
    firmware_image: bytes = field(repr=False)
    firmware_version: str
    device_ids: tuple[Eui64, ...]


@dataclass(frozen=True, slots=True)
class ActivateFirmware:
    """SR 11.3: make the Pre-Command (CS06) that activates the image with this Firmware Hash.

    `firmware_hash` is the SHA-256 of the Manufacturer Image; no `execution_date_time` means at once.
    """

    service_reference: ClassVar[ServiceReference] = ServiceReference.ACTIVATE_FIRMWARE
    command_variant: ClassVar[CommandVariant] = CommandVariant.PRE_COMMAND

    request_id: RequestId
    firmware_hash: bytes
    execution_date_time: datetime | None = None

    @property
    def is_cancellation(self) -> bool:
        """Tell whether this cancels a future-dated activation instead of asking for one."""
        return self.execution_date_time == CANCELLATION


@dataclass(frozen=True, slots=True)
class ReadFirmwareVersion:
    """SR 11.2: read the version the target runs (CS08)."""

    service_reference: ClassVar[ServiceReference] = ServiceReference.READ_FIRMWARE_VERSION
    command_variant: ClassVar[CommandVariant] = CommandVariant.COMMAND

    request_id: RequestId
    execution_date_time: datetime | None = None


ServiceRequest: TypeAlias = UpdateFirmware | UpdatePpmidFirmware | ActivateFirmware | ReadFirmwareVersion

BODY_ELEMENTS: Final = {
    ServiceReference.UPDATE_FIRMWARE: "UpdateFirmware",
    ServiceReference.READ_FIRMWARE_VERSION: "ReadFirmwareVersion",
    ServiceReference.ACTIVATE_FIRMWARE: "ActivateFirmware",
    ServiceReference.UPDATE_PPMID_FIRMWARE: "UpdatePPMIDFirmware",
}
"""The element that stands in Body for each Service Request."""
COMMAND_VARIANTS: Final = {
    request.service_reference: request.command_variant
    for request in (UpdateFirmware, UpdatePpmidFirmware, ActivateFirmware, ReadFirmwareVersion)
}
"""The one Command Variant taken with each Service Request."""
