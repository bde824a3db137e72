"""The Upgrade Client: one device's side of the OTA Upgrade cluster, sans-IO (ZCL chapter 11).

It keeps the rules that common clients keep: one request at a time; a unicast Image Notify always makes it query,
unless it is at that very image already; a block is taken only at the offset asked for and no longer than asked;
answers to earlier requests are ignored, so that duplicates on the air never multiply.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final, assert_never

from hanota.errors import LocalProtocolError, RemoteProtocolError
from hanota.ota.client_events import (
    Activate,
    ActivationScheduled,
    DownloadComplete,
    DownloadFailed,
    DownloadFailure,
    DownloadStarted,
    NoImageAvailable,
    WaitForActivation,
)
from hanota.ota.commands import (
    NEVER,
    ImageBlock,
    ImageBlockRequest,
    ImageBlockResponse,
    ImageNotify,
    ImagePageRequest,
    QueryNextImageRequest,
    QueryNextImageResponse,
    UpgradeEndRequest,
    UpgradeEndResponse,
    WaitForData,
    decode_command,
    encode_command,
)
from hanota.ota.settings import OtaClientSettings, UpgradeActivationPolicy, UpgradeTimeoutPolicy
from hanota.zcl import DefaultResponse, Status, ZclFrame

if TYPE_CHECKING:
    from collections.abc import Callable

    from hanota.eui64 import Eui64
    from hanota.ota.client_events import ClientEvent
    from hanota.ota.fields import ImageId

_ENDING_STATUSES: Final = frozenset(
    {Status.ABORT, Status.NO_IMAGE_AVAILABLE, Status.NOT_AUTHORIZED, Status.UNSUP_CLUSTER_COMMAND}
)
"""Statuses after which asking again is no use; any other is answered by asking again in a while."""


class ImageUpgradeStatus(IntEnum):
    """Attribute 0x0006."""

    NORMAL = 0
    DOWNLOAD_IN_PROGRESS = 1
    DOWNLOAD_COMPLETE = 2
    WAITING_TO_UPGRADE = 3
    COUNT_DOWN = 4
    WAITING_TO_UPGRADE_VIA_EXTERNAL_EVENT = 6


_VERIFIED: Final = frozenset(
    {
        ImageUpgradeStatus.DOWNLOAD_COMPLETE,
        ImageUpgradeStatus.WAITING_TO_UPGRADE,
        ImageUpgradeStatus.COUNT_DOWN,
        ImageUpgradeStatus.WAITING_TO_UPGRADE_VIA_EXTERNAL_EVENT,
    }
)


@dataclass(frozen=True, slots=True)
class ClientIdentity:
    """What the device is, as its queries say it: `image.file_version` is the version it runs."""

    image: ImageId
    hardware_version: int | None = None
    node_address: Eui64 | None = None
    """Sent with each Image Block Request, if given."""


class OtaClient:
    """Upgrade Client of one device; drain `requests` and `events` after each call.

    `verify` is given the whole file and returns the status of the Upgrade End Request: SUCCESS, or what is wrong
    with the image, such as INVALID_IMAGE.
    """

    def __init__(
        self,
        identity: ClientIdentity,
        verify: Callable[[bytes], int],
        settings: OtaClientSettings | None = None,
    ) -> None:
        self.identity = identity
        self.settings = settings or OtaClientSettings()
        self.image_upgrade_status = ImageUpgradeStatus.NORMAL
        self._verify = verify
        self._image: ImageId | None = None
        self._size = 0
        self._received = bytearray()
        self._request: QueryNextImageRequest | ImageBlockRequest | UpgradeEndRequest | None = None
        self._sequence = 0
        self._attempts = 0
        self._timer: float | None = None
        self._outgoing: list[bytes] = []
        self._events: list[ClientEvent] = []

    @property
    def image(self) -> bytes:
        """The octets received so far, header first."""
        return bytes(self._received)

    @property
    def file_offset(self) -> int:
        """Attribute 0x0001: where the next block begins."""
        return len(self._received)

    def start(self, now: float) -> None:
        """Send a Query Next Image Request."""
        current = self.identity
        self._ask(QueryNextImageRequest(current.image, current.hardware_version), now)

    def resume(self, now: float) -> None:
        """Go on after a reboot, or after a failure, with the octets that are here."""
        self._rest()
        if self.image_upgrade_status is ImageUpgradeStatus.WAITING_TO_UPGRADE_VIA_EXTERNAL_EVENT:
            return
        if self.image_upgrade_status in _VERIFIED:
            self.image_upgrade_status = ImageUpgradeStatus.DOWNLOAD_COMPLETE
            self._ask(UpgradeEndRequest(Status.SUCCESS, self._image), now)
        elif self._received and not self.settings.resume_with_query:
            self._download(now)
        else:
            self.start(now)

    def receive(self, data: bytes, now: float) -> None:
        """Take one ZCL frame from the Upgrade Server; a frame that cannot be read is ignored or answered."""
        try:
            frame = ZclFrame.decode(data)
            if frame.is_default_response:
                self._receive_default_response(frame.sequence, DefaultResponse.decode(frame.payload), now)
                return
        except RemoteProtocolError:
            return
        try:
            command = decode_command(frame)
        except RemoteProtocolError as error:
            self._outgoing.append(frame.default_response(error.status or Status.MALFORMED_COMMAND).encode())
            return
        status = Status.SUCCESS
        match command:
            case ImageNotify():
                self._receive_notify(command, now)
            case QueryNextImageResponse():
                if self._answers(frame, QueryNextImageRequest):
                    self._receive_query_response(command, now)
            case ImageBlockResponse():
                if self._answers(frame, ImageBlockRequest):
                    status = self._receive_block(command, now)
            case UpgradeEndResponse():
                status = self._receive_upgrade_time(command, now)
            case QueryNextImageRequest() | ImageBlockRequest() | ImagePageRequest() | UpgradeEndRequest():
                status = Status.UNSUP_CLUSTER_COMMAND
            case _:
                assert_never(command)
        if status != Status.SUCCESS or not frame.disable_default_response:
            self._outgoing.append(frame.default_response(status).encode())

    def requests(self) -> list[bytes]:
        """Return and forget the ZCL frames to send to the Upgrade Server, in order."""
        drained, self._outgoing = self._outgoing, []
        return drained

    def events(self) -> list[ClientEvent]:
        """Return and forget the events, in order."""
        drained, self._events = self._events, []
        return drained

    def next_timer(self) -> float | None:
        """Return when `expire` next has something to do, if ever."""
        return self._timer

    def expire(self, now: float) -> None:
        """Do what is due by `now`: ask again, or activate."""
        if self._timer is None or self._timer > now:
            return
        if self._request is not None:
            self._retry(now)
            return
        match self.image_upgrade_status:
            case ImageUpgradeStatus.COUNT_DOWN:
                self._activate(now)
            case ImageUpgradeStatus.WAITING_TO_UPGRADE:
                self._ask(UpgradeEndRequest(Status.SUCCESS, self._image), now)
            case _:
                self._ask_block(now)
