"""What is known of one image of the library."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hanota.hub.jobs import JobKind
    from hanota.ota.fields import ImageId
    from hanota.ota.header import HardwareVersions


class SignatureState(StrEnum):
    """What is known of the supplier's signature of an image."""

    VERIFIED = "verified"
    NOT_CHECKED = "not checked"
    """Signed, but the supplier's key was not given."""
    NONE = "none"
    """The image of a PPMID carries no signature."""


@dataclass(frozen=True, slots=True)
class LibraryImage:
    """One image; `digest` is the SHA-256 of the Upgrade Image file, by which jobs name it."""

    digest: bytes
    kind: JobKind
    image_id: ImageId
    hardware_versions: HardwareVersions | None
    manufacturer_image_hash: bytes
    octets: int
    signature: SignatureState
    added: float
    retired: float | None = None
