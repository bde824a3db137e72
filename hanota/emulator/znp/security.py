"""The coordinator's device and link key tables: in RAM, and in NV as its firmware lays them out."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from hanota.emulator.znp.nvram import NvItem, NvTable
from hanota.emulator.znp.unpi import MtStatus
from hanota.eui64 import Eui64

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hanota.emulator.znp.nvram import Nvram
    from hanota.emulator.znp.personality import Personality
    from hanota.emulator.znp.tables import NvTables

_USER_ASSOC: Final = 0x01
_USER_SECURITY: Final = 0x02
_PROVISIONAL_KEY: Final = 0x00
"""keyAttributes of a key made from an install code."""
_VERIFIED_KEY: Final = 0x02
"""keyAttributes of a key made from TCLK_SEED."""
_AUTHENTICATED: Final = 0x01
"""AuthenticationState of a key from key establishment (ZDO SetLinkKey)."""
_NO_ADDRESS: Final = 0xFFFE
"""Short address of a device that is known but not joined."""
_NOBODY: Final = frozenset({bytes(8), b"\xff" * 8})
"""IEEE addresses of empty rows."""
_KEY_OCTETS: Final = 16


@dataclass(slots=True)
class KnownDevice:
    """What the coordinator remembers of one device."""

    nwk: int | None = None
    """Its short address, None before it joins."""
    install_code_key: bytes | None = field(default=None, repr=False)
    link_key: bytes | None = field(default=None, repr=False)
    """Set by the host after key establishment; it replaces the install code's."""


class SecurityManager:
    """Devices by EUI64; every change is written to NV at once."""

    def __init__(self, nvram: Nvram, tables: NvTables, personality: Personality) -> None:
        self._nvram, self._tables, self._personality = nvram, tables, personality
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
            self.store()

    def _nwk(self, eui64: Eui64) -> int | None:
        known = self.devices.get(eui64)
        return None if known is None else known.nwk

    def _established(self, eui64: Eui64) -> bytes | None:
        known = self.devices.get(eui64)
        return None if known is None else known.link_key

    def _change(self, eui64: Eui64, device: KnownDevice) -> MtStatus:
        before = dict(self.devices)
        self.devices[eui64] = device
        if self.store():
            return MtStatus.SUCCESS
        self.devices = before
        return MtStatus.FAILURE

    def store(self) -> bool:
        """Write all tables; return False, having written nothing, when one is too small."""
        addresses: list[tuple[int, int, bytes]] = []
        tclk: list[tuple[object, ...]] = []
        install_codes: list[tuple[bytes]] = []
        aps_keys: list[tuple[bytes, int, int]] = []
        links: list[tuple[int, int, int]] = []
        for eui64, device in self.devices.items():
            ieee = eui64.to_zigbee()
            shift = None if device.link_key is None else self._seed_shift(ieee, device.link_key)
            if device.install_code_key is not None:
                tclk.append((0, 0, ieee, _PROVISIONAL_KEY, 0, len(install_codes)))
                install_codes.append((device.install_code_key,))
            elif shift is not None:
                tclk.append((0, 0, ieee, _VERIFIED_KEY, 0, shift))
            if device.link_key is not None and (shift is None or device.install_code_key is not None):
                key_id = self._personality.link_key_base + len(aps_keys)
                links.append((len(addresses), key_id, _AUTHENTICATED))
                aps_keys.append((device.link_key, 0, 0))
            if device.nwk is not None or device.link_key is not None:
                user = _USER_ASSOC | _USER_SECURITY * (device.link_key is not None)
                addresses.append((user, _NO_ADDRESS if device.nwk is None else device.nwk, ieee))
        tables: dict[NvTable, Sequence[tuple[object, ...]]] = {
            NvTable.ADDRMGR: addresses,
            NvTable.TCLK_TABLE: tclk,
            NvTable.TCLK_IC_TABLE: install_codes,
            NvTable.APS_KEY_DATA_TABLE: aps_keys,
        }
        if len(links) > self._personality.link_key_entries or not all(
            self._tables.has_room(table, len(rows)) for table, rows in tables.items()
        ):
            return False
        for table, rows in tables.items():
            self._tables.write(table, rows)
        entries = b"".join(self._personality.link_key_entry.pack(*link) for link in links)
        packed = struct.pack("<H", len(links)) + entries
        self._nvram.items[NvItem.APS_LINK_KEY_TABLE] = packed.ljust(
            len(self._personality.empty_link_keys), b"\x00"
        )
        return True

    def _load(self) -> None:
        addresses = self._tables.rows(NvTable.ADDRMGR)
        for _, nwk, ieee in addresses:
            if ieee not in _NOBODY:
                self.devices[Eui64.from_zigbee(ieee)] = KnownDevice(None if nwk == _NO_ADDRESS else nwk)
        install_codes = self._tables.rows(NvTable.TCLK_IC_TABLE)
        for _, _, ieee, attributes, _, index in self._tables.rows(NvTable.TCLK_TABLE):
            if ieee in _NOBODY:
                continue
            device = self.devices.setdefault(Eui64.from_zigbee(ieee), KnownDevice())
            if attributes == _PROVISIONAL_KEY and index < len(install_codes):
                (device.install_code_key,) = install_codes[index]
            elif attributes == _VERIFIED_KEY:
                device.link_key = self._key_from_seed(ieee, index)
        self._load_link_keys([ieee for _, _, ieee in addresses])

    def _load_link_keys(self, addresses: list[bytes]) -> None:
        table = self._nvram.items.get(NvItem.APS_LINK_KEY_TABLE, b"")
        keys = self._tables.rows(NvTable.APS_KEY_DATA_TABLE)
        entry = self._personality.link_key_entry
        count = int.from_bytes(table[:2], "little")
        room = (len(table) - 2) // entry.size
        for number in range(min(count, room, self._personality.link_key_entries)):
            address, key_id, state = entry.unpack_from(table, 2 + number * entry.size)
            index = key_id - self._personality.link_key_base
            if state != _AUTHENTICATED or address >= len(addresses) or not 0 <= index < len(keys):
                continue
            device = self.devices.get(Eui64.from_zigbee(addresses[address]))
            if device is not None:
                device.link_key = keys[index][0]

    def _key_from_seed(self, ieee: bytes, shift: int) -> bytes:
        """Return the link key of a device that has it from the trust centre (ZDSecMgrGenerateKeyFromSeed)."""
        seed = self._nvram.items.get(NvItem.TCLK_SEED, b"")[:_KEY_OCTETS].ljust(_KEY_OCTETS, b"\x00")
        turned = seed[shift:] + seed[:shift]
        return bytes(a ^ b for a, b in zip(turned, ieee * 2, strict=True))

    def _seed_shift(self, ieee: bytes, key: bytes) -> int | None:
        """Return by how many octets TCLK_SEED is turned to make `key`, None if it does not."""
        shifts = (shift for shift in range(_KEY_OCTETS) if self._key_from_seed(ieee, shift) == key)
        return next(shifts, None)
