"""A hub and a device that establish a key over a perfect air, except for what a test does to a frame."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Final

from hanota.eui64 import Eui64
from hanota.zcl import Direction, ZclFrame
from hanota.zse.cbke import SiteCredentials, Suite, lab_authorities, lab_credentials
from hanota.zse.key_establishment import (
    Failed,
    InstallKey,
    KeyEstablished,
    KeyEstablishmentClient,
    KeyEstablishmentServer,
    KeyEstablishmentSettings,
    RemoveKey,
)
from hanota.zse.key_establishment.commands import CommandId, TerminateKeyEstablishment, decode_command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hanota.zse.cbke import CbkeCredentials, KeyEstablishmentStatus
    from hanota.zse.key_establishment import ClientEvent, ServerEvent

    Change = Callable[[ZclFrame], ZclFrame | None]

NOW: Final = 1_800_000_000.0
HUB: Final = Eui64.parse("00-DB-12-34-56-78-90-A2")
DEVICE: Final = Eui64.parse("00-DB-12-34-56-78-90-A4")
OTHER: Final = Eui64.parse("00-DB-12-34-56-78-90-A5")


@cache
def site(subject: Eui64, ca: int = 0) -> SiteCredentials:
    """Return credentials of both suites; every `ca` has the same name, and a key of its own."""
    authorities = lab_authorities(random.Random(f"authority {ca}").randbytes)
    return lab_credentials(authorities, subject, now=NOW, entropy=random.Random(f"{subject} {ca}").randbytes)


def flip(octet: int, bit: int = 0) -> Callable[[bytes], bytes]:
    """Return what turns one bit of a payload over."""
    return lambda payload: payload[:octet] + bytes((payload[octet] ^ 1 << bit,)) + payload[octet + 1 :]


def alter(command: CommandId, change: Callable[[bytes], bytes]) -> Change:
    """Return what changes the payload of one command and lets every other pass."""

    def altered(frame: ZclFrame) -> ZclFrame:
        mine = frame.cluster_specific and frame.command == command
        return replace(frame, payload=change(frame.payload)) if mine else frame

    return altered


def terminates(frames: Iterable[bytes], direction: Direction) -> list[TerminateKeyEstablishment]:
    """Return the Terminate commands among `frames` that went in `direction`."""
    found = []
    for frame in map(ZclFrame.decode, frames):
        if frame.cluster_specific and frame.command == CommandId.TERMINATE and frame.direction is direction:
            command = decode_command(frame, direction)
            assert isinstance(command, TerminateKeyEstablishment)
            found.append(command)
    return found


class Pair:
    """One hub, one device; `to_server` and `to_client` change a frame on its way, or lose it (None)."""

    def __init__(
        self,
        suite: Suite = Suite.ONE,
        *,
        settings: KeyEstablishmentSettings | None = None,
        credentials: CbkeCredentials | None = None,
        hub: SiteCredentials | None = None,
        server: Eui64 | None = HUB,
    ) -> None:
        self.settings = settings or KeyEstablishmentSettings()
        self.server = KeyEstablishmentServer(
            hub or site(HUB), self.settings, own=HUB, entropy=random.Random(1).randbytes
        )
        self.client = KeyEstablishmentClient(
            credentials or site(DEVICE).suites[suite],
            self.settings,
            own=DEVICE,
            server=server,
            entropy=random.Random(2).randbytes,
        )
        self.now = NOW
        self.to_server: Change = lambda frame: frame
        self.to_client: Change = lambda frame: frame
        self.sent: list[bytes] = []
        self.answered: list[bytes] = []
        self.told: list[ServerEvent] = []
        self.outcomes: list[ClientEvent] = []
        self.keys: dict[Eui64, bytes] = {}
        """The coordinator's key table."""

    @property
    def failures(self) -> list[Failed]:
        return [event for event in self.told if isinstance(event, Failed)]

    @property
    def established(self) -> bool:
        return any(isinstance(event, KeyEstablished) for event in self.told)

    def refusal(self) -> tuple[KeyEstablishmentStatus | None, bool]:
        """Return status and `by_peer` of the one failure, which left no key."""
        assert self.keys == {}
        (failure,) = self.failures
        return failure.status, failure.by_peer

    def run(self) -> Pair:
        """Have the device begin, and carry frames until nobody has any."""
        self.client.start(self.now)
        while self.step():
            pass
        return self

    def wait(self) -> Pair:
        """Let time pass until nobody waits for anything."""
        while (due := self.next_timer()) is not None:
            self.now = due
            self.client.expire(due)
            self.server.expire(due)
            self.manage_keys()
            while self.step():
                pass
        return self

    def next_timer(self) -> float | None:
        timers = (self.client.next_timer(), self.server.next_timer())
        return min((timer for timer in timers if timer is not None), default=None)

    def step(self) -> bool:
        """Carry and compute what is there; tell whether there was anything."""
        requests = self.client.requests()
        for data in requests:
            self.sent.append(data)
            frame = self.to_server(ZclFrame.decode(data))
            if frame is not None:
                self.server.receive(DEVICE, frame.encode(), self.now)
        hub_work, device_work = self.server.work(), self.client.work()
        for work in hub_work:
            self.server.finished(work.run(), self.now)
        for work in device_work:
            self.client.finished(work.run(), self.now)
        self.manage_keys()
        responses = self.server.responses()
        for device, data in responses:
            self._respond(device, data)
        self.manage_keys()
        self.outcomes += self.client.events()
        return bool(requests or hub_work or device_work or responses)

    def manage_keys(self) -> None:
        """Do with the key table what the hub's events ask for."""
        while events := self.server.events():
            for event in events:
                self.told.append(event)
                match event:
                    case InstallKey():
                        self.keys[event.device] = event.key
                        self.server.installed(event.device, self.now)
                    case RemoveKey():
                        self.keys.pop(event.device, None)
                    case KeyEstablished() | Failed():
                        pass

    def _respond(self, device: Eui64, data: bytes) -> None:
        self.answered.append(data)
        frame = self.to_client(ZclFrame.decode(data))
        if frame is None:
            self.server.undelivered(device, data, self.now)
            return
        if device == DEVICE:
            self.client.receive(frame.encode(), self.now)
        self.server.delivered(device, data, self.now)
