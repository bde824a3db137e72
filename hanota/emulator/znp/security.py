"""The coordinator's device and link key tables: in RAM, and in NV as Z-Stack 3.30 lays them out."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Final

from hanota.emulator.znp.nvram import (
    APS_LINK_KEY_ENTRIES,
    EMPTY_ADDRESS,
    EMPTY_APS_KEY,
    EMPTY_TCLK,
    NvItem,
    Nvram,
    NvTable,
)
from hanota.emulator.znp.unpi import MtStatus
from hanota.eui64 import Eui64

_ADDRESS: Final = struct.Struct("<BxH8s")
_TCLK: Final = struct.Struct("<II8sBBBx")
_APS_KEY: Final = struct.Struct("<16sII")
_LINK_KEY: Final = struct.Struct("<HHBx")

_USER_ASSOC: Final = 0x01
_USER_SECURITY: Final = 0x02
_PROVISIONAL_KEY: Final = 0x00
"""keyAttributes of a key made from an install code."""
_AUTHENTICATED: Final = 0x01
"""AuthenticationState of a key from key establishment (ZDO SetLinkKey)."""


@dataclass(slots=True)
class KnownDevice:
    """What the coordinator remembers of one device."""

    nwk: int | None = None
    """Its short address, None before it joins."""
    install_code_key: bytes | None = field(default=None, repr=False)
    link_key: bytes | None = field(default=None, repr=False)
    """Set by the host after key establishment; it replaces the install code's."""


class SecurityManager:
    """Devices by EUI64; every change is written to `nvram` at once."""

    def __init__(self, nvram: Nvram) -> None:
        self._nvram = nvram
        self.devices: dict[Eui64, KnownDevice] = {}
        self._load()

    def key(self, eui64: Eui64) -> bytes | None:
        """Return the key that APS encryption to or from `eui64` uses."""
        device = self.devices.get(eui64)
        return None if device is None else device.link_key or device.install_code_key

    def address(self, nwk: int) -> Eui64 | None:
        """Return the EUI64 behind a short address."""
        return next((eui64 for eui64, device in self.devices.items() if device.nwk == nwk), None)

    def add_install_code(self, eui64: Eui64, key: bytes) -> MtStatus:
        """Register the key a device may join with."""
        return self._change(eui64, KnownDevice(self._nwk(eui64), key, self._established(eui64)))

    def set_link_key(self, eui64: Eui64, nwk: int, key: bytes) -> MtStatus:
        """Take the key that the host established with a device."""
        known = self.devices.get(eui64, KnownDevice())
        return self._change(eui64, KnownDevice(nwk, known.install_code_key, key))

    def remove_link_key(self, eui64: Eui64) -> MtStatus:
        """Drop an established key."""
        if self._established(eui64) is None:
            return MtStatus.INVALID_PARAMETER
        known = self.devices[eui64]
        return self._change(eui64, KnownDevice(known.nwk, known.install_code_key))

    def join(self, eui64: Eui64, nwk: int) -> MtStatus:
        """Note a join: a device that joins afresh no longer holds an established key."""
        known = self.devices.get(eui64, KnownDevice())
        return self._change(eui64, KnownDevice(nwk, known.install_code_key))

    def forget(self, eui64: Eui64) -> None:
        """Drop a device and its keys."""
        if self.devices.pop(eui64, None) is not None:
            self._store()

    def _nwk(self, eui64: Eui64) -> int | None:
        known = self.devices.get(eui64)
        return None if known is None else known.nwk

    def _established(self, eui64: Eui64) -> bytes | None:
        known = self.devices.get(eui64)
        return None if known is None else known.link_key

    def _change(self, eui64: Eui64, device: KnownDevice) -> MtStatus:
        before = dict(self.devices)
        self.devices[eui64] = device
        if self._store():
            return MtStatus.SUCCESS
        self.devices = before
        return MtStatus.FAILURE

    def _store(self) -> bool:
        """Write all tables; return False, having written nothing, when one is too small."""
        addresses: list[bytes] = []
        tclk: list[bytes] = []
        install_codes: list[bytes] = []
        aps_keys: list[bytes] = []
        links: list[bytes] = []
        for eui64, device in self.devices.items():
            ieee = eui64.to_zigbee()
            if device.nwk is not None:
                user = _USER_ASSOC | _USER_SECURITY * (device.link_key is not None)
                if device.link_key is not None:
                    links.append(_LINK_KEY.pack(len(addresses), len(aps_keys), _AUTHENTICATED))
                    aps_keys.append(_APS_KEY.pack(device.link_key, 0, 0))
                addresses.append(_ADDRESS.pack(user, device.nwk, ieee))
            if device.install_code_key is not None:
                tclk.append(_TCLK.pack(0, 0, ieee, _PROVISIONAL_KEY, 0, len(install_codes)))
                install_codes.append(_APS_KEY.pack(device.install_code_key, 0, 0))
        tables = (
            (NvTable.ADDRMGR, addresses, EMPTY_ADDRESS),
            (NvTable.TCLK_TABLE, tclk, EMPTY_TCLK),
            (NvTable.TCLK_IC_TABLE, install_codes, EMPTY_APS_KEY),
            (NvTable.APS_KEY_DATA_TABLE, aps_keys, EMPTY_APS_KEY),
        )
        if len(links) > APS_LINK_KEY_ENTRIES or any(
            len(rows) > len(self._nvram.entries(table)) for table, rows, _ in tables
        ):
            return False
        for table, rows, empty in tables:
            for sub, _ in self._nvram.entries(table):
                self._nvram.tables[table, sub] = rows[sub] if sub < len(rows) else empty
        packed = struct.pack("<H", len(links)) + b"".join(links)
        room = len(self._nvram.items[NvItem.APS_LINK_KEY_TABLE])
        self._nvram.items[NvItem.APS_LINK_KEY_TABLE] = packed.ljust(room, b"\x00")
        return True

    def _load(self) -> None:
        nvram = self._nvram
        addresses = [_ADDRESS.unpack(value) for _, value in nvram.entries(NvTable.ADDRMGR)]
        for _, nwk, ieee in addresses:
            if ieee not in {b"\xff" * 8, bytes(8)}:
                self.devices[Eui64.from_zigbee(ieee)] = KnownDevice(nwk)
        for _, value in nvram.entries(NvTable.TCLK_TABLE):
            _, _, ieee, attributes, _, index = _TCLK.unpack(value)
            row = nvram.tables.get((NvTable.TCLK_IC_TABLE, index))
            if ieee != bytes(8) and attributes == _PROVISIONAL_KEY and row is not None:
                device = self.devices.setdefault(Eui64.from_zigbee(ieee), KnownDevice())
                device.install_code_key = _APS_KEY.unpack(row)[0]
        self._load_link_keys(addresses)

    def _load_link_keys(self, addresses: list[tuple[int, int, bytes]]) -> None:
        table = self._nvram.items[NvItem.APS_LINK_KEY_TABLE]
        (count,) = struct.unpack_from("<H", table)
        for number in range(min(count, APS_LINK_KEY_ENTRIES)):
            address, index, state = _LINK_KEY.unpack_from(table, 2 + number * _LINK_KEY.size)
            row = self._nvram.tables.get((NvTable.APS_KEY_DATA_TABLE, index))
            if state == _AUTHENTICATED and row is not None and address < len(addresses):
                device = self.devices.get(Eui64.from_zigbee(addresses[address][2]))
                if device is not None:
                    device.link_key = _APS_KEY.unpack(row)[0]
