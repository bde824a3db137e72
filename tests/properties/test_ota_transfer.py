"""Upgrade Server and Upgrade Client through a bad link, in virtual time: success, or a named failure."""

from __future__ import annotations

import heapq
import itertools
import random
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hanota.eui64 import Eui64
from hanota.ota.build import build_ppmid_image
from hanota.ota.client import ClientIdentity, OtaClient
from hanota.ota.client_events import (
    Activate,
    ClientEvent,
    DownloadComplete,
    DownloadFailed,
    DownloadFailure,
    WaitForActivation,
)
from hanota.ota.events import BlockServed, OtaEvent, TransferExpired, UpgradeEnded
from hanota.ota.fields import ImageId
from hanota.ota.header import OtaHeader
from hanota.ota.server import OtaServer
from hanota.ota.session import Activation, SessionState
from hanota.ota.settings import OtaClientSettings, OtaServerSettings
from hanota.zcl import Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from hanota.ota.image import OtaFile

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

    def _collect(self) -> None:
        for out in self.server.responses():
            self._carry(partial(self._to_device, out.device, out.data))
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


probability = st.floats(0.0, 0.4)


@settings(deadline=None, max_examples=400)
@given(
    size=st.integers(1, 900),
    link=st.builds(Link, st.integers(0, 2**32), probability, probability, probability),
    block=st.sampled_from((16, 48, 63)),
    new_sequence=st.booleans(),
    activation=st.sampled_from(Activation),
)
def test_any_link_ends_in_success_with_every_octet_or_in_a_named_failure(
    size: int, link: Link, block: int, new_sequence: bool, activation: Activation
) -> None:
    file, device = ota_file(size), device_number(1)
    server = OtaServer(OtaServerSettings(block_size=block))
    client = new_client(OtaClientSettings(new_sequence_on_retry=new_sequence))
    world = World(server, {device: client}, link)
    server.offer(device, file, activation, START)

    def ended() -> bool:
        return bool(
            world.told(device, Activate)
            or world.told(device, WaitForActivation)
            or world.told(device, DownloadFailed)
        )

    world.run(ended)
    completed = world.told(device, DownloadComplete)
    assert all(isinstance(event, DownloadComplete) and event.data == file.data for event in completed)
    if failures := world.told(device, DownloadFailed):
        assert isinstance(failures[-1], DownloadFailed)
        assert failures[-1].reason in {
            DownloadFailure.QUERY_UNANSWERED,
            DownloadFailure.BLOCKS_FAILED,
            DownloadFailure.UPGRADE_END_UNANSWERED,
        }
    else:
        assert completed
        assert client.image == file.data
        assert server.state(device) is SessionState.COMPLETE
        expected = Activate if activation is Activation.IMMEDIATE else WaitForActivation
        assert len(world.told(device, expected)) == 1


