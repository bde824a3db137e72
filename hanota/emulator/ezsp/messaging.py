"""Messaging frames: sending and messageSentHandler, incoming messages, blocks of long ones (UG100)."""

from __future__ import annotations

import asyncio
import struct
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from hanota.emulator.air import BROADCAST_RX_ON_WHEN_IDLE, ApsFrame, TxStatus
from hanota.emulator.ezsp.aps import APS_HEADER_OCTETS, ApsHeader, ApsOption
from hanota.emulator.ezsp.configuration import (
    MESSAGE_TAG_AND_CONTENTS_IN_CALLBACK,
    ConfigId,
    PolicyId,
)
from hanota.emulator.ezsp.counters import Counter
from hanota.emulator.ezsp.frames import FrameId, counted, read_counted
from hanota.emulator.ezsp.status import SlStatus
from hanota.emulator.ncp import InFlight
from hanota.emulator.node import BROADCAST_ENDPOINT
from hanota.emulator.zdo import ZDO_ENDPOINT, ZDO_PROFILE

if TYPE_CHECKING:
    from hanota.emulator.ezsp.addresses import AddressCommands
    from hanota.emulator.ezsp.configuration import Configuration
    from hanota.emulator.ezsp.keys import Keys
    from hanota.emulator.ezsp.ncp import EzspNcp, Handlers

NO_TABLE_INDEX: Final = 0xFF
FATES: Final = {
    TxStatus.SUCCESS: SlStatus.OK,
    TxStatus.MAC_TRANSACTION_EXPIRED: SlStatus.MAC_INDIRECT_TIMEOUT,
}
"""What messageSentHandler says; every other fate is ZIGBEE_DELIVERY_FAILED."""
LINK_QUALITY: Final = 220
SIGNAL: Final = -45
"""LQI and RSSI of every frame heard: all devices are on the same bench."""


class OutgoingType(IntEnum):
    """How a message is addressed (EmberOutgoingMessageType)."""

    DIRECT = 0x00
    VIA_ADDRESS_TABLE = 0x01
    VIA_BINDING = 0x02
    MULTICAST = 0x03
    BROADCAST = 0x06


