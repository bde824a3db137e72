"""Sub-elements: the tag/length chain of an ordinary OTA file (ZCL 11.4.3)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from hanota.errors import LocalProtocolError, RemoteProtocolError

_HEAD: Final = struct.Struct("<HI")


class ElementTag(IntEnum):
    """Tag identifiers (ZCL 11.4.4); 0xF000 to 0xFFFF are the manufacturer's own."""

    UPGRADE_IMAGE = 0x0000
    ECDSA_SIGNATURE = 0x0001
    ECDSA_SIGNING_CERTIFICATE = 0x0002
    IMAGE_INTEGRITY_CODE = 0x0003
    PICTURE_DATA = 0x0004
    ECDSA_SIGNATURE_SUITE_2 = 0x0005
    ECDSA_SIGNING_CERTIFICATE_SUITE_2 = 0x0006


@dataclass(frozen=True, slots=True)
class SubElement:
    """One sub-element: its tag and the octets its length counts."""

    tag: int
    data: bytes

    def encode(self) -> bytes:
        """Return tag, length and data; raise LocalProtocolError for a tag out of range."""
        try:
            return _HEAD.pack(self.tag, len(self.data)) + self.data
        except struct.error as error:
            raise LocalProtocolError(f"sub-element tag {self.tag} is not 16 bits") from error


def parse_elements(body: bytes, limit: int) -> tuple[SubElement, ...]:
    """Parse at most `limit` sub-elements that cover `body` exactly; raise RemoteProtocolError otherwise."""
    elements: list[SubElement] = []
    offset = 0
    while offset < len(body):
        if len(elements) == limit:
            raise RemoteProtocolError(f"more than {limit} sub-elements")
        if len(body) - offset < _HEAD.size:
            raise RemoteProtocolError(
                f"bad tag chain: {len(body) - offset} octets left at {offset}, a sub-element begins with 6"
            )
        tag, length = _HEAD.unpack_from(body, offset)
        offset += _HEAD.size
        if length > len(body) - offset:
            raise RemoteProtocolError(
                f"bad tag chain: tag {tag:#06x} at {offset - _HEAD.size} has length {length},"
                f" {len(body) - offset} octets are left"
            )
        elements.append(SubElement(tag, body[offset : offset + length]))
        offset += length
    return tuple(elements)
