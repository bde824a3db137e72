"""The coordinator as trust centre: the permit join window, admission by install code, leaving."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from hanota.emulator.air import Admission
from hanota.emulator.trust_centre import WELL_KNOWN_KEY, JoinWindow, new_short_address
from hanota.emulator.znp.unpi import MtStatus, Subsystem

if TYPE_CHECKING:
    from hanota.emulator.znp.ncp import ZnpNcp
    from hanota.eui64 import Eui64

LEAVE_IND: Final = 0xC9
TC_DEV_IND: Final = 0xCA
PERMIT_JOIN_IND: Final = 0xCB

LONGEST_WINDOW: Final = 254
"""Seconds; since ZigBee R21 a duration of 255 no longer means for ever (2.4.3.3.7)."""


class Joining:
    """Implements hanota.emulator.air.TrustCentre for one coordinator."""

    def __init__(self, ncp: ZnpNcp) -> None:
        self._ncp = ncp
        self._window = JoinWindow(expired=lambda: self.permit(0))
        self.install_code_only = False
        """bdbJoinUsesInstallCodeKey: devices without a registered install code are not admitted."""

    @property
    def permits_joining(self) -> bool:
        """Tell whether the window is open."""
        return self._window.is_open

    def permit(self, duration: int) -> None:
        """Open the window for `duration` seconds, or close it with 0, and report it to the host."""
        if duration:
            self._window.open(min(duration, LONGEST_WINDOW))
        else:
            self._window.close()
        self._ncp.notify(Subsystem.ZDO, PERMIT_JOIN_IND, bytes((duration,)))

    def reset(self) -> None:
        """Forget everything that is not in NV."""
        self._window.close()
        self.install_code_only = False

    def admit(self, eui64: Eui64, capabilities: int) -> Admission | None:  # noqa: ARG002  # of TrustCentre
        """Associate a device and send Transport-Key; the host is told before the device can prove its key."""
        if not self.permits_joining:
            return None
        security = self._ncp.security
        known = security.devices.get(eui64)
        key = None if known is None else known.install_code_key
        if key is None and self.install_code_only:
            return None
        nwk = known.nwk if known is not None and known.nwk is not None else self._new_address()
        if security.join(eui64, nwk) is not MtStatus.SUCCESS:
            return None
        parent = None if self._ncp.han is None else self._ncp.han.parent_of(eui64)
        indication = struct.pack("<H8sH", nwk, eui64.to_zigbee(), parent or self._ncp.nwk)
        self._ncp.notify(Subsystem.ZDO, TC_DEV_IND, indication)
        return Admission(nwk, self._ncp.eui64, WELL_KNOWN_KEY if key is None else key.key)

    def departed(self, eui64: Eui64, nwk: int, *, rejoin: bool) -> None:
        """Take a device's NWK Leave: its keys go, unless it announces a rejoin."""
        if not rejoin:
            self._ncp.security.forget(eui64)
        leave = struct.pack("<H8sBBB", nwk, eui64.to_zigbee(), 0, 0, rejoin)
        self._ncp.notify(Subsystem.ZDO, LEAVE_IND, leave)

    def _new_address(self) -> int:
        used = {device.nwk for device in self._ncp.security.devices.values()}
        return new_short_address(self._ncp.random, used)
