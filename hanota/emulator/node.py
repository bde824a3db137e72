"""A HAN device up to its application: joining, ZDO, APS addressing, power."""

from __future__ import annotations

import asyncio
import struct
from collections import Counter
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from hanota.emulator.air import (
    BROADCAST_RX_ON_WHEN_IDLE,
    CAPABILITY_FULL_FUNCTION,
    CAPABILITY_RX_ON_WHEN_IDLE,
    ApsFrame,
    TxStatus,
)
from hanota.emulator.aps_security import IncomingCounters
from hanota.emulator.association import BEACON, JoinRefusedError, associate, rejoin
from hanota.emulator.polling import Polling, PollSettings
from hanota.emulator.topology import COORDINATOR
from hanota.emulator.zdo import (
    RESPONSE,
    ZDO_ENDPOINT,
    ZDO_PROFILE,
    NodeDescriptor,
    SimpleDescriptor,
    ZdoCluster,
    ZdoServer,
    ZdoStatus,
    device_announcement,
    match_request,
)
from hanota.errors import DeliveryError, RadioError, RemoteProtocolError
from hanota.zcl import PROFILE_SMART_ENERGY
from hanota.zse.install_code import install_code_key

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from hanota.emulator.air import Admission, Air
    from hanota.emulator.aps_security import ApsRefusal
    from hanota.emulator.network import Network
    from hanota.eui64 import Eui64

__all__ = ["COORDINATOR", "NWK_UNASSIGNED", "HanNode", "JoinRefusedError", "NodeSettings"]

NWK_UNASSIGNED: Final = 0xFFFE
"""Short address of a node that has not joined."""
MAINS_ROUTER: Final = 0x8E
"""MAC capability flags: router, mains powered, always listening, short address wanted."""
_WIDE_AWAKE: Final = CAPABILITY_FULL_FUNCTION | CAPABILITY_RX_ON_WHEN_IDLE | 0x04
"""MAC capability flags that no sleepy end device has; 0x04 is mains power."""
BROADCAST_ENDPOINT: Final = 0xFF


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """Limits of a node."""

    response_timeout: float = 5.0
    """Seconds to wait for a ZDO response."""
    max_tasks: int = 64
    """Concurrent activities a node may start; more is a runaway device."""
    sleep: float | None = None
    """Seconds between the polls of a sleepy end device; None is a node that always listens."""
    fast_poll: float = 0.25
    """Seconds between the polls of a sleepy end device while a response is awaited."""
    fast_poll_time: float = 3.0
    """Seconds after a frame of its own for which a sleepy end device awaits a response."""
    keep_alive: float = 60.0
    """Seconds between the polls by which an end device that always listens keeps its parent."""
    parent_failures: int = 4
    """Polls in a row without answer after which an end device looks for another parent."""


