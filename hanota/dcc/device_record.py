"""What the Smart Metering Inventory keeps of a device, and which states it goes through."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hanota.duis.inventory import NAME_LENGTH, VERSION_LENGTH, DeviceStatus, DeviceType
from hanota.errors import ConfigError

if TYPE_CHECKING:
    from hanota.eui64 import Eui64

_FIRMWARE_VERSION: Final = re.compile("[0-9A-F]{8}")
_GBCS_VERSION: Final = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3}){0,2}")
_MPXN: Final = re.compile("[!-~]{1,13}")


@dataclass(frozen=True, slots=True)
class DeviceRecord:
    """One device of the inventory; what is None or empty is not known. Raise ConfigError for a bad field."""

    eui64: Eui64
    device_type: DeviceType
    status: DeviceStatus = DeviceStatus.PENDING
    manufacturer_code: int | None = None
    """ZigBee manufacturer code, 16 bits: that of the OTA Header of its images."""
    model: str = ""
    hardware_version: int | None = None
    """16 bits, as the device says it in Query Next Image."""
    firmware_version: str | None = None
    """8 hex digits, as File Version in the OTA Header; kept by what the device says under its own key."""
    gbcs_version: str | None = None
    """Such as `4.1`."""
    smets_chts_version: str | None = None
    import_mpxn: str | None = None
    commissioned: float | None = None
    """Since when it is Commissioned (Unix seconds)."""

    def __post_init__(self) -> None:
        check_code("manufacturer_code", self.manufacturer_code)
        check_code("hardware_version", self.hardware_version)
        check_model(self.model)
        check_firmware_version(self.firmware_version)
        check_gbcs_version(self.gbcs_version)
        version = self.smets_chts_version
        if version is not None and not (1 <= len(version) <= VERSION_LENGTH and version.isprintable()):
            raise ConfigError(f"a SMETS or CHTS version has 1 to {VERSION_LENGTH} characters, each printable")
        if self.import_mpxn is not None and not _MPXN.fullmatch(self.import_mpxn):
            raise ConfigError("an MPAN or MPRN has 1 to 13 characters")


def check_code(name: str, value: int | None) -> None:
    """Raise ConfigError unless `value` fits 16 bits."""
    if value is not None and not 0 <= value <= 0xFFFF:
        raise ConfigError(f"{name} {value} does not fit 16 bits")


def check_model(model: str) -> None:
    """Raise ConfigError for a model that is longer than the schema's DeviceModel, or that XML cannot say."""
    if len(model) > NAME_LENGTH or not model.isprintable():
        raise ConfigError(f"a model has at most {NAME_LENGTH} characters, each printable")


def check_firmware_version(version: str | None) -> None:
    """Raise ConfigError unless `version` is written as the inventory does."""
    if version is not None and not _FIRMWARE_VERSION.fullmatch(version):
        raise ConfigError(
            f"firmware version {version[:40]!r} is not 8 hex digits in capitals",
            hint="write it as the File Version of the OTA Header, such as 0100002A",
        )


def check_gbcs_version(version: str | None) -> None:
    """Raise ConfigError unless `version` is one to three numbers."""
    if version is not None and not _GBCS_VERSION.fullmatch(version):
        raise ConfigError(f"GBCS version {version[:40]!r}: expected numbers and dots, such as 4.1")


def gbcs_order(version: str) -> tuple[int, ...]:
    """Return a GBCS version as it is ordered: 4.1 is 4.1.0 and comes before 4.10."""
    numbers = [int(number) for number in version.split(".")]
    return tuple(numbers + [0] * (3 - len(numbers)))
