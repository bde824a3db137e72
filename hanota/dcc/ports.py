"""What the DCC keeps over a restart, as a Protocol: requests, Pre-Commands, commands, documents."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hanota.duis.request import CommandVariant, RequestId, ServiceReference
    from hanota.eui64 import Eui64


@dataclass(frozen=True, slots=True)
class HandledRequest:
    """A Service Request that was answered; one RequestID may have several, by what they ask."""

    request_id: RequestId
    service_reference: ServiceReference
    command_variant: CommandVariant
    signer: Eui64 | None
    """None: a local user."""
    digest: bytes
    """SHA-256 of what was signed."""
    at: float
    """Unix seconds."""
    answer: bytes = field(repr=False)
    """The signed document it was answered with."""


class CommandState(StrEnum):
    """How far a command is."""

    SENT = "sent"
    """Handed to the hub; the device may not have it yet, and it is handed over again after a restart."""
    DELIVERED = "delivered"
    """The device has acknowledged its last frame; only its response is waited for."""
    ACCEPTED = "accepted"
    """The device has accepted a future dated command; the alert of its outcome is waited for."""


@dataclass(frozen=True, slots=True)
class StoredCommand:
    """A GBCS command under way."""

    id: int
    request_id: RequestId
    service_reference: ServiceReference
    octets: bytes = field(repr=False)
    state: CommandState
    expires_at: float
    """When it is given up (Unix seconds)."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A signed document that waits to be delivered to a service user; `seq` is the order."""

    seq: int
    service_user: Eui64
    document: bytes = field(repr=False)
    created: float
    attempts: int
    next_attempt: float
    """Not before (Unix seconds)."""


class DccStore(Protocol):
    """Durable state of the DCC; in the transactions of the hub's store, and raising StoreError as that."""

    def add_request(self, request: HandledRequest) -> None:
        """Keep a request and its answer."""
        ...

    def requests(self, originator: Eui64, counter: int) -> Sequence[HandledRequest]:
        """Return the requests under an originator's counter."""
        ...

    def add_pre_command(self, digest: bytes, request_id: RequestId, at: float, *, keep: int) -> None:
        """Keep the SHA-256 of a Pre-Command to be signed; of all, the newest `keep`."""
        ...

    def has_pre_command(self, digest: bytes) -> bool:
        """Tell whether this Pre-Command waits to be signed."""
        ...

    def remove_pre_command(self, digest: bytes) -> None:
        """Use up a Pre-Command."""
        ...

    def add_command(
        self, request_id: RequestId, service_reference: ServiceReference, octets: bytes, expires_at: float
    ) -> StoredCommand:
        """Keep a command that is about to be sent."""
        ...

    def update_command(self, command: StoredCommand) -> None:
        """Write the state and the time of expiry of a command."""
        ...

    def remove_command(self, command: StoredCommand) -> None:
        """Forget a command that was answered or given up."""
        ...

    def commands(self) -> Sequence[StoredCommand]:
        """Return the commands under way, oldest first."""
        ...

    def add_outgoing(self, service_user: Eui64, document: bytes, at: float) -> Outgoing:
        """Queue a document."""
        ...

    def outgoing(self, service_user: Eui64, limit: int = 1) -> Sequence[Outgoing]:
        """Return the first `limit` documents that wait for a user, in order."""
        ...

    def outgoing_users(self) -> Sequence[Eui64]:
        """Return whom documents wait for."""
        ...

    def outgoing_count(self, service_user: Eui64 | None = None) -> int:
        """Return how many documents wait, for one user or for all."""
        ...

    def delivered(self, seq: int) -> None:
        """Forget a document that was delivered."""
        ...

    def not_delivered(self, seq: int, attempts: int, next_attempt: float) -> None:
        """Note how often a document was tried, and when it is tried again."""
        ...

    def give_up(self, seq: int) -> None:
        """Forget a document that could not be delivered."""
        ...
