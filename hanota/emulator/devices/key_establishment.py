"""A device's part in key establishment: finds the server, runs the client, tries again, takes the key.

Source: Smart Energy Profile 07-5356, Annex C (Key Establishment cluster). It runs beside the device's
application, whose credentials, settings and frames it is given.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, assert_never

from hanota.emulator.devices.attributes import attribute_values, read_attributes
from hanota.errors import RadioError, RemoteProtocolError
from hanota.zcl import PROFILE_SMART_ENERGY, ClusterId, ZclFrame
from hanota.zse.cbke import KeyEstablishmentStatus
from hanota.zse.key_establishment import (
    KEY_ESTABLISHMENT_SUITE,
    ClientEstablished,
    ClientFailed,
    KeyEstablishmentClient,
    KeyEstablishmentSettings,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from hanota.clock import Clock
    from hanota.emulator.air import ApsFrame
    from hanota.emulator.node import HanNode
    from hanota.eui64 import Eui64
    from hanota.zse.cbke import CbkeCredentials


@dataclass(frozen=True, slots=True)
class DeviceKeyEstablishmentSettings:
    """Times and limits of a device's key establishment."""

    cluster: KeyEstablishmentSettings = field(default_factory=KeyEstablishmentSettings)
    """What both ends of the cluster have; the times a device advertises must leave it `compute_time`."""
    compute_time: float = 1.0
    """Seconds a device's microcontroller takes for one computation; its radio is off meanwhile."""
    reads_suite: bool = True
    """Whether it reads KeyEstablishmentSuite first, as some implementations do."""
    response_timeout: float = 5.0
    """Seconds to wait for that attribute; without it the device begins all the same."""
    retry_delay: float = 10.0
    """Seconds from a failure to the next try, doubled with each, unless the server asks for more."""
    retry_delay_limit: float = 300.0
    """The longest of those delays."""
    frames_waiting: int = 8
    """Frames held while the device computes, more than a handshake has; one more is lost."""


