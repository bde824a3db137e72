"""MT ZDO: permit join, link keys, routes, and ZDO messages to and from the air (SWRA198 3.16)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from hanota.emulator.air import BROADCAST_ROUTERS
from hanota.emulator.ncp import ZdoSender
from hanota.emulator.zdo import RESPONSE, NodeDescriptor, ZdoCluster, ZdoServer, ZdoStatus
from hanota.emulator.znp.nvram import NvItem
from hanota.emulator.znp.unpi import MtStatus, Subsystem
from hanota.errors import RemoteProtocolError
from hanota.eui64 import Eui64

if TYPE_CHECKING:
    from hanota.emulator.air import ApsFrame
    from hanota.emulator.znp.joining import Joining
    from hanota.emulator.znp.ncp import Handlers, ZnpNcp

MSG_CB_INCOMING: Final = 0xFF
END_DEVICE_ANNCE_IND: Final = 0xC1
ANY_CLUSTER: Final = 0xFFFF
ADDRESS_RESPONSES: Final = frozenset({ZdoCluster.NWK_ADDR_REQ, ZdoCluster.IEEE_ADDR_REQ})
"""Requests whose 45/8x indication does not begin with the responder's short address."""
ADDRESS_INDICATION_LENGTH: Final = 13
"""Octets of their indication: it counts associated devices even where the response tells of none."""

ROUTE_SUCCESS: Final = 0
ROUTE_FAIL: Final = 1


