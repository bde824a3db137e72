"""MT ZDO as hosts without AF on endpoint 0 use it: a command for each request, network state, groups.

Source: SWRA198 3.16.1.
"""

from __future__ import annotations

import struct
from functools import partial
from typing import TYPE_CHECKING, Final

from hanota.emulator.air import BROADCAST_RX_ON_WHEN_IDLE
from hanota.emulator.zdo import ZdoCluster
from hanota.emulator.znp.unpi import MtStatus, Subsystem

if TYPE_CHECKING:
    from hanota.emulator.znp.ncp import Handlers, ZnpNcp
    from hanota.emulator.znp.zdo import ZdoCommands

STATE_CHANGE_IND: Final = 0xC0
STARTUP_RESTORED: Final = 0x00
STARTUP_NOT_STARTED: Final = 0x02

REQUESTS: Final = {
    0x02: ZdoCluster.NODE_DESC_REQ,
    0x03: ZdoCluster.POWER_DESC_REQ,
    0x04: ZdoCluster.SIMPLE_DESC_REQ,
    0x05: ZdoCluster.ACTIVE_EP_REQ,
    0x06: ZdoCluster.MATCH_DESC_REQ,
    0x31: ZdoCluster.MGMT_LQI_REQ,
    0x32: ZdoCluster.MGMT_RTG_REQ,
    0x33: ZdoCluster.MGMT_BIND_REQ,
    0x34: ZdoCluster.MGMT_LEAVE_REQ,
}
"""Commands that carry the destination's short address and then the request as it is in the air."""


class ZdoRequests:
    """The part of one coordinator's ZDO subsystem that sends requests and tells of the network."""

    def __init__(self, ncp: ZnpNcp, zdo: ZdoCommands) -> None:
        self._ncp = ncp
        self._zdo = zdo
        self._groups: set[tuple[int, int]] = set()

    def handlers(self) -> Handlers:
        """Return the SREQ handlers by command id."""
        requests: Handlers = {
            command: partial(self._request, cluster) for command, cluster in REQUESTS.items()
        }
        return requests | {
            0x00: self._nwk_addr_req,
            0x01: self._ieee_addr_req,
            0x40: self._startup_from_app,
            0x4A: self._ext_find_group,
            0x4B: self._ext_add_group,
            0x50: self._ext_nwk_info,
        }

    def reset(self) -> None:
        """Forget the groups."""
        self._groups.clear()

    def _request(self, cluster: ZdoCluster, data: bytes) -> bytes:
        (destination,) = struct.unpack_from("<H", data)
        return self._send(destination, cluster, data[2:])

    def _nwk_addr_req(self, data: bytes) -> bytes:
        struct.unpack("<8sBB", data)
        return self._send(BROADCAST_RX_ON_WHEN_IDLE, ZdoCluster.NWK_ADDR_REQ, data)

    def _ieee_addr_req(self, data: bytes) -> bytes:
        destination, _, _ = struct.unpack("<HBB", data)
        return self._send(destination, ZdoCluster.IEEE_ADDR_REQ, data)

    def _send(self, destination: int, cluster: ZdoCluster, request: bytes) -> bytes:
        payload = bytes((self._ncp.next_aps_counter(),)) + request
        return bytes((self._zdo.request(destination, cluster, payload),))

    def _startup_from_app(self, data: bytes) -> bytes:
        struct.unpack("<H", data)
        if not self._ncp.nib().formed:
            return bytes((STARTUP_NOT_STARTED,))
        self._ncp.later(self._resume)
        return bytes((STARTUP_RESTORED,))

    def _resume(self) -> None:
        self._ncp.start_network()
        self._ncp.notify(Subsystem.ZDO, STATE_CHANGE_IND, bytes((self._ncp.device_state,)))

    def _ext_find_group(self, data: bytes) -> bytes:
        endpoint, group = struct.unpack("<BH", data)
        status = MtStatus.SUCCESS if (endpoint, group) in self._groups else MtStatus.FAILURE
        return struct.pack("<BHB", status, group, 0)

    def _ext_add_group(self, data: bytes) -> bytes:
        endpoint, group, _ = struct.unpack_from("<BHB", data)
        if len(self._groups) >= self._ncp.settings.max_groups:
            return bytes((MtStatus.FAILURE,))
        self._groups.add((endpoint, group))
        return bytes((MtStatus.SUCCESS,))

    def _ext_nwk_info(self, _data: bytes) -> bytes:
        nib = self._ncp.nib()
        return struct.pack(
            "<HBHH8s8sB",
            nib.short_address,
            self._ncp.device_state,
            nib.pan_id,
            nib.coordinator_address,
            nib.extended_pan_id,
            nib.coordinator_eui64,
            nib.channel,
        )
