"""Commands of the OTA Upgrade cluster, little-endian (ZCL 11.13).

What a decoder forgives, because devices in the field need it: octets after the last field, reserved bits of a
field control, and an Image Block Request whose field control announces optional fields that are not there.
Anything cut inside a field is MALFORMED_COMMAND.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from struct import Struct
from typing import TYPE_CHECKING, ClassVar, Final, Self, get_args

from hanota.errors import LocalProtocolError, RemoteProtocolError
from hanota.ota.fields import FieldReader, ImageId, encode_image, encode_optional, malformed, pack
from hanota.zcl import Direction, Status, ZclFrame

if TYPE_CHECKING:
    from hanota.eui64 import Eui64

NEVER: Final = 0xFFFF_FFFF
"""Upgrade Time "wait": for a later Upgrade End Response or, as GBCS 11.2.1 uses it, for CS06."""

_HARDWARE_VERSION: Final = 0x01
_NODE_ADDRESS: Final = 0x01
_MINIMUM_BLOCK_PERIOD: Final = 0x02

_BLOCK_REQUEST: Final = Struct("<BHHIIB")
_PERIOD: Final = Struct("<H")


class CommandId(IntEnum):
    """Command identifiers; each is used in one direction only."""

    IMAGE_NOTIFY = 0x00
    QUERY_NEXT_IMAGE_REQUEST = 0x01
    QUERY_NEXT_IMAGE_RESPONSE = 0x02
    IMAGE_BLOCK_REQUEST = 0x03
    IMAGE_PAGE_REQUEST = 0x04
    IMAGE_BLOCK_RESPONSE = 0x05
    UPGRADE_END_REQUEST = 0x06
    UPGRADE_END_RESPONSE = 0x07
    QUERY_DEVICE_SPECIFIC_FILE_REQUEST = 0x08
    QUERY_DEVICE_SPECIFIC_FILE_RESPONSE = 0x09


@dataclass(frozen=True, slots=True)
class ImageNotify:
    """Image Notify; the payload type (0 to 3) counts the fields that follow the query jitter."""

    COMMAND: ClassVar = CommandId.IMAGE_NOTIFY
    DIRECTION: ClassVar = Direction.TO_CLIENT

    query_jitter: int
    manufacturer_code: int | None = None
    image_type: int | None = None
    file_version: int | None = None

    def encode(self) -> bytes:
        """Return the payload; raise LocalProtocolError for a field without the ones before it."""
        fields = (self.manufacturer_code, self.image_type, self.file_version)
        payload_type = sum(field is not None for field in fields)
        if None in fields[:payload_type]:
            raise LocalProtocolError("an Image Notify names manufacturer, image type, file version in order")
        layout = "<BB" + "HHI"[:payload_type]
        return pack(layout, payload_type, self.query_jitter, *fields[:payload_type])

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        """Parse the payload; raise RemoteProtocolError (MALFORMED_COMMAND)."""
        reader = FieldReader(payload)
        payload_type, jitter = reader.take("BB")
        if payload_type > 3:
            raise malformed(f"Image Notify payload type {payload_type} is not 0 to 3")
        return cls(jitter, *reader.take("HHI"[:payload_type]))


@dataclass(frozen=True, slots=True)
class QueryNextImageRequest:
    """Query Next Image Request: `image.file_version` is the version the device runs."""

    COMMAND: ClassVar = CommandId.QUERY_NEXT_IMAGE_REQUEST
    DIRECTION: ClassVar = Direction.TO_SERVER

    image: ImageId
    hardware_version: int | None = None

    def encode(self) -> bytes:
        """Return the payload; raise LocalProtocolError for a field out of range."""
        control = 0 if self.hardware_version is None else _HARDWARE_VERSION
        return pack("<B", control) + encode_image(self.image) + encode_optional("<H", self.hardware_version)

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        """Parse the payload; raise RemoteProtocolError (MALFORMED_COMMAND)."""
        reader = FieldReader(payload)
        (control,) = reader.take("B")
        image = reader.image()
        return cls(image, reader.take("H")[0] if control & _HARDWARE_VERSION else None)


@dataclass(frozen=True, slots=True)
class QueryNextImageResponse:
    """Query Next Image Response: SUCCESS with an image and its size in octets, or a status alone."""

    COMMAND: ClassVar = CommandId.QUERY_NEXT_IMAGE_RESPONSE
    DIRECTION: ClassVar = Direction.TO_CLIENT

    status: int
    image: ImageId | None = None
    image_size: int = 0

    def encode(self) -> bytes:
        """Return the payload; raise LocalProtocolError if SUCCESS names no image."""
        if self.status != Status.SUCCESS:
            return pack("<B", self.status)
        if self.image is None:
            raise LocalProtocolError("a successful Query Next Image Response names an image")
        return pack("<B", self.status) + encode_image(self.image) + pack("<I", self.image_size)

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        """Parse the payload; raise RemoteProtocolError (MALFORMED_COMMAND)."""
        reader = FieldReader(payload)
        (status,) = reader.take("B")
        if status != Status.SUCCESS:
            return cls(status)
        image = reader.image()
        return cls(status, image, reader.take("I")[0])


@dataclass(frozen=True, slots=True)
class ImageBlockRequest:
    """Image Block Request: at most `maximum_data_size` octets of `image` from `file_offset` on.

    The unit of `minimum_block_period` depends on the client's cluster revision (hanota.ota.period).
    """

    COMMAND: ClassVar = CommandId.IMAGE_BLOCK_REQUEST
    DIRECTION: ClassVar = Direction.TO_SERVER

    image: ImageId
    file_offset: int
    maximum_data_size: int
    node_address: Eui64 | None = None
    minimum_block_period: int | None = None

    def encode(self) -> bytes:
        """Return the payload; raise LocalProtocolError for a field out of range."""
        control = (0 if self.node_address is None else _NODE_ADDRESS) | (
            0 if self.minimum_block_period is None else _MINIMUM_BLOCK_PERIOD
        )
        head = pack("<B", control) + encode_image(self.image)
        head += pack("<IB", self.file_offset, self.maximum_data_size)
        address = b"" if self.node_address is None else self.node_address.to_zigbee()
        return head + address + encode_optional("<H", self.minimum_block_period)

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        """Parse the payload; raise RemoteProtocolError (MALFORMED_COMMAND)."""
        if len(payload) < _BLOCK_REQUEST.size:
            raise malformed(f"an Image Block Request has at least 14 octets, not {len(payload)}")
        control, manufacturer, image_type, version, offset, size = _BLOCK_REQUEST.unpack_from(payload)
        image = ImageId(manufacturer, image_type, version)
        if not control & (_NODE_ADDRESS | _MINIMUM_BLOCK_PERIOD) or len(payload) == _BLOCK_REQUEST.size:
            return cls(image, offset, size)
        reader = FieldReader(payload, _BLOCK_REQUEST.size)
        # Two octets cannot be an address: some announce one that they do not send.
        address = reader.eui64() if control & _NODE_ADDRESS and reader.left != _PERIOD.size else None
        period: int | None = None
        if control & _MINIMUM_BLOCK_PERIOD and reader.left:
            (period,) = _PERIOD.unpack(reader.octets(_PERIOD.size))
        return cls(image, offset, size, address, period)


@dataclass(frozen=True, slots=True)
class ImagePageRequest:
    """Image Page Request: `page_size` octets of `image` in blocks, `response_spacing` milliseconds apart."""

    COMMAND: ClassVar = CommandId.IMAGE_PAGE_REQUEST
    DIRECTION: ClassVar = Direction.TO_SERVER

    image: ImageId
    file_offset: int
    maximum_data_size: int
    page_size: int
    response_spacing: int
    node_address: Eui64 | None = None

    def encode(self) -> bytes:
        """Return the payload; raise LocalProtocolError for a field out of range."""
        head = pack("<B", 0 if self.node_address is None else _NODE_ADDRESS) + encode_image(self.image)
        head += pack("<IBHH", self.file_offset, self.maximum_data_size, self.page_size, self.response_spacing)
        return head + (b"" if self.node_address is None else self.node_address.to_zigbee())

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        """Parse the payload; raise RemoteProtocolError (MALFORMED_COMMAND)."""
        reader = FieldReader(payload)
        (control,) = reader.take("B")
        image = reader.image()
        offset, size, page, spacing = reader.take("IBHH")
        return cls(image, offset, size, page, spacing, reader.eui64() if control & _NODE_ADDRESS else None)


@dataclass(frozen=True, slots=True)
class ImageBlock:
    """The SUCCESS form of an Image Block Response: octets of `image` at `file_offset`."""

    image: ImageId
    file_offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class WaitForData:
    """The WAIT_FOR_DATA form of an Image Block Response: ask again at `request_time`.

    ZCL UTCTime; a `current_time` of 0 makes `request_time` relative seconds. `request_time` is never before
    `current_time`: a client that subtracts unsigned would wait for weeks.
    """

    current_time: int
    request_time: int
    minimum_block_period: int | None = None
    """In the client's unit (hanota.ota.period); None leaves the field out."""


