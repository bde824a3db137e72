"""The heavy computing of an exchange as values: run in a thread or another process, in any order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from hanota.errors import LocalProtocolError
from hanota.zse.cbke import EphemeralKey, KeyEstablishmentError, ephemeral_key, establish

if TYPE_CHECKING:
    from collections.abc import Callable

    from hanota.eui64 import Eui64
    from hanota.zse.cbke import CbkeCredentials, Role, SessionKeys, Suite

SEED_OCTETS: Final = 64
"""Random octets for one ephemeral key: more than the order of either curve takes, its surplus included."""


@dataclass(frozen=True, slots=True)
class PeerKeys:
    """What the peer sent, to agree on a key with."""

    certificate: bytes
    ephemeral: bytes


@dataclass(frozen=True, slots=True)
class WorkDone:
    """What came of a Work: an ephemeral key, the keys agreed on, or why the peer is refused."""

    device: Eui64
    exchange: int
    own: EphemeralKey | None = field(repr=False)
    """Its private part is gone where nothing is left to compute with it."""
    keys: SessionKeys | None = field(repr=False)
    error: KeyEstablishmentError | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """One computation, picklable. It has its own random octets, so that no process repeats another's."""

    device: Eui64
    """The peer."""
    exchange: int
    """Which exchange it is for: the result of one that is over counts for nothing."""
    suite: Suite
    role: Role
    credentials: CbkeCredentials = field(repr=False)
    seed: bytes | None = field(default=None, repr=False)
    """What a fresh ephemeral key is made of, SEED_OCTETS."""
    own: EphemeralKey | None = field(default=None, repr=False)
    """The ephemeral key where it is made already."""
    peer: PeerKeys | None = None
    """None: an ephemeral key is all that is wanted."""

    def run(self) -> WorkDone:
        """Compute, for some milliseconds to a tenth of a second; a refusal of the peer is in the result."""
        own = self.own or ephemeral_key(self.suite, _octets_of(self.seed))
        if self.peer is None:
            return WorkDone(self.device, self.exchange, own, None)
        try:
            keys = establish(self.credentials, self.role, own, self.peer.certificate, self.peer.ephemeral)
        except KeyEstablishmentError as error:
            return WorkDone(self.device, self.exchange, None, None, error)
        return WorkDone(self.device, self.exchange, EphemeralKey(b"", own.public), keys)


def _octets_of(seed: bytes | None) -> Callable[[int], bytes]:
    def take(count: int) -> bytes:
        if seed is None or count > len(seed):
            raise LocalProtocolError(f"{count} random octets wanted, {len(seed or b'')} at hand")
        return seed[:count]

    return take
