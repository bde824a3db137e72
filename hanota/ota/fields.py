"""What the commands of the OTA Upgrade cluster share: the image's name, and fields read off and put on."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from hanota.errors import LocalProtocolError, RemoteProtocolError
from hanota.eui64 import Eui64
from hanota.zcl import Status


@dataclass(frozen=True, slots=True)
class ImageId:
    """The three fields that name an image in every command."""

    manufacturer_code: int
    image_type: int
    file_version: int

    def __str__(self) -> str:
        return f"{self.manufacturer_code:04X}-{self.image_type:04X}-{self.file_version:08X}"

    def matches(self, other: ImageId) -> bool:
        """Tell whether this, wildcards FFFF, FFFF and FFFFFFFF allowed, names `other`."""
        return (
            self.manufacturer_code in (other.manufacturer_code, ANY_IMAGE.manufacturer_code)
            and self.image_type in (other.image_type, ANY_IMAGE.image_type)
            and self.file_version in (other.file_version, ANY_IMAGE.file_version)
        )


ANY_IMAGE: Final = ImageId(0xFFFF, 0xFFFF, 0xFFFF_FFFF)
"""The wildcards of an Upgrade End Response."""


class FieldReader:
    """Takes fields off a payload; every shortage is MALFORMED_COMMAND."""

    def __init__(self, payload: bytes, offset: int = 0) -> None:
        self._payload = payload
        self._offset = offset

    @property
    def left(self) -> int:
        """Octets not taken yet."""
        return len(self._payload) - self._offset

    def octets(self, count: int) -> bytes:
        """Take `count` octets."""
        if count > self.left:
            raise malformed(f"an OTA command ends at {len(self._payload)} octets, inside a field")
        self._offset += count
        return self._payload[self._offset - count : self._offset]

    def take(self, layout: str) -> tuple[int, ...]:
        """Take the little-endian fields of a `struct` layout."""
        little_endian = "<" + layout
        return struct.unpack(little_endian, self.octets(struct.calcsize(little_endian)))

    def image(self) -> ImageId:
        """Take manufacturer code, image type and file version."""
        return ImageId(*self.take("HHI"))

    def eui64(self) -> Eui64:
        """Take an IEEE address."""
        return Eui64.from_zigbee(self.octets(8))


def pack(layout: str, *values: int | None) -> bytes:
    """Return the fields of a `struct` layout; raise LocalProtocolError for one out of range."""
    try:
        return struct.pack(layout, *values)
    except struct.error as error:
        raise LocalProtocolError(f"a field of an OTA command is out of range: {error}") from error


def encode_image(image: ImageId) -> bytes:
    """Return manufacturer code, image type and file version."""
    return pack("<HHI", image.manufacturer_code, image.image_type, image.file_version)


def encode_optional(layout: str, value: int | None) -> bytes:
    """Return the field of a `struct` layout, or nothing if it is not there."""
    return b"" if value is None else pack(layout, value)


def malformed(message: str) -> RemoteProtocolError:
    """Return the error of a payload that cannot be read, with the status to answer."""
    return RemoteProtocolError(message, status=Status.MALFORMED_COMMAND)