class ZdoCommands:
    """The ZDO subsystem of one coordinator."""

    def __init__(self, ncp: ZnpNcp, joining: Joining) -> None:
        self._ncp = ncp
        self._joining = joining
        self._callbacks: set[int] = set()
        self._sender = ZdoSender(ncp, ncp.settings.max_zdo_messages)

    def handlers(self) -> Handlers:
        """Return the SREQ handlers by command id."""
        return {
            0x23: self._set_link_key,
            0x24: self._remove_link_key,
            0x25: self._get_link_key,
            0x36: self._mgmt_permit_join_req,
            0x3E: self._msg_callback_register,
            0x3F: self._msg_callback_remove,
            0x45: lambda _data: bytes((MtStatus.SUCCESS,)),
            0x46: self._ext_route_chk,
        }

    def reset(self) -> None:
        """Forget the host's registrations."""
        self._callbacks.clear()
        self._sender.reset()

    def request(self, destination: int, cluster: int, payload: bytes) -> MtStatus:
        """Carry out a ZDO request of the host, sent through AF on endpoint 0."""
        if destination == self._ncp.nwk:
            response = self._server().respond(cluster, payload)
            if response is not None:
                self._ncp.later(self._report, self._ncp.nwk, cluster | RESPONSE, response)
            return MtStatus.SUCCESS
        return MtStatus.SUCCESS if self._sender.send(destination, cluster, payload) else MtStatus.BUFFER_FULL

    def receive(self, frame: ApsFrame) -> None:
        """Take a ZDO frame from the air: answer requests, report everything the host asked for."""
        if not frame.payload:
            return
        self._report(frame.source, frame.cluster, frame.payload, broadcast=frame.is_broadcast)
        if frame.cluster & RESPONSE:
            return
        try:
            response = self._server().respond(frame.cluster, frame.payload)
        except RemoteProtocolError:
            return
        if response is not None and not self._sender.send(frame.source, frame.cluster | RESPONSE, response):
            self._ncp.statistics.unanswered_requests += 1

    def _report(self, source: int, cluster: int, payload: bytes, *, broadcast: bool = False) -> None:
        """Give a ZDO message to the host, in the ways it has asked for."""
        body = payload[1:]
        direct = self._ncp.item(NvItem.ZDO_DIRECT_CB) != b"\x00"
        if cluster == ZdoCluster.DEVICE_ANNCE:
            self._ncp.notify(Subsystem.ZDO, END_DEVICE_ANNCE_IND, struct.pack("<H", source) + body)
        elif cluster & RESPONSE and direct:
            if cluster ^ RESPONSE in ADDRESS_RESPONSES:
                indication = body.ljust(ADDRESS_INDICATION_LENGTH, b"\x00")
            else:
                indication = struct.pack("<H", source) + body
            self._ncp.notify(Subsystem.ZDO, 0x80 | (cluster & 0x7F), indication)
        if self._callbacks & {cluster, ANY_CLUSTER}:
            head = struct.pack("<HBHBBH", source, broadcast, cluster, 0, payload[0], self._ncp.nwk)
            self._ncp.notify(Subsystem.ZDO, MSG_CB_INCOMING, head + body)

    def _server(self) -> ZdoServer:
        node = NodeDescriptor(
            logical_type=0,
            capabilities=self._ncp.capabilities,
            maximum_buffer=0x50,
            maximum_transfer=0x00A0,
            server_mask=self._ncp.personality.server_mask,
        )
        return ZdoServer(self._ncp.eui64, self._ncp.nwk, node, tuple(self._ncp.endpoints.values()))

    def _mgmt_permit_join_req(self, data: bytes) -> bytes:
        _, destination, duration, significance = struct.unpack("<BHBB", data)
        if destination == self._ncp.nwk or destination >= BROADCAST_ROUTERS:
            self._ncp.later(self._permit, duration)
        else:
            payload = bytes((self._ncp.next_aps_counter(), duration, significance))
            return bytes((self.request(destination, ZdoCluster.MGMT_PERMIT_JOINING_REQ, payload),))
        return bytes((MtStatus.SUCCESS,))

    def _permit(self, duration: int) -> None:
        response = ZdoCluster.MGMT_PERMIT_JOINING_REQ | RESPONSE
        status = bytes((ZdoStatus.SUCCESS,))
        self._ncp.notify(Subsystem.ZDO, 0x80 | (response & 0x7F), struct.pack("<H", 0) + status)
        self._joining.permit(duration)
        if self._callbacks & {response, ANY_CLUSTER}:
            head = struct.pack("<HBHBBH", self._ncp.nwk, 0, response, 0, 0, self._ncp.nwk)
            self._ncp.notify(Subsystem.ZDO, MSG_CB_INCOMING, head + status)

    def _msg_callback_register(self, data: bytes) -> bytes:
        self._callbacks.add(struct.unpack("<H", data)[0])
        return bytes((MtStatus.SUCCESS,))

    def _msg_callback_remove(self, data: bytes) -> bytes:
        self._callbacks.discard(struct.unpack("<H", data)[0])
        return bytes((MtStatus.SUCCESS,))

    def _ext_route_chk(self, data: bytes) -> bytes:
        destination, _, _ = struct.unpack("<HBB", data)
        known = self._ncp.security.address(destination) is not None
        return bytes((ROUTE_SUCCESS if known else ROUTE_FAIL,))

    def _set_link_key(self, data: bytes) -> bytes:
        nwk, ieee, key = struct.unpack("<H8s16s", data)
        return bytes((self._ncp.security.set_link_key(Eui64.from_zigbee(ieee), nwk, key),))

    def _remove_link_key(self, data: bytes) -> bytes:
        (ieee,) = struct.unpack("<8s", data)
        return bytes((self._ncp.security.remove_link_key(Eui64.from_zigbee(ieee)),))

    def _get_link_key(self, data: bytes) -> bytes:
        """Return a key that SetLinkKey wrote; the keys devices join with are in another table."""
        (ieee,) = struct.unpack("<8s", data)
        key = self._ncp.security.link_key(Eui64.from_zigbee(ieee))
        if key is None:
            return struct.pack("<B8s16x", MtStatus.FAILURE, ieee)
        return struct.pack("<B8s16s", MtStatus.SUCCESS, ieee, key.key)
