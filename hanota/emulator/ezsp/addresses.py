"""Which EUI64 has which short address: the host's address table, children, neighbours (UG100)."""

from __future__ import annotations

import struct
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from hanota.emulator.ezsp.configuration import ConfigId
from hanota.emulator.ezsp.nvram import ERASED
from hanota.emulator.ezsp.status import SlStatus
from hanota.eui64 import Eui64

if TYPE_CHECKING:
    from hanota.emulator.ezsp.configuration import Configuration
    from hanota.emulator.ezsp.ncp import EzspNcp, Handlers

UNKNOWN_NWK: Final = 0xFFFF
"""EMBER_NULL_NODE_ID: an unused entry, or nobody known."""

_REPLACE: Final = struct.Struct("<B8sH?")


@dataclass(frozen=True, slots=True)
class AddressEntry:
    """One entry of the address table."""

    eui64: Eui64
    nwk: int
    extended_timeout: bool = False


UNUSED: Final = AddressEntry(ERASED, UNKNOWN_NWK)


class AddressCommands:
    """The addresses one co-processor knows; all but those of children are forgotten at a reset."""

    def __init__(self, ncp: EzspNcp, configuration: Configuration) -> None:
        self._ncp = ncp
        self._configuration = configuration
        self._table: dict[int, AddressEntry] = {}
        self._neighbours: OrderedDict[Eui64, int] = OrderedDict()
        self._extended: set[Eui64] = set()

    def handlers(self) -> Handlers:
        """Return the command handlers by frame id; version 14 reordered the address table's."""
        common: Handlers = {
            # A message in flight does not hold its entry here, so none is ever active.
            0x005B: lambda _data: b"\x00",
            0x0060: self._lookup_node_id_by_eui64,
            0x0061: self._lookup_eui64_by_node_id,
            0x007E: self._set_extended_timeout,
            0x007F: self._get_extended_timeout,
            0x0082: self._replace_address_table_entry,
        }
        if self._ncp.layout.is_sl:
            return common | {0x005C: self._set_address_table_info, 0x005E: self._get_address_table_info}
        return common | {
            0x005C: self._set_address_table_remote_eui64,
            0x005D: self._set_address_table_remote_node_id,
            0x005E: lambda data: self._entry(data[0]).eui64.to_zigbee(),
            0x005F: lambda data: struct.pack("<H", self._entry(data[0]).nwk),
        }

    def reset(self) -> None:
        """Forget everything that is not in non-volatile memory."""
        self._table.clear()
        self._neighbours.clear()
        self._extended.clear()

    def learn(self, eui64: Eui64, nwk: int) -> None:
        """Take what a join, an announcement or a frame's auxiliary header tells."""
        self._neighbours[eui64] = nwk
        self._neighbours.move_to_end(eui64)
        if len(self._neighbours) > self._ncp.settings.max_neighbours:
            self._neighbours.popitem(last=False)
        for index, entry in self._table.items():
            if entry.eui64 == eui64:
                self._table[index] = replace(entry, nwk=nwk)

    def forget(self, eui64: Eui64) -> None:
        """Drop a device that has left from what the stack itself keeps."""
        self._neighbours.pop(eui64, None)
        self._extended.discard(eui64)

    def nwk(self, eui64: Eui64) -> int | None:
        """Return the short address of a device."""
        return next((entry.nwk for entry in self._known() if entry.eui64 == eui64), None)

    def eui64(self, nwk: int) -> Eui64 | None:
        """Return the device behind a short address."""
        return next((entry.eui64 for entry in self._known() if entry.nwk == nwk), None)

    def at(self, index: int) -> int | None:
        """Return the short address in an entry of the address table, None if it is not in use."""
        entry = self._table.get(index, UNUSED)
        return None if entry.nwk == UNKNOWN_NWK else entry.nwk

    def index(self, nwk: int) -> int | None:
        """Return the entry of the address table for a short address."""
        return next((index for index, entry in self._table.items() if entry.nwk == nwk), None)

    def in_use(self) -> set[int | None]:
        """Return every short address known, so that a new one differs."""
        return {self._ncp.nwk, *(entry.nwk for entry in self._known())}

    def _known(self) -> list[AddressEntry]:
        children = (AddressEntry(child.eui64, child.nwk) for child in self._ncp.nvram.children.values())
        neighbours = (AddressEntry(eui64, nwk) for eui64, nwk in self._neighbours.items())
        table = (entry for entry in self._table.values() if entry.nwk != UNKNOWN_NWK)
        return [*neighbours, *children, *table]

    def _entry(self, index: int) -> AddressEntry:
        return self._table.get(index, UNUSED)

    def _store(self, index: int, entry: AddressEntry) -> SlStatus:
        if index >= self._configuration[ConfigId.ADDRESS_TABLE_SIZE]:
            return SlStatus.INVALID_INDEX
        self._table[index] = entry
        return SlStatus.OK

    def _get_address_table_info(self, data: bytes) -> bytes:
        entry = self._entry(data[0])
        status = SlStatus.NOT_FOUND if entry.nwk == UNKNOWN_NWK else SlStatus.OK
        return self._ncp.layout.status(status) + struct.pack("<H8s", entry.nwk, entry.eui64.to_zigbee())

    def _set_address_table_info(self, data: bytes) -> bytes:
        index, ieee, nwk = struct.unpack_from("<B8sH", data)
        entry = replace(self._entry(index), eui64=Eui64.from_zigbee(ieee), nwk=nwk)
        return self._ncp.layout.status(self._store(index, entry))

    def _set_address_table_remote_eui64(self, data: bytes) -> bytes:
        index, ieee = struct.unpack_from("<B8s", data)
        entry = replace(self._entry(index), eui64=Eui64.from_zigbee(ieee))
        return self._ncp.layout.status(self._store(index, entry))

    def _set_address_table_remote_node_id(self, data: bytes) -> bytes:
        index, nwk = struct.unpack_from("<BH", data)
        self._store(index, replace(self._entry(index), nwk=nwk))
        return b""

    def _replace_address_table_entry(self, data: bytes) -> bytes:
        index, ieee, nwk, extended = _REPLACE.unpack_from(data)
        old, eui64 = self._entry(index), Eui64.from_zigbee(ieee)
        status = self._store(index, AddressEntry(eui64, nwk, extended))
        if status is SlStatus.OK:
            self._note_timeout(eui64, extended=extended)
        told = struct.pack("<8sH?", old.eui64.to_zigbee(), old.nwk, old.extended_timeout)
        return self._ncp.layout.status(status) + told

    def _lookup_node_id_by_eui64(self, data: bytes) -> bytes:
        nwk = self.nwk(Eui64.from_zigbee(data[:8]))
        value = struct.pack("<H", UNKNOWN_NWK if nwk is None else nwk)
        if not self._ncp.layout.is_sl:
            return value
        return self._ncp.layout.status(SlStatus.NOT_FOUND if nwk is None else SlStatus.OK) + value

    def _lookup_eui64_by_node_id(self, data: bytes) -> bytes:
        eui64 = self.eui64(struct.unpack_from("<H", data)[0])
        status = SlStatus.NOT_FOUND if eui64 is None else SlStatus.OK
        return self._ncp.layout.status(status) + (eui64 or ERASED).to_zigbee()

    def _set_extended_timeout(self, data: bytes) -> bytes:
        ieee, extended = struct.unpack_from("<8s?", data)
        self._note_timeout(Eui64.from_zigbee(ieee), extended=extended)
        return self._ncp.layout.status_since_14()

    def _get_extended_timeout(self, data: bytes) -> bytes:
        extended = Eui64.from_zigbee(data[:8]) in self._extended
        if self._ncp.layout.is_sl:
            return self._ncp.layout.status(SlStatus.OK if extended else SlStatus.FAIL)
        return bytes((extended,))

    def _note_timeout(self, eui64: Eui64, *, extended: bool) -> None:
        """Remember for which devices the retry interval is extended; more than are known is nobody's."""
        limit = self._ncp.settings.max_neighbours + self._configuration[ConfigId.ADDRESS_TABLE_SIZE]
        if not extended:
            self._extended.discard(eui64)
        elif len(self._extended) < limit:
            self._extended.add(eui64)
