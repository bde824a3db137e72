"""A process that is killed at a commit, or at several, and started again, while dongle, devices and service
user live on.

Of a process that is killed nothing more is stored, sent to the dongle or posted: its database is closed, its
port is taken from it and its HTTP client finds nobody. So it does not matter what its code still does on the
way down.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import httpx

from hanota.clock import LoopClock
from hanota.dcc.exchange import ExchangeSettings
from hanota.duis.parse_response import parse_response
from hanota.errors import HanotaError, StoreError
from hanota.store.queries import QUERIES
from hanota.store.store import SqliteStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from pathlib import Path

    from hanota.clock import Clock
    from hanota.duis.request import ServiceRequest
    from hanota.duis.response import Response
    from hanota.emulator.air import Air
    from hanota.emulator.devices import FirmwareDevice
    from hanota.emulator.line import Line
    from hanota.eui64 import Eui64
    from hanota.gbcs.crypto import PrivateKey
    from hanota.hub.events import Event
    from hanota.hub.hub import Hub
    from hanota.store.database import StoreSettings

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
    """Where the process is killed: just before commit `number` of its life, counted from 1, or just after."""

    number: int
    before: bool

    def __str__(self) -> str:
        return f"{'before' if self.before else 'after'} commit {self.number}"


class KilledError(BaseException):
    """Unwinds what the process was doing when it was killed; no `except Exception` keeps it."""


class MortalStore(SqliteStore):
    """A process's store: notes what each commit tells the journal, and closes for good where `cut` says."""

    def __init__(
        self,
        path: str | Path,
        settings: StoreSettings | None,
        killed: Callable[[], None],
        history: list[str],
    ) -> None:
        """`history` gets what each commit told, in words: the same list over all lives."""
        super().__init__(path, settings)
        self._killed, self._history = killed, history
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
        if statement == "BEGIN IMMEDIATE":
            self._told = []
        if statement == QUERIES["append_event"] and values is not None:
            detail = json.loads(str(values["detail"]))
            self._told.append(f"{values['kind']} {detail.get('use_case') or detail.get('state') or ''}")
        in_passing = statement.startswith(_WRITING) and not self.database._in_transaction
        if not self.counting or not (statement == "COMMIT" or in_passing):
            return self._run(statement, values)
        self.commits.append(self._told)
        here = self.cut is not None and self.cut.number == len(self.commits)
        if here and self.cut is not None and self.cut.before:
            self.die()
        rows = self._run(statement, values)
        self._history += self._told
        self._told = []
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


class Process(Protocol):
    """One life of the daemon."""

    @property
    def store(self) -> MortalStore: ...
    @property
    def hub(self) -> Hub: ...

    async def ask(self, request: ServiceRequest) -> bytes | None:
        """Take a Service Request and return its answer, None where it is to be sent again."""


class Launch(Protocol):
    """Starts a process; what is to be stopped goes on the stack."""

    async def __call__(self, world: World, stack: AsyncExitStack) -> Process: ...


@dataclass
class World:
    """What outlives the process: the file, the bench, the service user's address; and who is running now."""

    path: Path
    clock: Clock
    air: Air
    line: Line
    devices: Mapping[Eui64, FirmwareDevice]
    supplier_key: PrivateKey
    launch: Launch
    process: Process | None = None
    lives: int = 0
    history: list[str] = field(default_factory=list)
    """What was committed to the journal since `begin`, in all lives."""
    deaths: list[frozenset[str]] = field(default_factory=list)
    """`history` at each death."""
    posted: list[bytes] = field(default_factory=list)
    """The documents that were posted to the service user's address, in order."""
    news: asyncio.Event = field(default_factory=asyncio.Event)
    _store: MortalStore | None = None
    _cuts: list[Cut] | None = None
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    _down: asyncio.Event = field(default_factory=asyncio.Event)

    def begin(self, cuts: Sequence[Cut]) -> None:
        """Count commits from here on, and kill the process at each of the cuts, one in each life."""
        assert self._store is not None
        self._cuts = list(cuts)
        self._store.begin(self._cuts.pop(0) if self._cuts else None)

    @property
    def commits(self) -> list[list[str]]:
        """What each commit of this life told the journal; of the first life since `begin`."""
        assert self._store is not None
        return self._store.commits

    # -- the process -------------------------------------------------------------------------------------

    def open_store(self, path: str | Path, settings: StoreSettings | None = None) -> MortalStore:
        """Open the store of a process that starts."""
        store = self._store = MortalStore(path, settings, self._killed, self.history)
        self._stack.callback(store.close)
        if self._cuts is not None:
            store.begin(self._cuts.pop(0) if self._cuts else None)
        return store

    def process_clock(self) -> LoopClock:
        """Return the clock of a process that starts: it reads the machine's once."""
        return LoopClock(asyncio.get_running_loop(), self.clock.now())

    def address(self) -> httpx.MockTransport:
        """Return the way to the service user's address for the process that starts."""
        store, life = self._store, self.lives
        assert store is not None

        def answer(request: httpx.Request) -> httpx.Response:
            if store.dead or life != self.lives:
                raise httpx.ConnectError("this process was killed")
            self.posted.append(request.content)
            self.news.set()
            return httpx.Response(200, stream=httpx.ByteStream(b""))

        return httpx.MockTransport(answer)

    async def start(self) -> None:
        """Start a process on the file; it may be killed before it has started."""
        self.lives += 1
        starting = asyncio.create_task(self._launched())
        dying = asyncio.create_task(self._down.wait())
        await asyncio.wait([starting, dying], return_when=asyncio.FIRST_COMPLETED)
        for task in (starting, dying):
            task.cancel()
        await asyncio.wait([starting, dying])
        if self._store is None or not self._store.dead:
            starting.result()

    async def _launched(self) -> None:
        # A task of its own may end with an Exception only: another one unwinds the whole event loop.
        with suppress(KilledError):
            self.process = await self.launch(self, self._stack)

    async def stop(self) -> None:
        """Clear away what is left of the process; where it was killed, nothing of that has an effect."""
        self.process = None
        with suppress(KilledError, HanotaError):
            await self._stack.aclose()
        self._stack = AsyncExitStack()

    def kill(self) -> None:
        """Kill the process while it does nothing."""
        assert self._store is not None
        with suppress(KilledError):
            self._store.die()

    def _killed(self) -> None:
        host, self.line._host = self.line._host, None
        # The port is closed by the kernel: what the process sends from now on is dropped, what comes is lost.
        if host is not None:
            host._line = None  # type: ignore[attr-defined]
        self.deaths.append(frozenset(self.history))
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
        """Send a request until it is answered, and once more: the answer is the same, octet for octet."""
        first = await self._ask(request)
        again = await self._ask(request)
        assert again == first, "a repeated request has the answer it had"
        return parse_response(first)

    async def _ask(self, request: ServiceRequest) -> bytes:
        async with asyncio.timeout(3600):
            while True:
                process = self.process
                with suppress(StoreError, KilledError):
                    if process is not None:
                        answer = await process.ask(request)
                        # What is answered after its process was killed nobody hears.
                        if answer is not None and not process.store.dead:
                            return answer
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


async def cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


@asynccontextmanager
async def alive(world: World) -> AsyncIterator[World]:
    """Start a process and start another each time it is killed, until the end of the `with` block."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, _context: None)  # a killed process reports to nobody
    await world.start()
    keeper = loop.create_task(world.keep_alive())
    try:
        yield world
    finally:
        await cancelled(keeper)
        await world.stop()
