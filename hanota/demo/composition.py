"""Hub and DCC started on a given radio: what the demonstration and the conformance rig have in common."""

from __future__ import annotations

import random
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from hanota.daemon.composition import compose
from hanota.dcc.service_users import ServiceUser, ServiceUsers
from hanota.dcc.signing import DccSigner
from hanota.gbcs.certificates import KeyUsage
from hanota.radio.settings import NetworkSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from hanota.clock import Clock
    from hanota.daemon.composition import Composition
    from hanota.demo.parties import Parties
    from hanota.eui64 import Eui64
    from hanota.gbcs.certificates import Credentials
    from hanota.gbcs.keystore import KeyStore
    from hanota.hub.hub import HubSettings
    from hanota.hub.journal import Journal
    from hanota.hub.ports import HanRadio
    from hanota.store.store import SqliteStore


@dataclass(frozen=True, slots=True, kw_only=True)
class HubKeys:
    """Whose keys a hub and its DCC need."""

    supplier: Eui64
    broker: Eui64
    hub: Credentials
    """Sign what the hub itself says."""
    dcc: KeyStore
    """What the DCC holds: the remote parties, private keys and all, and the devices' certificates."""
    trust: KeyStore
    """The certificates of the remote parties: whom the hub obeys."""

    @classmethod
    def of(cls, parties: Parties) -> Self:
        """Return those of the demonstration's parties."""
        return cls(
            supplier=parties.supplier,
            broker=parties.broker,
            hub=parties.hub,
            dcc=parties.dcc,
            trust=parties.trust,
        )

    @property
    def signer(self) -> DccSigner:
        """Sign documents as the broker; the DCC has another key for them, and nobody looks at these."""
        certificates = self.dcc.certificates(self.broker)
        signing = next(each for each in certificates if each.key_usage is KeyUsage.DIGITAL_SIGNATURE)
        return DccSigner(self.dcc.signing_private_key(self.broker), signing)


@asynccontextmanager
async def composed(
    keys: HubKeys,
    radio: HanRadio,
    *,
    store: SqliteStore,
    journal: Journal,
    clock: Clock,
    settings: HubSettings | None = None,
    users: ServiceUsers | None = None,
    signer: DccSigner | None = None,
) -> AsyncIterator[Composition]:
    """Start hub and DCC for the length of a `with` block; raise HanotaError.

    `journal` writes to `store`. `users` are by default the supplier alone, without an answer address;
    `signer` signs the DCC's documents, by default as the broker.
    """
    composition = compose(
        keys,
        radio,
        store=store,
        journal=journal,
        clock=clock,
        users=ServiceUsers([ServiceUser(keys.supplier)]) if users is None else users,
        signer=signer or keys.signer,
        hub_settings=settings,
    )
    hub, dcc = composition.hub, composition.dcc
    try:
        await hub.start(dcc)
        try:
            dcc.start()
            yield composition
        finally:
            await hub.stop()
    finally:
        dcc.close()


def network_of(seed: int | None) -> NetworkSettings:
    """Return the network of emulated devices, the same every time with a `seed`."""
    if seed is None:
        return NetworkSettings()
    chosen = random.Random(seed)  # noqa: S311  # see above
    return NetworkSettings(
        pan_id=chosen.randrange(1, 0xFFF0),
        network_key=chosen.randbytes(16),
        trust_centre_key=chosen.randbytes(16),
    )
