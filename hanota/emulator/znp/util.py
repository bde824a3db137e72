"""MT UTIL: what a host uses to learn the firmware's struct alignment, and the LEDs (SWRA198 3.14)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from hanota.emulator.znp.unpi import MtStatus

if TYPE_CHECKING:
    from hanota.emulator.znp.coordinator import Handlers, ZnpCoordinator

ASSOCIATED_DEVICE_LENGTH: Final = 36
"""sizeof(associated_devices_t) on an aligned target; 28 would be a CC253x."""
CHILD_FFD_RX_IDLE: Final = 4


class UtilCommands:
    """The UTIL subsystem of one coordinator."""

    def __init__(self, ncp: ZnpCoordinator) -> None:
        self._ncp = ncp

    def handlers(self) -> Handlers:
        """Return the SREQ handlers by command id."""
        return {
            0x0A: lambda _data: bytes((MtStatus.SUCCESS,)),
            0x49: self._assoc_find_device,
        }

    def _assoc_find_device(self, data: bytes) -> bytes:
        (number,) = struct.unpack("<B", data)
        joined = [d.nwk for d in self._ncp.security.devices.values() if d.nwk is not None]
        if number >= len(joined):
            return b"\xff" * ASSOCIATED_DEVICE_LENGTH
        entry = struct.pack("<HHB", joined[number], number, CHILD_FFD_RX_IDLE)
        return entry.ljust(ASSOCIATED_DEVICE_LENGTH, b"\x00")
