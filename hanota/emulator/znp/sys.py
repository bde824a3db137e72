"""MT SYS: ping, version, reset, non-volatile memory (SWRA198 3.12)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from hanota.emulator.znp.nvram import ZSTACK_SYSTEM, NvItem
from hanota.emulator.znp.unpi import MtStatus, Subsystem

if TYPE_CHECKING:
    from hanota.emulator.znp.ncp import Handlers, ZnpNcp

RESET_REQ: Final = 0x00
RESET_IND: Final = 0x80

CAPABILITIES: Final = 0x0659
"""Subsystems of a Z-Stack 3 coordinator build: SYS, AF, ZDO, UTIL, GP, APP_CNF."""


class SysCommands:
    """The SYS subsystem of one coordinator."""

    def __init__(self, ncp: ZnpNcp) -> None:
        self._ncp = ncp

    def handlers(self) -> Handlers:
        """Return the SREQ handlers by command id."""
        handlers: Handlers = {
            0x01: lambda _data: struct.pack("<H", CAPABILITIES),
            0x02: self._version,
            0x04: lambda _data: self._ncp.item(NvItem.EXTADDR),
            0x07: self._osal_nv_item_init,
            0x08: lambda data: self._osal_nv_read("<HB", data),
            0x09: lambda data: self._osal_nv_write("<HBB", data),
            0x12: lambda data: bytes((self._ncp.nvram.delete(*struct.unpack("<HH", data)),)),
            0x13: self._osal_nv_length,
            0x14: lambda _data: bytes((MtStatus.SUCCESS,)),
            0x1C: lambda data: self._osal_nv_read("<HH", data),
            0x1D: lambda data: self._osal_nv_write("<HHH", data),
        }
        if self._ncp.personality.has_system_tables:
            handlers |= {
                0x30: self._nv_create,
                0x31: self._nv_delete,
                0x32: self._nv_length,
                0x33: self._nv_read,
                0x34: self._nv_write,
            }
        return handlers

    def reset_indication(self, reason: int) -> None:
        """Tell the host that the coordinator has started."""
        self._ncp.notify(Subsystem.SYS, RESET_IND, bytes((reason,)) + self._ncp.personality.version)

    def _version(self, _data: bytes) -> bytes:
        personality = self._ncp.personality
        return personality.version + struct.pack("<I", personality.code_revision)

    def _osal_nv_item_init(self, data: bytes) -> bytes:
        item, length, given = struct.unpack_from("<HHB", data)
        return bytes((self._ncp.nvram.create(item, length, data[5 : 5 + given]),))

    def _osal_nv_read(self, layout: str, data: bytes) -> bytes:
        status, value = self._ncp.nvram.read(*struct.unpack(layout, data))
        return bytes((status, len(value))) + value

    def _osal_nv_write(self, layout: str, data: bytes) -> bytes:
        item, offset, _ = struct.unpack_from(layout, data)
        return bytes((self._ncp.nvram.write(item, offset, data[struct.calcsize(layout) :]),))

    def _osal_nv_length(self, data: bytes) -> bytes:
        (item,) = struct.unpack("<H", data)
        return struct.pack("<H", len(self._ncp.nvram.items.get(item, b"")))

    def _nv_create(self, data: bytes) -> bytes:
        system, table, sub, length = struct.unpack("<BHHI", data)
        tables = self._ncp.nvram.tables
        if system != ZSTACK_SYSTEM or length > self._ncp.settings.max_nv_entry:
            return bytes((MtStatus.INVALID_PARAMETER,))
        if (table, sub) in tables:
            return bytes((MtStatus.SUCCESS,))
        tables[table, sub] = bytes(length)
        return bytes((MtStatus.NV_ITEM_UNINIT,))

    def _nv_delete(self, data: bytes) -> bytes:
        _, table, sub = struct.unpack("<BHH", data)
        gone = self._ncp.nvram.tables.pop((table, sub), None)
        return bytes((MtStatus.NV_ITEM_UNINIT if gone is None else MtStatus.SUCCESS,))

    def _nv_length(self, data: bytes) -> bytes:
        system, table, sub = struct.unpack("<BHH", data)
        known = system == ZSTACK_SYSTEM
        return struct.pack("<I", len(self._ncp.nvram.tables.get((table, sub), b"")) if known else 0)

    def _nv_read(self, data: bytes) -> bytes:
        _, table, sub, offset, length = struct.unpack("<BHHHB", data)
        status, value = self._ncp.nvram.read_entry(table, sub, offset, length)
        return bytes((status, len(value))) + value

    def _nv_write(self, data: bytes) -> bytes:
        _, table, sub, offset, length = struct.unpack_from("<BHHHB", data)
        return bytes((self._ncp.nvram.write_entry(table, sub, offset, data[8 : 8 + length]),))
