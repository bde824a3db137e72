"""A radio bench with key establishment: lab credentials, scripted devices that run the client."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import bellows.ash
import pytest

from hanota.clock import LoopClock
from hanota.emulator.air import Air
from hanota.emulator.ezsp.coordinator import EzspCoordinator
from hanota.emulator.loop import measured_by_loop
from hanota.emulator.serialx_handler import published
from hanota.radio import Coordinator, LinkSecurity, RadioUrl
from hanota.zcl import ClusterId
from hanota.zse.cbke import LabCertificateAuthority, SiteCredentials, Suite, lab_authorities, lab_credentials
from hanota.zse.key_establishment import ClientEstablished, ClientFailed, KeyEstablishmentClient
from tests.radio_dongles import HUB
from tests.radio_support import EPOCH, INSTALL_CODES, PPMID, SETTINGS, Bench, Listener, ScriptedNode, started

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from hanota.emulator.air import ApsFrame
    from hanota.eui64 import Eui64
    from hanota.radio import RadioSettings
    from tests.radio_dongles import Dongle, Ncp

KEYED = replace(SETTINGS, link_security=LinkSecurity.KEY_ESTABLISHMENT)


def entropy(seed: int) -> Callable[[int], bytes]:
    """Return octets that look random and are the same every time."""
    return random.Random(seed).randbytes  # test keys


@cache
def authorities() -> tuple[LabCertificateAuthority, ...]:
    return lab_authorities(entropy(1))


@cache
def credentials(subject: Eui64) -> SiteCredentials:
    """Return what the bench's authority issued to a hub or device, for both suites."""
    return lab_credentials(authorities(), subject, now=EPOCH, entropy=entropy(int.from_bytes(subject, "big")))


class KeyedNode(ScriptedNode):
    """A scripted device that can establish a key; `spoil` may alter or drop what it sends (None)."""

    def __init__(self, eui64: Eui64 = PPMID, *, suite: Suite = Suite.TWO) -> None:
        super().__init__(eui64)
        self.credentials = credentials(eui64).suites[suite]
        self.entropy = entropy(int.from_bytes(eui64, "big"))
        self.spoil: Callable[[bytes], bytes | None] = bytes
        self.heard: asyncio.Queue[bytes] = asyncio.Queue()

    def on_frame(self, frame: ApsFrame) -> None:
        if frame.cluster == ClusterId.KEY_ESTABLISHMENT:
            assert frame.link_key is None, "key establishment goes in the clear"
            self.heard.put_nowait(frame.payload)
        else:
            super().on_frame(frame)

    async def establish_key(self, *, confirm: bool = True) -> ClientEstablished | ClientFailed:
        """Run the client to its end and take the key, unless `confirm` is False."""
        loop = asyncio.get_running_loop()
        clock = LoopClock(loop, EPOCH)
        client = KeyEstablishmentClient(self.credentials, own=self.eui64, server=HUB, entropy=self.entropy)
        client.start(clock.now())
        while True:
            for request in client.requests():
                data = self.spoil(request)
                if data is not None:
                    await self.say(ClusterId.KEY_ESTABLISHMENT, data, encrypted=False)
            for work in client.work():
                client.finished(work.run(), clock.now())
                break
            else:
                for event in client.events():
                    if isinstance(event, ClientEstablished) and confirm:
                        self.establish(event.key)
                    return event
                due = client.next_timer()
                try:
                    async with asyncio.timeout(None if due is None else max(0.0, due - clock.now())):
                        data = await self.heard.get()
                except TimeoutError:
                    client.expire(clock.now())
                else:
                    client.receive(data, clock.now())


class KeyedBench(Bench):
    """A bench whose radio wants established keys."""

    async def keyed(self, device: Eui64 = PPMID, *, suite: Suite = Suite.TWO) -> KeyedNode:
        """Let a device join and establish its key; return it once it may be talked to."""
        node = await self.joins(device, suite=suite)
        outcome = await node.establish_key()
        assert isinstance(outcome, ClientEstablished), outcome
        await self.listener.until(lambda: device in self.listener.ready)
        return node

    async def joins(self, device: Eui64 = PPMID, *, suite: Suite = Suite.TWO) -> KeyedNode:
        """Let a device join, and no more."""
        node = KeyedNode(device, suite=suite)
        await self.rejoins(node)
        return node

    async def rejoins(self, node: KeyedNode) -> None:
        """Let a device join afresh."""
        self.listener.joined.clear()
        await self.radio.permit_joining(node.eui64, INSTALL_CODES[node.eui64], 60)
        await node.join(self.air)
        await self.listener.until(lambda: node.eui64 in self.listener.joined)


@asynccontextmanager
async def keyed_bench(
    dongle: Dongle,
    settings: RadioSettings = KEYED,
    *,
    ncp: Ncp | None = None,
    air: Air | None = None,
    listener: Listener | None = None,
    site: SiteCredentials | None = None,
    seed: int = 2,
) -> AsyncIterator[KeyedBench]:
    """Start a coordinator that demands established keys and stop it afterwards.

    One with another `seed` has other ephemeral keys.
    """
    air = air or Air()
    ncp = ncp or dongle.make(air)
    radio = Coordinator(
        RadioUrl.parse(f"{dongle.family}+emulator://dongle"),
        settings,
        clock=LoopClock(asyncio.get_running_loop(), EPOCH),
        credentials=site or credentials(HUB),
        entropy=entropy(seed),
    )
    with published("dongle", ncp), measured_by_loop(bellows.ash):
        async with started(KeyedBench(air, ncp, radio, listener or Listener())) as running:
            assert isinstance(running, KeyedBench)
            yield running


def held(ncp: Ncp, device: Eui64 = PPMID) -> bytes | None:
    """Return the link key in the dongle's key table."""
    if isinstance(ncp, EzspCoordinator):
        index = ncp.keys.index(device)
        return None if index is None else ncp.nvram.link_keys[index].key
    key = ncp.security.link_key(device)
    return None if key is None else key.key


async def succeed(node: KeyedNode) -> None:
    """Try as a device does, until there is a key; it waits as long as it is told to."""
    for _ in range(8):
        outcome = await node.establish_key()
        if isinstance(outcome, ClientEstablished):
            return
        await asyncio.sleep(outcome.retry_after or 10)
    pytest.fail(f"{node.eui64} got no key")
