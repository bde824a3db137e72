"""Why a key establishment ends: the status of Terminate Key Establishment (SEP 07-5356-21, C.3.1.2.3.4)."""

from __future__ import annotations

from enum import IntEnum

from hanota.errors import RemoteProtocolError


class KeyEstablishmentStatus(IntEnum):
    """Status of Terminate Key Establishment."""

    UNKNOWN_ISSUER = 1
    BAD_KEY_CONFIRM = 2
    BAD_MESSAGE = 3
    NO_RESOURCES = 4
    UNSUPPORTED_SUITE = 5
    INVALID_CERTIFICATE = 6


class KeyEstablishmentError(RemoteProtocolError):
    """The peer's key establishment is refused; `status` goes into Terminate Key Establishment."""

    status: KeyEstablishmentStatus

    def __init__(self, message: str, status: KeyEstablishmentStatus) -> None:
        super().__init__(message, status=status)

    def __reduce__(self) -> tuple[type[KeyEstablishmentError], tuple[str, KeyEstablishmentStatus]]:
        """Make the error cross from the process that computed to the one that talks."""
        return type(self), (str(self), self.status)
