"""OTA files: GBCS Upgrade Images of both shapes (GBCS 11.2.2 to 11.2.4) and tag/length images (ZCL 11.4).

A GBCS Upgrade Image has no sub-elements:

    PPMID (SR 11.4)          OTA Header, Manufacturer Image
    ESME, HCALCS (SR 11.1)   OTA Header, Manufacturer Image, force-replace octet, 0x40, signature (64 octets)
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import Enum
from typing import Final

from hanota.errors import RemoteProtocolError
from hanota.ota.elements import SubElement, parse_elements
from hanota.ota.header import OtaHeader

IMAGE_TYPE_PPMID: Final = 0x0084
"""Image type of the published PPMID sample; the GBCS device type number of a PPMID (132)."""

IMAGE_TYPE_HCALCS: Final = 0x000D
"""Expected image type of an HCALCS, by the same rule as the PPMID sample (device type 13)."""

SIGNATURE_LENGTH: Final = 64
TRAILER_LENGTH: Final = 2 + SIGNATURE_LENGTH
"""Force-replace octet, signature length octet, signature."""


class ImageShape(Enum):
    """What stands after the OTA Header."""

    PPMID = "ppmid"
    """The Manufacturer Image, nothing after it."""
    SIGNED = "signed"
    """ESME and HCALCS: the Manufacturer Image, the force-replace octet and the supplier's signature."""
    TAGGED = "tagged"
    """Sub-elements, tag and length each: an ordinary OTA file."""


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """What an image may cost before it is refused."""

    total_image_size: int = 10_240_000
    """Octets. The DUIS schema's maxLength of FirmwareImage; the operational figure is 750 KB an image."""
    elements: int = 1024
    """Sub-elements of a tag/length image; real files have up to 175."""


@dataclass(frozen=True, slots=True)
class OtaFile:
    """One OTA file, whole and checked for form; made by `parse_image` or by `hanota.ota.build`."""

    header: OtaHeader
    shape: ImageShape
    data: bytes
    """Every octet of the file, as the Upgrade Server serves them."""
    elements: tuple[SubElement, ...] = ()
    """The sub-elements of a TAGGED file."""

    @property
    def body(self) -> bytes:
        """The octets after the OTA Header."""
        return self.data[self.header.header_length :]

    @property
    def manufacturer_image(self) -> bytes:
        """The Manufacturer Image; of a TAGGED file, which GBCS does not know, the whole body."""
        return self.body[:-TRAILER_LENGTH] if self.shape is ImageShape.SIGNED else self.body

    @property
    def manufacturer_image_hash(self) -> bytes:
        """The Manufacturer Image Hash: SHA-256 of the Manufacturer Image, as CS06 carries it."""
        end = len(self.data) - (TRAILER_LENGTH if self.shape is ImageShape.SIGNED else 0)
        return hashlib.sha256(memoryview(self.data)[self.header.header_length : end]).digest()

    @property
    def force_replace(self) -> int | None:
        """The force-replace octet of a SIGNED file."""
        return self.data[-TRAILER_LENGTH] if self.shape is ImageShape.SIGNED else None

    @property
    def supplier_signature(self) -> bytes | None:
        """The supplier's ECDSA signature of a SIGNED file: 64 octets, r and s."""
        return self.data[-SIGNATURE_LENGTH:] if self.shape is ImageShape.SIGNED else None

    @property
    def firmware_version(self) -> bytes:
        """The File Version as GBCS messages carry it: firmwareVersion, four octets, big-endian."""
        return self.header.file_version.to_bytes(4, "big")


def parse_image(data: bytes, shape: ImageShape | None = None, limits: ImageLimits | None = None) -> OtaFile:
    """Parse one OTA file; raise RemoteProtocolError unless `data` is exactly one, of `shape` if given.

    Without a shape the first rule that holds decides:

    1. sub-elements cover the body exactly: TAGGED;
    2. the octet before the last 64 is 0x40 and the image type is not that of a PPMID: SIGNED. The image type
       is asked here alone, because one Manufacturer Image in 256 has that octet by chance;
    3. otherwise PPMID.

    The image type is a hint and never a reason to refuse: GBCS calls it the manufacturer's own.
    """
    limits = limits or ImageLimits()
    header = OtaHeader.decode(data)
    _check_size(header, len(data), limits)
    # A view: images are the one large thing here, and a copy would double the memory of the moment.
    body = memoryview(data)[header.header_length :]
    if not body:
        raise RemoteProtocolError("no Manufacturer Image: the file ends with its OTA header")
    elements: tuple[SubElement, ...] = ()
    if shape is None:
        shape, elements = _classify(header, bytes(body), limits)
    elif shape is ImageShape.TAGGED:
        elements = parse_elements(bytes(body), limits.elements)
    elif shape is ImageShape.SIGNED and (fault := _signature_block_fault(body)):
        raise RemoteProtocolError(
            f"bad signature block: {fault}",
            hint="an ESME or HCALCS image ends with force-replace, 40 and 64 octets; a PPMID's does not",
        )
    return OtaFile(header, shape, bytes(data), elements)


def _check_size(header: OtaHeader, length: int, limits: ImageLimits) -> None:
    total = header.total_image_size
    if max(total, length) > limits.total_image_size:
        raise RemoteProtocolError(
            f"oversized image: {max(total, length)} octets, the limit is {limits.total_image_size}"
        )
    if total < header.header_length:
        raise RemoteProtocolError(
            f"wrong total image size {total}: the OTA header alone has {header.header_length} octets"
        )
    if length < total:
        raise RemoteProtocolError(
            f"truncated image: its header says {total} octets, there are {length}",
            hint="fetch the file again",
        )
    if length > total:
        raise RemoteProtocolError(
            f"{length - total} octets after the end: the OTA header says {total} octets, there are {length}"
        )


def _classify(
    header: OtaHeader, body: bytes, limits: ImageLimits
) -> tuple[ImageShape, tuple[SubElement, ...]]:
    try:
        return ImageShape.TAGGED, parse_elements(body, limits.elements)
    except RemoteProtocolError:
        signed = header.image_type != IMAGE_TYPE_PPMID and not _signature_block_fault(body)
        return (ImageShape.SIGNED if signed else ImageShape.PPMID), ()


def _signature_block_fault(body: bytes | memoryview) -> str | None:
    if len(body) <= TRAILER_LENGTH:
        return f"{len(body)} octets after the header, at least {TRAILER_LENGTH + 1} are needed"
    mark = body[-SIGNATURE_LENGTH - 1]
    if mark != SIGNATURE_LENGTH:
        return f"the signature length octet is {mark:#04x}, not 0x40"
    return None