@settings(deadline=None, max_examples=150)
@given(
    size=st.integers(1, 600),
    link=st.builds(Link, st.integers(0, 2**32), st.just(0.0), probability, probability),
)
def test_without_loss_duplicates_and_late_frames_never_multiply_nor_stop_the_download(
    size: int, link: Link
) -> None:
    file, device = ota_file(size), device_number(1)
    server, client = OtaServer(), new_client(OtaClientSettings(response_timeout=10.0))
    world = World(server, {device: client}, link)
    server.offer(device, file, Activation.IMMEDIATE, START)
    world.run(lambda: bool(world.told(device, Activate)))
    assert world.told(device, Activate)
    assert client.image == file.data
    exchanges = 3 + -(-len(file.data) // 48)
    assert world.frames <= 8 * exchanges


@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_several_devices_at_once_each_get_their_own_image(data: st.DataObject) -> None:
    count = data.draw(st.integers(2, 6))
    files = {device_number(n): ota_file(data.draw(st.integers(1, 500)), NEW + n) for n in range(count)}
    link = Link(data.draw(st.integers(0, 2**32)), data.draw(st.floats(0.0, 0.1)), 0.1, 0.1)
    server = OtaServer(OtaServerSettings(concurrent_transfers=data.draw(st.integers(1, 3))))
    world = World(server, {device: new_client() for device in files}, link)
    for device, file in files.items():
        server.offer(device, file, Activation.IMMEDIATE, START)
    world.run(
        lambda: all(world.told(device, Activate) or world.told(device, DownloadFailed) for device in files)
    )
    for device, file in files.items():
        assert world.told(device, Activate) or world.told(device, DownloadFailed)
        for event in world.told(device, DownloadComplete):
            assert isinstance(event, DownloadComplete)
            assert event.data == file.data


@settings(deadline=None, max_examples=150)
@given(
    size=st.integers(1, 600),
    device_reboots=st.lists(st.floats(0.0, 60.0), max_size=4),
    hub_restarts=st.lists(st.floats(0.0, 60.0), max_size=3),
    with_query=st.booleans(),
    seed=st.integers(0, 2**32),
)
def test_reboots_of_device_and_hub_lose_nothing(
    size: int, device_reboots: list[float], hub_restarts: list[float], with_query: bool, seed: int
) -> None:
    file, device = ota_file(size), device_number(1)
    client = new_client(OtaClientSettings(resume_with_query=with_query))
    world = World(OtaServer(), {device: client}, Link(seed, loss=0.05, reordering=0.3))
    world.server.offer(device, file, Activation.IMMEDIATE, START)

    def restart_hub() -> None:
        state = world.server.state(device)
        assert state is not None
        world.server = OtaServer()
        world.server.restore(device, file, Activation.IMMEDIATE, state, world.now)

    def reboot_device() -> None:
        if not world.told(device, Activate):
            client.resume(world.now)

    for after in device_reboots:
        world.at(START + after, reboot_device)
    for after in hub_restarts:
        world.at(START + after, restart_hub)
    world.run(lambda: bool(world.told(device, Activate) or world.told(device, DownloadFailed)))
    assert world.told(device, Activate) or world.told(device, DownloadFailed)
    if world.told(device, Activate):
        assert client.image == file.data


@settings(deadline=None, max_examples=60)
@given(
    blocks=st.integers(1, 12),
    rest=st.sampled_from((-1, 0, 1)),
    block=st.sampled_from((1, 16, 48, 63, 64, 255)),
)
def test_a_clean_link_serves_each_octet_once_whatever_the_size(blocks: int, rest: int, block: int) -> None:
    header = OtaHeader(MANUFACTURER, IMAGE_TYPE, NEW).header_length
    size = max(1, blocks * block + rest - header)
    file, device = ota_file(size), device_number(1)
    server = OtaServer(OtaServerSettings(block_size=block))
    world = World(server, {device: new_client(OtaClientSettings(maximum_data_size=255))}, Link())
    server.offer(device, file, Activation.IMMEDIATE, START)
    world.run(lambda: bool(world.told(device, Activate)))
    served = [event for event in world.server_events if isinstance(event, BlockServed)]
    assert [event.file_offset for event in served] == list(range(0, len(file.data), block))
    assert sum(event.size for event in served) == len(file.data)
    assert not any(event.repeated for event in served)
    assert [event.status for event in world.server_events if isinstance(event, UpgradeEnded)] == [
        Status.SUCCESS
    ]


@pytest.mark.parametrize("seed", range(50))
def test_a_link_that_loses_doubles_and_delays_a_tenth_of_all_frames_is_good_enough(seed: int) -> None:
    file, device = ota_file(5000), device_number(1)
    server, client = OtaServer(), new_client()
    world = World(server, {device: client}, Link(seed, 0.1, 0.1, 0.1))
    server.offer(device, file, Activation.IMMEDIATE, START)
    world.run(lambda: bool(world.told(device, Activate)))
    assert world.told(device, Activate)
    assert client.image == file.data


def test_a_dead_link_is_told_on_both_sides() -> None:
    file, device = ota_file(100), device_number(1)
    server, client = OtaServer(), new_client()
    world = World(server, {device: client}, Link(loss=1.0))
    server.offer(device, file, Activation.IMMEDIATE, START)
    client.start(START)
    world.run(lambda: False)
    assert [
        event.reason for event in world.told(device, DownloadFailed) if isinstance(event, DownloadFailed)
    ] == [DownloadFailure.QUERY_UNANSWERED]
    assert any(isinstance(event, TransferExpired) for event in world.server_events)
    assert server.state(device) is SessionState.EXPIRED
