"""What the Upgrade Server tells its owner: claims of the device, and what was answered."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hanota.eui64 import Eui64
    from hanota.ota.attributes import AttributeId
    from hanota.ota.block_size import DeviceModel
    from hanota.ota.fields import ImageId


class Refusal(Enum):
    """Why a request of a device was refused."""

    NOT_OFFERED = "no image is offered to this device"
    OTHER_MANUFACTURER = "the device asks for another manufacturer code than the image has"
    OTHER_IMAGE_TYPE = "the device asks for another image type than the image has"
    OTHER_FILE_VERSION = "the device asks for another file version than is offered"
    HARDWARE_VERSION = "the device's hardware version is outside the image's range"
    DOWNGRADE = "the device runs a higher file version than is offered"
    INSTALLED = "the device already runs the file version that is offered"
    ENDED = "the offer has ended"
    OTHER_CONTENTS = "the device goes on with another file of the same version, and has to begin anew"
    OFFSET_PAST_END = "the device asks for octets past the end of the image"
    NO_DATA_ASKED = "the device asks for a block of no octets"
    OTHER_NODE_ADDRESS = "the request names another device's IEEE address"
    UNSUPPORTED = "the command is not supported"
    MALFORMED = "the command cannot be read"


@dataclass(frozen=True, slots=True)
class DeviceEvent:
    """What every event has: the device, and when (Unix seconds)."""

    device: Eui64
    at: float


@dataclass(frozen=True, slots=True)
class ImageNotified(DeviceEvent):
    """An Image Notify was sent."""


@dataclass(frozen=True, slots=True)
class ImageQueried(DeviceEvent):
    """The device asked and was offered the image; `current_version` is what it says it runs."""

    current_version: int
    hardware_version: int | None


@dataclass(frozen=True, slots=True)
class QueryRefused(DeviceEvent):
    """The device asked and was answered NO_IMAGE_AVAILABLE."""

    reason: Refusal
    current_version: int


@dataclass(frozen=True, slots=True)
class HardwareVersionMismatch(DeviceEvent):
    """The image is not for this device's hardware; the offer has ended (CCS08 HardwareVersionMismatch)."""

    hardware_version: int
    minimum: int
    maximum: int


@dataclass(frozen=True, slots=True)
class AlreadyInstalled(DeviceEvent):
    """The device says that it runs the file version that is offered; the offer has ended."""

    file_version: int


@dataclass(frozen=True, slots=True)
class TransferStarted(DeviceEvent):
    """The first block of this offer was asked for; an offset above 0 is a resumed download."""

    file_offset: int
    total: int


@dataclass(frozen=True, slots=True)
class BlockServed(DeviceEvent):
    """A block was answered; `repeated` if nothing in it went to this device for the first time."""

    file_offset: int
    size: int
    total: int
    repeated: bool


@dataclass(frozen=True, slots=True)
class AllBlocksServed(DeviceEvent):
    """The block that ends the image was answered, for the first time in this offer."""


@dataclass(frozen=True, slots=True)
class TransferDelayed(DeviceEvent):
    """A block request was answered WAIT_FOR_DATA: ask again in `seconds`."""

    seconds: int


@dataclass(frozen=True, slots=True)
class TransferHeld(DeviceEvent):
    """Only the last block is left, and it waits for `OtaServer.release`."""


@dataclass(frozen=True, slots=True)
class BlockSizeLearnt(DeviceEvent):
    """Devices of this model take blocks of `size` octets where longer ones were lost; worth keeping."""

    model: DeviceModel
    size: int


@dataclass(frozen=True, slots=True)
class TransferStalled(DeviceEvent):
    """The device stopped asking after `served` octets; it is notified again. Normal for a sleeping device."""

    served: int
    total: int


@dataclass(frozen=True, slots=True)
class TransferExpired(DeviceEvent):
    """The offer ended by time with `served` octets answered."""

    served: int
    total: int


@dataclass(frozen=True, slots=True)
class UpgradeEnded(DeviceEvent):
    """The device ended the download: SUCCESS, or what it has against the image (any status)."""

    status: int


@dataclass(frozen=True, slots=True)
class UpgradeEndAnswered(DeviceEvent):
    """An Upgrade End Response was sent; `upgrade_time` is ZCL UTCTime, 0xFFFFFFFF for wait."""

    upgrade_time: int


@dataclass(frozen=True, slots=True)
class UpgradeEndUnexpected(DeviceEvent):
    """An Upgrade End Request for an image that this server did not transfer to the device: not believed."""

    status: int
    image: ImageId | None


@dataclass(frozen=True, slots=True)
class RequestRefused(DeviceEvent):
    """A request other than a query was refused with `status` (None: there was nobody to answer)."""

    reason: Refusal
    status: int | None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class DeviceDefaultResponse(DeviceEvent):
    """The device answered one of our commands with a Default Response."""

    command: int
    status: int


@dataclass(frozen=True, slots=True)
class DeviceFileQueried(DeviceEvent):
    """The device asked for a file made for it alone, `found` or not."""

    image: ImageId
    found: bool


@dataclass(frozen=True, slots=True)
class DeviceFileEnded(DeviceEvent):
    """The device ended the download of a file made for it alone."""

    image: ImageId
    status: int


@dataclass(frozen=True, slots=True)
class ClientAttributesTold(DeviceEvent):
    """The device read out, or reported, attributes of its OTA Upgrade client."""

    attributes: Mapping[AttributeId, int]


OtaEvent = (
    ImageNotified
    | ImageQueried
    | QueryRefused
    | HardwareVersionMismatch
    | AlreadyInstalled
    | TransferStarted
    | BlockServed
    | AllBlocksServed
    | TransferDelayed
    | TransferStalled
    | TransferExpired
    | UpgradeEnded
    | UpgradeEndAnswered
    | UpgradeEndUnexpected
    | RequestRefused
    | DeviceDefaultResponse
    | TransferHeld
    | BlockSizeLearnt
    | DeviceFileQueried
    | DeviceFileEnded
    | ClientAttributesTold
)
