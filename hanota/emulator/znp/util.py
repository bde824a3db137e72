"""MT UTIL: addresses, link keys, the firmware's struct alignment, and the LEDs (SWRA198 3.14)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from hanota.emulator.znp.unpi import MtStatus
from hanota.eui64 import Eui64

if TYPE_CHECKING:
    from hanota.emulator.znp.ncp import Handlers, ZnpNcp

CHILD_FFD_RX_IDLE: Final = 4
NO_ADDRESS: Final = 0xFFFE
"""Short address of a device the address manager does not know (INVALID_NODE_ADDR)."""
DEVICE_TYPES: Final = 0x07
"""What the firmware can be: coordinator, router and end device."""


class UtilCommands:
    """The UTIL subsystem of one coordinator."""

    def __init__(self, ncp: ZnpNcp) -> None:
        self._ncp = ncp

    def handlers(self) -> Handlers:
        """Return the SREQ handlers by command id."""
        return {
            0x00: self._get_device_info,
            0x0A: self._led_control,
            0x40: self._addrmgr_ext_addr_lookup,
            0x41: self._addrmgr_nwk_addr_lookup,
            0x44: self._apsme_link_key_data_get,
            0x49: self._assoc_find_device,
        }

    def _get_device_info(self, _data: bytes) -> bytes:
        ncp = self._ncp
        associated = [d.nwk for d in ncp.security.devices.values() if d.nwk is not None]
        head = struct.pack(
            "<B8sHBB", MtStatus.SUCCESS, ncp.eui64.to_zigbee(), ncp.nwk, DEVICE_TYPES, ncp.device_state
        )
        return head + bytes((len(associated),)) + b"".join(struct.pack("<H", nwk) for nwk in associated)

    def _addrmgr_ext_addr_lookup(self, data: bytes) -> bytes:
        """Return the short address of a device, the invalid one where the address manager knows none."""
        (ieee,) = struct.unpack("<8s", data)
        known = self._ncp.security.devices.get(Eui64.from_zigbee(ieee))
        return struct.pack("<H", NO_ADDRESS if known is None or known.nwk is None else known.nwk)

    def _addrmgr_nwk_addr_lookup(self, data: bytes) -> bytes:
        """Return the EUI64 behind a short address, zeros where the address manager knows none."""
        eui64 = self._ncp.security.address(*struct.unpack("<H", data))
        return bytes(8) if eui64 is None else eui64.to_zigbee()

    def _apsme_link_key_data_get(self, data: bytes) -> bytes:
        (ieee,) = struct.unpack("<8s", data)
        key = self._ncp.security.link_key(Eui64.from_zigbee(ieee))
        if key is None:
            return struct.pack("<B24x", MtStatus.FAILURE)
        return struct.pack("<B16sII", MtStatus.SUCCESS, key.key, key.outgoing, key.incoming)

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