@dataclass(frozen=True, slots=True)
class ImageBlockResponse:
    """Image Block Response: a block, a time to ask again, or a status alone (ABORT ends the download)."""

    COMMAND: ClassVar = CommandId.IMAGE_BLOCK_RESPONSE
    DIRECTION: ClassVar = Direction.TO_CLIENT

    status: int
    body: ImageBlock | WaitForData | None = None

    def encode(self) -> bytes:
        """Return the payload; raise LocalProtocolError if the body is not the status's."""
        head = pack("<B", self.status)
        match self.body:
            case ImageBlock(image, offset, data) if self.status == Status.SUCCESS:
                return head + encode_image(image) + pack("<IB", offset, len(data)) + data
            case WaitForData(current, request, period) if self.status == Status.WAIT_FOR_DATA:
                return head + pack("<II", current, request) + encode_optional("<H", period)
            case None if self.status not in (Status.SUCCESS, Status.WAIT_FOR_DATA):
                return head
            case _:
                raise LocalProtocolError(
                    f"an Image Block Response of status {self.status:#04x} reads otherwise"
                )

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        """Parse the payload; raise RemoteProtocolError (MALFORMED_COMMAND)."""
        reader = FieldReader(payload)
        (status,) = reader.take("B")
        if status == Status.SUCCESS:
            image = reader.image()
            offset, size = reader.take("IB")
            return cls(status, ImageBlock(image, offset, reader.octets(size)))
        if status == Status.WAIT_FOR_DATA:
            current, request = reader.take("II")
            period: int | None = reader.take("H")[0] if reader.left else None
            return cls(status, WaitForData(current, request, period))
        return cls(status)


