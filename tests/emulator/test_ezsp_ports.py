"""The emulated co-processor as other programs open it: pseudo terminal and TCP, in real time."""

from __future__ import annotations

import asyncio

import pytest

from hanota.emulator.air import Air
from hanota.emulator.ezsp.coordinator import EzspCoordinator
from hanota.emulator.loop import loop_factory
from hanota.emulator.tty import served_on_pty, served_on_tcp
from tests.emulator.ezsp_support import HUB, VERSIONS, ScriptedNode, formed_memory, join, packet, started

FAST_LINE_SPEED = 5
"""How much faster than the wall these tests run: scaled waits, and acknowledgements still come in time."""


async def exercise(path: str, air: Air) -> None:
    """Start on the network formed before, join, send, through the port `path`."""
    node = ScriptedNode()
    async with started(path, form=False) as application:
        await join(application, air, node)
        await application.send_packet(packet(application, node, b"through a real descriptor"))
        assert node.received[-1].payload == b"through a real descriptor"


@pytest.mark.parametrize("version", VERSIONS)
def test_bellows_drives_the_co_processor_on_a_pseudo_terminal(version: int) -> None:
    async def scenario() -> None:
        air = Air()
        ncp = EzspCoordinator(air, eui64=HUB, version=version, nvram=formed_memory())
        async with served_on_pty(ncp.line) as path:
            await exercise(path, air)
        ncp.stop()

    with asyncio.Runner(loop_factory=loop_factory(FAST_LINE_SPEED)) as runner:
        runner.run(scenario())


def test_bellows_drives_the_co_processor_over_tcp() -> None:
    async def scenario() -> None:
        air = Air()
        ncp = EzspCoordinator(air, eui64=HUB, nvram=formed_memory())
        async with served_on_tcp(ncp.line) as url:
            await exercise(url, air)
        ncp.stop()

    with asyncio.Runner(loop_factory=loop_factory(FAST_LINE_SPEED)) as runner:
        runner.run(scenario())
