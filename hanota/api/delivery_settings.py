"""How documents are delivered to service users' answer addresses, and for how long that is tried."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hanota.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class DeliverySettings:
    """The limits of delivery, and the keys for it where an address is https."""

    first_delay: float = 1
    """Seconds after the first failure; each further one doubles them."""
    longest_delay: float = 300
    """Seconds between two attempts at most: DUIS has a Device Alert tried again within 300."""
    keep: float = 2 * 24 * 3600
    """Seconds after which a document that could not be delivered is given up: DUIS holds them 2 days."""
    least_failures: int = 10
    """Failures in a row, some ten minutes of them, before anything is given up: a hub that was off for days,
    or whose clock was set ahead, does not give up at the first."""
    connect_timeout: float = 10
    """Seconds for a connection, with TLS."""
    answer_timeout: float = 30
    """Seconds for the answer to one document: a receiver that trickles holds up nobody longer."""
    answer_size: int = 64 * 1024
    """Octets read of an answer's body, which means nothing; behind a longer one the connection is closed."""
    batch: int = 16
    """Documents of one service user read from the outbox at once."""
    look_interval: float = 60
    """Seconds after which the outbox is looked at though no event called for it."""
    grace: float = 5
    """Seconds that a document under way is given at the end, so that it is not delivered twice."""
    ca_file: Path | None = None
    """PEM file of the authorities that https addresses are verified by; None: the system's."""
    client_certificate: Path | None = None
    """PEM file of the certificate, and its chain, shown to https addresses that ask for one."""
    client_key: Path | None = None
    """PEM file of its private key, where it is not in the same file; without a password."""

    def __post_init__(self) -> None:
        """Raise ConfigError for a key without its certificate."""
        if self.client_key is not None and self.client_certificate is None:
            raise ConfigError("client_key is of use with client_certificate only", hint="give both")
