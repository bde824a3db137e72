"""The limits of the DUIS gateway."""

from __future__ import annotations

from dataclasses import dataclass, field

from hanota.duis.document import DocumentLimits


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """What the gateway takes at once, and for how long it waits for it."""

    document: DocumentLimits = field(default_factory=DocumentLimits)
    """What a document may hold; its `document_size` is the longest body read."""
    body_timeout: float = 60
    """Seconds for a body to arrive: the largest document then needs 2.2 Mbit/s, and a sender that trickles
    is rid of."""
    documents: int = 256
    """Documents read or worked on at once; further ones are answered 503. One that is still arriving costs a
    connection, and the octets that are there."""
    octets: int = 64 * 1024 * 1024
    """Octets of bodies held at once, four of the largest documents: parsed, each takes several times that."""
    inline_size: int = 64 * 1024
    """Octets up to which a document is verified on the event loop, under a millisecond; a larger one takes
    up to 200 ms and goes to a thread."""
    retry_after: int = 1
    """Seconds after which a user that was answered 503 may come again."""
