"""MT AF: endpoints, data requests and their confirms, incoming messages (SWRA198 3.1)."""

from __future__ import annotations

import asyncio
import struct
from typing import TYPE_CHECKING, Final

from hanota.emulator.air import ApsFrame, TxStatus
from hanota.emulator.ncp import InFlight
from hanota.emulator.zdo import ZDO_ENDPOINT, SimpleDescriptor
from hanota.emulator.znp.data_request import DataRequest
from hanota.emulator.znp.huge import IncomingMessages, OutgoingMessage
from hanota.emulator.znp.unpi import MtStatus, Subsystem
from hanota.errors import RemoteProtocolError
from hanota.eui64 import Eui64

if TYPE_CHECKING:
    from hanota.emulator.znp.ncp import Handlers, ZnpNcp
    from hanota.emulator.znp.zdo import ZdoCommands

DATA_CONFIRM: Final = 0x80
INCOMING_MSG: Final = 0x81
INCOMING_MSG_EXT: Final = 0x82

OPTION_ACK_REQUEST: Final = 0x10
OPTION_ENABLE_SECURITY: Final = 0x40
ADDRESS_16: Final = 0x02
ADDRESS_64: Final = 0x03
ADDRESS_BROADCAST: Final = 0x0F
LINK_QUALITY: Final = 200
RADIUS_LEFT: Final = 0x1D
BROADCAST_ENDPOINT: Final = 0xFF

CONFIRM_STATUS: Final = {
    TxStatus.SUCCESS: MtStatus.SUCCESS,
    TxStatus.MAC_NO_ACK: MtStatus.MAC_NO_ACK,
    TxStatus.MAC_TRANSACTION_EXPIRED: MtStatus.MAC_TRANSACTION_EXPIRED,
    TxStatus.MAC_TRANSACTION_OVERFLOW: MtStatus.MAC_TRANSACTION_OVERFLOW,
    TxStatus.APS_NO_ACK: MtStatus.APS_NO_ACK,
    TxStatus.NO_ROUTE: MtStatus.NWK_NO_ROUTE,
}
_REQUEST: Final = struct.Struct("<HBBHBBBB")
_REQUEST_EXT: Final = struct.Struct("<B8sBHBHBBBH")
_INCOMING: Final = struct.Struct("<HHHBBBBBIB")
_INCOMING_EXT: Final = struct.Struct("<HHBH6xBHBBBBIB")


