"""Seeded chaos: a service user's two updates while faults of the table, and restarts of the hub, strike."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hanota.emulator.faults import FaultTargets, apply, possible
from hanota.emulator.node import NodeSettings
from hanota.errors import HanotaError
from hanota.gbcs.reference_test_data import HCALCS, PPMID
from hanota.hub.jobs import JobKind, JobState
from tests.hub_support import FullDisk
from tests.simulation.update_support import update_bench

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from hanota.demo.bench import Bench
    from hanota.eui64 import Eui64
    from tests.radio_dongles import Dongle
    from tests.simulation.update_support import UpdateBench

DEVICES = {JobKind.PPMID: PPMID, JobKind.HCALCS: HCALCS}
LAYOUTS = ("star", "star", "sleepy", "behind", "sleepy, behind")
"""What the PPMID does, and whether only the HCALCS hears it."""
STRIKES = 60.0
"""Seconds in which all faults of a run begin: a small image takes 3 to 40."""
RESTART = "hub_restart"
"""The one fault that is not the emulator's: the hub is killed and started again."""
LONGEST = 9 * 24 * 3600.0
"""Seconds until every job has ended: an offer expires after seven days at the latest."""
RETRY = 60.0
"""Seconds after which what was refused is tried again."""
PATIENCE = 3600.0
"""Seconds a service user waits for a response before it asks again."""
ATTEMPTS = 100


@dataclass
class Chaos:
    """One run: the bench, what struck when, and what went wrong where nobody awaits it."""

    b: UpdateBench
    layout: str
    strikes: list[tuple[float, str]]
    mishaps: list[str] = field(default_factory=list)

    def note(self, context: dict[str, Any]) -> None:
        """Note what the event loop tells of, unless it is a radio library's own task."""
        task = context.get("future")
        code = getattr(task.get_coro(), "cr_code", None) if isinstance(task, asyncio.Task) else None
        if code is None or "site-packages" not in code.co_filename:
            self.mishaps.append(f"{context['message']}: {context.get('exception')!r}")

    def __str__(self) -> str:
        strikes = ", ".join(f"{at:.1f} s {name}" for at, name in sorted(self.strikes))
        return f"{self.layout}; {strikes}"


@asynccontextmanager
async def chaos(dongle: Dongle, seed: int) -> AsyncIterator[Chaos]:
    """Give a run when its faults are over and every job has ended."""
    rng = random.Random(seed)
    store = FullDisk()

    def fill(full: bool) -> None:
        store.failing = "COMMIT" if full else None

    layout = rng.choice(LAYOUTS)
    async with update_bench(
        dongle,
        size=rng.randrange(1500, 5000),
        seed=seed,
        store=store,
        prepare=arrange(layout, rng),
        joined=False,
    ) as b:
        for planned in reversed(b.plan.devices):  # the HCALCS first: the PPMID may need it
            await b.scenario.join(planned)
        targets = FaultTargets(b.bench.air, b.bench.dongle, b.bench.devices, b.system_clock.step, fill)
        names = rng.sample([*possible(targets), RESTART], rng.randint(2, 6))
        run = Chaos(b, layout, [(rng.uniform(0, STRIKES), name) for name in names])
        asyncio.get_running_loop().set_exception_handler(lambda _, context: run.note(context))
        try:
            async with asyncio.TaskGroup() as tasks:
                for at, name in run.strikes:
                    tasks.create_task(strike(b, targets, name, at, random.Random(rng.random())))
                for kind, device in DEVICES.items():
                    tasks.create_task(update(b, kind, device))
            yield run
        except BaseException as error:
            error.add_note(f"replay with --chaos-seed {seed}: {run}")
            raise


def arrange(layout: str, rng: random.Random) -> Callable[[Bench], None]:
    """Return what gives a bench its layout."""

    def prepare(bench: Bench) -> None:
        ppmid = bench.devices[PPMID]
        if "sleepy" in layout:
            ppmid.settings = NodeSettings(sleep=rng.uniform(0.5, 6))
        if "behind" in layout:
            bench.air.link(bench.dongle.eui64, PPMID).in_range = False

    return prepare


async def strike(b: UpdateBench, targets: FaultTargets, name: str, at: float, rng: random.Random) -> None:
    await asyncio.sleep(at)
    if name == RESTART:
        await restart(b)
    else:
        await apply(name, targets, rng)


async def restart(b: UpdateBench) -> None:
    """Start the hub again as often as it takes: its dongle may be gone, its disk full."""
    for _ in range(ATTEMPTS):
        with suppress(HanotaError):
            await b.restart_hub()
            return
        await asyncio.sleep(RETRY)
    raise AssertionError("the hub does not start")


async def update(b: UpdateBench, kind: JobKind, device: Eui64) -> None:
    """Play the service user and return when the job has ended."""
    await request(lambda: b.update(kind))
    if kind is JobKind.HCALCS:
        await b.until(lambda: ended(b, device) or b.states(device)[-1:] == ["held"], LONGEST)
        await activate(b, device)
    await b.until(lambda: ended(b, device), LONGEST)


async def request(make: Callable[[], object]) -> None:
    """Send a Service Request until it is accepted."""
    for _ in range(ATTEMPTS):
        with suppress(HanotaError):
            make()
            return
        await asyncio.sleep(RETRY)
    raise AssertionError("the request was never accepted")


async def activate(b: UpdateBench, device: Eui64) -> None:
    """Send CS06, and again as long as nothing came of it."""
    for _ in range(ATTEMPTS):
        if ended(b, device):
            return
        # A hub that stops cancels what waits for it: the service user knows no better than to ask again.
        with suppress(HanotaError, TimeoutError, asyncio.CancelledError):
            async with asyncio.timeout(PATIENCE):
                await b.activate(device)
        await asyncio.sleep(RETRY)
    raise AssertionError("CS06 was never carried out")


def ended(b: UpdateBench, device: Eui64) -> bool:
    states = b.states(device)
    return bool(states) and JobState(states[-1]).is_end
