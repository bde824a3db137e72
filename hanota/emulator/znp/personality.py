"""The firmwares a Z-Stack coordinator may run: version, NV layout and limits, which hosts tell them by.

Sources: Z-Stack 3.0.2 and 3.30 (ZComDef.h, ZDSecMgr.h, AddrMgr.h), SWRA198 3.12.1.3 (SYS_VERSION).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from struct import Struct
from typing import TYPE_CHECKING, Final

from hanota.emulator.znp.nib import Nib
from hanota.emulator.znp.nvram import NvItem, Nvram, NvTable

if TYPE_CHECKING:
    from collections.abc import Mapping


class Placement(Enum):
    """Where the rows of a table are kept."""

    TABLE = auto()
    """SYS_NV_*: rows of their own system table, by sub-id."""
    ITEMS = auto()
    """One legacy item for each row."""
    ONE_ITEM = auto()
    """All of them in one legacy item."""


@dataclass(frozen=True, slots=True)
class TableLayout:
    """One table of devices or keys."""

    rows: int
    row: Struct
    empty: bytes
    """A row in use by nobody."""
    placement: Placement = Placement.TABLE
    first_item: int = 0
    """The legacy item of the first row, or of all."""
    from_factory: bool = True
    """Whether a new coordinator has its rows; else they are created when they are first written."""

    @property
    def items(self) -> range:
        """Return the legacy items it takes."""
        match self.placement:
            case Placement.TABLE:
                return range(0)
            case Placement.ITEMS:
                return range(self.first_item, self.first_item + self.rows)
            case Placement.ONE_ITEM:
                return range(self.first_item, self.first_item + 1)


@dataclass(frozen=True, slots=True)
class ZnpSettings:
    """Limits of the coordinator's firmware."""

    max_in_flight: int = 16
    """Data requests without a confirm; one more is answered with ZMemError BUFFER_FULL (0x11)."""
    max_incoming: int = 220
    """Octets of a message that fit AF_INCOMING_MSG; longer ones come as AF_INCOMING_MSG_EXT."""
    max_outgoing: int = 1600
    """Octets of a data request, AF_DATA_STORE included."""
    max_stored_messages: int = 4
    """Long incoming messages kept for AF_DATA_RETRIEVE."""
    max_zdo_messages: int = 16
    """ZDO messages being sent at once: one more of the host's is BUFFER_FULL, of our answers is dropped."""
    max_groups: int = 16
    """Entries of the APS group table; one more is refused."""
    max_nv_entry: int = 1024
    """Octets a host may ask for in SYS_NV_CREATE."""


@dataclass(frozen=True, slots=True)
class Personality:
    """One firmware on its chip."""

    name: str
    """The Z-Stack release, as han.toml has it."""
    version: bytes
    """Transport revision, product, and major, minor and maintenance release, as SYS_VERSION has them."""
    code_revision: int
    """Build date of the coordinator firmware."""
    aligned: bool
    """Whether the target aligns the members of a struct in NV."""
    tables: Mapping[NvTable, TableLayout]
    link_key_entry: Struct
    """An entry of APS_LINK_KEY_TABLE: address manager index, key data id, authentication state."""
    link_key_entries: int
    link_key_base: int
    """The key data id of the first row of APS_KEY_DATA_TABLE."""
    associated_device: int
    """sizeof(associated_devices_t), from which a host learns `aligned`."""
    server_mask: int
    """Of its node descriptor."""
    settings: ZnpSettings = field(default_factory=ZnpSettings)
    items: Mapping[int, bytes] = field(default_factory=dict)
    """Items of a new coordinator that differ from the common ones."""
    items_of_network: bool = True
    """Whether a new coordinator has the items that describe its network before it has one."""

    @property
    def has_system_tables(self) -> bool:
        """Whether it knows the SYS_NV_* commands."""
        return any(layout.placement is Placement.TABLE for layout in self.tables.values())

    @property
    def active_key_items(self) -> Struct:
        """Return the layout of NWKKEY: key sequence number, key, frame counter."""
        return Struct("<B16s3xI" if self.aligned else "<B16sI")

    @property
    def empty_link_keys(self) -> bytes:
        """Return an APS_LINK_KEY_TABLE without entries: their number, and room for all."""
        return bytes(2 + self.link_key_entry.size * self.link_key_entries)

    def state_items(self) -> set[int]:
        """Return the items that StartupOption's ClearState makes as new."""
        state = {NvItem.NIB, NvItem.APS_LINK_KEY_TABLE, NvItem.BDBNODEISONANETWORK}
        return {*map(int, state), *(item for layout in self.tables.values() for item in layout.items)}

    def factory_new(self, *, tclk_seed: bytes) -> Nvram:
        """Return the memory of a coordinator that was never used."""
        nvram = Nvram(dict(_ITEMS))
        if self.items_of_network:
            nvram.items[NvItem.NIB] = Nib.unformed(aligned=self.aligned).encode()
            nvram.items[NvItem.APS_LINK_KEY_TABLE] = self.empty_link_keys
        nvram.items.update(self.items)
        nvram.items[NvItem.NWKKEY] = bytes(self.active_key_items.size)
        nvram.items[NvItem.TCLK_SEED] = tclk_seed
        for table, layout in self.tables.items():
            if not layout.from_factory:
                continue
            for index in range(layout.rows):
                if layout.placement is Placement.TABLE:
                    nvram.tables[int(table), index] = layout.empty
                else:
                    nvram.items[layout.first_item + index] = layout.empty
        return nvram

    def wrote(self, nvram: Nvram) -> bool:
        """Tell whether `nvram` is laid out as this firmware does it."""
        items = self.tables[NvTable.TCLK_TABLE].items
        return items[0] in nvram.items if items else (NvTable.TCLK_TABLE, 0) in nvram.tables