class HanNode:
    """A joined or joinable device; its application is a subclass that overrides `on_frame`."""

    def __init__(
        self,
        eui64: Eui64,
        *,
        install_code: bytes,
        endpoints: Sequence[SimpleDescriptor],
        capabilities: int = MAINS_ROUTER,
        manufacturer_code: int = 0,
        settings: NodeSettings | None = None,
    ) -> None:
        self.eui64 = eui64
        self.nwk = NWK_UNASSIGNED
        self.settings = settings or NodeSettings()
        self._awake_capabilities = capabilities
        self.link_key = install_code_key(install_code)
        """Trust centre link key: from the install code until key establishment replaces it."""
        self.aps_encryption = True
        """False is a plain ZigBee device, which encrypts nothing with its link key."""
        self.established = False
        """Whether the link key came from key establishment; non-volatile, as the key is."""
        self._join_key = self.link_key
        self.endpoints = tuple(endpoints)
        self.manufacturer_code = manufacturer_code
        self.trust_centre: Eui64 | None = None
        self.presence_changed: Callable[[], None] = lambda: None
        """Called when the node came on its network, went off it, or left it for good."""
        self.aps_frame_counter = 0
        """Of the last frame it encrypted; non-volatile."""
        self.aps_refused: Counter[ApsRefusal] = Counter()
        """Frames dropped for their APS encryption."""
        self._incoming = IncomingCounters()
        self._network: Network | None = None
        self._polling: Polling | None = None
        self._powered = False
        self._sequence = 0
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def capabilities(self) -> int:
        """MAC capability flags; those of a sleepy end device where the settings have it sleep."""
        sleeps = self.settings.sleep is not None
        return self._awake_capabilities & ~_WIDE_AWAKE if sleeps else self._awake_capabilities

    @capabilities.setter
    def capabilities(self, capabilities: int) -> None:
        self._awake_capabilities = capabilities

    @property
    def joined(self) -> bool:
        """Tell whether the node is on a network and switched on."""
        return self._powered

    def on_frame(self, frame: ApsFrame) -> None:
        """Take an application frame addressed to one of the node's endpoints."""

    async def join(self, air: Air) -> None:
        """Find a network, associate, take the network key, announce; raise JoinRefusedError otherwise.

        The device joins afresh, with the key of its install code: an established one is void.
        """
        self.power_off()
        self._void_key()
        self.commission(air, await associate(self, air))
        await self.power_on()

    def commission(self, air: Air, admission: Admission) -> None:
        """Take up the network that `power_on` comes up on: just joined, or kept in non-volatile memory."""
        if self._network is not None and self.nwk != admission.nwk:
            self._network.topology.forget(self)
        self._network = air.network(admission.trust_centre)
        self.nwk = admission.nwk
        self.trust_centre = admission.trust_centre
        self.link_key = admission.link_key

    def establish(self, key: bytes) -> None:
        """Take the key of a key establishment for the link key, until the next fresh join."""
        if not self.established:
            self._join_key = self.link_key
        self.link_key, self.established = key, True

    async def rejoin(self) -> None:
        """Take the best router in range for a parent and announce; raise JoinRefusedError, RadioError."""
        await rejoin(self.eui64, self._on_network())
        await self._announce()

    async def leave(self, *, rejoin: bool = False) -> None:
        """Send NWK Leave and go off the network."""
        network, nwk = self._network, self.nwk
        if network is None or not self._powered:
            return
        if not await network.command(BEACON, nwk, COORDINATOR):
            raise JoinRefusedError("the coordinator is out of reach")
        self.power_off()
        network.topology.forget(self)
        self._network, self.nwk = None, NWK_UNASSIGNED
        self._void_key()
        self.presence_changed()
        if network.trust_centre is not None:
            network.trust_centre.departed(self.eui64, nwk, rejoin=rejoin)

    def power_off(self) -> None:
        """Cut the power: every activity but the caller's ends; the network stays in non-volatile memory."""
        for task in self._tasks - {asyncio.current_task()}:
            task.cancel()
        for waiter in self._waiting.values():
            waiter.cancel()
        if self._network is not None:
            self._network.detach(self)
        # A stack on a device begins with 0 after a restart, as EmberZNet's does.
        self._incoming.clear()
        self._polling = None
        self._powered = False
        self.presence_changed()

    async def power_on(self) -> None:
        """Come back on the network joined before and announce; raise RadioError if there is none."""
        if self._network is None:
            raise RadioError(f"{self.eui64} has not joined a network")
        self._network.attach(self, sleeps=self.settings.sleep is not None)
        self._powered = True
        if not self.capabilities & CAPABILITY_FULL_FUNCTION:
            self._polling = self._polls(self._network)
            self.spawn(self._polling.run())
        self.presence_changed()
        await self._announce()

    async def send(
        self,
        profile: int,
        cluster: int,
        source_endpoint: int,
        destination_endpoint: int,
        payload: bytes,
        *,
        destination: int = COORDINATOR,
        encrypted: bool = True,
        ack: bool = True,
    ) -> TxStatus:
        """Send one APS frame and return its fate; raise RadioError when not on the network."""
        return await self._transmit(
            ApsFrame(
                source=self.nwk,
                destination=destination,
                source_endpoint=source_endpoint,
                destination_endpoint=destination_endpoint,
                profile=profile,
                cluster=cluster,
                payload=payload,
                link_key=self.link_key if encrypted and self.aps_encryption else None,
                sequence=self.next_sequence(),
                ack=ack,
            )
        )

    async def match_descriptor(self, cluster: int, *, profile: int = PROFILE_SMART_ENERGY) -> tuple[int, int]:
        """Ask the coordinator which endpoint serves `cluster`; return its (short address, endpoint).

        Raises DeliveryError when there is no answer in time or no such endpoint.
        """
        request = match_request(self.next_sequence(), COORDINATOR, profile, (cluster,))
        response = await self._request_zdo(ZdoCluster.MATCH_DESC_REQ, request)
        status, nwk, count = struct.unpack_from("<BHB", response)
        if status != ZdoStatus.SUCCESS or not count:
            raise DeliveryError(f"no endpoint serves cluster {cluster:#06x}")
        return nwk, response[4]

    def link_key_for(self, peer: Eui64) -> bytes | None:
        """Return the link key shared with the trust centre, None for any other peer."""
        return self.link_key if peer == self.trust_centre else None

    def next_frame_counter(self, peer: Eui64) -> int:  # noqa: ARG002  # one counter for all partners
        """Return the frame counter of the next frame encrypted for `peer`."""
        self.aps_frame_counter += 1
        return self.aps_frame_counter

    def unsecure(self, frame: ApsFrame, sender: Eui64) -> ApsRefusal | None:
        """Take a frame's APS encryption off; say why not where it is refused, and count that."""
        refusal = self._incoming.check(frame, sender, self.link_key_for(sender))
        if refusal is not None:
            self.aps_refused[refusal] += 1
        return refusal

    def receive(self, frame: ApsFrame) -> None:
        """Take a frame from the air."""
        if not self._powered:
            return
        if frame.destination_endpoint == ZDO_ENDPOINT:
            self._receive_zdo(frame)
        elif frame.destination_endpoint == BROADCAST_ENDPOINT or any(
            endpoint.endpoint == frame.destination_endpoint for endpoint in self.endpoints
        ):
            self.on_frame(frame)

    def spawn(self, activity: Coroutine[None, None, None]) -> None:
        """Run `activity` until it ends or the power goes; raise RadioError above `max_tasks`."""
        if len(self._tasks) >= self.settings.max_tasks:
            activity.close()
            raise RadioError(f"{self.eui64} runs {len(self._tasks)} activities at once")
        task = asyncio.get_running_loop().create_task(activity)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def next_sequence(self) -> int:
        """Return the next APS counter or ZDO sequence number."""
        self._sequence = (self._sequence + 1) & 0xFF
        return self._sequence

    def _void_key(self) -> None:
        if self.established:
            self.link_key, self.established = self._join_key, False

    async def _transmit(self, frame: ApsFrame) -> TxStatus:
        network = self._on_network()
        with self._polling.sending() if self._polling is not None else nullcontext():
            return await network.transmit(frame)

    def _on_network(self) -> Network:
        if self._network is None or not self._powered:
            raise RadioError(f"{self.eui64} is not on a network")
        return self._network

    def _polls(self, network: Network) -> Polling:
        settings = self.settings
        interval = settings.keep_alive if settings.sleep is None else settings.sleep
        return Polling(
            PollSettings(
                interval=interval,
                fast=interval if settings.sleep is None else min(interval, settings.fast_poll),
                awake=settings.fast_poll_time,
                failures=settings.parent_failures,
            ),
            partial(network.poll, self),
            self.rejoin,
        )

    async def _announce(self) -> None:
        announcement = device_announcement(self.next_sequence(), self.nwk, self.eui64, self.capabilities)
        await self._send_zdo(ZdoCluster.DEVICE_ANNCE, announcement, BROADCAST_RX_ON_WHEN_IDLE)

    async def _send_zdo(self, cluster: int, payload: bytes, destination: int) -> TxStatus:
        return await self._transmit(
            ApsFrame(
                source=self.nwk,
                destination=destination,
                source_endpoint=ZDO_ENDPOINT,
                destination_endpoint=ZDO_ENDPOINT,
                profile=ZDO_PROFILE,
                cluster=cluster,
                payload=payload,
                sequence=self.next_sequence(),
            )
        )

    async def _request_zdo(self, cluster: int, request: bytes) -> bytes:
        """Send a request to the coordinator; return the response after its sequence number."""
        waiter: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[request[0]] = waiter
        try:
            await self._send_zdo(cluster, request, COORDINATOR)
            async with asyncio.timeout(self.settings.response_timeout):
                return await waiter
        except TimeoutError:
            raise DeliveryError(f"no response to ZDO request {cluster:#06x}") from None
        finally:
            del self._waiting[request[0]]

    def _receive_zdo(self, frame: ApsFrame) -> None:
        if not frame.payload:
            return
        if frame.cluster & RESPONSE:
            waiter = self._waiting.get(frame.payload[0])
            if waiter is not None and not waiter.done():
                waiter.set_result(frame.payload[1:])
        elif frame.cluster == ZdoCluster.MGMT_LEAVE_REQ:
            self.spawn(self._leave_on_request(frame))
        else:
            self._respond_zdo(frame)

    def _respond_zdo(self, frame: ApsFrame) -> None:
        try:
            response = self._zdo_server().respond(frame.cluster, frame.payload)
        except RemoteProtocolError:
            return
        if response is not None and len(self._tasks) < self.settings.max_tasks:
            self.spawn(self._answer_zdo(frame, response))

    async def _answer_zdo(self, frame: ApsFrame, response: bytes) -> None:
        await self._send_zdo(frame.cluster | RESPONSE, response, frame.source)

    async def _leave_on_request(self, frame: ApsFrame) -> None:
        await self._answer_zdo(frame, frame.payload[:1] + bytes((ZdoStatus.SUCCESS,)))
        await self.leave()

    def _zdo_server(self) -> ZdoServer:
        router = bool(self.capabilities & CAPABILITY_FULL_FUNCTION)
        descriptor = NodeDescriptor(1 if router else 2, self.capabilities, self.manufacturer_code)
        return ZdoServer(self.eui64, self.nwk, descriptor, self.endpoints)
