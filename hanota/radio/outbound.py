"""Frames to devices: size guard, where the device is, back-pressure, and one tree of errors."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

import zigpy.exceptions
import zigpy.types as t

from hanota.errors import DeliveryError, HanotaError, LocalProtocolError, RadioError
from hanota.hub.ports import Priority
from hanota.radio.application import to_ieee
from hanota.radio.block_window import BlockWindow
from hanota.radio.diagnosis import reason
from hanota.radio.frame_size import single_frame
from hanota.radio.room import Room
from hanota.zcl import PROFILE_SMART_ENERGY

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hanota.eui64 import Eui64
    from hanota.radio.application import HanApplication
    from hanota.radio.families import Family
    from hanota.radio.peers import Address, Peers
    from hanota.radio.settings import RadioSettings

T = TypeVar("T")

_PRIORITIES: Final = {
    # zigpy's own CRITICAL would pass its limit on frames in flight altogether.
    Priority.CRITICAL: t.PacketPriority.HIGH,
    Priority.NORMAL: t.PacketPriority.NORMAL,
    Priority.BULK: t.PacketPriority.LOW,
}


_COORDINATOR: Final = t.AddrModeAddress(addr_mode=t.AddrMode.NWK, address=0x0000)
_OPTIONS: Final = {
    (encrypted, acknowledged): (t.TransmitOptions.ACK if acknowledged else t.TransmitOptions.NONE)
    | (t.TransmitOptions.APS_Encryption if encrypted else t.TransmitOptions.NONE)
    for encrypted in (False, True)
    for acknowledged in (False, True)
}
"""By whether a frame is encrypted, and acknowledged."""


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
    acknowledged: bool = True
    """Whether the device is to acknowledge it at APS."""


class Outbound:
    """Sends frames within a session."""

    def __init__(
        self,
        settings: RadioSettings,
        family: Family,
        peers: Peers,
        key_is_of: Callable[[int, Eui64], Awaitable[bool]],
    ) -> None:
        """`key_is_of` tells whether frames to a short address are encrypted for a device."""
        self._settings, self._family, self._peers, self._key_is_of = settings, family, peers, key_is_of
        self._blocks = BlockWindow(settings.blocks_in_flight, settings.block_patience)
        self._room = Room(settings.busy_delay, settings.busy_patience)
        self._waiting = 0

    async def send(self, session: Session, frame: Outgoing) -> None:
        """Send one frame and return when the device has acknowledged it, or when it is off the air.

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
            if frame.encrypted and not await self._has_key(session, address.nwk, frame.device):
                address = await self._locate_again(session, frame)
            packet = self._packet(session.app, frame, address)
            if frame.priority is Priority.BULK:
                async with self._blocks.place():
                    await self._offer(session, packet)
            else:
                await self._offer(session, packet)
        finally:
            self._waiting -= 1

    async def _locate(self, session: Session, device: Eui64, cluster: int) -> Address:
        """Return where `cluster` of `device` is, asking the network for what is not known."""
        address = self._peers.find(device, cluster)
        if address is not None:
            return address
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

    async def _has_key(self, session: Session, nwk: int, device: Eui64) -> bool:
        """Ask `key_is_of`; raise RadioError as soon as the coordinator is lost."""
        answers: list[bool] = []

        async def ask() -> None:
            answers.append(await self._key_is_of(nwk, device))

        await unless_lost(session, ask())
        return answers[0]

    async def _locate_again(self, session: Session, frame: Outgoing) -> Address:
        """Return where a device is that is not where it was said to be.

        Somebody announced its EUI-64 at his own short address: the coordinator would encrypt for him.
        """
        try:
            async with asyncio.timeout(self._settings.locate_timeout):
                while True:
                    session.app.find_device(frame.device)
                    await unless_lost(session, asyncio.sleep(self._settings.locate_again))
                    address = await self._locate(session, frame.device, frame.cluster)
                    if await self._has_key(session, address.nwk, frame.device):
                        return address
        except TimeoutError:
            raise DeliveryError(
                f"the short address of {frame.device} is another device's to the coordinator",
                hint="a device of this network claims to be another: which one joined last?",
            ) from None

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
        fragmented = len(frame.data) > single_frame(encrypted=frame.encrypted)
        return t.ZigbeePacket(
            src=_COORDINATOR,
            src_ep=t.uint8_t(self._settings.endpoint.endpoint),
            dst=t.AddrModeAddress(addr_mode=t.AddrMode.NWK, address=t.NWK(address.nwk)),
            dst_ep=t.uint8_t(address.endpoint),
            profile_id=t.uint16_t(PROFILE_SMART_ENERGY),
            cluster_id=t.uint16_t(frame.cluster),
            data=t.SerializableBytes(frame.data),
            tx_options=_OPTIONS[frame.encrypted, frame.acknowledged],
            priority=_PRIORITIES[frame.priority],
            # Each fragment has its own acknowledgement and retries, and a sleeper answers when it wakes.
            extended_timeout=fragmented or self._sleeps(app, frame.device),
        )

    def _sleeps(self, app: HanApplication, device: Eui64) -> bool:
        known = app.known(device)
        return known is None or known.node_desc is None or bool(known.node_desc.is_end_device)

    async def _offer(self, session: Session, packet: t.ZigbeePacket) -> None:
        """Hand the packet to the radio library, again where the coordinator has no room."""
        refused_at: float | None = None
        if self._room.wanted:
            # Behind those that were refused, or they would be refused for ever.
            await unless_lost(session, self._room.wait(packet.priority))
        while True:
            try:
                await unless_lost(session, session.app.send_packet(packet))
            except zigpy.exceptions.DeliveryError as error:
                if error.status not in self._family.busy_statuses:
                    self._room.free()
                    raise DeliveryError(str(error)) from error
                refused_at = asyncio.get_running_loop().time() if refused_at is None else refused_at
                if self._room.exhausted(refused_at):
                    raise DeliveryError(str(error)) from error
            except TimeoutError:
                raise DeliveryError("the coordinator does not confirm the frame") from None
            except HanotaError:
                raise
            except Exception as error:
                raise RadioError(f"the coordinator did not send the frame: {reason(error)}") from error
            else:
                self._room.free()
                return
            await unless_lost(session, self._room.wait(packet.priority))


async def unless_lost(session: Session, work: Awaitable[T]) -> T:
    """Return what `work` returns, but cancel it and raise RadioError as soon as the coordinator is lost."""
    task, lost = asyncio.current_task(), session.lost
    if task is None:
        raise LocalProtocolError("only a task can wait")
    waiting = True
    cancelled = False

    def cancel(_: asyncio.Future[str]) -> None:
        nonlocal cancelled
        if waiting:
            cancelled = True
            task.cancel()

    lost.add_done_callback(cancel)
    try:
        outcome = await work
    except asyncio.CancelledError as error:
        if not cancelled or task.uncancel() > 0:
            raise
        raise RadioError(f"the coordinator is gone: {lost.result()}") from error
    except Exception as error:
        if lost.done():
            raise RadioError(f"the coordinator is gone: {lost.result()}") from error
        raise
    finally:
        waiting = False
        lost.remove_done_callback(cancel)
    if lost.done():
        raise RadioError(f"the coordinator is gone: {lost.result()}")
    return outcome
