"""Non-volatile memory of the emulated coordinator: legacy OSAL items and the tables of Z-Stack 3.30."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from hanota.emulator.znp.unpi import MtStatus

READ_CHUNK: Final = 244
"""Octets of an item that fit one MT response."""


class NvItem(IntEnum):
    """Legacy item ids (Z-Stack ZComDef.h)."""

    EXTADDR = 0x0001
    STARTUP_OPTION = 0x0003
    NIB = 0x0021
    ADDRMGR = 0x0023
    """Before Z-Stack 3.30."""
    EXTENDED_PAN_ID = 0x002D
    BCAST_DELIVERY_TIME = 0x0030
    CONCENTRATOR_ENABLE = 0x0032
    CONCENTRATOR_DISCOVERY = 0x0033
    CONCENTRATOR_RC = 0x0036
    SRC_RTG_EXPIRY_TIME = 0x0038
    NWK_ACTIVE_KEY_INFO = 0x003A
    NWK_ALTERN_KEY_INFO = 0x003B
    NWK_CHILD_AGE_ENABLE = 0x003E
    APS_USE_EXT_PANID = 0x0047
    APS_LINK_KEY_TABLE = 0x004C
    BDBNODEISONANETWORK = 0x0055
    PRECFGKEY = 0x0062
    PRECFGKEYS_ENABLE = 0x0063
    NWKKEY = 0x0082
    """nwkActiveKeyItems; hosts also learn from its length whether the target aligns structs."""
    PANID = 0x0083
    CHANLIST = 0x0084
    LOGICAL_TYPE = 0x0087
    ZDO_DIRECT_CB = 0x008F
    TCLK_SEED = 0x0101


class NvTable(IntEnum):
    """Tables of devices and keys: their item ids from Z-Stack 3.30 on; sub-ids count from 0."""

    ADDRMGR = 1
    TCLK_TABLE = 4
    TCLK_IC_TABLE = 5
    APS_KEY_DATA_TABLE = 6
    NWK_SEC_MATERIAL = 7


STARTUP_CLEAR_CONFIG: Final = 0x01
STARTUP_CLEAR_STATE: Final = 0x02
ZSTACK_SYSTEM: Final = 1
"""The only NV system id the coordinator knows."""


@dataclass(slots=True)
class Nvram:
    """What survives a reset: assign a copy to a new coordinator for a warm restart."""

    items: dict[int, bytes] = field(default_factory=dict)
    tables: dict[tuple[int, int], bytes] = field(default_factory=dict)
    """Entries by (table, sub-id)."""

    def copy(self) -> Nvram:
        """Return an independent copy."""
        return copy.deepcopy(self)

    def create(self, item: int, length: int, value: bytes) -> MtStatus:
        """SYS_OSAL_NV_ITEM_INIT: NV_ITEM_UNINIT tells that the item is new."""
        if item in self.items:
            return MtStatus.SUCCESS
        self.items[item] = value[:length].ljust(length, b"\xff")
        return MtStatus.NV_ITEM_UNINIT

    def delete(self, item: int, length: int) -> MtStatus:
        """SYS_OSAL_NV_DELETE: the host must know the item's length."""
        if item not in self.items:
            return MtStatus.NV_ITEM_UNINIT
        if len(self.items[item]) != length:
            return MtStatus.NV_BAD_ITEM_LEN
        del self.items[item]
        return MtStatus.SUCCESS

    def read(self, item: int, offset: int) -> tuple[MtStatus, bytes]:
        """SYS_OSAL_NV_READ: a chunk from `offset`."""
        value = self.items.get(item)
        if value is None or offset >= len(value):
            return MtStatus.NV_OPER_FAILED, b""
        return MtStatus.SUCCESS, value[offset : offset + READ_CHUNK]

    def write(self, item: int, offset: int, data: bytes) -> MtStatus:
        """SYS_OSAL_NV_WRITE: only within the length the item was created with."""
        value = self.items.get(item)
        if value is None:
            return MtStatus.NV_ITEM_UNINIT
        if offset + len(data) > len(value):
            return MtStatus.NV_BAD_ITEM_LEN
        self.items[item] = value[:offset] + data + value[offset + len(data) :]
        return MtStatus.SUCCESS

    def read_entry(self, table: int, sub: int, offset: int, length: int) -> tuple[MtStatus, bytes]:
        """SYS_NV_READ of a table."""
        value = self.tables.get((table, sub))
        if value is None or offset >= len(value):
            return MtStatus.NV_OPER_FAILED, b""
        return MtStatus.SUCCESS, value[offset : offset + min(length, READ_CHUNK)]

    def write_entry(self, table: int, sub: int, offset: int, data: bytes) -> MtStatus:
        """SYS_NV_WRITE of a table."""
        value = self.tables.get((table, sub))
        if value is None:
            return MtStatus.NV_ITEM_UNINIT
        if offset + len(data) > len(value):
            return MtStatus.NV_BAD_ITEM_LEN
        self.tables[table, sub] = value[:offset] + data + value[offset + len(data) :]
        return MtStatus.SUCCESS
