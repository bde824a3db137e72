"""Where the Upgrade Client is, and what it tells its owner, the device."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from hanota.ota.fields import ImageId


class ImageUpgradeStatus(IntEnum):
    """Attribute 0x0006."""

    NORMAL = 0
    DOWNLOAD_IN_PROGRESS = 1
    DOWNLOAD_COMPLETE = 2
    WAITING_TO_UPGRADE = 3
    COUNT_DOWN = 4
    WAIT_FOR_MORE = 5
    """For another file, which GBCS does not know: never ours."""
    WAITING_TO_UPGRADE_VIA_EXTERNAL_EVENT = 6


VERIFIED: Final = frozenset(
    {
        ImageUpgradeStatus.DOWNLOAD_COMPLETE,
        ImageUpgradeStatus.WAITING_TO_UPGRADE,
        ImageUpgradeStatus.COUNT_DOWN,
        ImageUpgradeStatus.WAITING_TO_UPGRADE_VIA_EXTERNAL_EVENT,
    }
)
"""Where a whole image is here and was found good."""


class DownloadFailure(Enum):
    """Why a download ended without an image to activate."""

    QUERY_UNANSWERED = "the Upgrade Server does not answer Query Next Image Requests"
    OFFER_UNACCEPTABLE = "the image offered is not this device's, or is too large"
    BLOCKS_FAILED = "no usable answer to Image Block Requests"
    ABORTED = "the Upgrade Server ended the download"
    INVALID_IMAGE = "the image did not verify"
    UPGRADE_END_UNANSWERED = "the Upgrade Server does not answer Upgrade End Requests; the image is kept"


@dataclass(frozen=True, slots=True)
class NoImageAvailable:
    """The Upgrade Server has nothing for this device."""

    at: float


@dataclass(frozen=True, slots=True)
class DownloadStarted:
    """The download of `image` begins, or goes on, at `file_offset`."""

    at: float
    image: ImageId
    image_size: int
    file_offset: int


@dataclass(frozen=True, slots=True)
class DownloadComplete:
    """Every octet is here and verified; the Upgrade Server is told."""

    at: float
    image: ImageId
    data: bytes


@dataclass(frozen=True, slots=True)
class DownloadFailed:
    """The download ended; `status` is the wire status that goes with it, if any."""

    at: float
    reason: DownloadFailure
    status: int | None = None


@dataclass(frozen=True, slots=True)
class WaitForActivation:
    """The Upgrade Server's answer is to wait: for its later word, or for an out-of-band one such as CS06."""

    at: float


@dataclass(frozen=True, slots=True)
class ActivationScheduled:
    """The Upgrade Server set a time; `Activate` follows then."""

    at: float
    activate_at: float


@dataclass(frozen=True, slots=True)
class Activate:
    """Run the downloaded image now."""

    at: float
    image: ImageId


ClientEvent = (
    NoImageAvailable
    | DownloadStarted
    | DownloadComplete
    | DownloadFailed
    | WaitForActivation
    | ActivationScheduled
    | Activate
)
