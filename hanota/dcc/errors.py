"""What a service user is told when a Service Request is not accepted or not answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hanota.errors import HanotaError, RemoteProtocolError

if TYPE_CHECKING:
    from hanota.duis.response import ResponseContent
    from hanota.duis.response_code import ResponseCode


class RequestRejectedError(RemoteProtocolError):
    """A Service Request was not accepted, and nothing of it was done; `code` and `content` are the answer's.

    Where it `may_be_repeated`, the very same document is looked at afresh when it comes again.
    """

    def __init__(
        self,
        message: str,
        *,
        code: ResponseCode,
        hint: str | None = None,
        content: ResponseContent | None = None,
        may_be_repeated: bool = False,
    ) -> None:
        super().__init__(message, hint=hint)
        self.code = code
        self.content = content
        self.may_be_repeated = may_be_repeated


class NoResponseError(HanotaError):
    """A command went out and no response came in time, or it could not be delivered."""
