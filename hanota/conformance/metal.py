"""A rig behind a port: a dongle of metal, or an emulated one that is offered like one, and a bench file."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from hanota.clock import LoopClock, SystemClock
from hanota.conformance.drivers import opened
from hanota.conformance.keys import keys_of_bench
from hanota.conformance.places import capture_of, database_of, store_of
from hanota.conformance.rig_options import Foundation, RigDevice
from hanota.errors import ConfigError
from hanota.hub.jobs import JobKind
from hanota.radio.coordinator import Coordinator
from hanota.radio.maintenance import maintained
from hanota.radio.settings import LinkSecurity, NetworkSettings, RadioSettings
from hanota.radio.url import RadioUrl
from hanota.timestamps import iso
from hanota.zse.cbke import read_credentials

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from hanota.bench.bench_file import Bench
    from hanota.conformance.rig_options import RigOptions
    from hanota.eui64 import Eui64

_KINDS: Final = {"ppmid": JobKind.PPMID, "hcalcs": JobKind.HCALCS}


@asynccontextmanager
async def metal_foundation(options: RigOptions) -> AsyncIterator[Foundation]:
    """Open power, consoles and database for the length of a `with` block; raise HanotaError."""
    url, bench = RadioUrl.parse(options.radio), options.bench
    if bench is None:
        raise ConfigError(
            f"which devices are behind {url} is not known",
            hint="list them in a bench file and give it by --bench; hardware/README.md has one",
        )
    if options.misbehaviours:
        raise ConfigError("only emulated devices of this process misbehave when told")
    # The machine's time, in steps of the loop: then timers and times agree on any loop.
    clock = LoopClock(asyncio.get_running_loop(), SystemClock().now())
    settings = _radio_settings(bench)
    async with AsyncExitStack() as stack:
        store = stack.enter_context(store_of(options))
        codes = [entry.install_code for entry in bench.device.values()]
        capture, head = stack.enter_context(capture_of(options, clock, codes))
        hub = await _hub(url, bench, settings, options.dongle)
        keys = keys_of_bench(bench, options.lab, hub, clock.now())
        drivers = await stack.enter_async_context(
            opened(
                bench,
                prompt=options.prompt,
                artifacts=options.artifacts,
                stamp=lambda: iso(clock.now()),
            )
        )
        devices = {
            name: RigDevice(
                name=name,
                kind=_KINDS[entry.type],
                eui64=entry.eui64,
                install_code=entry.install_code,
                power=drivers.power.get(name),
                console=drivers.consoles.get(name),
                emulated=None,
            )
            for name, entry in bench.device.items()
        }

        def new_coordinator(security: LinkSecurity) -> Coordinator:
            site = keys.site if security is LinkSecurity.KEY_ESTABLISHMENT else None
            chosen = replace(settings, link_security=security)
            return Coordinator(url, chosen, clock=clock, credentials=site, capture=capture)

        yield Foundation(
            str(url),
            keys.hub,
            devices,
            clock,
            store,
            new_coordinator,
            settings.link_security,
            database_of(options),
            head,
        )


def _radio_settings(bench: Bench) -> RadioSettings:
    radio = bench.radio
    if radio is None:
        return RadioSettings()
    network = NetworkSettings() if radio.channel is None else NetworkSettings(channel=radio.channel)
    return RadioSettings(network=network, link_security=LinkSecurity(radio.link_security))


async def _hub(url: RadioUrl, bench: Bench, settings: RadioSettings, known: Eui64 | None) -> Eui64:
    """Return the hub's EUI-64: that of its credentials, else the coordinator is opened and asked."""
    if bench.radio is not None and bench.radio.credentials is not None:
        return read_credentials(bench.radio.credentials).subject
    if known is not None:
        return known
    async with maintained(url, settings=settings) as maintenance:
        return (await maintenance.facts()).eui64
