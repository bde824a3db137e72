"""The Upgrade Client: one device's side of the OTA Upgrade cluster, sans-IO (ZCL chapter 11).

It keeps the rules that common clients keep: one request at a time; a unicast Image Notify always makes it
query, unless it is at that very image already; a block is taken only at the offset asked for, or inside the
page asked for, and no longer than asked; answers to earlier requests are ignored, so that duplicates on the
air never multiply. What misses of a page is asked for block by block. How clients in the field deviate is
`OtaClientSettings.quirks`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, assert_never

from hanota.errors import RemoteProtocolError
from hanota.ota.attributes import answer_read
from hanota.ota.client_attributes import attributes_of
from hanota.ota.client_blocks import BlockClient
from hanota.ota.client_events import (
    VERIFIED,
    Activate,
    ActivationScheduled,
    DownloadComplete,
    DownloadFailed,
    DownloadFailure,
    ImageUpgradeStatus,
    NoImageAvailable,
    WaitForActivation,
)
from hanota.ota.client_state import ClientIdentity
from hanota.ota.commands import (
    NEVER,
    ImageBlockRequest,
    ImageBlockResponse,
    ImageNotify,
    ImagePageRequest,
    QueryDeviceSpecificFileRequest,
    QueryNextImageRequest,
    QueryNextImageResponse,
    UpgradeEndRequest,
    UpgradeEndResponse,
    decode_command,
)
from hanota.ota.download import Download
from hanota.ota.fields import ANY_IMAGE
from hanota.ota.settings import UpgradeActivationPolicy, UpgradeTimeoutPolicy
from hanota.zcl import DefaultResponse, GeneralCommand, Status, ZclFrame

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hanota.ota.attributes import AttributeId
    from hanota.ota.commands import OtaCommand
    from hanota.ota.exchange import ClientRequest
    from hanota.ota.settings import OtaClientSettings

__all__ = ["ClientIdentity", "OtaClient"]


class OtaClient(BlockClient):
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
        super().__init__(identity, verify, settings)
        self._query_at: float | None = None
        """When the next query is due that goes out whatever is under way."""
        self._activates_at: float | None = None
        """When a held image is activated without the server's word."""
        self._pausing = False
        """Whether the request under way has timed out and is not sent again yet."""

    def attributes(self) -> Mapping[AttributeId, int]:
        """Return the values of the client's attributes."""
        return attributes_of(self)

    def start(self, now: float) -> None:
        """Send a Query Next Image Request."""
        self._ask(QueryNextImageRequest(self.identity.image, self.identity.hardware_version), now)
        interval = self.settings.quirks.query_interval
        self._query_at = None if interval is None else now + interval

    def resume(self, now: float) -> None:
        """Go on after a reboot or a failure, with the octets that are here."""
        self._exchange.end()
        self._exchange.page = None
        self._timer = None
        download, quirks = self._download, self.settings.quirks
        if download is not None and not download.complete:
            step = max(1, quirks.blocks_between_saves * (download.last_length or 1))
            saved = len(download.received)
            download.cut(saved - saved % step if quirks.blocks_between_saves > 1 else saved)
        if self.image_upgrade_status is ImageUpgradeStatus.WAITING_TO_UPGRADE_VIA_EXTERNAL_EVENT:
            return
        if self.image_upgrade_status in VERIFIED:
            self.image_upgrade_status = ImageUpgradeStatus.DOWNLOAD_COMPLETE
            self._ask_upgrade_end(now)
        elif download and 0 < len(download.received) < download.size and not self.settings.resume_with_query:
            self._begin_download(download, now)
        else:
            self.start(now)

    def receive(self, data: bytes, now: float, broadcast_draw: int | None = None) -> None:
        """Take one ZCL frame from the Upgrade Server; never raises for what it holds.

        Of a frame that was broadcast `broadcast_draw` is the number, 1 to 100, that the client drew for it.
        """
        try:
            frame = ZclFrame.decode(data)
            if frame.is_default_response:
                self._receive_default_response(frame, DefaultResponse.decode(frame.payload), now)
        except RemoteProtocolError:
            return
        if not frame.cluster_specific:
            if frame.command == GeneralCommand.READ_ATTRIBUTES and frame.payload:
                self._outgoing.append(answer_read(frame, self.attributes()))
            return
        try:
            command = decode_command(frame)
            if broadcast_draw is not None:
                self._receive_broadcast(command, broadcast_draw, now)
                return
            status = self._dispatch(frame, command, now)
        except RemoteProtocolError as error:
            status = Status.MALFORMED_COMMAND if error.status is None else Status(error.status)
        asked = status is not Status.SUCCESS or not frame.disable_default_response
        if asked and broadcast_draw is None and not self.settings.quirks.no_default_response:
            self._outgoing.append(frame.default_response(status).encode())

    def next_timer(self) -> float | None:
        """Return when `expire` next has something to do, if ever."""
        return min((at for at in (self._timer, self._query_at) if at is not None), default=None)

    def expire(self, now: float) -> None:
        """Do what is due by `now`: ask again, or activate."""
        if self._query_at is not None and self._query_at <= now:
            self._query_aside(now)
        if self._timer is None or self._timer > now:
            return
        self._timer = None
        request, download = self._exchange.request, self._download
        if request is not None:
            self._time_out(request, now)
        elif self.image_upgrade_status is ImageUpgradeStatus.COUNT_DOWN:
            self._activate(now)
        elif self.image_upgrade_status is ImageUpgradeStatus.WAITING_TO_UPGRADE:
            if self._activates_at is not None:
                self._activate(now)
            else:
                self._ask_upgrade_end(now)
        elif self.image_upgrade_status is ImageUpgradeStatus.DOWNLOAD_IN_PROGRESS and download:
            self._ask_next(download, now)
        elif self.image_upgrade_status is ImageUpgradeStatus.NORMAL:
            self.start(now)

    # -- what the server sends ---------------------------------------------------------------------------

    def _dispatch(self, frame: ZclFrame, command: OtaCommand, now: float) -> Status:
        """Take one command; return the status of the Default Response to it."""
        match command:
            case ImageNotify():
                self._receive_notify(command, now)
            case QueryNextImageResponse():
                # The answer to a Query Device Specific File Request is one too; we never ask for such a file.
                if isinstance(self._exchange.awaits(frame), QueryNextImageRequest):
                    return self._receive_query_response(command, now)
            case ImageBlockResponse():
                return self._receive_block(frame, command, now)
            case UpgradeEndResponse():
                return self._receive_upgrade_time(command, now)
            case (
                QueryNextImageRequest()
                | ImageBlockRequest()
                | ImagePageRequest()
                | UpgradeEndRequest()
                | QueryDeviceSpecificFileRequest()
            ):
                return Status.UNSUP_CLUSTER_COMMAND
            case _:
                assert_never(command)
        return Status.SUCCESS

    def _receive_broadcast(self, command: OtaCommand, draw: int, now: float) -> None:
        """Take a broadcast Image Notify that is for this device and wins its lottery; never answer one."""
        own = self.identity.image
        if (
            isinstance(command, ImageNotify)
            and 1 <= command.query_jitter <= 100
            and draw <= command.query_jitter
            and command.manufacturer_code in (None, own.manufacturer_code, ANY_IMAGE.manufacturer_code)
            and command.image_type in (None, own.image_type, ANY_IMAGE.image_type)
            and command.file_version != own.file_version
        ):
            self._receive_notify(command, now)

    def _receive_notify(self, notify: ImageNotify, now: float) -> None:
        quirks = self.settings.quirks
        busy = self._exchange.request is not None or self._timer is not None
        version = self._download.image.file_version if self._download else None
        if self.image_upgrade_status is ImageUpgradeStatus.COUNT_DOWN or quirks.ignores_notify:
            return
        if quirks.upgrade_end_without_download and self.image_upgrade_status is ImageUpgradeStatus.NORMAL:
            version = notify.file_version or 0
            self._outgoing.append(
                self._exchange.aside(
                    UpgradeEndRequest(Status.SUCCESS, replace(self.identity.image, file_version=version))
                )
            )
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
        download = self._download
        if download is None or (image, response.image_size) != (download.image, download.size):
            self._discard()
            download = self._download = Download(image, response.image_size)
        if self.image_upgrade_status in VERIFIED:
            self._ask_upgrade_end(now)
        else:
            self._begin_download(download, now)
        return Status.SUCCESS

    def _receive_upgrade_time(self, response: UpgradeEndResponse, now: float) -> Status:
        quirks, status = self.settings.quirks, self.image_upgrade_status
        if self._download is None or status not in VERIFIED or status is ImageUpgradeStatus.COUNT_DOWN:
            return Status(quirks.unexpected_status)
        if not response.image.matches(self._download.image) or (
            quirks.wildcards_only and response.image != ANY_IMAGE
        ):
            return Status.INVALID_VALUE
        out_of_band = self.settings.upgrade_activation_policy is UpgradeActivationPolicy.OUT_OF_BAND
        if response.upgrade_time == NEVER or out_of_band:
            self._hold(now)
            return Status.SUCCESS if response.upgrade_time == NEVER else Status.NOT_AUTHORIZED
        self._exchange.end()
        delay: float = response.upgrade_time - response.current_time
        if delay < 0:
            past = quirks.past_upgrade_delay
            delay = self.settings.past_time_delay if past is None else past
        if quirks.upgrade_delay_limit is not None:
            delay = min(delay, quirks.upgrade_delay_limit)
        self._timer = now + delay
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
            self._failed(now)
        elif (
            isinstance(request, ImagePageRequest)
            and response.status == Status.UNSUP_CLUSTER_COMMAND
            and self._download is not None
        ):
            self._no_pages(self._download, now)
        elif response.status in self.settings.quirks.ending_statuses:
            self._abort(response.status, now)

    # -- what becomes of it ------------------------------------------------------------------------------

    def _time_out(self, request: ClientRequest, now: float) -> None:
        if self.settings.quirks.retry_delay and not self._pausing:
            self._pausing = True
            self._timer = now + self.settings.quirks.retry_delay
            return
        self._pausing = False
        match request:
            case ImageBlockRequest():
                self._retry_block(request, now)
            case ImagePageRequest():
                if self._download is not None:
                    self._page_over(self._download, now)
            case QueryNextImageRequest():
                if self._exchange.attempts < self.settings.attempts:
                    self._ask_again(request, now)
                else:
                    self._settle(now)
                    self._events.append(DownloadFailed(now, DownloadFailure.QUERY_UNANSWERED))
                    self._failed(now)
            case UpgradeEndRequest(status):
                if self._exchange.attempts < self.settings.upgrade_end_attempts:
                    self._ask_again(request, now)
                else:
                    self._settle(now)
                    if status == Status.SUCCESS:
                        self._end_unanswered(now)
            case _:
                assert_never(request)

    def _ask_again(self, request: ClientRequest, now: float) -> None:
        self._outgoing.append(self._exchange.again(request))
        self._timer = now + self.settings.response_timeout

    def _end_unanswered(self, now: float) -> None:
        if self.settings.upgrade_timeout_policy is UpgradeTimeoutPolicy.APPLY:
            self._activate(now)
        else:
            self._events.append(DownloadFailed(now, DownloadFailure.UPGRADE_END_UNANSWERED))

    def _query_aside(self, now: float) -> None:
        """Send the query that is due, whatever is under way."""
        interval = self.settings.quirks.query_interval
        self._query_at = None if interval is None else now + interval
        if self._exchange.request is None and self._timer is None and self._download is None:
            self.start(now)
            return
        query = QueryNextImageRequest(self.identity.image, self.identity.hardware_version)
        self._outgoing.append(self._exchange.aside(query))

    def _downloaded(self, download: Download, now: float) -> None:
        """Verify the image and tell the server what came of it."""
        data = bytes(download.received)
        status = Status.INVALID_IMAGE if self._invalid else self._verify(data)
        if status == Status.SUCCESS:
            self.image_upgrade_status = ImageUpgradeStatus.DOWNLOAD_COMPLETE
            self._events.append(DownloadComplete(now, download.image, data))
            self._ask_upgrade_end(now)
        else:
            self._ask(UpgradeEndRequest(status, download.image), now)
            self._discard()
            self._events.append(DownloadFailed(now, DownloadFailure.INVALID_IMAGE, status))

    def _ask_upgrade_end(self, now: float) -> None:
        request = UpgradeEndRequest(Status.SUCCESS, self.downloading)
        self._ask(request, now)
        for _ in range(1, self.settings.quirks.upgrade_end_copies):
            self._outgoing.append(self._exchange.again(request))

    def _hold(self, now: float) -> None:
        external = self.settings.upgrade_activation_policy is UpgradeActivationPolicy.OUT_OF_BAND
        first = self.image_upgrade_status is ImageUpgradeStatus.DOWNLOAD_COMPLETE
        if first:
            self._events.append(WaitForActivation(now))
        self.image_upgrade_status = (
            ImageUpgradeStatus.WAITING_TO_UPGRADE_VIA_EXTERNAL_EVENT
            if external
            else ImageUpgradeStatus.WAITING_TO_UPGRADE
        )
        self._settle(now)
        limit = self.settings.quirks.hold_limit
        if limit is not None and not external:
            self._activates_at = now + limit if self._activates_at is None else self._activates_at
            self._timer = self._activates_at

    def _activate(self, now: float) -> None:
        self._exchange.end()
        self._timer = self._query_at = self._activates_at = None
        self.image_upgrade_status = ImageUpgradeStatus.NORMAL
        if self._download is not None:
            self._events.append(Activate(now, self._download.image))

    def _abort(self, status: int, now: float) -> None:
        if not isinstance(self._exchange.request, QueryNextImageRequest):
            self._discard()
        self._settle(now)
        self._events.append(DownloadFailed(now, DownloadFailure.ABORTED, status))
        self._failed(now)
