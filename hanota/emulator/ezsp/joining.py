"""The co-processor as trust centre and parent: the join window, its policy, children, leaving (UG100)."""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from hanota.emulator.air import CAPABILITY_FULL_FUNCTION, CAPABILITY_RX_ON_WHEN_IDLE, Admission
from hanota.emulator.ezsp.configuration import (
    ALLOW_JOINS,
    JOINS_USE_INSTALL_CODE_KEY,
    ConfigId,
    PolicyId,
)
from hanota.emulator.ezsp.counters import Counter
from hanota.emulator.ezsp.frames import FrameId
from hanota.emulator.ezsp.keys import WILDCARD
from hanota.emulator.ezsp.nvram import Child
from hanota.emulator.ezsp.status import SlStatus
from hanota.emulator.trust_centre import JoinWindow, new_short_address
from hanota.emulator.zdo import ZdoCluster
from hanota.eui64 import Eui64

if TYPE_CHECKING:
    from hanota.emulator.ezsp.addresses import AddressCommands
    from hanota.emulator.ezsp.configuration import Configuration
    from hanota.emulator.ezsp.keys import Keys
    from hanota.emulator.ezsp.ncp import EzspNcp, Handlers

FOR_EVER: Final = 0xFF
"""permitJoining duration that never ends by itself."""
NODE_TYPE_UNKNOWN: Final = 0x00
NODE_TYPE_END_DEVICE: Final = 0x03
NODE_TYPE_SLEEPY_END_DEVICE: Final = 0x04

_CHILD_DATA: Final = struct.Struct("<8sBHBBBI")
"""EmberChildData: EUI64, type, short address, PHY, power, timeout, and from EZSP 10 on the time left."""
_WITHOUT_TIME_LEFT: Final = slice(-4)


class DeviceUpdate(IntEnum):
    """What happened to a device (EmberDeviceUpdate)."""

    STANDARD_SECURITY_UNSECURED_JOIN = 1
    DEVICE_LEFT = 2


class JoinDecision(IntEnum):
    """What the trust centre did about it (EmberJoinDecision)."""

    USE_PRECONFIGURED_KEY = 0
    DENY_JOIN = 2
    NO_ACTION = 3


