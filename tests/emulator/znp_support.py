"""A stock zigpy-znp application on an emulated coordinator, and a scripted HAN device."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import zigpy.types as t
from zigpy_znp.zigbee.application import ControllerApplication

from hanota.emulator.node import HanNode
from hanota.emulator.serialx_handler import published
from hanota.emulator.zdo import SimpleDescriptor
from hanota.emulator.znp.coordinator import ZnpCoordinator
from hanota.eui64 import Eui64
from hanota.zse.install_code import install_code_key
from tests.emulator.recording_support import Recording

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from hanota.emulator.air import Air, ApsFrame

HUB = Eui64.parse("00-12-4B-00-AA-BB-CC-DD")
PPMID = Eui64.parse("00-DB-12-34-56-78-90-A4")
INSTALL_CODE = bytes.fromhex("83FED3407A939723A5C639B26916D505")
SMART_ENERGY = 0x0109
OTA = 0x0019
HUB_ENDPOINT = 3
DEVICE_ENDPOINT = 5
PPMID_ENDPOINT = SimpleDescriptor(DEVICE_ENDPOINT, SMART_ENERGY, 0x0502, (0x0000,), (OTA,))
HUB_DESCRIPTOR = {
    "endpoint": HUB_ENDPOINT,
    "profile": SMART_ENERGY,
    "device_type": 0x0500,
    "device_version": 0,
    "input_clusters": [0x0000, 0x000A, OTA, 0x0704],
    # Not OTA: stock zigpy would then ask the coordinator itself for its file version, for 15 s.
    "output_clusters": [0x0704],
}


class ScriptedNode(HanNode):
    """Records what it receives."""

    def __init__(self, eui64: Eui64 = PPMID, *, endpoint: SimpleDescriptor = PPMID_ENDPOINT) -> None:
        super().__init__(eui64, install_code=INSTALL_CODE, endpoints=[endpoint], manufacturer_code=0x1234)
        self.received: list[ApsFrame] = []
        self.arrived = asyncio.Event()

    def on_frame(self, frame: ApsFrame) -> None:
        self.received.append(frame)
        self.arrived.set()


class RecordingApplication(Recording, ControllerApplication):  # type: ignore[misc]  # zigpy-znp comes without types
    """The stock application; only what it is told is kept."""


def configuration(path: str) -> dict[str, Any]:
    """What hanota would ask of zigpy: everything it does not need is off."""
    return {
        "device": {"path": path, "baudrate": 115_200, "flow_control": None},
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
        "znp_config": {"skip_bootloader": False, "prefer_endpoint_1": False, "led_mode": None},
    }


@asynccontextmanager
async def started(path: str, *, form: bool = True) -> AsyncIterator[RecordingApplication]:
    """A started application on the port `path`."""
    application = RecordingApplication(configuration(path))
    await application.startup(auto_form=form)
    try:
        yield application
    finally:
        await application.shutdown()


@asynccontextmanager
async def hub(
    air: Air, ncp: ZnpCoordinator | None = None
) -> AsyncIterator[tuple[RecordingApplication, ZnpCoordinator]]:
    """An application on an emulated coordinator of `air`, in this process."""
    ncp = ncp or ZnpCoordinator(air, eui64=HUB)
    with published("znp0", ncp) as url:
        async with started(url) as application:
            yield application, ncp
    ncp.stop()


async def join(
    application: RecordingApplication, air: Air, node: HanNode, code: bytes = INSTALL_CODE
) -> None:
    """Open the window for `node` with the key of `code` and let it join."""
    ieee = t.EUI64(node.eui64.to_zigbee())
    key = t.KeyData(install_code_key(code))
    window = asyncio.create_task(application.permit_with_link_key(ieee, key, time_s=60))
    try:
        await asyncio.sleep(0.5)  # by then the window is open
        await node.join(air)
    finally:
        window.cancel()
        await asyncio.gather(window, return_exceptions=True)


def packet(application: RecordingApplication, node: HanNode, data: bytes, **changes: Any) -> t.ZigbeePacket:
    """A unicast from the hub's Smart Energy endpoint."""
    fields = {
        "src": t.AddrModeAddress(addr_mode=t.AddrMode.NWK, address=application.state.node_info.nwk),
        "src_ep": HUB_ENDPOINT,
        "dst": t.AddrModeAddress(addr_mode=t.AddrMode.NWK, address=node.nwk),
        "dst_ep": DEVICE_ENDPOINT,
        "tsn": 1,
        "profile_id": SMART_ENERGY,
        "cluster_id": OTA,
        "data": t.SerializableBytes(data),
        "tx_options": t.TransmitOptions.ACK | t.TransmitOptions.APS_Encryption,
    }
    return t.ZigbeePacket(**(fields | changes))
