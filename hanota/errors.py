"""The error tree: whose fault it is stands in the type, the wire status on the error."""

from __future__ import annotations


class HanotaError(Exception):
    """Root of every error hanota raises; `hint` tells the user what to do next."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class ProtocolError(HanotaError):
    """A rule of a protocol was broken; `status` is the status to put on the wire, where one exists."""

    def __init__(self, message: str, *, status: int | None = None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status = status


class LocalProtocolError(ProtocolError):
    """We would have broken the rule: a fault of hanota or of its caller."""


class RemoteProtocolError(ProtocolError):
    """The peer (or a file, or a document) broke the rule. Parsers raise nothing else."""


class VerificationError(RemoteProtocolError):
    """A signature, MAC, counter, hash or authority did not verify."""


class UnverifiableError(HanotaError):
    """A signature or MAC could not be checked because a key is missing: neither valid nor invalid."""


class RadioError(HanotaError):
    """The coordinator or the HAN failed: not opened, lost, or not delivered."""


class DeliveryError(RadioError):
    """One frame was not delivered to one device; the coordinator itself is well."""


class StoreError(HanotaError):
    """The database could not be opened, read or written."""


class ConfigError(HanotaError):
    """A setting or an option of the user's is wrong."""
