"""A hub that is a node of the air and establishes keys: the Key Establishment server without a dongle."""

from __future__ import annotations

import asyncio
import random
import struct
from typing import TYPE_CHECKING

from hanota.clock import LoopClock
from hanota.emulator.air import Admission, Air, ApsFrame
from hanota.emulator.node import HanNode
from hanota.emulator.zdo import SimpleDescriptor
from hanota.eui64 import Eui64
from hanota.zcl import PROFILE_SMART_ENERGY, ClusterId, Direction, GeneralCommand, ZclFrame
from hanota.zse.cbke import Suite, lab_authorities, lab_credentials
from hanota.zse.key_establishment import (
    Failed,
    InstallKey,
    KeyEstablished,
    KeyEstablishmentServer,
    KeyEstablishmentSettings,
    RemoveKey,
)

if TYPE_CHECKING:
    from hanota.zse.cbke import CbkeCredentials, SiteCredentials
    from hanota.zse.key_establishment import ServerEvent

HUB = Eui64.parse("00-DB-12-34-56-78-90-A2")
EPOCH = 1_800_000_000.0
HUB_ENDPOINT = 3
CLUSTERS = (
    ClusterId.BASIC,
    ClusterId.KEY_ESTABLISHMENT,
    ClusterId.TIME,
    ClusterId.OTA_UPGRADE,
    ClusterId.KEEP_ALIVE,
)
ATTRIBUTES = {
    ClusterId.KEY_ESTABLISHMENT: struct.pack("<HBBH", 0, 0, 0x31, 3),
    ClusterId.KEEP_ALIVE: struct.pack("<HBBBHBBH", 0, 0, 0x20, 10, 1, 0, 0x21, 300),
    ClusterId.TIME: struct.pack("<HBBIHBBB", 0, 0, 0xE2, 853_000_000, 1, 0, 0x18, 9),
}


class LabCa:
    """A lab CA of both suites that anybody may have credentials of."""

    def __init__(self, seed: int = 0) -> None:
        self._entropy = random.Random(seed).randbytes
        self._authorities = lab_authorities(self._entropy)

    def site(self, subject: Eui64) -> SiteCredentials:
        return lab_credentials(self._authorities, subject, now=EPOCH, entropy=self._entropy)

    def issue(self, subject: Eui64, suite: Suite = Suite.TWO) -> CbkeCredentials:
        return self.site(subject).suites[suite]


class Hub(HanNode):
    """Coordinator, trust centre and Key Establishment server; what else it hears it keeps."""

    permits_joining = True

    def __init__(self, air: Air, site: SiteCredentials) -> None:
        endpoint = SimpleDescriptor(HUB_ENDPOINT, PROFILE_SMART_ENERGY, 0x0500, CLUSTERS)
        super().__init__(HUB, install_code=bytes(16), endpoints=[endpoint], capabilities=0x8F)
        self.air = air
        self.clock = LoopClock(asyncio.get_running_loop(), EPOCH)
        self.site = site
        self.server = self._new_server()
        self.join_keys: dict[Eui64, bytes] = {}
        self.keys: dict[Eui64, bytes] = {}
        self.told: list[ServerEvent] = []
        self.received: list[ApsFrame] = []
        self.gone: list[Eui64] = []
        self.answers = True
        self._handle: asyncio.TimerHandle | None = None

    async def up(self) -> None:
        self.commission(self.air, Admission(0, HUB, bytes(16)))
        await self.power_on()
        self.air.network(HUB).trust_centre = self

    def admit(self, eui64: Eui64, capabilities: int) -> Admission | None:
        key = self.join_keys.get(eui64)
        if key is None:
            return None
        self.keys.pop(eui64, None)
        return Admission(1 + list(self.join_keys).index(eui64), HUB, key)

    def departed(self, eui64: Eui64, nwk: int, *, rejoin: bool) -> None:
        self.gone.append(eui64)

    def link_key_for(self, peer: Eui64) -> bytes | None:
        return self.keys.get(peer) or self.join_keys.get(peer)

    def failures(self) -> list[Failed]:
        return [event for event in self.told if isinstance(event, Failed)]

    def agreed(self) -> set[Eui64]:
        return {event.device for event in self.told if isinstance(event, KeyEstablished)}

    def on_frame(self, frame: ApsFrame) -> None:
        device = self.air.network(HUB).eui64_of(frame.source)
        if not self.answers or device is None:
            return
        request = ZclFrame.decode(frame.payload)
        if not request.cluster_specific and request.command == GeneralCommand.READ_ATTRIBUTES:
            answer = ZclFrame(
                request.sequence,
                GeneralCommand.READ_ATTRIBUTES_RESPONSE,
                ATTRIBUTES.get(ClusterId(frame.cluster), b""),
                Direction.TO_CLIENT,
                cluster_specific=False,
            )
            self.spawn(self._answer(frame, device, answer.encode()))
        if frame.cluster == ClusterId.KEY_ESTABLISHMENT:
            if request.cluster_specific:
                self.server.receive(device, frame.payload, self.clock.now())
                self.pump()
        else:
            self.received.append(frame)

    def pump(self) -> None:
        """Do what the server asks for: keys at once, messages and computing in their own time."""
        for event in self.server.events():
            self.told.append(event)
            match event:
                case InstallKey():
                    self.keys[event.device] = event.key
                    self.server.installed(event.device, self.clock.now())
                    self.pump()
                    return
                case RemoveKey():
                    self.keys.pop(event.device, None)
                case _:
                    pass
        for device, data in self.server.responses():
            self.spawn(self._respond(device, data))
        for work in self.server.work():
            self.server.finished(work.run(), self.clock.now())
            self.pump()
            return
        if self._handle is not None:
            self._handle.cancel()
        due = self.server.next_timer()
        if due is not None:
            delay = max(0.0, due - self.clock.now())
            self._handle = asyncio.get_running_loop().call_later(delay, self._expire)

    async def give(self, cluster: int, device: Eui64, data: bytes, *, encrypted: bool) -> bool:
        network = self.air.network(HUB)
        nwk = next(node.nwk for node in network.topology.nodes if node.eui64 == device)
        status = await self._transmit(
            ApsFrame(
                0,
                nwk,
                HUB_ENDPOINT,
                1,
                PROFILE_SMART_ENERGY,
                cluster,
                data,
                link_key=self.link_key_for(device) if encrypted else None,
                sequence=self.next_sequence(),
                ack=True,
            )
        )
        return status.name == "SUCCESS"

    async def _answer(self, frame: ApsFrame, device: Eui64, data: bytes) -> None:
        await self.give(frame.cluster, device, data, encrypted=frame.secured)

    def forget_key(self, device: Eui64) -> None:
        """What a dongle does that was replaced."""
        del self.keys[device]
        self.renew()

    def renew(self) -> None:
        """Begin with a server that knows of nothing."""
        self.server = self._new_server()

    async def _respond(self, device: Eui64, data: bytes) -> None:
        if await self.give(ClusterId.KEY_ESTABLISHMENT, device, data, encrypted=False):
            self.server.delivered(device, data, self.clock.now())
        else:
            self.server.undelivered(device, data, self.clock.now())
        self.pump()

    def _expire(self) -> None:
        self._handle = None
        self.server.expire(self.clock.now())
        self.pump()

    def _new_server(self) -> KeyEstablishmentServer:
        entropy = random.Random(7).randbytes
        return KeyEstablishmentServer(self.site, KeyEstablishmentSettings(), own=HUB, entropy=entropy)
