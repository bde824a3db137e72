"""Octets a second through the real zigpy-znp, in virtual time: the model against its published calibration.

The host costs nothing here, so the figures are those of line and air: one client, one block in flight.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
import zigpy.types as t

from hanota.emulator.air import Air, ApsFrame
from hanota.emulator.line import LineSettings
from hanota.emulator.loop import run_virtual
from hanota.emulator.znp.coordinator import ZnpCoordinator
from tests.emulator.znp_support import (
    DEVICE_ENDPOINT,
    HUB,
    HUB_ENDPOINT,
    OTA,
    SMART_ENERGY,
    RecordingApplication,
    ScriptedNode,
    hub,
    join,
    packet,
)

if TYPE_CHECKING:
    from zigpy.types import ZigbeePacket

BLOCKS = 300
REQUEST = bytes(17)
"""Image Block Request: ZCL header 3, payload 14."""
RESPONSE_OVERHEAD = 17
"""Image Block Response: ZCL header 3, payload 14 before the data."""


class BlockClient(ScriptedNode):
    """Asks for the next block as soon as it has one."""

    def __init__(self, *, encrypted: bool) -> None:
        super().__init__()
        self._encrypted = encrypted
        self._left = BLOCKS
        self.done = asyncio.Event()

    def on_frame(self, frame: ApsFrame) -> None:
        if frame.cluster == OTA:
            self.ask()

    def ask(self) -> None:
        if self._left == 0:
            self.done.set()
            return
        self._left -= 1
        self.spawn(self._request())

    async def _request(self) -> None:
        await self.send(
            SMART_ENERGY, OTA, DEVICE_ENDPOINT, HUB_ENDPOINT, REQUEST, encrypted=self._encrypted, ack=False
        )


def serve_blocks(
    application: RecordingApplication, node: BlockClient, block: bytes, *, encrypted: bool
) -> None:
    """Answer every request at once, from the tap."""
    options = t.TransmitOptions.ACK
    if encrypted:
        options |= t.TransmitOptions.APS_Encryption
    tasks: set[asyncio.Future[None]] = set()

    def respond(incoming: ZigbeePacket) -> None:
        if incoming.cluster_id == OTA and incoming.src_ep == DEVICE_ENDPOINT:
            response = packet(application, node, block, tx_options=options)
            tasks.add(asyncio.ensure_future(application.send_packet(response)))

    application.tap = respond


@pytest.mark.benchmark
@pytest.mark.parametrize(
    ("baudrate", "block", "encrypted", "published"),
    [
        pytest.param(115_200, 63, False, 2200, id="63 octets, APS ack, 115200"),
        pytest.param(460_800, 63, False, 3300, id="63 octets, APS ack, 460800"),
        pytest.param(115_200, 56, True, 1990, id="56 octets, APS encryption and ack, 115200"),
    ],
)
def test_one_client_downloads_at_the_rate_the_link_model_was_calibrated_to(
    baudrate: int, block: int, encrypted: bool, published: int
) -> None:
    async def scenario() -> float:
        air, node = Air(seed=1), BlockClient(encrypted=encrypted)
        ncp = ZnpCoordinator(air, eui64=HUB, line=LineSettings(baudrate=baudrate))
        async with hub(air, ncp) as (application, _):
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
