"""The one request an Upgrade Client has under way: its sequence number and how often it was sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hanota.ota.commands import ImageBlockRequest, QueryNextImageRequest, UpgradeEndRequest, encode_command

if TYPE_CHECKING:
    from hanota.zcl import ZclFrame

ClientRequest = QueryNextImageRequest | ImageBlockRequest | UpgradeEndRequest


class Exchange:
    """At most one request that waits for its answer."""

    __slots__ = ("_new_sequence_on_retry", "_sequence", "attempts", "request")

    def __init__(self, *, new_sequence_on_retry: bool) -> None:
        self.request: ClientRequest | None = None
        self.attempts = 0
        """Times the request was sent."""
        self._new_sequence_on_retry = new_sequence_on_retry
        self._sequence = 0

    def begin(self, request: ClientRequest) -> bytes:
        """Replace the request by a new one; return its frame."""
        self.request = request
        self.attempts = 1
        self._sequence = (self._sequence + 1) % 256
        return encode_command(request, self._sequence)

    def again(self, request: ClientRequest) -> bytes:
        """Return the frame of the request that is under way once more."""
        self.attempts += 1
        if self._new_sequence_on_retry:
            self._sequence = (self._sequence + 1) % 256
        return encode_command(request, self._sequence)

    def end(self) -> None:
        """Wait for no answer any more."""
        self.request = None

    def awaits(self, frame: ZclFrame) -> ClientRequest | None:
        """Return the request that `frame` answers by its sequence number."""
        return self.request if frame.sequence == self._sequence else None
