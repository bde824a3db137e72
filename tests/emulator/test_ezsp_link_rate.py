"""Octets a second through the real bellows, in virtual time: the model against its published calibration.

The host costs nothing here, so the figures are those of line and air: one client, one block in flight.
"""

from __future__ import annotations

import asyncio

import pytest

from hanota.emulator.air import Air
from hanota.emulator.ezsp.coordinator import EzspCoordinator
from hanota.emulator.line import LineSettings
from hanota.emulator.loop import run_virtual
from tests.emulator.ezsp_support import HUB, hub, join
from tests.emulator.test_znp_link_rate import BLOCKS, RESPONSE_OVERHEAD, BlockClient, serve_blocks


@pytest.mark.benchmark
@pytest.mark.parametrize(
    ("version", "baudrate", "block", "encrypted", "published"),
    [
        pytest.param(13, 115_200, 63, False, 1940, id="63 octets, APS ack, 115200"),
        pytest.param(13, 460_800, 63, False, 3140, id="63 octets, APS ack, 460800"),
        pytest.param(13, 115_200, 56, True, 1757, id="56 octets, APS encryption and ack, 115200"),
        pytest.param(14, 115_200, 63, False, 1940, id="63 octets, APS ack, 115200, EZSP 14"),
    ],
)
def test_one_client_downloads_at_the_rate_the_link_model_was_calibrated_to(
    version: int, baudrate: int, block: int, encrypted: bool, published: int
) -> None:
    async def scenario() -> float:
        air, node = Air(seed=1), BlockClient(encrypted=encrypted)
        line = LineSettings(baudrate=baudrate)
        ncp = EzspCoordinator(air, eui64=HUB, version=version, line=line)
        async with hub(air, version, ncp) as (application, _):
            await join(application, air, node)
            await asyncio.sleep(60)
            serve_blocks(application, node, bytes(block + RESPONSE_OVERHEAD), encrypted=encrypted)
            loop = asyncio.get_running_loop()
            started = loop.time()
            node.ask()
            await node.done.wait()
            return BLOCKS * block / (loop.time() - started)

    rate = run_virtual(scenario())
    print(f"\n{rate:.0f} octets a second, published {published}")  # the figure is the product
    assert rate == pytest.approx(published, rel=0.1)
