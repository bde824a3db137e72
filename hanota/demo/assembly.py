"""Hub, radio and DCC put together around a bench: what a scenario is played on."""

from __future__ import annotations

import random
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Final

from hanota.dcc.broker import AccessControlBroker
from hanota.dcc.dcc import Dcc
from hanota.dcc.exchange import Exchange
from hanota.dcc.incoming import Incoming
from hanota.demo.parties import entropy_of
from hanota.emulator.loop import measured_by_loop
from hanota.emulator.serialx_handler import published
from hanota.hub.hub import Hub
from hanota.radio.coordinator import Coordinator
from hanota.radio.settings import LinkSecurity, NetworkSettings, RadioSettings
from hanota.radio.url import RadioUrl

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from hanota.clock import Clock
    from hanota.demo.bench import Bench
    from hanota.demo.parties import Parties
    from hanota.hub.hub import HubSettings
    from hanota.hub.journal import Journal
    from hanota.hub.ports import Store
    from hanota.radio.capture import Capture

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
    store: Store
    clock: Clock


@asynccontextmanager
async def assembled(
    parties: Parties,
    bench: Bench,
    *,
    store: Store,
    journal: Journal,
    clock: Clock,
    seed: int | None = None,
    settings: HubSettings | None = None,
    url: RadioUrl | None = None,
    key_export: Path | None = None,
    capture: Capture | None = None,
) -> AsyncIterator[Assembly]:
    """Start a hub on the bench's dongle for the length of a `with` block; raise HanotaError.

    `journal` writes to `store`. `url` leads to the dongle where its port is served; None opens it within this
    process. `key_export` gets the keys, for Wireshark; `capture` every frame. The bench stays as it is when the hub stops: another
    one may take it up.
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
            RadioSettings(network=_network(seed), link_security=bench.security, key_export=key_export),
            clock=clock,
            credentials=parties.cbke[parties.hub.eui64] if establish else None,
            entropy=entropy_of(parties.seed, f"ephemeral keys of {parties.hub.eui64}"),
            capture=capture,
        )
        hub = Hub(
            radio=radio,
            store=store,
            journal=journal,
            clock=clock,
            credentials=parties.hub,
            broker=parties.broker,
            settings=settings,
        )
        exchange = Exchange(hub, journal)
        stack.callback(exchange.close)
        dcc = Dcc(
            hub=hub,
            broker=AccessControlBroker(parties.broker, parties.dcc, store),
            exchange=exchange,
            incoming=Incoming(hub, exchange, parties.dcc, store, journal),
            store=store,
            journal=journal,
            clock=clock,
        )
        await hub.start(dcc)
        stack.push_async_callback(hub.stop)
        yield Assembly(parties, bench, radio, hub, dcc, journal, store, clock)


def _network(seed: int | None) -> NetworkSettings:
    if seed is None:
        return NetworkSettings()
    chosen = random.Random(seed)  # noqa: S311  # a network of emulated devices, the same every time
    return NetworkSettings(
        pan_id=chosen.randrange(1, 0xFFF0),
        network_key=chosen.randbytes(16),
        trust_centre_key=chosen.randbytes(16),
    )