class IncomingType(IntEnum):
    """How an incoming message was addressed (EmberIncomingMessageType)."""

    UNICAST = 0x00
    BROADCAST = 0x04


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message the host sends."""

    kind: OutgoingType
    destination: int
    header: ApsHeader
    tag: int
    payload: bytes


class MessagingCommands:
    """The messages of one co-processor."""

    def __init__(
        self, ncp: EzspNcp, configuration: Configuration, addresses: AddressCommands, keys: Keys
    ) -> None:
        self._ncp = ncp
        self._configuration = configuration
        self._addresses = addresses
        self._keys = keys
        self._retried = InFlight()

    def handlers(self) -> Handlers:
        """Return the command handlers by frame id."""
        return {
            0x0034: self._send_unicast,
            0x0036: self._send_broadcast,
            0x0038: self._send_multicast,
            0x0039: self._send_reply,
        }

    def reset(self) -> None:
        """Forget what the stack was to retry."""
        self._retried.clear()

    def receive(self, frame: ApsFrame) -> None:
        """Report an application frame from the air to the host."""
        if frame.destination_endpoint not in {*self._ncp.endpoints, BROADCAST_ENDPOINT}:
            self._ncp.statistics.unregistered_endpoint += 1
            return
        self.report(frame)

    def report(self, frame: ApsFrame, options: ApsOption = ApsOption.NONE) -> None:
        """Give a frame to the host as incomingMessageHandler; version 14 moved the sender before the link."""
        kind = bytes((IncomingType.BROADCAST if frame.is_broadcast else IncomingType.UNICAST,))
        header = ApsHeader.of(frame, options).encode()
        entry = self._addresses.index(frame.source)
        indices = bytes((NO_TABLE_INDEX, NO_TABLE_INDEX if entry is None else entry))
        sender, link = struct.pack("<H", frame.source), struct.pack("<Bb", LINK_QUALITY, SIGNAL)
        if self._ncp.layout.is_sl:
            own = frame.source == self._ncp.nwk
            eui64 = self._ncp.eui64 if own else self._addresses.eui64(frame.source)
            stamp = int(asyncio.get_running_loop().time() * 1000) & 0xFFFF_FFFF
            ieee = bytes(8) if eui64 is None else eui64.to_zigbee()
            data = kind + header + sender + ieee + indices + link + struct.pack("<I", stamp)
        else:
            data = kind + header + link + sender + indices
        self._ncp.call_back(FrameId.INCOMING_MESSAGE_HANDLER, data + counted(frame.payload))

    def report_own_zdo(self, cluster: int, payload: bytes) -> None:
        """Give the host a ZDO message of the node itself."""
        self.report(
            ApsFrame(
                source=self._ncp.nwk,
                destination=self._ncp.nwk,
                source_endpoint=ZDO_ENDPOINT,
                destination_endpoint=ZDO_ENDPOINT,
                profile=ZDO_PROFILE,
                cluster=cluster,
                payload=payload,
                sequence=self._ncp.next_aps_counter(),
            )
        )

    def _send_unicast(self, data: bytes) -> bytes:
        kind, target = struct.unpack_from("<BH", data)
        header, tag, payload = self._message(data, 3)
        destination = self._destination(kind, target)
        if destination is None:
            return self._refused(SlStatus.INVALID_INDEX)
        message = Outgoing(OutgoingType(kind), destination, header, tag, payload)
        return self._submit(message, target)

    def _send_broadcast(self, data: bytes) -> bytes:
        """Send to a broadcast address; an alias, which version 14 allows, is not emulated."""
        offset = 5 if self._ncp.layout.is_sl else 2
        (destination,) = struct.unpack_from("<H", data, 2 if self._ncp.layout.is_sl else 0)
        header, tag, payload = self._message(data, offset, after_header=1)
        return self._submit(Outgoing(OutgoingType.BROADCAST, destination, header, tag, payload), destination)

    def _send_multicast(self, data: bytes) -> bytes:
        """Send to a group: on this air every listening node gets it, and its endpoint decides."""
        header, tag, payload = self._message(data, 0, after_header=6 if self._ncp.layout.is_sl else 2)
        message = Outgoing(OutgoingType.MULTICAST, BROADCAST_RX_ON_WHEN_IDLE, header, tag, payload)
        return self._submit(message, header.group)

    def _send_reply(self, data: bytes) -> bytes:
        """Acknowledge blocks of a long message; the APS acknowledgements of others are the stack's own."""
        (sender,) = struct.unpack_from("<H", data)
        header = ApsHeader.decode(data, 2)
        if not header.options & ApsOption.FRAGMENT:
            return self._ncp.layout.status(SlStatus.INVALID_STATE)
        if self._ncp.han is None:
            return self._ncp.layout.status(SlStatus.NETWORK_DOWN)
        self._ncp.han.acknowledge_blocks(self._ncp, sender, header.sequence, header.acknowledged_blocks)
        return self._ncp.layout.status(SlStatus.OK)

    def _message(self, data: bytes, offset: int, *, after_header: int = 0) -> tuple[ApsHeader, int, bytes]:
        """Read header, tag and contents; `after_header` octets between the first two are of no interest."""
        header = ApsHeader.decode(data, offset)
        offset += APS_HEADER_OCTETS + after_header
        (tag,) = self._ncp.layout.tag.unpack_from(data, offset)
        return header, tag, read_counted(data, offset + self._ncp.layout.tag.size)

    def _destination(self, kind: int, target: int) -> int | None:
        match kind:
            case OutgoingType.DIRECT:
                return target
            case OutgoingType.VIA_ADDRESS_TABLE:
                return self._addresses.at(target)
            case _:
                return None  # the binding table is empty

    def _refused(self, status: SlStatus) -> bytes:
        return self._ncp.layout.status(status) + b"\x00"

    def _submit(self, message: Outgoing, told: int) -> bytes:
        """Check a message, start it, answer with its APS counter; `told` is how the host named its target."""
        key, status = self._checked(message)
        if status is not SlStatus.OK:
            return self._refused(status)
        fragment = message.header.fragment
        continued = fragment is not None and fragment.index > 0
        sequence = message.header.sequence if continued else self._ncp.next_aps_counter()
        message = replace(message, header=replace(message.header, sequence=sequence))
        if not self._admitted(message):
            return self._refused(self._full(message))
        self._ncp.spawn(self._deliver(message, told, key))
        return self._ncp.layout.status(SlStatus.OK) + bytes((sequence,))

    def _checked(self, message: Outgoing) -> tuple[bytes | None, SlStatus]:
        """Return the link key to encrypt with, if any, and whether the message can be sent at all."""
        if not self._ncp.network_up:
            return None, SlStatus.NETWORK_DOWN
        secured = bool(message.header.options & ApsOption.ENCRYPTION)
        limit = self._ncp.air.settings.payload_limit(secured=secured)
        if message.header.fragment is not None:
            limit = self._ncp.air.settings.block_limit(secured=secured)
        if len(message.payload) > limit:
            return None, SlStatus.MESSAGE_TOO_LONG
        if not secured or message.destination == self._ncp.nwk:
            return None, SlStatus.OK
        peer = self._addresses.eui64(message.destination)
        key = None if peer is None else self._keys.key(peer)
        return key, SlStatus.OK if key is not None else SlStatus.ZIGBEE_APS_ENCRYPTION_ERROR

    def _admitted(self, message: Outgoing) -> bool:
        if not self._ncp.free_buffers or not self._ncp.messages.begin(self._ncp.settings.packet_buffers):
            self._ncp.counters.count(Counter.ALLOCATE_PACKET_BUFFER_FAILURE)
            return False
        limit = self._configuration[ConfigId.APS_UNICAST_MESSAGE_COUNT]
        if message.header.options & ApsOption.RETRY and not self._retried.begin(limit):
            self._ncp.messages.end()
            return False
        return True

    def _full(self, message: Outgoing) -> SlStatus:
        retried = message.header.options & ApsOption.RETRY and self._ncp.free_buffers > 0
        return SlStatus.ZIGBEE_MAX_MESSAGE_LIMIT_REACHED if retried else SlStatus.ALLOCATION_FAILED

    async def _deliver(self, message: Outgoing, told: int, key: bytes | None) -> None:
        status = await self._transmit(message, key)
        self._ncp.messages.end()
        if message.header.options & ApsOption.RETRY:
            self._retried.end()
        self._sent(message, told, FATES.get(status, SlStatus.ZIGBEE_DELIVERY_FAILED))

    async def _transmit(self, message: Outgoing, key: bytes | None) -> TxStatus:
        header = message.header
        frame = ApsFrame(
            source=self._ncp.nwk,
            destination=message.destination,
            source_endpoint=header.source_endpoint,
            destination_endpoint=header.destination_endpoint,
            profile=header.profile,
            cluster=header.cluster,
            payload=message.payload,
            link_key=key,
            sequence=header.sequence,
            ack=bool(header.options & ApsOption.RETRY),
            fragment=header.fragment,
        )
        if message.destination == self._ncp.nwk:
            self._ncp.later(self._ncp.receive, frame)
            return TxStatus.SUCCESS
        self._ncp.nvram.network_frame_counter += 1
        status = await self._ncp.transmit(frame)
        self._count(frame, status)
        return status

    def _count(self, frame: ApsFrame, status: TxStatus) -> None:
        if frame.is_broadcast:
            self._ncp.counters.count(Counter.MAC_TX_BROADCAST, Counter.APS_DATA_TX_BROADCAST)
        elif status is TxStatus.SUCCESS:
            self._ncp.counters.count(Counter.MAC_TX_UNICAST_SUCCESS, Counter.APS_DATA_TX_UNICAST_SUCCESS)
        else:
            self._ncp.counters.count(Counter.MAC_TX_UNICAST_FAILED, Counter.APS_DATA_TX_UNICAST_FAILED)

    def _sent(self, message: Outgoing, told: int, status: SlStatus) -> None:
        """Report the fate of a message; version 14 moved the status to the front."""
        layout = self._ncp.layout
        policy = self._configuration.policy(PolicyId.MESSAGE_CONTENTS_IN_CALLBACK_POLICY)
        contents = counted(message.payload if policy == MESSAGE_TAG_AND_CONTENTS_IN_CALLBACK else b"")
        head = struct.pack("<BH", message.kind, told) + message.header.encode()
        tag = layout.tag.pack(message.tag)
        if layout.is_sl:
            data = layout.status(status) + head + tag + contents
        else:
            data = head + tag + layout.status(status) + contents
        self._ncp.call_back(FrameId.MESSAGE_SENT_HANDLER, data)
