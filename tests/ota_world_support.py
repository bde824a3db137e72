"""Upgrade Server and Upgrade Clients through a bad link, in virtual time."""

from __future__ import annotations

import heapq
import itertools
import random
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from hanota.eui64 import Eui64
from hanota.ota.build import build_ppmid_image
from hanota.ota.client import ClientIdentity, OtaClient
from hanota.ota.fields import ImageId
from hanota.ota.header import OtaHeader
from hanota.zcl import Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from hanota.ota.client_events import ClientEvent
    from hanota.ota.events import OtaEvent
    from hanota.ota.image import OtaFile
    from hanota.ota.request import Outgoing
    from hanota.ota.server import OtaServer
    from hanota.ota.settings import OtaClientSettings

START = 1_790_000_000.0
MANUFACTURER, IMAGE_TYPE, OLD, NEW = 0x121D, 0x0084, 0x01, 0x02


def ota_file(size: int, version: int = NEW) -> OtaFile:
    return build_ppmid_image(
        OtaHeader(MANUFACTURER, IMAGE_TYPE, version), random.Random(size).randbytes(size)
    )


def new_client(client_settings: OtaClientSettings | None = None) -> OtaClient:
    identity = ClientIdentity(ImageId(MANUFACTURER, IMAGE_TYPE, OLD))
    return OtaClient(identity, lambda _: Status.SUCCESS, client_settings)


@dataclass
class Link:
    """What the air does to frames: each may be lost, doubled, or so late that others pass it."""

    seed: int = 0
    loss: float = 0.0
    duplication: float = 0.0
    reordering: float = 0.0
    random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    def delays(self) -> list[float]:
        copies = 1 + (self.random.random() < self.duplication)
        return [
            self.random.uniform(0.0, 8.0) if self.random.random() < self.reordering else 0.01
            for _ in range(copies)
            if self.random.random() >= self.loss
        ]


class World:
    """One server and its devices; a heap of what is on the air, and the timers of both sides."""

    def __init__(self, server: OtaServer, clients: dict[Eui64, OtaClient], link: Link) -> None:
        self.server, self.clients, self.link = server, clients, link
        self.now = START
        self.server_events: list[OtaEvent] = []
        self.client_events: dict[Eui64, list[ClientEvent]] = {device: [] for device in clients}
        self.frames = 0
        self.confirms = True
        """Whether the radio tells that a frame is off the air."""
        self._air: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def at(self, when: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._air, (when, next(self._order), action))

    def _carry(self, action: Callable[[], None]) -> None:
        self.frames += 1
        for delay in self.link.delays():
            self.at(self.now + delay, action)

    def _to_device(self, device: Eui64, data: bytes) -> None:
        self.clients[device].receive(data, self.now)

    def _to_server(self, device: Eui64, data: bytes) -> None:
        self.server.receive(device, data, self.now)

    def _confirm(self, out: Outgoing) -> None:
        self.server.confirm(out, self.now, delivered=True)

    def _collect(self) -> None:
        for out in self.server.responses():
            self._carry(partial(self._to_device, out.device, out.data))
            if self.confirms and out.bulk:
                self.at(self.now + 0.02, partial(self._confirm, out))
        for data in self.server.broadcasts():
            for client in self.clients.values():
                draw = self.link.random.randint(1, 100)
                self._carry(partial(client.receive, data, self.now, draw))
        self.server_events += self.server.events()
        for device, client in self.clients.items():
            for data in client.requests():
                self._carry(partial(self._to_server, device, data))
            self.client_events[device] += client.events()

    def run(self, until: Callable[[], bool], seconds: float = 14 * 24 * 3600.0) -> None:
        """Run until `until()`, or until nothing is left to happen, or `seconds` have gone by."""
        deadline = START + seconds
        while True:
            self._collect()
            if until():
                return
            timers = [self.server.next_timer(), *(client.next_timer() for client in self.clients.values())]
            times = [at for at in timers if at is not None] + ([self._air[0][0]] if self._air else [])
            if not times or min(times) > deadline:
                return
            self.now = max(self.now, min(times))
            while self._air and self._air[0][0] <= self.now:
                heapq.heappop(self._air)[2]()
                self._collect()
            self.server.expire(self.now)
            for client in self.clients.values():
                client.expire(self.now)

    def told(self, device: Eui64, kind: type) -> list[ClientEvent]:
        return [event for event in self.client_events[device] if isinstance(event, kind)]


def device_number(number: int) -> Eui64:
    return Eui64(bytes.fromhex("00DB123456789000")[:7] + bytes((number,)))
