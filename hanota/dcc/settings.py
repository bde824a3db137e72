"""Everything about the DCC that may be set."""

from __future__ import annotations

from dataclasses import dataclass, field

from hanota.dcc.broker import BrokerSettings
from hanota.dcc.exchange import ExchangeSettings
from hanota.dcc.inventory import InventorySettings
from hanota.dcc.outbox import OutboxSettings
from hanota.dcc.products_list import ProductsListSettings


@dataclass(frozen=True, slots=True)
class DccSettings:
    """The DCC's limits."""

    gbcs_version: str = "4.1"
    """The GBCSVersion of a Pre-Command: that of the published final design of SECMP0007."""
    refusal_burst: int = 256
    """Refusals that are journalled at once, of what leaves no other trace: documents nobody is known to have
    sent, and those that may come again."""
    refusals_per_second: float = 1.0
    """The same in the long run: each is a commit, and whoever reaches the port can cause them."""
    broker: BrokerSettings = field(default_factory=BrokerSettings)
    exchange: ExchangeSettings = field(default_factory=ExchangeSettings)
    outbox: OutboxSettings = field(default_factory=OutboxSettings)
    inventory: InventorySettings = field(default_factory=InventorySettings)
    products: ProductsListSettings = field(default_factory=ProductsListSettings)
