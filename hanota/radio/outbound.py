"""Frames to devices: size guard, where the device is, back-pressure, and one tree of errors."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import zigpy.exceptions
import zigpy.types as t

from hanota.errors import DeliveryError, HanotaError, LocalProtocolError, RadioError
from hanota.hub.ports import Priority
from hanota.radio.application import to_ieee
from hanota.radio.diagnosis import reason
from hanota.radio.frame_size import single_frame
from hanota.zcl import PROFILE_SMART_ENERGY

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from hanota.eui64 import Eui64
    from hanota.radio.application import HanApplication
    from hanota.radio.families import Family
    from hanota.radio.peers import Address, Peers
    from hanota.radio.settings import RadioSettings

_PRIORITIES: Final = {
    # zigpy's own CRITICAL would pass its limit on frames in flight altogether.
    Priority.CRITICAL: t.PacketPriority.HIGH,
    Priority.NORMAL: t.PacketPriority.NORMAL,
    Priority.BULK: t.PacketPriority.LOW,
}


@dataclass(frozen=True, slots=True)
class Session:
    """One life of the coordinator: from opening until it is lost."""

    app: HanApplication
    lost: asyncio.Future[str]
    """Done, with the reason, when the coordinator is gone."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One frame to send."""

    device: Eui64
    cluster: int
    data: bytes
    priority: Priority
    encrypted: bool


class Outbound:
    """Sends frames within a session."""

    def __init__(self, settings: RadioSettings, family: Family, peers: Peers) -> None:
        self._settings, self._family, self._peers = settings, family, peers
        self._waiting = 0

    async def send(self, session: Session, frame: Outgoing) -> None:
        """Send one frame and return when the device has acknowledged it.

        Raise LocalProtocolError when it is too large, DeliveryError when it was not delivered, RadioError
        when the coordinator was lost or too many frames wait.
        """
        if len(frame.data) > self._settings.fragmentation.octets:
            raise LocalProtocolError(
                f"a frame of {len(frame.data)} octets; the limit is {self._settings.fragmentation.octets}",
                hint="send it in smaller parts",
            )
        if self._waiting >= self._settings.sends_waiting:
            raise RadioError(f"{self._waiting} frames wait for the coordinator")
        self._waiting += 1
        try:
            address = await self._locate(session, frame.device, frame.cluster)
            await self._offer(session, self._packet(session.app, frame, address))
        finally:
            self._waiting -= 1

    async def _locate(self, session: Session, device: Eui64, cluster: int) -> Address:
        """Return where `cluster` of `device` is, asking the network for what is not known."""
        try:
            async with asyncio.timeout(self._settings.locate_timeout):
                while (address := self._peers.find(device, cluster)) is None:
                    self._ask(session.app, device, cluster)
                    await unless_lost(session, self._peers.changed())
        except TimeoutError:
            raise DeliveryError(
                f"{device} does not say where its cluster {cluster:#06x} is",
                hint="is the device switched on and joined to this network?",
            ) from None
        return address

    def _ask(self, app: HanApplication, device: Eui64, cluster: int) -> None:
        nwk = self._peers.placed().get(device)
        if nwk is None:
            app.find_device(device)
            return
        known = app.devices.get(to_ieee(device))
        if known is not None and known.is_initialized:
            raise DeliveryError(f"{device} has no Smart Energy endpoint with cluster {cluster:#06x}")
        app.interview(device, nwk)

    def _packet(self, app: HanApplication, frame: Outgoing, address: Address) -> t.ZigbeePacket:
        options = t.TransmitOptions.ACK
        if frame.encrypted:
            options |= t.TransmitOptions.APS_Encryption
        fragmented = len(frame.data) > single_frame(encrypted=frame.encrypted)
        return t.ZigbeePacket(
            src=t.AddrModeAddress(addr_mode=t.AddrMode.NWK, address=app.state.node_info.nwk),
            src_ep=t.uint8_t(self._settings.endpoint.endpoint),
            dst=t.AddrModeAddress(addr_mode=t.AddrMode.NWK, address=t.NWK(address.nwk)),
            dst_ep=t.uint8_t(address.endpoint),
            profile_id=t.uint16_t(PROFILE_SMART_ENERGY),
            cluster_id=t.uint16_t(frame.cluster),
            data=t.SerializableBytes(frame.data),
            tx_options=options,
            priority=_PRIORITIES[frame.priority],
            # Each fragment has its own acknowledgement and retries, and a sleeper answers when it wakes.
            extended_timeout=fragmented or self._sleeps(app, frame.device),
        )

    def _sleeps(self, app: HanApplication, device: Eui64) -> bool:
        known = app.devices.get(to_ieee(device))
        return known is None or known.node_desc is None or bool(known.node_desc.is_end_device)

    async def _offer(self, session: Session, packet: t.ZigbeePacket) -> None:
        """Hand the packet to the radio library, again where the coordinator has no room."""
        delay = self._settings.busy_delay
        for attempt in range(1, self._settings.busy_attempts + 1):
            try:
                await unless_lost(session, session.app.send_packet(packet))
            except zigpy.exceptions.DeliveryError as error:
                busy = error.status in self._family.busy_statuses
                if not busy or attempt == self._settings.busy_attempts:
                    raise DeliveryError(str(error)) from error
            except TimeoutError:
                raise DeliveryError("the coordinator does not confirm the frame") from None
            except HanotaError:
                raise
            except Exception as error:
                raise RadioError(f"the coordinator did not send the frame: {reason(error)}") from error
            else:
                return
            await unless_lost(session, asyncio.sleep(delay))
            delay *= 2


async def unless_lost(session: Session, work: Awaitable[object]) -> None:
    """Await `work`, but raise RadioError as soon as the coordinator is lost, whatever `work` does then."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait((task, session.lost), return_when=asyncio.FIRST_COMPLETED)
    finally:
        if not task.done():
            task.cancel()
    error = None if task.cancelled() or not task.done() else task.exception()
    if session.lost.done():
        raise RadioError(f"the coordinator is gone: {session.lost.result()}") from error
    if error is not None:
        raise error
