"""One entry of the Central Products List: an image, and the devices it may be given to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from hanota.dcc.device_record import (
    DeviceRecord,
    check_code,
    check_firmware_version,
    check_gbcs_version,
    check_model,
)
from hanota.duis.inventory import CplStatus, DeviceType
from hanota.errors import ConfigError

if TYPE_CHECKING:
    from hanota.ota.header import OtaHeader

HASH_SIZE: Final = 32
"""Octets of a Manufacturer Image Hash: SHA-256."""


class ProductKey(NamedTuple):
    """What an entry is about: the list has one entry for it."""

    device_type: DeviceType
    manufacturer_code: int | None
    image_type: int | None
    model: str
    firmware_version: str


@dataclass(frozen=True, slots=True)
class ProductEntry:
    """One image; a field that is None or empty stands for any. Raise ConfigError for a bad field."""

    manufacturer_image_hash: bytes
    """32 octets, as CS06 carries it."""
    device_type: DeviceType
    firmware_version: str
    """8 hex digits, as File Version in the OTA Header."""
    manufacturer_code: int | None = None
    image_type: int | None = None
    model: str = ""
    minimum_hardware_version: int | None = None
    maximum_hardware_version: int | None = None
    gbcs_version: str | None = None
    """The GBCS version that the firmware is built to."""
    status: CplStatus = CplStatus.ACTIVE

    def __post_init__(self) -> None:
        if len(self.manufacturer_image_hash) != HASH_SIZE:
            raise ConfigError(f"a Manufacturer Image Hash has {HASH_SIZE} octets (SHA-256)")
        for name in (
            "manufacturer_code",
            "image_type",
            "minimum_hardware_version",
            "maximum_hardware_version",
        ):
            check_code(name, getattr(self, name))
        check_model(self.model)
        check_firmware_version(self.firmware_version)
        check_gbcs_version(self.gbcs_version)

    @property
    def key(self) -> ProductKey:
        """What the entry is about."""
        return ProductKey(
            self.device_type, self.manufacturer_code, self.image_type, self.model, self.firmware_version
        )

    def covers(self, device: DeviceRecord) -> bool:
        """Tell whether it is about devices such as this one; what is not known excludes nothing."""
        return (
            self.device_type is device.device_type
            and _agree(self.manufacturer_code, device.manufacturer_code)
            and _agree(self.model or None, device.model or None)
            and self._has_hardware(device.hardware_version)
        )

    def fits(self, header: OtaHeader) -> bool:
        """Tell whether it is about images with this OTA Header's manufacturer, image type and version."""
        return (
            _agree(self.manufacturer_code, header.manufacturer_code)
            and _agree(self.image_type, header.image_type)
            and self.firmware_version == f"{header.file_version:08X}"
        )

    def _has_hardware(self, version: int | None) -> bool:
        if version is None:
            return True
        lowest, highest = self.minimum_hardware_version, self.maximum_hardware_version
        return (lowest is None or lowest <= version) and (highest is None or version <= highest)


def _agree(one: int | str | None, other: int | str | None) -> bool:
    return one is None or other is None or one == other
