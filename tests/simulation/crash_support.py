"""A process that is killed at one commit and started again, while dongle, devices and service user live on.

Of a process that is killed nothing more is stored, sent to the dongle or posted: its database is closed, its
port is taken from it and its HTTP client finds nobody. So it does not matter what its code still does on the
way down.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import httpx

from hanota.api.delivery import OutboxDelivery
from hanota.clock import LoopClock
from hanota.dcc.exchange import ExchangeSettings
from hanota.dcc.service_users import ServiceUser, ServiceUsers
from hanota.dcc.services import service_of
from hanota.dcc.submission import Submission
from hanota.demo.assembly import assembled
from hanota.demo.bench import make_bench
from hanota.demo.parties import BROKER, HCALCS, PPMID, SUPPLIER
from hanota.demo.plan import plan_of
from hanota.demo.scenario import Scenario
from hanota.duis.build import build_request
from hanota.duis.parse_response import parse_response
from hanota.duis.request import RequestId, UpdateFirmware, UpdatePpmidFirmware
from hanota.errors import StoreError
from hanota.hub.jobs import JobKind
from hanota.hub.journal import Journal
from hanota.store.dcc_store import SqliteDccStore
from hanota.store.queries import QUERIES
from hanota.store.store import SqliteStore
from tests.simulation.update_support import (
    EPOCH,
    NEW,
    SystemClock,
    firmware,
    lab_parties,
    supplier_key,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from hanota.demo.assembly import Assembly
    from hanota.demo.bench import Bench
    from hanota.demo.parties import Parties
    from hanota.demo.plan import Plan
    from hanota.duis.request import ServiceRequest
    from hanota.duis.response import Response
    from hanota.hub.events import Event
    from hanota.ota.image import OtaFile
    from tests.radio_dongles import Dongle

SIZE = 150
"""Octets of a Manufacturer Image: a few blocks, each of which is one of many alike."""
DOWN = 2.0
"""Seconds until a process that was killed is started again, as by systemd."""
ASK_AGAIN = 5.0
"""Seconds after which the service user repeats a request that was not answered."""
PATIENCE = 7200.0
"""Seconds the service user waits for what has to come: longer than any time-out."""
ADDRESS = "http://service-user.test/answers"
_WRITING = ("INSERT", "UPDATE", "DELETE")


@dataclass(frozen=True)
class Cut:
    """Where the process is killed: just before commit `number`, counted from 1, or just after it."""

    number: int
    before: bool

    def __str__(self) -> str:
        return f"{'before' if self.before else 'after'} commit {self.number}"


class KilledError(BaseException):
    """Unwinds what the process was doing when it was killed; no `except Exception` keeps it."""


class MortalStore(SqliteStore):
    """A process's store: notes what each commit tells the journal, and closes for good where `cut` says."""

    def __init__(self, path: Path, killed: Callable[[], None]) -> None:
        super().__init__(path)
        self._killed = killed
        self.dead = False
        self.counting = False
        self.commits: list[list[str]] = []
        self.cut: Cut | None = None
        self._told: list[str] = []
        self._run = self.database._run
        self.database._run = self._run_or_die  # type: ignore[method-assign]

    def _run_or_die(self, statement: str, values: dict[str, object] | None = None) -> list[tuple[Any, ...]]:
        if self.dead:
            raise StoreError("this process was killed")
        if statement == QUERIES["append_event"] and values is not None:
            detail = json.loads(str(values["detail"]))
            self._told.append(f"{values['kind']} {detail.get('use_case') or detail.get('state') or ''}")
        in_passing = statement.startswith(_WRITING) and not self.database._in_transaction
        if not self.counting or not (statement == "COMMIT" or in_passing):
            return self._run(statement, values)
        self.commits.append(self._told)
        self._told = []
        here = self.cut is not None and self.cut.number == len(self.commits)
        if here and self.cut is not None and self.cut.before:
            self.die()
        rows = self._run(statement, values)
        if here:
            self.die()
        return rows

    def begin(self, cut: Cut | None) -> None:
        """Count from here on."""
        self.cut, self.counting, self._told = cut, True, []

    def die(self) -> None:
        """Close without a commit and kill the process; raise KilledError."""
        self.dead = True
        self.close()
        self._killed()
        raise KilledError


@dataclass
class Process:
    """One life of the daemon: hub, DCC and delivery on one store."""

    store: MortalStore
    assembly: Assembly
    delivery: asyncio.Task[None]


