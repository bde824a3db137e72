"""The emulated EmberZNet co-processor when its host, its line or its devices overdo it."""

from __future__ import annotations

import asyncio
import struct
import tracemalloc
from dataclasses import replace

from hanota.emulator.ezsp.ash import AshSettings, AshState
from hanota.emulator.ezsp.ncp import EzspSettings
from hanota.emulator.line import Direction
from hanota.emulator.loop import run_virtual
from tests.emulator.ash_host import stuffed, whiten
from tests.emulator.ezsp_host import (
    SMART_ENERGY,
    Host,
    play,
)
from tests.emulator.znp_support import OTA


def test_a_host_that_takes_no_callbacks_loses_some_and_is_told_so() -> None:
    async def scenario(host: Host) -> None:
        host.ncp.line.to_host.muted = True
        for number in range(60):
            await host.device.send(SMART_ENERGY, OTA, 5, 3, bytes((number,)), ack=False)
        host.ncp.line.to_host.muted = False
        assert host.ncp.statistics.dropped_callbacks > 0
        host.controls.clear()
        await host.listen(5)
        assert host.controls[0] & 0x01
        await host.command(0x0005)
        assert not host.controls[-1] & 0x01
        assert len(host.ash.received) > 30

    play(scenario)


def test_malformed_flood_leaves_memory_flat_and_the_dongle_answering() -> None:
    async def scenario(host: Host) -> None:
        chance = host.ncp.random
        _flood = [chance.randbytes(2000) for _ in range(20)]
        for octets in _flood:
            host.ncp.line.write(Direction.TO_NCP, octets)
            await asyncio.sleep(0.2)
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        for octets in _flood * 5:
            host.ncp.line.write(Direction.TO_NCP, octets)
            await asyncio.sleep(0.2)
        grown = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
        assert grown < 100_000
        await host.start()
        assert await host.command(0x0018) == b"\x02"

    play(scenario)


def test_a_host_that_never_waits_for_responses_loses_commands_and_harms_nobody_else() -> None:
    async def scenario(host: Host) -> None:
        settings = replace(host.ncp.settings.ash, max_responses=2)
        host.ncp.ash.settings = settings
        host.ncp.line.to_host.muted = True
        number = host.ash._next_sent
        for _ in range(40):
            frame = bytes((number << 4 | host.ash._next_received,)) + whiten(struct.pack("<BBBH", 0, 0, 1, 5))
            host.ncp.line.write(Direction.TO_NCP, stuffed(frame))
            number = (number + 1) % 8
        await asyncio.sleep(0.5)
        assert host.ncp.statistics.overrun_commands > 0
        host.ncp.line.to_host.muted = False
        await host.start()
        assert await host.command(0x0018) == b"\x02"

    play(scenario)


def test_a_link_given_up_is_an_error_until_the_host_resets_it() -> None:
    async def scenario() -> None:
        host = Host(settings=EzspSettings(ash=AshSettings(max_timeouts=1)))
        await host.start()
        host.ncp.line.to_host.muted = True
        host.ash.send(b"\x01\x00\x01\x05\x00", 0.0)
        host.flush()
        await asyncio.sleep(20)
        assert host.ncp.ash.state is AshState.FAILED
        host.ncp.line.to_host.muted = False
        host.ash.send(b"\x02\x00\x01\x05\x00", 0.0)
        host.ash.expire(100.0)
        host.flush()
        await asyncio.sleep(0.1)
        assert host.ash.errors[-1:] == [0x51]
        await host.start()
        host.ncp.stop()

    run_virtual(scenario())
