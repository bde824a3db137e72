"""The Upgrade Client: one device's side of the OTA Upgrade cluster, sans-IO (ZCL chapter 11).

It keeps the rules that common clients keep: one request at a time; a unicast Image Notify always makes it
query, unless it is at that very image already; a block is taken only at the offset asked for and no longer
than asked; answers to earlier requests are ignored, so that duplicates on the air never multiply.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, assert_never

from hanota.errors import RemoteProtocolError
from hanota.ota.client_events import (
    Activate,
    ActivationScheduled,
    DownloadComplete,
    DownloadFailed,
    DownloadFailure,
    DownloadStarted,
    ImageUpgradeStatus,
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
)
from hanota.ota.exchange import Exchange
from hanota.ota.settings import OtaClientSettings, UpgradeActivationPolicy, UpgradeTimeoutPolicy
from hanota.zcl import DefaultResponse, Status, ZclFrame

if TYPE_CHECKING:
    from collections.abc import Callable

    from hanota.eui64 import Eui64
    from hanota.ota.client_events import ClientEvent
    from hanota.ota.commands import OtaCommand
    from hanota.ota.exchange import ClientRequest
    from hanota.ota.fields import ImageId

_ENDING_STATUSES: Final = frozenset(
    {Status.ABORT, Status.NO_IMAGE_AVAILABLE, Status.NOT_AUTHORIZED, Status.UNSUP_CLUSTER_COMMAND}
)
"""Statuses after which asking again is no use; any other is answered by asking again in a while."""

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

    `verify` is given the whole file and returns the status of the Upgrade End Request: SUCCESS, or what is
    wrong with the image, such as INVALID_IMAGE.
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
        self._exchange = Exchange(new_sequence_on_retry=self.settings.new_sequence_on_retry)
        self._timer: float | None = None
        self._outgoing: list[bytes] = []
        self._events: list[ClientEvent] = []

    @property
    def image(self) -> bytes:
        """The octets received so far, OTA Header first."""
        return bytes(self._received)

    @property
    def file_offset(self) -> int:
        """Attribute 0x0001: where the next block begins."""
        return len(self._received)

    @property
    def image_size(self) -> int:
        """Octets of the image being downloaded, 0 where there is none."""
        return self._size

    def start(self, now: float) -> None:
        """Send a Query Next Image Request."""
        self._ask(QueryNextImageRequest(self.identity.image, self.identity.hardware_version), now)

    def resume(self, now: float) -> None:
        """Go on after a reboot or a failure, with the octets that are here."""
        self._exchange.end()
        self._timer = None
        if self.image_upgrade_status is ImageUpgradeStatus.WAITING_TO_UPGRADE_VIA_EXTERNAL_EVENT:
            return
        if self.image_upgrade_status in _VERIFIED:
            self.image_upgrade_status = ImageUpgradeStatus.DOWNLOAD_COMPLETE
            self._ask_upgrade_end(now)
        elif self._image and 0 < len(self._received) < self._size and not self.settings.resume_with_query:
            self._download(self._image, now)
        else:
            self.start(now)

    def receive(self, data: bytes, now: float) -> None:
        """Take one ZCL frame from the Upgrade Server; never raises for what it holds."""
        try:
            frame = ZclFrame.decode(data)
            if frame.is_default_response:
                self._receive_default_response(frame, DefaultResponse.decode(frame.payload), now)
        except RemoteProtocolError:
            return
        if not frame.cluster_specific:
            return
        try:
            status = self._dispatch(frame, decode_command(frame), now)
        except RemoteProtocolError as error:
            status = Status.MALFORMED_COMMAND if error.status is None else Status(error.status)
        if status is not Status.SUCCESS or not frame.disable_default_response:
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
        self._timer = None
        if self._exchange.request is not None:
            self._retry(self._exchange.request, now)
        elif self.image_upgrade_status is ImageUpgradeStatus.COUNT_DOWN:
            self._activate(now)
        elif self.image_upgrade_status is ImageUpgradeStatus.WAITING_TO_UPGRADE:
            self._ask_upgrade_end(now)
        elif self._image is not None:
            self._ask_block(self._image, now)

    def _dispatch(self, frame: ZclFrame, command: OtaCommand, now: float) -> Status:
        """Take one command; return the status of the Default Response to it."""
        awaited = self._exchange.awaits(frame)
        match command:
            case ImageNotify():
                self._receive_notify(command, now)
            case QueryNextImageResponse():
                if isinstance(awaited, QueryNextImageRequest):
                    return self._receive_query_response(command, now)
            case ImageBlockResponse():
                if isinstance(awaited, ImageBlockRequest):
                    return self._receive_block(awaited, command, now)
            case UpgradeEndResponse():
                return self._receive_upgrade_time(command, now)
            case QueryNextImageRequest() | ImageBlockRequest() | ImagePageRequest() | UpgradeEndRequest():
                return Status.UNSUP_CLUSTER_COMMAND
            case _:
                assert_never(command)
        return Status.SUCCESS

    def _receive_notify(self, notify: ImageNotify, now: float) -> None:
        busy = self._exchange.request is not None or self._timer is not None
        version = self._image.file_version if self._image else None
        if self.image_upgrade_status is ImageUpgradeStatus.COUNT_DOWN:
            return
        if not busy or (version is not None and notify.file_version not in (None, version)):
            self.start(now)

    def _receive_query_response(self, response: QueryNextImageResponse, now: float) -> Status:
        image, current = response.image, self.identity.image
        if response.status != Status.SUCCESS or image is None:
            self._settle(now)
            self._events.append(NoImageAvailable(now))
            return Status.SUCCESS
        acceptable = (
            (image.manufacturer_code, image.image_type) == (current.manufacturer_code, current.image_type)
            and image.file_version != current.file_version
            and (image.file_version > current.file_version or self.settings.allow_downgrade)
            and 0 < response.image_size <= self.settings.image_size
        )
        if not acceptable:
            self._settle(now)
            self._events.append(DownloadFailed(now, DownloadFailure.OFFER_UNACCEPTABLE, Status.INVALID_VALUE))
            return Status.INVALID_VALUE
        if (image, response.image_size) != (self._image, self._size):
            self._discard()
            self._image, self._size = image, response.image_size
        if self.image_upgrade_status in _VERIFIED:
            self._ask_upgrade_end(now)
        else:
            self._download(image, now)
        return Status.SUCCESS

    def _receive_block(self, request: ImageBlockRequest, response: ImageBlockResponse, now: float) -> Status:
        match response.body:
            case ImageBlock(image, offset, data):
                fits = 0 < len(data) <= request.maximum_data_size and offset + len(data) <= self._size
                if (image, offset) != (request.image, request.file_offset) or not fits:
                    self._retry(request, now)
                    return Status.INVALID_VALUE
                self._received += data
                self._next_block(image, now)
            case WaitForData(current_time, request_time):
                self._exchange.end()
                delay = self._delay(current_time, request_time)
                self._timer = now + min(max(delay, self.settings.minimum_wait), self.settings.wait_limit)
            case None:
                if response.status in _ENDING_STATUSES:
                    self._abort(request, response.status, now)
            case _:
                assert_never(response.body)
        return Status.SUCCESS

    def _receive_upgrade_time(self, response: UpgradeEndResponse, now: float) -> Status:
        if self._image is None or self.image_upgrade_status not in _VERIFIED - {
            ImageUpgradeStatus.COUNT_DOWN
        }:
            return Status.SUCCESS
        if not response.image.matches(self._image):
            return Status.INVALID_VALUE
        out_of_band = self.settings.upgrade_activation_policy is UpgradeActivationPolicy.OUT_OF_BAND
        if response.upgrade_time == NEVER or out_of_band:
            self._hold(now)
            return Status.SUCCESS if response.upgrade_time == NEVER else Status.NOT_AUTHORIZED
        self._exchange.end()
        self._timer = now + self._delay(response.current_time, response.upgrade_time)
        self.image_upgrade_status = ImageUpgradeStatus.COUNT_DOWN
        self._events.append(ActivationScheduled(now, self._timer))
        self.expire(now)
        return Status.SUCCESS

    def _receive_default_response(self, frame: ZclFrame, response: DefaultResponse, now: float) -> None:
        request = self._exchange.awaits(frame)
        if request is None or response.command != request.COMMAND:
            return
        if isinstance(request, UpgradeEndRequest) and request.status != Status.SUCCESS:
            self._settle(now)
        elif response.status in _ENDING_STATUSES:
            self._abort(request, response.status, now)

    def _download(self, image: ImageId, now: float) -> None:
        self.image_upgrade_status = ImageUpgradeStatus.DOWNLOAD_IN_PROGRESS
        self._events.append(DownloadStarted(now, image, self._size, len(self._received)))
        self._next_block(image, now)

    def _next_block(self, image: ImageId, now: float) -> None:
        """Ask for the next block, or, if there is none, verify the image and send the Upgrade End Request."""
        if len(self._received) < self._size:
            self._ask_block(image, now)
            return
        data = bytes(self._received)
        status = self._verify(data)
        if status == Status.SUCCESS:
            self.image_upgrade_status = ImageUpgradeStatus.DOWNLOAD_COMPLETE
            self._events.append(DownloadComplete(now, image, data))
            self._ask_upgrade_end(now)
        else:
            self._ask(UpgradeEndRequest(status, image), now)
            self._discard()
            self._events.append(DownloadFailed(now, DownloadFailure.INVALID_IMAGE, status))

    def _ask_block(self, image: ImageId, now: float) -> None:
        size = min(self.settings.maximum_data_size, self._size - len(self._received))
        address, period = self.identity.node_address, self.settings.minimum_block_period
        self._ask(ImageBlockRequest(image, len(self._received), size, address, period), now)

    def _ask_upgrade_end(self, now: float) -> None:
        self._ask(UpgradeEndRequest(Status.SUCCESS, self._image), now)

    def _ask(self, request: ClientRequest, now: float) -> None:
        self._outgoing.append(self._exchange.begin(request))
        self._timer = now + self.settings.response_timeout

    def _retry(self, request: ClientRequest, now: float) -> None:
        """Send the request that is under way again, or give it up."""
        ending = isinstance(request, UpgradeEndRequest)
        limit = self.settings.upgrade_end_attempts if ending else self.settings.attempts
        if self._exchange.attempts < limit:
            self._outgoing.append(self._exchange.again(request))
            self._timer = now + self.settings.response_timeout
            return
        self._settle(now)
        match request:
            case QueryNextImageRequest():
                self._events.append(DownloadFailed(now, DownloadFailure.QUERY_UNANSWERED))
            case ImageBlockRequest(image=image):
                # Said once, so that the server learns of it; the octets are kept for `resume`.
                self._outgoing.append(self._exchange.begin(UpgradeEndRequest(Status.ABORT, image)))
                self._exchange.end()
                self.image_upgrade_status = ImageUpgradeStatus.NORMAL
                self._events.append(DownloadFailed(now, DownloadFailure.BLOCKS_FAILED, Status.ABORT))
            case UpgradeEndRequest(status=Status.SUCCESS):
                if self.settings.upgrade_timeout_policy is UpgradeTimeoutPolicy.APPLY:
                    self._activate(now)
                else:
                    self._events.append(DownloadFailed(now, DownloadFailure.UPGRADE_END_UNANSWERED))
            case UpgradeEndRequest():
                pass
            case _:
                assert_never(request)

    def _settle(self, now: float) -> None:
        """Wait for no answer; a held image goes on asking when to activate."""
        self._exchange.end()
        held = self.image_upgrade_status is ImageUpgradeStatus.WAITING_TO_UPGRADE
        self._timer = now + self.settings.held_interval if held else None

    def _hold(self, now: float) -> None:
        external = self.settings.upgrade_activation_policy is UpgradeActivationPolicy.OUT_OF_BAND
        if self.image_upgrade_status is ImageUpgradeStatus.DOWNLOAD_COMPLETE:
            self._events.append(WaitForActivation(now))
        self.image_upgrade_status = (
            ImageUpgradeStatus.WAITING_TO_UPGRADE_VIA_EXTERNAL_EVENT
            if external
            else ImageUpgradeStatus.WAITING_TO_UPGRADE
        )
        self._settle(now)

    def _activate(self, now: float) -> None:
        self._exchange.end()
        self._timer = None
        self.image_upgrade_status = ImageUpgradeStatus.NORMAL
        if self._image is not None:
            self._events.append(Activate(now, self._image))

    def _abort(self, request: ClientRequest, status: int, now: float) -> None:
        if not isinstance(request, QueryNextImageRequest):
            self._discard()
        self._settle(now)
        self._events.append(DownloadFailed(now, DownloadFailure.ABORTED, status))

    def _discard(self) -> None:
        self.image_upgrade_status = ImageUpgradeStatus.NORMAL
        self._image = None
        self._size = 0
        self._received.clear()

    def _delay(self, current_time: int, then: int) -> float:
        """Return the seconds from Current Time (0: now) to `then`, which only a faulty server sets before."""
        return then - current_time if then >= current_time else self.settings.past_time_delay
