"""The one request an Upgrade Client has under way: its sequence number and how often it was sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hanota.ota.commands import (
    ImageBlockRequest,
    ImagePageRequest,
    QueryNextImageRequest,
    UpgradeEndRequest,
    encode_command,
)

if TYPE_CHECKING:
    from hanota.ota.settings import OtaClientSettings
    from hanota.zcl import ZclFrame

ClientRequest = QueryNextImageRequest | ImageBlockRequest | ImagePageRequest | UpgradeEndRequest

_FIELD_CONTROL: Final = 3
"""Where the field control stands in the frame of a block request."""


class Exchange:
    """At most one request that waits for its answer, and the page whose blocks may still come in."""

    __slots__ = ("_page_sequence", "_sequence", "_settings", "attempts", "page", "request")

    def __init__(self, settings: OtaClientSettings) -> None:
        self.request: ClientRequest | None = None
        self.attempts = 0
        """Times the request was sent."""
        self.page: ImagePageRequest | None = None
        """The page asked for last."""
        self._settings = settings
        self._sequence = 0
        self._page_sequence = 0

    def begin(self, request: ClientRequest) -> bytes:
        """Replace the request by a new one; return its frame."""
        self.request = request
        self.attempts = 1
        self._advance()
        if isinstance(request, ImagePageRequest):
            self.page, self._page_sequence = request, self._sequence
        return self._frame(request)

    def again(self, request: ClientRequest) -> bytes:
        """Return the frame of the request that is under way once more."""
        self.request = request
        self.attempts += 1
        if self._settings.new_sequence_on_retry:
            self._advance()
        return self._frame(request)

    def aside(self, request: ClientRequest) -> bytes:
        """Return the frame of a request whose answer nothing waits for."""
        return encode_command(request, (self._sequence + 128) % 256)

    def end(self) -> None:
        """Wait for no answer any more."""
        self.request = None

    def awaits(self, frame: ZclFrame) -> ClientRequest | None:
        """Return the request that `frame` answers by its sequence number."""
        if self._settings.quirks.any_sequence or frame.sequence == self._sequence:
            return self.request
        return None

    def page_of(self, frame: ZclFrame) -> ImagePageRequest | None:
        """Return the page that `frame` belongs to by its sequence number."""
        return self.page if frame.sequence == self._page_sequence else None

    def _advance(self) -> None:
        if not self._settings.quirks.one_sequence:
            self._sequence = (self._sequence + 1) % 256

    def _frame(self, request: ClientRequest) -> bytes:
        frame = encode_command(request, self._sequence)
        added = self._settings.quirks.field_control
        if added and isinstance(request, ImageBlockRequest):
            octets = bytearray(frame)
            octets[_FIELD_CONTROL] |= added
            return bytes(octets)
        return frame