@dataclass(frozen=True, slots=True)
class UpgradeEndRequest:
    """Upgrade End Request: what the client made of the image; some clients send the status alone."""

    COMMAND: ClassVar = CommandId.UPGRADE_END_REQUEST
    DIRECTION: ClassVar = Direction.TO_SERVER

    status: int
    image: ImageId | None = None

    def encode(self) -> bytes:
        """Return the payload; raise LocalProtocolError for a field out of range."""
        return pack("<B", self.status) + (b"" if self.image is None else encode_image(self.image))

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        """Parse the payload; raise RemoteProtocolError (MALFORMED_COMMAND)."""
        reader = FieldReader(payload)
        (status,) = reader.take("B")
        return cls(status, reader.image() if reader.left else None)


@dataclass(frozen=True, slots=True)
class UpgradeEndResponse:
    """Upgrade End Response: upgrade at `upgrade_time` (ZCL UTCTime), or wait when that is NEVER.

    Only the difference of the two times counts for a client; `upgrade_time` is never before `current_time`.
    """

    COMMAND: ClassVar = CommandId.UPGRADE_END_RESPONSE
    DIRECTION: ClassVar = Direction.TO_CLIENT

    image: ImageId
    current_time: int
    upgrade_time: int

    def encode(self) -> bytes:
        """Return the payload; raise LocalProtocolError for a field out of range."""
        return encode_image(self.image) + pack("<II", self.current_time, self.upgrade_time)

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        """Parse the payload; raise RemoteProtocolError (MALFORMED_COMMAND)."""
        reader = FieldReader(payload)
        image = reader.image()
        return cls(image, *reader.take("II"))


