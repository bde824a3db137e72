"""Service Requests of DUIS 5.4: firmware (11.1 to 11.4), CHF Device Log (8.11) and inventory (8.2)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, ClassVar, Final, Self, TypeAlias, get_args

from hanota.duis.document import DuisError
from hanota.eui64 import Eui64

if TYPE_CHECKING:
    from collections.abc import Mapping

EUI_PATTERN: Final = "[0-9A-Fa-f]{2}(?:-[0-9A-Fa-f]{2}){7}"
"""The one form of an EUI-64 in DUIS (type EUI in the schema)."""
CANCELLATION: Final = datetime(3000, 12, 31, tzinfo=UTC)
"""The Execution Date Time that cancels a future-dated Activate Firmware."""
FIRMWARE_HASH_SIZE: Final = 32
"""Octets of a Firmware Hash: SHA-256 of the Manufacturer Image."""
FIRMWARE_VERSION_LENGTH: Final = 8
"""Most characters of a Firmware Version in the schema."""
INSTALL_CODE_SIZES: Final = range(6, 17)
"""Octets of an InstallCode in the schema; a GBCS device has 16."""
MAXIMUM_JOIN_TIME_PERIOD: Final = 3600
"""Seconds: the longest JoinTimePeriod in the schema."""

_REQUEST_ID: Final = re.compile(f"({EUI_PATTERN}):({EUI_PATTERN}):(0|[1-9][0-9]{{0,19}})")
_MAX_COUNTER: Final = 2**64 - 1


class ServiceReference(StrEnum):
    """Which Service Request a document makes: those the bench serves."""

    READ_INVENTORY = "8.2"
    UPDATE_HAN_DEVICE_LOG = "8.11"
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
    SIGNED_PRE_COMMAND = 5
    """Send the Signed Pre-Command over the SM WAN."""
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


class HanDeviceLogChange(StrEnum):
    """RequestType of Update HAN Device Log."""

    ADD = "Add"
    REMOVE = "Remove"


@dataclass(frozen=True, slots=True)
class Uprn:
    """UPRN: the premises by Unique Property Reference Number, 1 to 12 digits."""

    number: int


@dataclass(frozen=True, slots=True)
class Mpxn:
    """MPxN: the premises by MPAN or MPRN, 1 to 13 characters."""

    value: str


@dataclass(frozen=True, slots=True)
class PropertyFilter:
    """PropertyFilter: the premises by post code (6 to 8 characters) and address (at most 30)."""

    post_code: str
    address_identifier: str


InventoryCriterion: TypeAlias = Eui64 | Uprn | Mpxn | PropertyFilter
"""What Read Inventory asks by: one device, or the devices of one property."""


@dataclass(frozen=True, slots=True)
class UpdateFirmware:
    """SR 11.1: distribute an Upgrade Image to meters or HCALCSs, to be activated later by 11.3.

    `firmware_version` is 1 to 8 characters of the service user's; it need not be the OTA Header's.
    """

    service_reference: ClassVar[ServiceReference] = ServiceReference.UPDATE_FIRMWARE
    command_variant: ClassVar[CommandVariant] = CommandVariant.DCC_ONLY
    body_element: ClassVar[str] = "UpdateFirmware"

    request_id: RequestId
    firmware_image: bytes = field(repr=False)
    firmware_version: str
    device_ids: tuple[Eui64, ...]


@dataclass(frozen=True, slots=True)
class UpdatePpmidFirmware:
    """SR 11.4: distribute an Upgrade Image to PPMIDs, which activate it on the hub's word."""

    service_reference: ClassVar[ServiceReference] = ServiceReference.UPDATE_PPMID_FIRMWARE
    command_variant: ClassVar[CommandVariant] = CommandVariant.DCC_ONLY
    body_element: ClassVar[str] = "UpdatePPMIDFirmware"

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
    body_element: ClassVar[str] = "ActivateFirmware"

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
    body_element: ClassVar[str] = "ReadFirmwareVersion"

    request_id: RequestId
    execution_date_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class SignedPreCommand:
    """SR 11.3, second half: the Pre-Command (CS06) with the supplier's signature, to be sent to the device.

    Its RequestID is that of the ActivateFirmware it answers.
    """

    service_reference: ClassVar[ServiceReference] = ServiceReference.ACTIVATE_FIRMWARE
    command_variant: ClassVar[CommandVariant] = CommandVariant.SIGNED_PRE_COMMAND
    body_element: ClassVar[str] = "SignedPreCommand"

    request_id: RequestId
    gbcs_payload: bytes = field(repr=False)
    execution_date_time: datetime | None = None
    """Of the schema; that of the command stands in its payload and is the one that counts."""


@dataclass(frozen=True, slots=True)
class UpdateHanDeviceLog:
    """SR 8.11: add a device to the CHF Device Log of the target (CCS01), or remove it (CCS02).

    An addition has `install_code` (6 to 16 octets, no CRC) and `join_time_period` (1 to 3600 s), a removal
    neither of them, and none of the meter point numbers.
    """

    service_reference: ClassVar[ServiceReference] = ServiceReference.UPDATE_HAN_DEVICE_LOG
    command_variant: ClassVar[CommandVariant] = CommandVariant.COMMAND
    body_element: ClassVar[str] = "UpdateHANDeviceLog"

    request_id: RequestId
    device_id: Eui64
    request_type: HanDeviceLogChange
    install_code: bytes | None = field(default=None, repr=False)
    join_time_period: int | None = None
    import_mpxn: str | None = None
    secondary_import_mpan: str | None = None
    export_mpan: str | None = None
    execution_date_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class ReadInventory:
    """SR 8.2: what the Smart Metering Inventory has of a device, or of the devices of a property."""

    service_reference: ClassVar[ServiceReference] = ServiceReference.READ_INVENTORY
    command_variant: ClassVar[CommandVariant] = CommandVariant.DCC_ONLY
    body_element: ClassVar[str] = "ReadInventory"

    request_id: RequestId
    criterion: InventoryCriterion


ServiceRequest: TypeAlias = (
    UpdateFirmware
    | UpdatePpmidFirmware
    | ActivateFirmware
    | SignedPreCommand
    | ReadFirmwareVersion
    | UpdateHanDeviceLog
    | ReadInventory
)

COMMAND_VARIANTS: Final[Mapping[ServiceReference, tuple[CommandVariant, ...]]] = {
    reference: tuple(
        request.command_variant
        for request in get_args(ServiceRequest)
        if request.service_reference is reference
    )
    for reference in ServiceReference
}
"""The Command Variants taken with each Service Request: two for 11.3, one for every other."""
