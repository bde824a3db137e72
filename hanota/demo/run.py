"""One run of the demonstration: what the user chose, the scenario, how it ended."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from hanota.clock import LoopClock, SystemClock
from hanota.dcc.counters import last_request_counter
from hanota.demo.assembly import assembled
from hanota.demo.bench import make_bench
from hanota.demo.parties import make_parties
from hanota.demo.plan import default_plan, plan_of
from hanota.demo.scenario import Scenario
from hanota.gbcs.reference_test_data import BROKER, HCALCS, HUB, PPMID, SUPPLIER
from hanota.hub.journal import Journal
from hanota.radio.settings import LinkSecurity
from hanota.store.store import SqliteStore
from hanota.zse.cbke import Suite

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from hanota.demo.parties import Parties
    from hanota.demo.plan import Plan
    from hanota.demo.scenario import DeviceOutcome
    from hanota.duis.request import ServiceRequest
    from hanota.eui64 import Eui64
    from hanota.gbcs.keystore import KeyStore
    from hanota.hub.events import Event
    from hanota.hub.hub import Hub
    from hanota.hub.ports import Store
    from hanota.hub.progress import Progress

_PROGRESS_INTERVAL = 1.0
"""Seconds, of the emulated time, between looks at the progress."""


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What the user may choose."""

    radio: str = "znp"
    """The radio family of the emulated dongle: znp or ezsp."""
    security: LinkSecurity = LinkSecurity.KEY_ESTABLISHMENT
    """What hub and devices secure their messages with."""
    suite: Suite = Suite.TWO
    """What the devices establish their link keys with."""
    key_export: Path | None = None
    """A key file for Wireshark; None: the keys go nowhere."""
    image_size: int = 64 * 1024
    """Octets of each Manufacturer Image made here."""
    requests: Sequence[ServiceRequest] = ()
    """DUIS documents; none: the demonstration makes its own."""
    database: Path | None = None
    """None: in memory."""
    keystore: KeyStore | None = None
    """Certificates and keys of supplier and access control broker; None: a lab CA makes them."""
    seed: int | None = None
    """Same seed and epoch, same event log; None: random keys, seed 0 for the air."""
    epoch: float = field(default_factory=lambda: SystemClock().now())
    """Unix seconds at which the emulated time begins."""


@dataclass(frozen=True, slots=True)
class DemoReport:
    """How it ended."""

    outcomes: Sequence[DeviceOutcome]
    refused: int
    """Messages and frames that did not verify."""

    @property
    def succeeded(self) -> bool:
        """Tell whether every device runs its new version and everything verified."""
        return not self.refused and all(outcome.succeeded for outcome in self.outcomes)


async def run_demo(
    options: DemoOptions,
    *,
    on_event: Callable[[Event], None],
    on_progress: Callable[[Sequence[Progress]], None],
    on_notice: Callable[[float, Eui64, str], None],
) -> DemoReport:
    """Run the demonstration on the running loop; raise HanotaError where it cannot be carried out.

    `on_event` hears of every event of this run, `on_progress` about every emulated second, `on_notice` what
    an emulated device found and did (Unix seconds, device, words): what its debug console would show.
    """
    clock = LoopClock(asyncio.get_running_loop(), options.epoch)
    async with AsyncExitStack() as stack:
        store = SqliteStore(options.database if options.database is not None else ":memory:")
        stack.callback(store.close)
        parties, plan = _cast(options, store)
        bench = make_bench(
            plan,
            parties,
            clock,
            options.seed or 0,
            radio=options.radio,
            security=options.security,
            suite=options.suite,
        )
        stack.callback(bench.switch_off)
        for device in bench.devices.values():
            device.notice = partial(_noticed, on_notice, clock, device.eui64)
        journal = Journal(store, clock)
        journal.subscribe(on_event)
        assembly = await stack.enter_async_context(
            assembled(
                parties,
                bench,
                store=store,
                journal=journal,
                clock=clock,
                seed=options.seed,
                key_export=options.key_export,
            )
        )
        watcher = asyncio.create_task(_watch(assembly.hub, on_progress))
        stack.callback(watcher.cancel)
        scenario = Scenario(plan, assembly)
        outcomes = await scenario.run()
        return DemoReport(outcomes, scenario.refused)


def _cast(options: DemoOptions, store: Store) -> tuple[Parties, Plan]:
    """Return who takes part and what is done: the documents name the parties, or the usual ones play."""
    plan = plan_of(options.requests) if options.requests else None
    devices = [planned.device for planned in plan.devices] if plan else [PPMID, HCALCS]
    parties = make_parties(
        supplier=plan.supplier if plan else SUPPLIER,
        broker=plan.broker if plan else BROKER,
        hub=HUB,
        devices=devices,
        keystore=options.keystore,
        now=options.epoch,
        seed=options.seed,
    )
    if plan is None:
        key = parties.remote.signing_private_key(parties.supplier)
        plan = default_plan(options.image_size, key, options.seed, last_request_counter(store, SUPPLIER))
    return parties, plan


def _noticed(
    on_notice: Callable[[float, Eui64, str], None], clock: LoopClock, device: Eui64, text: str
) -> None:
    on_notice(clock.now(), device, text)


async def _watch(hub: Hub, on_progress: Callable[[Sequence[Progress]], None]) -> None:
    while True:
        on_progress(hub.progress())
        await asyncio.sleep(_PROGRESS_INTERVAL)
