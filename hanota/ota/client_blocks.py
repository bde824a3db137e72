"""The Upgrade Client while it downloads: Image Block and Image Page Requests."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, assert_never

from hanota.ota.client_events import DownloadFailed, DownloadFailure, DownloadStarted, ImageUpgradeStatus
from hanota.ota.client_state import ClientState
from hanota.ota.commands import (
    ImageBlock,
    ImageBlockRequest,
    ImageBlockResponse,
    ImagePageRequest,
    UpgradeEndRequest,
    WaitForData,
)
from hanota.ota.period import period_seconds
from hanota.zcl import Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from hanota.ota.client_state import ClientIdentity
    from hanota.ota.download import Download
    from hanota.ota.settings import OtaClientSettings
    from hanota.zcl import ZclFrame

_UNSIGNED = 1 << 32
"""What an unsigned difference of two times is too large by."""


class BlockClient(ClientState):
    """Downloads one image; `_downloaded` is called with the last octet."""

    def __init__(
        self,
        identity: ClientIdentity,
        verify: Callable[[bytes], int],
        settings: OtaClientSettings | None = None,
    ) -> None:
        super().__init__(identity, verify, settings)
        self._asked_at: float | None = None
        """When the last block was asked for: the Minimum Block Period counts from there."""
        self._pages = self.settings.page_size is not None
        """Whether pages are asked for; not any more once the server has none."""
        self._repeats_left = self.settings.quirks.repeats_of_last_block
        self._invalid = False
        """Whether a block came in a form that this client makes nothing of."""

    @abstractmethod
    def _downloaded(self, download: Download, now: float) -> None: ...

    @abstractmethod
    def _abort(self, status: int, now: float) -> None: ...

    def _begin_download(self, download: Download, now: float) -> None:
        self.image_upgrade_status = ImageUpgradeStatus.DOWNLOAD_IN_PROGRESS
        self._events.append(DownloadStarted(now, download.image, download.size, len(download.received)))
        if self.settings.quirks.erase_seconds and not download.received:
            self._exchange.end()
            self._timer = now + self.settings.quirks.erase_seconds
        else:
            self._ask_next(download, now)

    def _ask_next(self, download: Download, now: float) -> None:
        """Ask for what is next, or, if there is nothing, end the download."""
        quirks, settings = self.settings.quirks, self.settings
        if download.complete:
            if self._repeats_left and download.last_length:
                self._repeats_left -= 1
                self._ask_block(download, download.size - download.last_length, download.last_length, now)
            else:
                self._downloaded(download, now)
            return
        if self.minimum_block_period and self._asked_at is not None:
            at = self._asked_at + period_seconds(self.minimum_block_period, settings.cluster_revision)
            if at > now:
                self._exchange.end()
                self._timer = at
                return
        start, missing = download.missing()
        if self._pages and settings.page_size is not None and start >= download.page_end:
            self._ask_page(download, start, settings.page_size, now)
            return
        if quirks.out_of_order and missing == download.size - start > download.last_length > 0:
            start, missing = start + download.last_length, missing - download.last_length
        self._ask_block(download, start, missing, now)

    def _ask_page(self, download: Download, start: int, page_size: int, now: float) -> None:
        settings = self.settings
        download.page_end = min(start + page_size, download.size)
        asked = page_size if settings.quirks.fixed_page_size else download.page_end - start
        address = self.identity.node_address
        self._asked_at = now
        self._ask(
            ImagePageRequest(
                download.image, start, settings.page_data_size, asked, settings.page_spacing, address
            ),
            now,
        )
        self._timer = now + settings.page_timeout

    def _ask_block(self, download: Download, start: int, missing: int, now: float) -> None:
        size = self.settings.maximum_data_size
        if not self.settings.quirks.asks_full_size_at_end:
            size = min(size, missing)
        self._asked_at = now
        self._ask(
            ImageBlockRequest(
                download.image, start, size, self.identity.node_address, self.minimum_block_period
            ),
            now,
        )

    def _receive_block(self, frame: ZclFrame, response: ImageBlockResponse, now: float) -> Status:
        request, page = self._exchange.awaits(frame), self._exchange.page_of(frame)
        download = self._download
        if download is None or self.image_upgrade_status is not ImageUpgradeStatus.DOWNLOAD_IN_PROGRESS:
            return Status(self.settings.quirks.unexpected_status)
        awaited_block = isinstance(request, ImageBlockRequest)
        if page is not None and not awaited_block and isinstance(response.body, ImageBlock):
            return self._take_of_page(download, page, response.body, now)
        if not isinstance(request, ImageBlockRequest | ImagePageRequest):
            return Status(self.settings.quirks.unexpected_status)
        if isinstance(request, ImagePageRequest):
            download.page_end = 0  # what was not served is asked for again
        match response.body:
            case ImageBlock():
                if isinstance(request, ImageBlockRequest):
                    return self._take_block(download, request, response.body, now)
            case WaitForData():
                self._wait(response.body, now)
            case None:
                if response.status in self.settings.quirks.ending_statuses:
                    self._abort(response.status, now)
            case _:
                assert_never(response.body)
        return Status.SUCCESS

    def _take_block(
        self, download: Download, request: ImageBlockRequest, block: ImageBlock, now: float
    ) -> Status:
        offset, data = block.file_offset, block.data
        if self._drops(data):
            return Status.SUCCESS
        fits = 0 < len(data) <= request.maximum_data_size and offset + len(data) <= download.size
        if (block.image, offset) != (request.image, request.file_offset) or not fits:
            self._retry_block(request, now)
            return Status.INVALID_VALUE
        self._check_form(download, offset, data)
        download.take(offset, data)
        self._ask_next(download, now)
        return Status.SUCCESS

    def _take_of_page(
        self, download: Download, page: ImagePageRequest, block: ImageBlock, now: float
    ) -> Status:
        """Keep a block of the page, in whatever order it comes, also while its gaps are being asked for."""
        offset, data = block.file_offset, block.data
        end = offset + len(data)
        if self._drops(data):
            return Status.SUCCESS
        inside = page.file_offset <= offset < page.file_offset + page.page_size and end <= download.size
        if block.image != page.image or not inside or not 0 < len(data) <= page.maximum_data_size:
            return Status.INVALID_VALUE
        self._check_form(download, offset, data)
        download.take(offset, data)
        match self._exchange.request:
            case ImagePageRequest():
                if end >= download.page_end or len(download.received) >= download.page_end:
                    self._ask_next(download, now)
                else:
                    self._timer = now + self.settings.page_timeout
            case ImageBlockRequest(file_offset=gap):
                if gap < len(download.received):
                    self._ask_next(download, now)
            case _:
                pass
        return Status.SUCCESS

    def _drops(self, data: bytes) -> bool:
        longest = self.settings.quirks.longest_block
        return longest is not None and len(data) > longest

    def _check_form(self, download: Download, offset: int, data: bytes) -> None:
        quirks = self.settings.quirks
        odd = len(data) % quirks.block_multiple and offset + len(data) < download.size
        short = offset == 0 and len(data) < min(quirks.shortest_first_block, download.size)
        self._invalid = self._invalid or bool(odd or short)

    def _wait(self, wait: WaitForData, now: float) -> None:
        self._exchange.end()
        if wait.minimum_block_period is not None and self.minimum_block_period is not None:
            self.minimum_block_period = wait.minimum_block_period
        delay: float = wait.request_time - wait.current_time
        if delay < 0:
            delay = delay + _UNSIGNED if self.settings.quirks.unsigned_wait else self.settings.past_time_delay
        limit = float("inf") if self.settings.quirks.unsigned_wait else self.settings.wait_limit
        self._timer = now + min(max(delay, self.settings.minimum_wait), limit)

    def _page_over(self, download: Download, now: float) -> None:
        """Ask for what misses of the page, which has gone silent, block by block."""
        self._exchange.end()
        self._ask_next(download, now)

    def _no_pages(self, download: Download, now: float) -> None:
        """Go on block by block, since the server has no pages."""
        self._pages = False
        self._ask_next(download, now)

    def _retry_block(self, request: ImageBlockRequest, now: float) -> None:
        """Ask for the block again, or give the download up."""
        quirks, download = self.settings.quirks, self._download
        if self._exchange.attempts < self.settings.attempts:
            if quirks.restarts_on_timeout and download is not None:
                download.cut(0)
                size = min(self.settings.maximum_data_size, download.size)
                request = ImageBlockRequest(
                    request.image, 0, size, request.node_address, request.minimum_block_period
                )
            self._outgoing.append(self._exchange.again(request))
            self._timer = now + self.settings.response_timeout
            return
        # Said once, so that the server learns of it; the octets are kept for `resume`.
        self._settle(now)
        self._outgoing.append(self._exchange.begin(UpgradeEndRequest(Status.ABORT, request.image)))
        self._exchange.end()
        self.image_upgrade_status = ImageUpgradeStatus.NORMAL
        self._events.append(DownloadFailed(now, DownloadFailure.BLOCKS_FAILED, Status.ABORT))
        self._failed(now)

    def _failed(self, now: float) -> None:
        """Do what this client does after a failure, if anything."""
        quirks = self.settings.quirks
        if quirks.erases_on_failure:
            self._discard()
        if quirks.query_again is not None:
            self._timer = now + quirks.query_again
