"""A Service Request as it reaches the DCC, and what it is answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

    from hanota.dcc.services import Service
    from hanota.duis.request import ServiceRequest
    from hanota.duis.response import Response
    from hanota.eui64 import Eui64
    from hanota.gbcs.message import Message
    from hanota.hub.jobs import Job, JobOptions


@dataclass(frozen=True, slots=True)
class Submission:
    """One Service Request, its signature verified already where it had one."""

    request: ServiceRequest
    service: Service | None
    """Where it was sent to; None: by a local user, who has no service to be wrong about."""
    signer: Eui64 | None
    """Whose certificate signed it; None: a local user, authenticated elsewhere."""
    digest: bytes
    """SHA-256 of the canonical signed octets: tells a repeated request from another under its RequestID."""
    options: JobOptions | None = None
    """What DUIS has no words for; None for a document."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The synchronous answer to a submission, stored before it is given."""

    response: Response
    document: bytes
    """The signed DUIS document of `response`."""
    jobs: tuple[Job, ...] = ()
    """The jobs an update began."""
    outcome: asyncio.Future[Message] | None = None
    """The device's response to a command, or NoResponseError, for waiters in this process."""
    repeated: bool = False
    """Whether the request was known, and this is the answer it was given the first time."""
