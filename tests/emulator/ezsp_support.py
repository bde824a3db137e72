"""A stock bellows application on an emulated co-processor."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import bellows.ash
import zigpy.types as t
from bellows.zigbee.application import ControllerApplication

from hanota.emulator.ezsp.coordinator import EzspCoordinator
from hanota.emulator.ezsp.nvram import EzspNvram, NetworkParameters, StoredNetwork
from hanota.emulator.loop import measured_by_loop
from hanota.emulator.serialx_handler import published
from hanota.zse.install_code import install_code_key
from tests.emulator.recording_support import Recording
from tests.emulator.znp_support import (
    DEVICE_ENDPOINT,
    HUB,
    HUB_DESCRIPTOR,
    HUB_ENDPOINT,
    INSTALL_CODE,
    OTA,
    PPMID,
    PPMID_ENDPOINT,
    SMART_ENERGY,
    ScriptedNode,
    packet,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from hanota.emulator.air import Air
    from hanota.emulator.node import HanNode

__all__ = (
    "DEVICE_ENDPOINT",
    "HUB",
    "HUB_ENDPOINT",
    "INSTALL_CODE",
    "OTA",
    "PPMID",
    "PPMID_ENDPOINT",
    "SMART_ENERGY",
    "ScriptedNode",
    "packet",
)
VERSIONS = (13, 14)
"""The two generations of EZSP; 16 to 18 differ from 14 in nothing that is used here."""


class RecordingApplication(Recording, ControllerApplication):  # type: ignore[misc]  # bellows comes without types
    """The stock application; only what it is told is kept."""


def configuration(path: str) -> dict[str, Any]:
    """What hanota would ask of zigpy: everything it does not need is off."""
    return {
        "device": {"path": path, "baudrate": 115_200, "flow_control": "hardware"},
        "network": {
            "channel": 15,
            "pan_id": 0x8C54,
            "key": list(range(16)),
            "extended_pan_id": str(t.EUI64(HUB[::-1])),
        },
        "ota": {"enabled": False, "broadcast_enabled": False, "providers": []},
        "topology_scan_enabled": False,
        "backup_enabled": False,
        "additional_endpoints": [HUB_DESCRIPTOR],
        "use_thread": False,
    }


@asynccontextmanager
async def started(path: str, *, form: bool = True) -> AsyncIterator[RecordingApplication]:
    """A started application on the port `path`."""
    with measured_by_loop(bellows.ash):
        application = RecordingApplication(configuration(path))
        await application.startup(auto_form=form)
        try:
            yield application
        finally:
            await application.shutdown()


def formed_memory() -> EzspNvram:
    """The non-volatile memory of a dongle on a network whose keys are no secret."""
    parameters = NetworkParameters(HUB.to_zigbee(), 0x8C54, 8, 15, channels=1 << 15)
    return EzspNvram(network=StoredNetwork(parameters, bytes(range(16)), 0, bytes(16), 0x0084, HUB))


@asynccontextmanager
async def hub(
    air: Air, version: int, ncp: EzspCoordinator | None = None
) -> AsyncIterator[tuple[RecordingApplication, EzspCoordinator]]:
    """An application on a co-processor of `air`; one without a network is formed first.

    Forming loses the endpoints, so the application is then started a second time.
    """
    ncp = ncp or EzspCoordinator(air, eui64=HUB, version=version, nvram=formed_memory())
    with published("ezsp0", ncp) as url:
        if ncp.nvram.network is None:
            async with started(url):
                pass
        async with started(url, form=False) as application:
            yield application, ncp
    ncp.stop()


async def join(
    application: RecordingApplication, air: Air, node: HanNode, code: bytes = INSTALL_CODE
) -> None:
    """Open the window for `node` with the key of `code`, let it join, close the window again."""
    ieee = t.EUI64(node.eui64.to_zigbee())
    await application.permit_with_link_key(ieee, t.KeyData(install_code_key(code)), time_s=60)
    try:
        await node.join(air)
    finally:
        await application.permit_ncp(0)
