"""The OTA Header: every field of ZCL 11.4.2, the optional ones included; little-endian."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import Final, Self

from hanota.errors import LocalProtocolError, RemoteProtocolError
from hanota.eui64 import Eui64
from hanota.ota.fields import ImageId

FILE_IDENTIFIER: Final = 0x0BEE_F11E
"""OTA upgrade file identifier (ZCL 11.4.2.1), on the wire `1E F1 EE 0B`."""

HEADER_VERSION: Final = 0x0100
STACK_VERSION_PRO: Final = 0x0002
"""ZigBee stack version: ZigBee Pro (ZCL 11.4.2.8)."""

HEADER_STRING_LENGTH: Final = 32

_FIXED: Final = struct.Struct("<IHHHHHIH32sI")
_SECURITY_CREDENTIAL: Final = 0x0001
_DEVICE_SPECIFIC: Final = 0x0002
_HARDWARE_VERSIONS: Final = 0x0004
_KNOWN_FIELDS: Final = _SECURITY_CREDENTIAL | _DEVICE_SPECIFIC | _HARDWARE_VERSIONS


@dataclass(frozen=True, slots=True)
class HardwareVersions:
    """The hardware versions an image is for, both ends included (ZCL 11.4.2.13, 11.4.2.14)."""

    minimum: int
    maximum: int

    def __contains__(self, hardware_version: int) -> bool:
        return self.minimum <= hardware_version <= self.maximum


@dataclass(frozen=True, slots=True)
class OtaHeader:
    """One OTA Header; Header Length and Field Control follow from the fields that are there.

    `total_image_size` counts the whole file; the builders of `hanota.ota.build` fill it in.
    """

    manufacturer_code: int
    image_type: int
    file_version: int
    total_image_size: int = 0
    stack_version: int = STACK_VERSION_PRO
    header_string: bytes = bytes(HEADER_STRING_LENGTH)
    """32 octets, kept as they came."""
    security_credential_version: int | None = None
    upgrade_file_destination: Eui64 | None = None
    hardware_versions: HardwareVersions | None = None
    header_version: int = HEADER_VERSION
    reserved_field_control: int = 0
    """Field Control bits that no edition gives a meaning, kept as they came."""
    extension: bytes = b""
    """Octets between the last field known here and the end that Header Length announces."""

    @property
    def image_id(self) -> ImageId:
        """The image's name, as the commands of the cluster carry it."""
        return ImageId(self.manufacturer_code, self.image_type, self.file_version)

    @property
    def field_control(self) -> int:
        """The Field Control bit mask (ZCL 11.4.2.4)."""
        return (
            self.reserved_field_control
            | (_SECURITY_CREDENTIAL if self.security_credential_version is not None else 0)
            | (_DEVICE_SPECIFIC if self.upgrade_file_destination is not None else 0)
            | (_HARDWARE_VERSIONS if self.hardware_versions is not None else 0)
        )

    @property
    def header_length(self) -> int:
        """Octets of the encoded header."""
        return _FIXED.size + _optional_length(self.field_control) + len(self.extension)

    @property
    def header_text(self) -> str:
        """The header string as people read it: up to the first NUL, anything but ASCII escaped."""
        return self.header_string.split(b"\0", 1)[0].decode("ascii", "backslashreplace")

    def sized(self, body_length: int) -> Self:
        """Return this header with the Total Image Size of a file whose body has `body_length` octets."""
        return replace(self, total_image_size=self.header_length + body_length)

    def encode(self) -> bytes:
        """Return the header's octets; raise LocalProtocolError for a field out of range."""
        if len(self.header_string) != HEADER_STRING_LENGTH:
            raise LocalProtocolError(
                f"the OTA header string has {HEADER_STRING_LENGTH} octets, got {len(self.header_string)}"
            )
        if self.reserved_field_control & _KNOWN_FIELDS:
            raise LocalProtocolError("a known field control bit is set by its field, not as a reserved bit")
        for name, value, bits in self._numbers():
            if not 0 <= value < 1 << bits:
                raise LocalProtocolError(
                    f"{name} {value:#x} does not fit the {bits} bits it has in the OTA header"
                )
        head = _FIXED.pack(
            FILE_IDENTIFIER,
            self.header_version,
            self.header_length,
            self.field_control,
            self.manufacturer_code,
            self.image_type,
            self.file_version,
            self.stack_version,
            self.header_string,
            self.total_image_size,
        )
        if self.security_credential_version is not None:
            head += bytes((self.security_credential_version,))
        if self.upgrade_file_destination is not None:
            head += self.upgrade_file_destination.to_zigbee()
        if self.hardware_versions is not None:
            head += struct.pack("<HH", self.hardware_versions.minimum, self.hardware_versions.maximum)
        return head + self.extension

    def _numbers(self) -> list[tuple[str, int, int]]:
        """Name, value and bits of each number."""
        hardware = self.hardware_versions or HardwareVersions(0, 0)
        return [
            ("header version", self.header_version, 16),
            ("header length", self.header_length, 16),
            ("field control", self.field_control, 16),
            ("manufacturer code", self.manufacturer_code, 16),
            ("image type", self.image_type, 16),
            ("file version", self.file_version, 32),
            ("stack version", self.stack_version, 16),
            ("total image size", self.total_image_size, 32),
            ("security credential version", self.security_credential_version or 0, 8),
            ("minimum hardware version", hardware.minimum, 16),
            ("maximum hardware version", hardware.maximum, 16),
        ]

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Parse the header at the start of `data`; raise RemoteProtocolError unless it is whole and sound."""
        if len(data) < _FIXED.size:
            raise RemoteProtocolError(
                f"truncated OTA header: at least {_FIXED.size} octets, got {len(data)}",
                hint="the file is not an OTA upgrade image, or was cut short",
            )
        (identifier, version, length, control, manufacturer, image_type, file_version, stack, text, total) = (
            _FIXED.unpack_from(data)
        )
        if identifier != FILE_IDENTIFIER:
            raise RemoteProtocolError(
                f"not an OTA upgrade image: it begins with {data[:4].hex()}, not 1ef1ee0b",
                hint="an image inside a vendor's container has to be taken out of it first",
            )
        if version >> 8 != HEADER_VERSION >> 8:
            raise RemoteProtocolError(f"OTA header version {version:#06x}: only 0x01xx is known")
        known = _FIXED.size + _optional_length(control)
        if length < known:
            raise RemoteProtocolError(
                f"wrong OTA header length {length}: field control {control:#06x} needs {known} octets"
            )
        if length > len(data):
            raise RemoteProtocolError(
                f"truncated OTA header: header length is {length} octets, got {len(data)}"
            )
        offset = _FIXED.size
        credential: int | None = None
        destination: Eui64 | None = None
        hardware: HardwareVersions | None = None
        if control & _SECURITY_CREDENTIAL:
            credential, offset = data[offset], offset + 1
        if control & _DEVICE_SPECIFIC:
            destination, offset = Eui64.from_zigbee(data[offset : offset + 8]), offset + 8
        if control & _HARDWARE_VERSIONS:
            hardware = HardwareVersions(*struct.unpack_from("<HH", data, offset))
        return cls(
            manufacturer_code=manufacturer,
            image_type=image_type,
            file_version=file_version,
            total_image_size=total,
            stack_version=stack,
            header_string=text,
            security_credential_version=credential,
            upgrade_file_destination=destination,
            hardware_versions=hardware,
            header_version=version,
            reserved_field_control=control & ~_KNOWN_FIELDS,
            extension=bytes(data[known:length]),
        )


def pad_header_string(text: str) -> bytes:
    """Return `text` as the 32 octets of a header string; raise LocalProtocolError if it does not fit."""
    octets = text.encode("ascii", "backslashreplace")
    if len(octets) > HEADER_STRING_LENGTH:
        raise LocalProtocolError(f"a header string has at most {HEADER_STRING_LENGTH} octets: {text!r}")
    return octets.ljust(HEADER_STRING_LENGTH, b"\0")


def _optional_length(field_control: int) -> int:
    return (
        (1 if field_control & _SECURITY_CREDENTIAL else 0)
        + (8 if field_control & _DEVICE_SPECIFIC else 0)
        + (4 if field_control & _HARDWARE_VERSIONS else 0)
    )
