"""What a service user is told when a Service Request is not accepted or not answered."""

from __future__ import annotations

from hanota.errors import HanotaError, RemoteProtocolError


class RequestRejectedError(RemoteProtocolError):
    """A Service Request was not accepted; nothing of it was done."""


class NoResponseError(HanotaError):
    """A command went out and no response came in time, or it could not be delivered."""
