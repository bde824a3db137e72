"""Hub, radio and DCC put together around a bench: what a scenario is played on."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Final

from hanota.demo.composition import HubKeys, composed, network_of
from hanota.demo.parties import entropy_of
from hanota.emulator.loop import measured_by_loop
from hanota.emulator.serialx_handler import published
from hanota.radio.coordinator import Coordinator
from hanota.radio.settings import LinkSecurity, RadioSettings
from hanota.radio.url import RadioUrl

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from hanota.clock import Clock
    from hanota.dcc.dcc import Dcc
    from hanota.dcc.service_users import ServiceUsers
    from hanota.dcc.signing import DccSigner
    from hanota.demo.bench import Bench
    from hanota.demo.parties import Parties
    from hanota.hub.hub import Hub, HubSettings
    from hanota.hub.journal import Journal
    from hanota.radio.capture import Capture
    from hanota.store.dcc_store import SqliteDccStore
    from hanota.store.store import SqliteStore

_EMULATOR: Final = "demo"


@dataclass(frozen=True, slots=True)
class Assembly:
    """A started hub, its DCC and the bench they work on."""

    parties: Parties
    bench: Bench
    radio: Coordinator
    hub: Hub
    dcc: Dcc
    journal: Journal
    store: SqliteStore
    dcc_store: SqliteDccStore
    clock: Clock


@asynccontextmanager
async def assembled(
    parties: Parties,
    bench: Bench,
    *,
    store: SqliteStore,
    journal: Journal,
    clock: Clock,
    seed: int | None = None,
    settings: HubSettings | None = None,
    url: RadioUrl | None = None,
    key_export: Path | None = None,
    capture: Capture | None = None,
    users: ServiceUsers | None = None,
    signer: DccSigner | None = None,
) -> AsyncIterator[Assembly]:
    """Start a hub on the bench's dongle for the length of a `with` block; raise HanotaError.

    `journal` writes to `store`. `url` leads to the dongle where its port is served; None opens it within this
    process. `key_export` gets the keys, for Wireshark; `capture` every frame. `users` are by default the
    supplier alone, without an answer address; `signer` signs the DCC's documents, by default as the broker.
    The bench stays as it is when the hub stops: another one may take it up.
    """
    async with AsyncExitStack() as stack:
        if url is None:
            port = stack.enter_context(published(_EMULATOR, bench.dongle))
            url = RadioUrl.parse(f"{bench.radio}+{port}")
        if bench.radio == "ezsp":
            stack.enter_context(measured_by_loop(import_module("bellows.ash")))
        establish = bench.security is LinkSecurity.KEY_ESTABLISHMENT
        radio = Coordinator(
            url,
            RadioSettings(network=network_of(seed), link_security=bench.security, key_export=key_export),
            clock=clock,
            credentials=parties.cbke[parties.hub.eui64] if establish else None,
            entropy=entropy_of(parties.seed, f"ephemeral keys of {parties.hub.eui64}"),
            capture=capture,
        )
        composition = await stack.enter_async_context(
            composed(
                HubKeys.of(parties),
                radio,
                store=store,
                journal=journal,
                clock=clock,
                settings=settings,
                users=users,
                signer=signer,
            )
        )
        hub, dcc, dcc_store = composition.hub, composition.dcc, composition.dcc_store
        yield Assembly(parties, bench, radio, hub, dcc, journal, store, dcc_store, clock)
