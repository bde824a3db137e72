"""A hub and its DCC around a radio and a store: what daemon, demonstration and rig have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hanota.dcc.dcc import Dcc
from hanota.dcc.inventory import Inventory
from hanota.dcc.products_list import ProductsList
from hanota.dcc.settings import DccSettings
from hanota.hub.hub import Hub
from hanota.store.dcc_store import SqliteDccStore
from hanota.store.inventory_store import SqliteInventoryStore

if TYPE_CHECKING:
    from typing import Protocol

    from hanota.clock import Clock
    from hanota.dcc.service_users import ServiceUsers
    from hanota.dcc.signing import DccSigner
    from hanota.eui64 import Eui64
    from hanota.gbcs.certificates import Credentials
    from hanota.gbcs.keystore import KeyStore
    from hanota.hub.journal import Journal
    from hanota.hub.ports import HanRadio
    from hanota.hub.settings import HubSettings
    from hanota.store.store import SqliteStore

    class PartyKeys(Protocol):
        """Whose keys a hub and its DCC need."""

        @property
        def supplier(self) -> Eui64:
            """For whom is asked where no service user does."""
            ...

        @property
        def broker(self) -> Eui64:
            """The access control broker."""
            ...

        @property
        def hub(self) -> Credentials:
            """Signs what the hub itself says."""
            ...

        @property
        def dcc(self) -> KeyStore:
            """What the DCC holds: remote parties, private keys and all, and the devices' certificates."""
            ...

        @property
        def trust(self) -> KeyStore:
            """The certificates of the remote parties: whom the hub obeys."""
            ...


@dataclass(frozen=True, slots=True)
class Composition:
    """What was put together, on one store and one journal."""

    hub: Hub
    dcc: Dcc
    dcc_store: SqliteDccStore
    inventory: Inventory
    products: ProductsList


def compose(
    keys: PartyKeys,
    radio: HanRadio,
    *,
    store: SqliteStore,
    journal: Journal,
    clock: Clock,
    users: ServiceUsers,
    signer: DccSigner,
    hub_settings: HubSettings | None = None,
    dcc_settings: DccSettings | None = None,
) -> Composition:
    """Make hub and DCC, nothing started yet: first `hub.start(dcc)`, then `dcc.start()`; raise StoreError.

    `journal` writes to `store`; `signer` signs the DCC's documents. `dcc.close()` at the end, in any case.
    """
    dcc_store, inventory_store = SqliteDccStore(store.database), SqliteInventoryStore(store.database)
    dcc_settings = dcc_settings or DccSettings()
    hub = Hub(
        radio=radio,
        store=store,
        journal=journal,
        clock=clock,
        credentials=keys.hub,
        broker=keys.broker,
        settings=hub_settings,
        trust=keys.trust,
    )
    inventory = Inventory(inventory_store, journal, clock, hub, dcc_settings.inventory)
    products = ProductsList(inventory_store, journal, dcc_settings.products)
    dcc = Dcc(
        eui64=keys.broker,
        service_user=keys.supplier,
        hub=hub,
        keystore=keys.dcc,
        signer=signer,
        users=users,
        inventory=inventory,
        products=products,
        store=store,
        dcc_store=dcc_store,
        journal=journal,
        clock=clock,
        settings=dcc_settings,
    )
    return Composition(hub, dcc, dcc_store, inventory, products)