class Joining:
    """Implements hanota.emulator.air.TrustCentre for one co-processor."""

    def __init__(
        self, ncp: EzspNcp, configuration: Configuration, addresses: AddressCommands, keys: Keys
    ) -> None:
        self._ncp = ncp
        self._configuration = configuration
        self._addresses = addresses
        self._keys = keys
        self._window = JoinWindow(expired=self._closed)

    def handlers(self) -> Handlers:
        """Return the command handlers by frame id."""
        return {
            0x0022: self._permit_joining,
            0x004A: self._get_child_data,
            0x00A8: self._remove_device,
            0x00AC: self._set_child_data,
        }

    @property
    def permits_joining(self) -> bool:
        """Tell whether the window is open."""
        return self._window.is_open

    def reset(self) -> None:
        """Close the window without a word."""
        self._window.close()

    def admit(self, eui64: Eui64, capabilities: int) -> Admission | None:
        """Associate a device and send Transport-Key; the host is told before the device can prove its key."""
        if not self.permits_joining:
            return None
        self._ncp.counters.count(Counter.JOIN_INDICATION)
        nwk = self._addresses.nwk(eui64)
        if nwk is None:
            nwk = new_short_address(self._ncp.random, self._addresses.in_use())
        key = self._key(eui64)
        admitted = key is not None and self._adopt(eui64, nwk, capabilities)
        decision = JoinDecision.USE_PRECONFIGURED_KEY if admitted else JoinDecision.DENY_JOIN
        self._report(eui64, nwk, DeviceUpdate.STANDARD_SECURITY_UNSECURED_JOIN, decision)
        if key is None or not admitted:
            return None
        self._addresses.learn(eui64, nwk)
        self._keys.incoming.forget(eui64)
        return Admission(nwk, self._ncp.eui64, key)

    def departed(self, eui64: Eui64, nwk: int, *, rejoin: bool) -> None:
        """Take a device's NWK Leave; its link key stays until the host erases it."""
        if not rejoin:
            self._addresses.forget(eui64)
            self._orphan(eui64)
        self._report(eui64, nwk, DeviceUpdate.DEVICE_LEFT, JoinDecision.NO_ACTION)

    def _key(self, eui64: Eui64) -> bytes | None:
        """Return the key that the policy lets a device join with: its own, or one for everybody."""
        policy = self._configuration.policy(PolicyId.TRUST_CENTER_POLICY)
        if not policy & ALLOW_JOINS:
            return None
        own = self._keys.transient_key(eui64)
        if own is not None or policy & JOINS_USE_INSTALL_CODE_KEY:
            return own
        return self._keys.transient_key(WILDCARD)

    def _report(self, eui64: Eui64, nwk: int, update: DeviceUpdate, decision: JoinDecision) -> None:
        data = struct.pack("<H8sBBH", nwk, eui64.to_zigbee(), update, decision, self._parent(eui64))
        self._ncp.call_back(FrameId.TRUST_CENTER_JOIN_HANDLER, data)

    def _parent(self, eui64: Eui64) -> int:
        parent = None if self._ncp.han is None else self._ncp.han.parent_of(eui64)
        return self._ncp.nwk if parent is None else parent

    def _adopt(self, eui64: Eui64, nwk: int, capabilities: int) -> bool:
        """Note a new child; routers are none for longer than their join. Return False if there is no room."""
        if capabilities & CAPABILITY_FULL_FUNCTION or self._parent(eui64) != self._ncp.nwk:
            return True
        listening = capabilities & CAPABILITY_RX_ON_WHEN_IDLE
        kind = NODE_TYPE_END_DEVICE if listening else NODE_TYPE_SLEEPY_END_DEVICE
        children = self._ncp.nvram.children
        known = next((index for index, child in children.items() if child.eui64 == eui64), None)
        free = (n for n in range(self._configuration[ConfigId.MAX_END_DEVICE_CHILDREN]) if n not in children)
        index = known if known is not None else next(free, None)
        if index is None:
            return False
        children[index] = Child(eui64, nwk, kind)
        self._report_child(index, children[index], joining=True)
        return True

    def _orphan(self, eui64: Eui64) -> None:
        children = self._ncp.nvram.children
        for index in [index for index, child in children.items() if child.eui64 == eui64]:
            self._report_child(index, children.pop(index), joining=False)

    def _report_child(self, index: int, child: Child, *, joining: bool) -> None:
        head = struct.pack("<B?H", index, joining, child.nwk)
        data = head + child.eui64.to_zigbee() + bytes((child.node_type,))
        self._ncp.call_back(FrameId.CHILD_JOIN_HANDLER, data)

    def _permit_joining(self, data: bytes) -> bytes:
        duration = data[0]
        if not self._ncp.network_up:
            return self._ncp.layout.status(SlStatus.INVALID_STATE)
        was_open = self._window.is_open
        if duration:
            self._window.open(None if duration == FOR_EVER else duration)
            if not was_open:
                self._ncp.later(self._ncp.report_status, SlStatus.ZIGBEE_NETWORK_OPENED)
        else:
            self._window.close()
            if was_open:
                self._ncp.later(self._closed)
        return self._ncp.layout.status(SlStatus.OK)

    def _closed(self) -> None:
        self._ncp.report_status(SlStatus.ZIGBEE_NETWORK_CLOSED)

    def _get_child_data(self, data: bytes) -> bytes:
        child, layout = self._ncp.nvram.children.get(data[0]), self._ncp.layout
        known = bytes(_CHILD_DATA.size)
        if child is not None:
            known = _CHILD_DATA.pack(child.eui64.to_zigbee(), child.node_type, child.nwk, 0, 0, 0, 0)
        if not layout.has_time_left:
            known = known[_WITHOUT_TIME_LEFT]
        return layout.status(SlStatus.NOT_JOINED if child is None else SlStatus.OK) + known

    def _set_child_data(self, data: bytes) -> bytes:
        index, ieee, kind, nwk = struct.unpack_from("<B8sBH", data)
        if index >= self._configuration[ConfigId.MAX_END_DEVICE_CHILDREN]:
            return self._ncp.layout.status(SlStatus.INVALID_INDEX)
        self._ncp.nvram.children[index] = Child(Eui64.from_zigbee(ieee), nwk, kind)
        return self._ncp.layout.status(SlStatus.OK)

    def _remove_device(self, data: bytes) -> bytes:
        """Tell a device to leave; a device that is no child of a router gets the request itself."""
        nwk, _, ieee = struct.unpack_from("<H8s8s", data)
        if not self._ncp.network_up:
            return self._ncp.layout.status(SlStatus.INVALID_STATE)
        request = bytes((self._ncp.next_aps_counter(),)) + ieee + b"\x00"
        sent = self._ncp.zdo_sender.send(nwk, ZdoCluster.MGMT_LEAVE_REQ, request)
        return self._ncp.layout.status(SlStatus.OK if sent else SlStatus.ALLOCATION_FAILED)