LEGACY_NWK_SEC_MATERIAL: Final = 0x0075
LEGACY_TCLK_IC_TABLE: Final = 0x0104
LEGACY_TCLK_TABLE: Final = 0x0111
LEGACY_APS_KEY_DATA: Final = 0x0201
"""First items of the tables before Z-Stack 3.30 (ZComDef.h)."""

_ITEMS: Final[Mapping[int, bytes]] = {
    NvItem.STARTUP_OPTION: b"\x00",
    NvItem.EXTENDED_PAN_ID: bytes(8),
    NvItem.BCAST_DELIVERY_TIME: b"\x1e",
    NvItem.CONCENTRATOR_ENABLE: b"\x01",
    NvItem.CONCENTRATOR_DISCOVERY: b"\x78",
    NvItem.CONCENTRATOR_RC: b"\x01",
    NvItem.SRC_RTG_EXPIRY_TIME: b"\xff",
    NvItem.NWK_ACTIVE_KEY_INFO: bytes(17),
    NvItem.NWK_ALTERN_KEY_INFO: bytes(17),
    NvItem.NWK_CHILD_AGE_ENABLE: b"\x00",
    NvItem.APS_USE_EXT_PANID: bytes(8),
    NvItem.PRECFGKEY: bytes(16),
    NvItem.PRECFGKEYS_ENABLE: b"\x00",
    NvItem.PANID: b"\xff\xff",
    NvItem.CHANLIST: b"\x00\x08\x00\x00",
    NvItem.LOGICAL_TYPE: b"\x00",
    NvItem.ZDO_DIRECT_CB: b"\x00",
}
_KEY_DATA: Final = Struct("<16sII")
"""Key, transmit and receive frame counters."""
_INSTALL_CODE_KEY: Final = Struct("<16s")
_SECURITY_MATERIAL: Final = Struct("<I8s")

Z_STACK_3_30: Final = Personality(
    name="3.30",
    version=bytes((2, 1, 2, 7, 1)),
    code_revision=20_240_710,
    aligned=True,
    tables={
        NvTable.ADDRMGR: TableLayout(32, Struct("<BxH8s"), b"\xff" * 12),
        NvTable.TCLK_TABLE: TableLayout(32, Struct("<II8sBBBx"), bytes(16) + b"\xff" + bytes(3)),
        NvTable.TCLK_IC_TABLE: TableLayout(8, _INSTALL_CODE_KEY, bytes(16)),
        NvTable.APS_KEY_DATA_TABLE: TableLayout(8, _KEY_DATA, bytes(24)),
        NvTable.NWK_SEC_MATERIAL: TableLayout(4, _SECURITY_MATERIAL, bytes(12)),
    },
    link_key_entry=Struct("<HHBx"),
    link_key_entries=16,
    link_key_base=0,
    associated_device=36,
    server_mask=0x2C41,
)
"""Z-Stack 3.30 on a CC2652: aligned structs, tables of their own."""

Z_STACK_3_0: Final = Personality(
    name="3.0",
    version=bytes((2, 2, 2, 7, 2)),
    code_revision=20_190_425,
    aligned=False,
    tables={
        NvTable.ADDRMGR: TableLayout(
            124,
            Struct("<BH8s"),
            b"\x00" + b"\xff" * 10,
            Placement.ONE_ITEM,
            NvItem.ADDRMGR,
            from_factory=False,
        ),
        NvTable.TCLK_TABLE: TableLayout(
            40, Struct("<II8sBBB"), bytes(16) + b"\xff" + bytes(2), Placement.ITEMS, LEGACY_TCLK_TABLE
        ),
        NvTable.TCLK_IC_TABLE: TableLayout(
            12, _INSTALL_CODE_KEY, bytes(16), Placement.ITEMS, LEGACY_TCLK_IC_TABLE, from_factory=False
        ),
        NvTable.APS_KEY_DATA_TABLE: TableLayout(
            3, _KEY_DATA, bytes(24), Placement.ITEMS, LEGACY_APS_KEY_DATA
        ),
        NvTable.NWK_SEC_MATERIAL: TableLayout(
            2, _SECURITY_MATERIAL, bytes(12), Placement.ITEMS, LEGACY_NWK_SEC_MATERIAL
        ),
    },
    link_key_entry=Struct("<HHB"),
    link_key_entries=3,
    link_key_base=LEGACY_APS_KEY_DATA,
    associated_device=28,
    server_mask=0x0001,
    # As many as hosts keep under way on an 8051 with 8 kB of memory.
    settings=ZnpSettings(max_in_flight=4),
    items={
        NvItem.BCAST_DELIVERY_TIME: b"\x14",
        NvItem.CONCENTRATOR_RC: b"\x00",
        NvItem.SRC_RTG_EXPIRY_TIME: b"\x0a",
        NvItem.CHANLIST: bytes(4),
        NvItem.BDBNODEISONANETWORK: b"\x00",
    },
    items_of_network=False,
)
"""Z-Stack 3.0.2 on a CC2531: packed structs, everything in legacy items, few link keys."""

PERSONALITIES: Final = {personality.name: personality for personality in (Z_STACK_3_30, Z_STACK_3_0)}
