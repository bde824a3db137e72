"""What the HTTP side is made of: everything it serves, put together by the daemon."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hanota.gbcs.crypto import sign
from hanota.gbcs.message import Message

if TYPE_CHECKING:
    from collections.abc import Callable

    from hanota.api.access import Access
    from hanota.api.settings import ApiSettings
    from hanota.clock import Clock
    from hanota.dcc.audit import AuditTrail
    from hanota.dcc.dcc import Dcc
    from hanota.dcc.inventory import Inventory
    from hanota.dcc.ports import DccStore
    from hanota.dcc.products_list import ProductsList
    from hanota.duis.certificates import SigningCertificates
    from hanota.eui64 import Eui64
    from hanota.gbcs.crypto import PrivateKey
    from hanota.hub.hub import Hub
    from hanota.hub.journal import Journal
    from hanota.hub.ports import Store


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether the daemon does its work: nothing speaks against it, or what does."""

    faults: tuple[str, ...] = ()

    @property
    def is_ready(self) -> bool:
        """Tell whether nothing speaks against it."""
        return not self.faults


@dataclass(frozen=True, slots=True)
class SupplierKeys:
    """The Digital Signing key of the supplier for whom REST activates; without it he signs elsewhere."""

    eui64: Eui64
    signing_key: PrivateKey = field(repr=False)

    def sign(self, pre_command: bytes) -> bytes:
        """Return a Pre-Command with the supplier's signature."""
        return sign(Message.decode(pre_command), self.signing_key).encode()


@dataclass(frozen=True, slots=True)
class ApiContext:
    """Everything that is served."""

    hub: Hub
    dcc: Dcc
    store: Store
    dcc_store: DccStore
    inventory: Inventory
    products: ProductsList
    journal: Journal
    clock: Clock
    access: Access
    audit: AuditTrail
    certificates: SigningCertificates
    settings: ApiSettings
    readiness: Callable[[], Readiness]
    metrics: Callable[[], bytes]
    """The Prometheus text format."""
    version: str
    """Of hanota."""
    supplier: SupplierKeys | None = None
    draining: asyncio.Event = field(default_factory=asyncio.Event)
    """Set where the daemon is about to stop: event streams end then, or it would wait for them for ever."""