@dataclass
class World:
    """What outlives the process: the file, the bench, the service user's address; and who is running now."""

    path: Path
    plan: Plan
    parties: Parties
    bench: Bench
    clock: SystemClock
    file: OtaFile
    process: Process | None = None
    lives: int = 0
    posted: list[bytes] = field(default_factory=list)
    """The documents that were posted to the service user's address, in order."""
    news: asyncio.Event = field(default_factory=asyncio.Event)
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    _down: asyncio.Event = field(default_factory=asyncio.Event)

    def begin(self, cut: Cut | None) -> None:
        """Count commits from here on, and kill the process at `cut`."""
        assert self.process is not None
        self.process.store.begin(cut)

    @property
    def commits(self) -> list[list[str]]:
        """What each commit since `begin` told the journal, where nobody was killed."""
        assert self.process is not None
        return self.process.store.commits

    # -- the process -------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start a process on the file."""
        self.lives += 1
        life = self.lives
        store = MortalStore(self.path, self._killed)
        self._stack.callback(store.close)
        # A machine's clock is read once, at the start of the process.
        clock = LoopClock(asyncio.get_running_loop(), self.clock.now())
        journal = Journal(store, clock)
        users = ServiceUsers([ServiceUser(SUPPLIER, answer_url=ADDRESS)])
        assembly = await self._stack.enter_async_context(
            assembled(
                self.parties,
                self.bench,
                store=store,
                journal=journal,
                clock=clock,
                seed=1,
                users=users,
            )
        )

        def answer(request: httpx.Request) -> httpx.Response:
            if store.dead or life != self.lives:
                raise httpx.ConnectError("this process was killed")
            self.posted.append(request.content)
            self.news.set()
            return httpx.Response(200, stream=httpx.ByteStream(b""))

        delivery = OutboxDelivery(
            SqliteDccStore(store.database), journal, users, clock, transport=httpx.MockTransport(answer)
        )
        task = asyncio.get_running_loop().create_task(delivery.run())
        self._stack.push_async_callback(_cancelled, task)
        self.process = Process(store, assembly, task)

    async def stop(self) -> None:
        """Clear away what is left of the process; where it was killed, nothing of that has an effect."""
        self.process = None
        await self._stack.aclose()
        self._stack = AsyncExitStack()

    def kill(self) -> None:
        """Kill the process while it does nothing."""
        assert self.process is not None
        with suppress(KilledError):
            self.process.store.die()

    def _killed(self) -> None:
        line = self.bench.dongle.line
        # The port is closed by the kernel: what the process sends from now on is dropped, what comes is lost.
        host, line._host = line._host, None
        if host is not None:
            host._line = None  # type: ignore[attr-defined]
        self._down.set()

    async def keep_alive(self) -> None:
        """Start the process again each time it was killed, as an init system does."""
        while True:
            await self._down.wait()
            self._down.clear()
            await self.stop()
            await asyncio.sleep(DOWN)
            await self.start()

    # -- the service user --------------------------------------------------------------------------------

    async def ask(self, request: ServiceRequest) -> Response:
        """Post a request until it is answered, and once more: the answer is the same, octet for octet."""
        first = await self._post(request)
        again = await self._post(request)
        assert again == first, "a repeated request has the answer it had"
        return parse_response(first)

    async def _post(self, request: ServiceRequest) -> bytes:
        digest = sha256(build_request(request)).digest()
        submission = Submission(request, service_of(request), SUPPLIER, digest)
        async with asyncio.timeout(3600):
            while True:
                process = self.process
                with suppress(StoreError, KilledError):
                    if process is not None:
                        answer = process.assembly.dcc.receive(submission)
                        # What is answered after its process was killed nobody hears.
                        if not process.store.dead:
                            return answer.document
                await asyncio.sleep(ASK_AGAIN)

    @property
    def received(self) -> list[Response]:
        """The documents that were delivered, each once: a service user knows one by its octets."""
        return [parse_response(document) for document in dict.fromkeys(self.posted)]

    async def within(self, seconds: float, holds: Callable[[], object]) -> bool:
        """Wait until `holds()`, looked at after each delivered document; tell whether it came to that."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not holds():
                    self.news.clear()
                    await self.news.wait()
        return bool(holds())

    async def until(self, holds: Callable[[], object]) -> None:
        """Wait until `holds()`; fail with what was delivered and the last events."""
        if not await self.within(PATIENCE, holds):
            raise AssertionError(f"it did not come to that; delivered: {self.received}\n{self.tail()}")

    async def settled(self) -> None:
        """Return when nothing more comes of it, every time-out being over."""
        await asyncio.sleep(2 * ExchangeSettings().response_timeout)

    # -- what is left ------------------------------------------------------------------------------------

    def events(self) -> list[Event]:
        """The journal as it is in the file."""
        assert self.process is not None
        return list(self.process.store.events(limit=100_000))

    def tail(self) -> str:
        if self.process is None or self.process.store.dead:
            return "no process"
        return "\n".join(str(event.to_json()) for event in self.events()[-15:])


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


@asynccontextmanager
async def crash_world(dongle: Dongle, path: Path, kind: JobKind) -> AsyncIterator[World]:
    """A running process and one joined device of `kind`."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, _context: None)  # a killed process reports to nobody
    clock = SystemClock(loop, EPOCH)
    device = HCALCS if kind is JobKind.HCALCS else PPMID
    parties = lab_parties((device,))
    file = firmware(kind, supplier_key(parties), size=SIZE)
    shape = UpdateFirmware if kind is JobKind.HCALCS else UpdatePpmidFirmware
    plan = plan_of([shape(RequestId(SUPPLIER, BROKER, 1), file.data, NEW.hex(), (device,))])
    bench = make_bench(plan, parties, clock, 1, radio=dongle.family, version=dongle.version)
    world = World(path, plan, parties, bench, clock, file)
    await world.start()
    keeper = loop.create_task(world.keep_alive())
    try:
        assert world.process is not None
        await Scenario(plan, world.process.assembly).join(plan.devices[0])
        yield world
    finally:
        await _cancelled(keeper)
        await world.stop()
        bench.switch_off()