class DeviceKeyEstablishment:
    """The shell around one device's Key Establishment client.

    Mischief is one assignment: `credentials`, `alter`, `delay` and `overhear` are there to be replaced.
    """

    def __init__(
        self,
        node: HanNode,
        credentials: CbkeCredentials | None,
        clock: Clock,
        settings: DeviceKeyEstablishmentSettings | None = None,
    ) -> None:
        self.credentials = credentials
        """None: the node keeps the key it joined with."""
        self.settings = settings or DeviceKeyEstablishmentSettings()
        self.entropy: Callable[[int], bytes] = secrets.token_bytes
        self.alter: Callable[[bytes], bytes | None] = bytes
        """Called with each ZCL frame for the server; what it returns goes out in its place, None nothing."""
        self.delay: Callable[[bytes], float] = lambda _: 0.0
        """Called with each of those frames for the seconds it goes out later than the client thinks."""
        self.overhear: Callable[[bytes], None] = lambda _: None
        """Called with each ZCL frame of the server, before the client gets it."""
        self.notice: Callable[[str], None] = lambda _: None
        """Called with what becomes of it, in words."""
        self.established: Callable[[], None] = lambda: None
        """Called when the node has its new link key."""
        self.sent: deque[bytes] = deque(maxlen=self.settings.frames_waiting)
        """ZCL frames of the last try, oldest first."""
        self.failures: deque[ClientFailed] = deque(maxlen=self.settings.frames_waiting)
        """Why tries failed, newest last."""
        self.server_suites: int | None = None
        """The suites the server last said it has, a bit for each; None if it did not say."""
        self._node, self._clock = node, clock
        self._inbox: asyncio.Queue[bytes] = asyncio.Queue(self.settings.frames_waiting)
        self._under_way = asyncio.Lock()
        self._client: tuple[tuple[CbkeCredentials, Eui64 | None], KeyEstablishmentClient] | None = None

    @property
    def wanted(self) -> bool:
        """Tell whether the node still has to establish a key before it may do anything else."""
        return self.credentials is not None and not self._node.established

    def begin(self) -> None:
        """Establish a key, for as long as the node has power; one that it has serves until then."""
        self._node.spawn(self._run())

    def receive(self, frame: ApsFrame) -> None:
        """Take a frame of cluster 0x0800 that is not a request for an attribute of the node's own."""
        self.overhear(frame.payload)
        if not self._inbox.full():
            self._inbox.put_nowait(frame.payload)

    async def _run(self) -> None:
        if not self._under_way.locked():
            async with self._under_way:
                await self._establish()

    async def _establish(self) -> None:
        delay = self.settings.retry_delay
        while self.credentials is not None:
            outcome = await self._try(self.credentials)
            match outcome:
                case ClientEstablished():
                    self._node.establish(outcome.key)
                    self.notice(f"link key established with the hub, suite {outcome.suite}")
                    self.established()
                    return
                case ClientFailed():
                    self.failures.append(outcome)
                    self.notice(f"key establishment failed: {outcome.reason}")
                case None:
                    self.notice("key establishment: no server found")
                case _:
                    assert_never(outcome)
            if outcome is not None and outcome.status is KeyEstablishmentStatus.UNKNOWN_ISSUER:
                # Annex C: a device leaves a network whose certificates come from another authority.
                with suppress(RadioError):  # out of reach now: after the next try it leaves
                    await self._node.leave()
                    return
            wait = 0.0 if outcome is None else outcome.retry_after or 0.0
            await asyncio.sleep(max(delay, wait))
            delay = min(2 * delay, self.settings.retry_delay_limit)

    async def _try(self, credentials: CbkeCredentials) -> ClientEstablished | ClientFailed | None:
        """Run one handshake to its end; None where there is no server to be reached."""
        node = self._node
        self.sent.clear()
        while not self._inbox.empty():
            self._inbox.get_nowait()
        try:
            _, endpoint = await node.match_descriptor(ClusterId.KEY_ESTABLISHMENT)
            if self.settings.reads_suite:
                await self._read_suite(endpoint)
            return await self._handshake(self._begun(credentials), endpoint)
        except RadioError:
            return None

    def _begun(self, credentials: CbkeCredentials) -> KeyEstablishmentClient:
        """Return the client, begun; always the same one, so that no sequence number comes again soon."""
        if self._client is None or self._client[0] != (credentials, self._node.trust_centre):
            client = KeyEstablishmentClient(
                credentials,
                self.settings.cluster,
                own=self._node.eui64,
                server=self._node.trust_centre,
                entropy=self.entropy,
            )
            self._client = (credentials, self._node.trust_centre), client
        _, client = self._client
        client.requests()  # of a handshake that a power cut ended
        client.start(self._clock.now())
        client.events()
        return client

    async def _handshake(
        self, client: KeyEstablishmentClient, endpoint: int
    ) -> ClientEstablished | ClientFailed:
        loop = asyncio.get_running_loop()
        while True:
            for request in client.requests():
                await self._send(endpoint, request)
            works = client.work()
            for work in works:
                done = await loop.run_in_executor(None, work.run)
                await asyncio.sleep(self.settings.compute_time)
                client.finished(done, self._clock.now())
            if works:
                continue
            for event in client.events():
                return event
            await self._wait(client)

    async def _wait(self, client: KeyEstablishmentClient) -> None:
        """Give the client the server's next frame, or the time it waits for."""
        due = client.next_timer()
        try:
            async with asyncio.timeout(None if due is None else max(0.0, due - self._clock.now())):
                data = await self._inbox.get()
        except TimeoutError:
            client.expire(self._clock.now())
            return
        client.receive(data, self._clock.now())

    async def _read_suite(self, endpoint: int) -> None:
        """Read the server's suites, in vain or not: a server need not have the attribute."""
        await self._transmit(endpoint, read_attributes(KEY_ESTABLISHMENT_SUITE).encode())
        try:
            async with asyncio.timeout(self.settings.response_timeout):
                values = attribute_values(ZclFrame.decode(await self._inbox.get()))
        except (TimeoutError, RemoteProtocolError):
            return
        self.server_suites = values.get(KEY_ESTABLISHMENT_SUITE)

    async def _send(self, endpoint: int, data: bytes) -> None:
        altered = self.alter(data)
        if altered is None:
            return
        await asyncio.sleep(self.delay(altered))
        self.sent.append(altered)
        await self._transmit(endpoint, altered)

    async def _transmit(self, endpoint: int, data: bytes) -> None:
        own = self._node.endpoints[0].endpoint
        await self._node.send(
            PROFILE_SMART_ENERGY, ClusterId.KEY_ESTABLISHMENT, own, endpoint, data, encrypted=False
        )
