"""MT UTIL: what a host uses to learn the firmware's struct alignment, and the LEDs (SWRA198 3.14)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from hanota.emulator.znp.unpi import MtStatus

if TYPE_CHECKING:
    from hanota.emulator.znp.coordinator import Handlers, ZnpCoordinator

CHILD_FFD_RX_IDLE: Final = 4
DEVICE_TYPES: Final = 0x07
"""What the firmware can be: coordinator, router and end device."""


class UtilCommands:
    """The UTIL subsystem of one coordinator."""

    def __init__(self, ncp: ZnpCoordinator) -> None:
        self._ncp = ncp

    def handlers(self) -> Handlers:
        """Return the SREQ handlers by command id."""
        return {
            0x00: self._get_device_info,
            0x0A: self._led_control,
            0x49: self._assoc_find_device,
        }

    def _get_device_info(self, _data: bytes) -> bytes:
        ncp = self._ncp
        associated = [d.nwk for d in ncp.security.devices.values() if d.nwk is not None]
        head = struct.pack(
            "<B8sHBB", MtStatus.SUCCESS, ncp.eui64.to_zigbee(), ncp.nwk, DEVICE_TYPES, ncp.device_state
        )
        return head + bytes((len(associated),)) + b"".join(struct.pack("<H", nwk) for nwk in associated)

    def _led_control(self, data: bytes) -> bytes:
        struct.unpack("<BB", data)
        return bytes((MtStatus.SUCCESS,))

    def _assoc_find_device(self, data: bytes) -> bytes:
        length = self._ncp.personality.associated_device
        (number,) = struct.unpack("<B", data)
        joined = [d.nwk for d in self._ncp.security.devices.values() if d.nwk is not None]
        if number >= len(joined):
            return b"\xff" * length
        entry = struct.pack("<HHB", joined[number], number, CHILD_FFD_RX_IDLE)
        return entry.ljust(length, b"\x00")