@dataclass(frozen=True, slots=True)
class QueryDeviceSpecificFileRequest:
    """Query Device Specific File Request: a file made for the device of this IEEE address alone."""

    COMMAND: ClassVar = CommandId.QUERY_DEVICE_SPECIFIC_FILE_REQUEST
    DIRECTION: ClassVar = Direction.TO_SERVER

    node_address: Eui64
    image: ImageId
    stack_version: int

    def encode(self) -> bytes:
        """Return the payload; raise LocalProtocolError for a field out of range."""
        return self.node_address.to_zigbee() + encode_image(self.image) + pack("<H", self.stack_version)

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        """Parse the payload; raise RemoteProtocolError (MALFORMED_COMMAND)."""
        reader = FieldReader(payload)
        return cls(reader.eui64(), reader.image(), reader.take("H")[0])


class QueryDeviceSpecificFileResponse(QueryNextImageResponse):
    """Query Device Specific File Response: the fields are those of a Query Next Image Response."""

    __slots__ = ()
    COMMAND: ClassVar = CommandId.QUERY_DEVICE_SPECIFIC_FILE_RESPONSE


OtaCommand = (
    ImageNotify
    | QueryNextImageRequest
    | QueryNextImageResponse
    | ImageBlockRequest
    | ImagePageRequest
    | ImageBlockResponse
    | UpgradeEndRequest
    | UpgradeEndResponse
    | QueryDeviceSpecificFileRequest
    | QueryDeviceSpecificFileResponse
)

_COMMANDS: Final[dict[tuple[int, int], type[OtaCommand]]] = {
    (command.DIRECTION, command.COMMAND): command for command in get_args(OtaCommand)
}


def decode_command(frame: ZclFrame) -> OtaCommand:
    """Decode one command of the cluster; raise RemoteProtocolError with the status to answer.

    MALFORMED_COMMAND, UNSUP_CLUSTER_COMMAND, UNSUP_MANUF_CLUSTER_COMMAND, or UNSUP_GENERAL_COMMAND if it
    is not cluster specific.
    """
    if not frame.cluster_specific:
        raise RemoteProtocolError(
            f"general command {frame.command:#04x} is not the OTA Upgrade cluster's",
            status=Status.UNSUP_GENERAL_COMMAND,
        )
    if frame.manufacturer_code is not None:
        raise RemoteProtocolError(
            f"manufacturer specific command {frame.command:#04x} of {frame.manufacturer_code:#06x}",
            status=Status.UNSUP_MANUF_CLUSTER_COMMAND,
        )
    command = _COMMANDS.get((frame.direction, frame.command))
    if command is None:
        raise RemoteProtocolError(
            f"OTA Upgrade command {frame.command:#04x} {frame.direction.name.lower()} is not supported",
            status=Status.UNSUP_CLUSTER_COMMAND,
        )
    return command.decode(frame.payload)


def encode_command(command: OtaCommand, sequence: int) -> bytes:
    """Return the ZCL frame of `command`; no Default Response is asked for, which saves a frame a block."""
    return ZclFrame(sequence, command.COMMAND, command.encode(), command.DIRECTION).encode()
