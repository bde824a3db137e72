"""Make OTA files: an OTA Header, a Manufacturer Image and what its shape adds (GBCS 11.2.2 to 11.2.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hanota.errors import LocalProtocolError
from hanota.ota.image import SIGNATURE_LENGTH, ImageShape, OtaFile

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hanota.ota.elements import SubElement
    from hanota.ota.header import OtaHeader


def build_ppmid_image(header: OtaHeader, manufacturer_image: bytes) -> OtaFile:
    """Return the Upgrade Image of SR 11.4; `header.total_image_size` is filled in."""
    return _build(header, _not_empty(manufacturer_image), ImageShape.PPMID)


def build_signed_image(
    header: OtaHeader, manufacturer_image: bytes, sign: Callable[[bytes], bytes], *, force_replace: int = 0
) -> OtaFile:
    """Return the Upgrade Image of SR 11.1; `header.total_image_size` is filled in.

    `sign` takes the Manufacturer Image alone and returns the supplier's 64 octets r and s
    (`hanota.ota.signature.supplier_signer`). `force_replace` is one octet, meant for the Communications Hub.
    """
    if not 0 <= force_replace <= 0xFF:
        raise LocalProtocolError(f"force-replace {force_replace} is not one octet")
    signature = sign(_not_empty(manufacturer_image))
    if len(signature) != SIGNATURE_LENGTH:
        raise LocalProtocolError(f"a supplier signature has {SIGNATURE_LENGTH} octets, got {len(signature)}")
    trailer = bytes((force_replace, SIGNATURE_LENGTH)) + signature
    return _build(header, manufacturer_image + trailer, ImageShape.SIGNED)


def build_tagged_image(header: OtaHeader, elements: Sequence[SubElement]) -> OtaFile:
    """Return an ordinary tag/length OTA file; `header.total_image_size` is filled in."""
    body = b"".join(element.encode() for element in elements)
    return _build(header, _not_empty(body), ImageShape.TAGGED, tuple(elements))


def _build(
    header: OtaHeader, body: bytes, shape: ImageShape, elements: tuple[SubElement, ...] = ()
) -> OtaFile:
    sized = header.sized(len(body))
    return OtaFile(sized, shape, sized.encode() + body, elements)


def _not_empty(octets: bytes) -> bytes:
    if not octets:
        raise LocalProtocolError("the Manufacturer Image is empty")
    return octets
