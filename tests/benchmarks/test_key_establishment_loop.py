"""How long key establishment holds the event loop: the radio waits for no handshake to be computed."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from hanota.clock import LoopClock
from hanota.radio.computing import Computing
from hanota.radio.established_keys import EstablishedKeys
from hanota.radio.key_establishment import KeyEstablishment
from hanota.zse.cbke import Suite
from hanota.zse.key_establishment import ClientEstablished, KeyEstablishmentClient, KeyEstablishmentSettings
from tests.radio_dongles import HUB
from tests.radio_keys_support import KEYED, credentials, entropy
from tests.radio_support import EPOCH, PPMID, Listener

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hanota.eui64 import Eui64
    from hanota.hub.ports import Priority

    T = TypeVar("T")

HANDSHAKES = 20


@dataclass
class Table:
    """A key table that costs nothing."""

    keys: dict[Eui64, bytes] = field(default_factory=dict)

    async def install(self, device: Eui64, nwk: int, key: bytes) -> bool:
        self.keys[device] = key
        return True

    async def remove(self, device: Eui64) -> None:
        self.keys.pop(device, None)

    async def export(self, device: Eui64) -> bytes | None:
        return self.keys.get(device)

    async def holders(self) -> frozenset[Eui64]:
        return frozenset(self.keys)

    async def owner(self, nwk: int) -> Eui64 | None:
        return None


@dataclass
class Radio:
    """A radio that delivers in no time."""

    link_keys: Table = field(default_factory=Table)
    sent: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)
    is_ready: asyncio.Event = field(default_factory=asyncio.Event)

    def nwk(self, device: Eui64) -> int:
        return 1

    async def send(
        self, device: Eui64, cluster: int, data: bytes, *, priority: Priority, encrypted: bool = True
    ) -> None:
        self.sent.put_nowait(data)

    def ready(self, device: Eui64) -> None:
        self.is_ready.set()

    def expel(self, device: Eui64) -> None:
        raise AssertionError

    def text(self, text: str) -> str:
        return text


@dataclass
class Meter:
    """Processor time of computing, and of the device, which is not the hub's."""

    computing: float = 0.0
    device: float = 0.0

    @contextmanager
    def of_device(self) -> Iterator[None]:
        began = time.thread_time()
        yield
        self.device += time.thread_time() - began

    def counted(self, work: Callable[[], T]) -> T:
        began = time.thread_time()
        try:
            return work()
        finally:
            self.computing += time.thread_time() - began


@pytest.mark.benchmark
@pytest.mark.parametrize("suite", Suite)
def test_the_event_loop_does_a_small_part_of_a_handshakes_work(
    suite: Suite, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    meter = Meter()
    run = Computing.run

    async def metered(self: Computing, work: Callable[[], T]) -> T:
        return await run(self, lambda: meter.counted(work))

    # In threads whatever this machine has, as only their processor time is known.
    monkeypatch.setattr(Computing, "_make", _threads)
    monkeypatch.setattr(Computing, "run", metered)

    async def main() -> float:
        clock = LoopClock(asyncio.get_running_loop(), EPOCH)
        radio, listener = Radio(), Listener()
        keys = EstablishedKeys(listener, clock, secret=lambda _: None)
        await keys.check(radio.link_keys, HUB)
        shell = KeyEstablishment(
            replace(KEYED, key_establishment=KeyEstablishmentSettings(attempts=HANDSHAKES)),
            credentials(HUB),
            clock=clock,
            entropy=entropy(1),
            listener=listener,
            radio=radio,
            keys=keys,
            exported=lambda *_: None,
        )
        await shell.start()
        began = time.thread_time()
        for number in range(HANDSHAKES):
            shell.left(PPMID)
            await handshake(shell, radio, meter, suite, number)
        spent = time.thread_time() - began
        await shell.stop()
        return spent - meter.device

    loop = asyncio.run(main())
    with capsys.disabled():
        print(
            f"\n  suite {suite}: a handshake holds the event loop {1000 * loop / HANDSHAKES:.2f} ms,"
            f" is computed for {1000 * meter.computing / HANDSHAKES:.2f} ms elsewhere"
            f" ({loop / meter.computing:.2f})"
        )
    assert loop < meter.computing


def _threads(_: Computing) -> Any:
    return ThreadPoolExecutor(2)


async def handshake(shell: KeyEstablishment, radio: Radio, meter: Meter, suite: Suite, number: int) -> None:
    """Play the device, whose work counts for itself."""
    radio.is_ready.clear()
    client = KeyEstablishmentClient(
        credentials(PPMID).suites[suite], own=PPMID, server=HUB, entropy=entropy(100 + number)
    )
    client.start(EPOCH)
    while True:
        with meter.of_device():
            for work in client.work():
                client.finished(work.run(), EPOCH)
            requests, events = client.requests(), client.events()
        if events:
            assert isinstance(events[0], ClientEstablished), events
            break
        for request in requests:
            shell.receive(PPMID, request)
        data = await radio.sent.get()
        with meter.of_device():
            client.receive(data, EPOCH)
    await radio.is_ready.wait()
