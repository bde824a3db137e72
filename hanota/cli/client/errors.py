"""What a command of the client ends with when it is not done."""

from __future__ import annotations

from enum import IntEnum

from hanota.errors import HanotaError


class Exit(IntEnum):
    """Exit statuses."""

    DONE = 0
    FAILED = 1
    """An update ended otherwise than with its image activated; the audit trail was tampered with."""
    USAGE = 2
    """What was asked for cannot be: an option, a file, an EUI-64."""
    REFUSED = 3
    """The daemon was not reached, or refused."""


class ClientError(HanotaError):
    """The daemon was not reached, or refused."""


class RefusedError(ClientError):
    """The daemon refused; `status` is the HTTP status, `code` the DUIS response code where there is one."""

    def __init__(
        self, message: str, *, status: int, code: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message if code is None else f"{message} ({code})", hint=hint)
        self.status, self.code = status, code


class TamperedError(HanotaError):
    """A row of the audit trail is not as it was written."""


class UpdateFailedError(HanotaError):
    """An update did not end as it should."""
