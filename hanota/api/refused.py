"""A request that is refused before anything is done, by its HTTP status."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hanota.errors import HanotaError

if TYPE_CHECKING:
    from http import HTTPStatus


class RequestRefusedError(HanotaError):
    """A request is not taken; `status` is the HTTP status that says why, `retry_after` seconds to wait."""

    def __init__(
        self, message: str, status: HTTPStatus, *, hint: str | None = None, retry_after: int | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.retry_after = retry_after