class AfCommands:
    """The AF subsystem of one coordinator."""

    def __init__(self, ncp: ZnpNcp, zdo: ZdoCommands) -> None:
        self._ncp = ncp
        self._zdo = zdo
        self._in_flight = InFlight()
        self._outgoing: OutgoingMessage | None = None
        self._incoming = IncomingMessages(ncp.settings.max_stored_messages)

    def handlers(self) -> Handlers:
        """Return the SREQ handlers by command id."""
        return {
            0x00: self._register,
            0x01: self._data_request,
            0x02: self._data_request_ext,
            0x03: self._data_request_src_rtg,
            0x04: self._delete,
            0x11: self._data_store,
            0x12: self._data_retrieve,
        }

    def reset(self) -> None:
        """Forget endpoints and messages: the host must register again."""
        self._ncp.endpoints.clear()
        self._in_flight.clear()
        self._outgoing = None
        self._incoming.clear()

    def receive(self, frame: ApsFrame) -> None:
        """Report an application frame from the air to the host."""
        if frame.destination_endpoint not in {*self._ncp.endpoints, BROADCAST_ENDPOINT}:
            self._ncp.statistics.unregistered_endpoint += 1
            return
        stamp = int(asyncio.get_running_loop().time() * 1000) & 0xFFFF_FFFF
        tail = struct.pack("<HB", frame.source, RADIUS_LEFT)
        if len(frame.payload) <= self._ncp.settings.max_incoming:
            head = _INCOMING.pack(
                0,
                frame.cluster,
                frame.source,
                frame.source_endpoint,
                frame.destination_endpoint,
                frame.is_broadcast,
                LINK_QUALITY,
                frame.secured,
                stamp,
                frame.sequence,
            )
            data = head + bytes((len(frame.payload),)) + frame.payload + tail
            self._ncp.notify(Subsystem.AF, INCOMING_MSG, data)
            return
        stamp = self._incoming.keep(stamp, frame.payload)
        head = _INCOMING_EXT.pack(
            0,
            frame.cluster,
            ADDRESS_16,
            frame.source,
            frame.source_endpoint,
            0,
            frame.destination_endpoint,
            frame.is_broadcast,
            LINK_QUALITY,
            frame.secured,
            stamp,
            frame.sequence,
        )
        data = head + struct.pack("<H", len(frame.payload)) + tail
        self._ncp.notify(Subsystem.AF, INCOMING_MSG_EXT, data)

    def _register(self, data: bytes) -> bytes:
        number, profile, device, version, _ = struct.unpack_from("<BHHBB", data)
        inputs, rest = _clusters(data[7:])
        outputs, _ = _clusters(rest)
        if number == ZDO_ENDPOINT or number in self._ncp.endpoints:
            return bytes((MtStatus.INVALID_PARAMETER,))
        self._ncp.endpoints[number] = SimpleDescriptor(number, profile, device, inputs, outputs, version)
        return bytes((MtStatus.SUCCESS,))

    def _delete(self, data: bytes) -> bytes:
        gone = self._ncp.endpoints.pop(data[0], None)
        return bytes((MtStatus.INVALID_PARAMETER if gone is None else MtStatus.SUCCESS,))

    def _data_request(self, data: bytes) -> bytes:
        destination, to, source, cluster, sequence, options, _, length = _REQUEST.unpack_from(data)
        payload = _exactly(data[_REQUEST.size :], length)
        return self._submit(DataRequest(destination, to, source, cluster, sequence, options, payload))

    def _data_request_src_rtg(self, data: bytes) -> bytes:
        destination, to, source, cluster, sequence, options, _, hops = _REQUEST.unpack_from(data)
        rest = data[_REQUEST.size + 2 * hops :]
        payload = _exactly(rest[1:], rest[0])
        return self._submit(DataRequest(destination, to, source, cluster, sequence, options, payload))

    def _data_request_ext(self, data: bytes) -> bytes:
        mode, address, to, _, source, cluster, sequence, options, _, length = _REQUEST_EXT.unpack_from(data)
        destination = self._destination(mode, address)
        if destination is None:
            return bytes((MtStatus.INVALID_PARAMETER,))
        payload = data[_REQUEST_EXT.size :]
        request = DataRequest(destination, to, source, cluster, sequence, options, payload)
        if length > len(payload) and not payload:
            return self._begin_huge(request, length)
        _exactly(payload, length)
        return self._submit(request)

    def _begin_huge(self, request: DataRequest, length: int) -> bytes:
        """Keep a request whose data follows in AF_DATA_STORE; one at a time, as in Z-Stack."""
        if length > self._ncp.settings.max_outgoing:
            return bytes((MtStatus.INVALID_PARAMETER,))
        if self._outgoing is not None:
            return bytes((MtStatus.BUFFER_FULL,))
        self._outgoing = OutgoingMessage(request, length)
        return bytes((MtStatus.SUCCESS,))

    def _data_store(self, data: bytes) -> bytes:
        index, length = struct.unpack_from("<HB", data)
        chunk = _exactly(data[3:], length)
        message = self._outgoing
        if message is None:
            return bytes((MtStatus.FAILURE,))
        if chunk:
            return bytes((MtStatus.SUCCESS if message.store(index, chunk) else MtStatus.INVALID_PARAMETER,))
        self._outgoing = None
        return self._submit(message.request())

    def _data_retrieve(self, data: bytes) -> bytes:
        chunk = self._incoming.retrieve(*struct.unpack("<IHB", data))
        if chunk is None:
            return bytes((MtStatus.FAILURE, 0))
        return bytes((MtStatus.SUCCESS, len(chunk))) + chunk

    def _destination(self, mode: int, address: bytes) -> int | None:
        match mode:
            case _ if mode == ADDRESS_64:
                known = self._ncp.security.devices.get(Eui64.from_zigbee(address))
                return None if known is None else known.nwk
            case _ if mode in {ADDRESS_16, ADDRESS_BROADCAST}:
                return int.from_bytes(address[:2], "little")
            case _:
                return None

    def _submit(self, request: DataRequest) -> bytes:
        """Check a request, start it and return the SRSP; its confirm follows when it has ended."""
        if request.destination_endpoint == ZDO_ENDPOINT and request.source_endpoint == ZDO_ENDPOINT:
            return bytes((self._zdo.request(request.destination, request.cluster, request.payload),))
        endpoint = self._ncp.endpoints.get(request.source_endpoint)
        if endpoint is None or len(request.payload) > self._ncp.settings.max_outgoing:
            return bytes((MtStatus.INVALID_PARAMETER,))
        if self._ncp.buffers_full or not self._in_flight.begin(self._ncp.settings.max_in_flight):
            return bytes((MtStatus.BUFFER_FULL,))
        self._ncp.spawn(self._deliver(request, endpoint.profile))
        return bytes((MtStatus.SUCCESS,))

    async def _deliver(self, request: DataRequest, profile: int) -> None:
        status = await self._transmit(request, profile)
        self._in_flight.end()
        confirm = bytes((status, request.source_endpoint, request.sequence))
        self._ncp.notify(Subsystem.AF, DATA_CONFIRM, confirm)

    async def _transmit(self, request: DataRequest, profile: int) -> MtStatus:
        key = None
        if request.options & OPTION_ENABLE_SECURITY and request.destination != self._ncp.nwk:
            peer = self._ncp.security.address(request.destination)
            key = None if peer is None else self._ncp.security.key(peer)
            if key is None:
                return MtStatus.SEC_NO_KEY
        frame = ApsFrame(
            source=self._ncp.nwk,
            destination=request.destination,
            source_endpoint=request.source_endpoint,
            destination_endpoint=request.destination_endpoint,
            profile=profile,
            cluster=request.cluster,
            payload=request.payload,
            link_key=key,
            sequence=self._ncp.next_aps_counter(),
            ack=bool(request.options & OPTION_ACK_REQUEST),
        )
        if request.destination == self._ncp.nwk:
            self._ncp.later(self._ncp.receive, frame)
            return MtStatus.SUCCESS
        return CONFIRM_STATUS[await self._ncp.transmit(frame)]


def _clusters(data: bytes) -> tuple[tuple[int, ...], bytes]:
    count = data[0]
    return struct.unpack_from(f"<{count}H", data, 1), data[1 + 2 * count :]


def _exactly(data: bytes, length: int) -> bytes:
    if len(data) != length:
        raise RemoteProtocolError(f"{length} octets announced, {len(data)} sent")
    return data
