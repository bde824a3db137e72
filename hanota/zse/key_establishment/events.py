"""What the ends of a key establishment report."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hanota.eui64 import Eui64
    from hanota.zse.cbke import KeyEstablishmentStatus, Suite


@dataclass(frozen=True, slots=True)
class InstallKey:
    """The device proved the key: put it into the stack, then call `installed` or `not_installed` once."""

    device: Eui64
    suite: Suite
    key: bytes = field(repr=False)
    """The APS link key, 16 octets."""


@dataclass(frozen=True, slots=True)
class KeyEstablished:
    """The device was told (Confirm Key was delivered): the key installed last is its link key."""

    device: Eui64
    suite: Suite


@dataclass(frozen=True, slots=True)
class RemoveKey:
    """The key installed last must go, or the one it replaced be put back; may come twice."""

    device: Eui64


@dataclass(frozen=True, slots=True)
class Failed:
    """An exchange, or the attempt to begin one, ended without a key.

    `status` is what was sent or received in Terminate, None where there was none; `by_peer` tells whose
    decision it was.
    """

    device: Eui64
    reason: str
    status: KeyEstablishmentStatus | None
    by_peer: bool


ServerEvent = InstallKey | KeyEstablished | RemoveKey | Failed


@dataclass(frozen=True, slots=True)
class ClientEstablished:
    """Both ends have the key; it is the link key from now on."""

    suite: Suite
    key: bytes = field(repr=False)
    """The APS link key, 16 octets."""


@dataclass(frozen=True, slots=True)
class ClientFailed:
    """The exchange ended without a key.

    `status` is what was sent or received in Terminate, None where there was none; `retry_after` the seconds
    the server asked to wait, None where it did not ask.
    """

    status: KeyEstablishmentStatus | None
    reason: str
    retry_after: float | None = None


ClientEvent = ClientEstablished | ClientFailed
