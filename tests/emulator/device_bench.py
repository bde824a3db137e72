"""One device of a han.toml on the network of a hub that answers nothing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hanota.emulator.air import Admission, ApsFrame
from hanota.emulator.devices import FirmwareDevice
from hanota.gbcs.reference_test_data import HUB
from hanota.zcl import PROFILE_SMART_ENERGY, ClusterId
from tests.emulator.emulate_support import TWO_DEVICES, make_han

if TYPE_CHECKING:
    from pathlib import Path

    from hanota.eui64 import Eui64


class HubNode:
    """Node 0x0000 of the air, which keeps what it receives."""

    def __init__(self) -> None:
        self.eui64, self.nwk, self.capabilities = HUB, 0x0000, 0x8F
        self.received: list[ApsFrame] = []

    def link_key_for(self, peer: Eui64) -> bytes | None:
        return bytes(16)

    def receive(self, frame: ApsFrame) -> None:
        if frame.source_endpoint:
            self.received.append(frame)


class Bench:
    """One device on the network of a hub that answers nothing."""

    def __init__(self, folder: Path, eui64: Eui64, toml: str = TWO_DEVICES) -> None:
        self.han = make_han(toml, folder)
        self.member = self.han.members[eui64]
        assert isinstance(self.member.node, FirmwareDevice)
        self.device: FirmwareDevice = self.member.node
        self.hub = HubNode()
        self.han.air.attach(self.hub)
        self.told: list[str] = []

    async def up(self) -> None:
        self.device.commission(self.han.air, Admission(0x1234, HUB, bytes(16)))
        await self.device.power_on()

    async def answers(
        self,
        cluster: ClusterId,
        payload: bytes,
        *,
        key: bytes | None = bytes(16),
        destination: int = 0x1234,
    ) -> list[ApsFrame]:
        """Send the device a frame, encrypted with `key`, and return what it sends within a second."""
        self.hub.received.clear()
        endpoint = self.device.device_settings.ota_endpoint
        self.device.receive(
            ApsFrame(0, destination, 3, endpoint, PROFILE_SMART_ENERGY, cluster, payload, link_key=key)
        )
        await asyncio.sleep(1)
        return [frame for frame in self.hub.received if frame.cluster == cluster]
