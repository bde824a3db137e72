"""The emulated coordinator as other programs open it: pseudo terminal and TCP, in real time."""

from __future__ import annotations

import asyncio

import pytest
from zigpy.serial import create_serial_connection

from hanota.emulator.air import Air
from hanota.emulator.loop import loop_factory
from hanota.emulator.serialx_handler import publish, published, withdraw
from hanota.emulator.tty import served_on_pty, served_on_tcp
from hanota.emulator.znp.coordinator import ZnpCoordinator
from hanota.errors import LocalProtocolError
from tests.emulator.znp_support import HUB, ScriptedNode, join, packet, started

FAST_LINE_SPEED = 20
"""How much faster than the wall these tests run: real descriptors, scaled waits."""


async def exercise(path: str, air: Air) -> None:
    """Form, join, send, through the port `path`."""
    node = ScriptedNode()
    async with started(path) as application:
        await join(application, air, node)
        await application.send_packet(packet(application, node, b"through a real descriptor"))
        assert node.received[-1].payload == b"through a real descriptor"


def test_zigpy_znp_drives_the_coordinator_on_a_pseudo_terminal() -> None:
    async def scenario() -> None:
        air = Air()
        ncp = ZnpCoordinator(air, eui64=HUB)
        async with served_on_pty(ncp.line) as path:
            await exercise(path, air)
        ncp.stop()

    with asyncio.Runner(loop_factory=loop_factory(FAST_LINE_SPEED)) as runner:
        runner.run(scenario())


def test_zigpy_znp_drives_the_coordinator_over_tcp_and_a_second_client_is_turned_away() -> None:
    async def scenario() -> None:
        air = Air()
        ncp = ZnpCoordinator(air, eui64=HUB)
        async with served_on_tcp(ncp.line) as url:
            await exercise(url, air)
            host, port = url.removeprefix("socket://").split(":")
            _, first = await asyncio.open_connection(host, int(port))
            first.write(bytes.fromhex("fe00210120"))
            second_reader, second = await asyncio.open_connection(host, int(port))
            with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
                await second_reader.readexactly(1)
            for client in (first, second):
                client.close()
            await asyncio.sleep(1)
        ncp.stop()

    with asyncio.Runner(loop_factory=loop_factory(FAST_LINE_SPEED)) as runner:
        runner.run(scenario())


def test_unplugging_hangs_up_a_pseudo_terminal_and_a_tcp_client() -> None:
    async def scenario() -> None:
        for serve in (served_on_pty, served_on_tcp):
            ncp = ZnpCoordinator(Air(), eui64=HUB)
            async with serve(ncp.line) as path, started(path) as application:
                ncp.line.unplug()
                async with asyncio.timeout(20):
                    await application.lost
            ncp.stop()

    with asyncio.Runner(loop_factory=loop_factory(FAST_LINE_SPEED)) as runner:
        runner.run(scenario())


async def test_an_unknown_name_is_refused_and_the_running_ones_are_named() -> None:
    with (
        published("znp0", ZnpCoordinator(Air(), eui64=HUB)),
        pytest.raises(ConnectionRefusedError, match=r"'znp9'.*'znp0'"),
    ):
        await create_serial_connection(asyncio.get_running_loop(), asyncio.Protocol, "emulator://znp9")


async def test_a_port_is_opened_by_one_program_at_a_time() -> None:
    loop = asyncio.get_running_loop()
    with published("znp0", ZnpCoordinator(Air(), eui64=HUB)) as url:
        transport, _ = await create_serial_connection(loop, asyncio.Protocol, url)
        with pytest.raises(PermissionError, match="locked"):
            await create_serial_connection(loop, asyncio.Protocol, url)
        transport.close()
        again, _ = await create_serial_connection(loop, asyncio.Protocol, url)
        again.close()


def test_two_dongles_cannot_have_one_name() -> None:
    publish("znp0", ZnpCoordinator(Air(), eui64=HUB))
    try:
        with pytest.raises(LocalProtocolError, match="znp0"):
            publish("znp0", ZnpCoordinator(Air(), eui64=HUB))
    finally:
        withdraw("znp0")
