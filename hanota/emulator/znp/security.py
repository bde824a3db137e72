"""The coordinator's device and link key tables: in RAM, and in NV as its firmware lays them out."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from hanota.emulator.aps_security import ApsRefusal
from hanota.emulator.znp.nvram import NvItem, NvTable
from hanota.emulator.znp.unpi import MtStatus
from hanota.eui64 import Eui64

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hanota.emulator.aps import ApsFrame
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
SAVED_AFTER: Final = 1000
"""Changes of a link key's frame counters after which they are written to NV (APSMEDE.h).

A restart takes the outgoing counter to 1001 above what is in NV, so that none is used twice, and the incoming
one as it is there: frames of the last 1000 can be replayed.
"""
SAVED_AFTER_TCLK: Final = 10
"""The same for the keys devices join with."""


@dataclass(slots=True)
class CountedKey:
    """A key and its frame counters: those in RAM, which run ahead of the ones in NV."""

    key: bytes = field(repr=False)
    outgoing: int = 0
    incoming: int = 0
    unsaved: int = 0
    """Changes since the counters were written to NV."""

    @property
    def row(self) -> tuple[bytes, int, int]:
        """An entry of APS_KEY_DATA_TABLE; to write it saves the counters."""
        self.unsaved = 0
        return self.key, self.outgoing, self.incoming


@dataclass(slots=True)
class KnownDevice:
    """What the coordinator remembers of one device."""

    nwk: int | None = None
    """Its short address, None before it joins."""
    install_code_key: CountedKey | None = None
    link_key: CountedKey | None = None
    """Set by the host after key establishment; it replaces the install code's."""

    @property
    def key(self) -> CountedKey | None:
        """The key of APS encryption to and from it."""
        return self.link_key or self.install_code_key


class SecurityManager:
    """Devices by EUI64; every change is written to NV at once."""

    def __init__(self, nvram: Nvram, tables: NvTables, personality: Personality) -> None:
        self._nvram, self._tables, self._personality = nvram, tables, personality
        self.devices: dict[Eui64, KnownDevice] = {}
        self._load()

    def key(self, eui64: Eui64) -> bytes | None:
        """Return the key that APS encryption to or from `eui64` uses."""
        device = self.devices.get(eui64)
        key = None if device is None else device.key
        return None if key is None else key.key

    def link_key(self, eui64: Eui64) -> CountedKey | None:
        """Return the key that the host established with a device."""
        known = self.devices.get(eui64)
        return None if known is None else known.link_key

    def next_frame_counter(self, eui64: Eui64) -> int:
        """Return the outgoing frame counter of the next frame for `eui64`, 0 where there is no key."""
        device = self.devices.get(eui64)
        if device is None or device.key is None:
            return 0
        device.key.outgoing += 1
        self._changed(device)
        return device.key.outgoing

    def unsecure(self, frame: ApsFrame, eui64: Eui64) -> ApsRefusal | None:
        """Judge a frame of `eui64` with APS encryption, and note its frame counter if it is good."""
        device = self.devices.get(eui64)
        key = None if device is None else device.key
        if device is None or key is None:
            return ApsRefusal.NO_KEY
        if frame.link_key != key.key:
            return ApsRefusal.WRONG_KEY
        if frame.frame_counter is None:
            return None  # a scripted sender keeps none
        if frame.frame_counter <= key.incoming:
            return ApsRefusal.REPLAYED
        key.incoming = frame.frame_counter
        self._changed(device)
        return None

    def _changed(self, device: KnownDevice) -> None:
        """Save the counters of a device's key now and then, to spare the flash."""
        if device.key is None:
            return
        device.key.unsaved += 1
        if device.key.unsaved >= (SAVED_AFTER if device.link_key is not None else SAVED_AFTER_TCLK):
            self.store()

    def address(self, nwk: int) -> Eui64 | None:
        """Return the EUI64 behind a short address."""
        return next((eui64 for eui64, device in self.devices.items() if device.nwk == nwk), None)

    def add_install_code(self, eui64: Eui64, key: bytes) -> MtStatus:
        """Register the key a device may join with."""
        return self._change(eui64, KnownDevice(self._nwk(eui64), CountedKey(key), self.link_key(eui64)))

    def set_link_key(self, eui64: Eui64, nwk: int, key: bytes) -> MtStatus:
        """Take the key that the host established with a device."""
        known = self.devices.get(eui64, KnownDevice())
        return self._change(eui64, KnownDevice(nwk, known.install_code_key, CountedKey(key)))

    def remove_link_key(self, eui64: Eui64) -> MtStatus:
        """Drop an established key."""
        if self.link_key(eui64) is None:
            return MtStatus.INVALID_PARAMETER
        known = self.devices[eui64]
        return self._change(eui64, KnownDevice(known.nwk, known.install_code_key))

    def join(self, eui64: Eui64, nwk: int) -> MtStatus:
        """Note a join: a device that joins afresh no longer holds an established key, and counts from 0."""
        key = self.devices.get(eui64, KnownDevice()).install_code_key
        return self._change(eui64, KnownDevice(nwk, None if key is None else CountedKey(key.key)))

    def forget(self, eui64: Eui64) -> None:
        """Drop a device and its keys."""
        if self.devices.pop(eui64, None) is not None:
            self.store()

    def _nwk(self, eui64: Eui64) -> int | None:
        known = self.devices.get(eui64)
        return None if known is None else known.nwk

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
            shift = None if device.link_key is None else self._seed_shift(ieee, device.link_key.key)
            if device.install_code_key is not None:
                key, *counters = device.install_code_key.row
                tclk.append((*counters, ieee, _PROVISIONAL_KEY, 0, len(install_codes)))
                install_codes.append((key,))
            elif device.link_key is not None and shift is not None:
                _, *counters = device.link_key.row
                tclk.append((*counters, ieee, _VERIFIED_KEY, 0, shift))
            if device.link_key is not None and (shift is None or device.install_code_key is not None):
                key_id = self._personality.link_key_base + len(aps_keys)
                links.append((len(addresses), key_id, _AUTHENTICATED))
                aps_keys.append(device.link_key.row)
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
        for outgoing, incoming, ieee, attributes, _, index in self._tables.rows(NvTable.TCLK_TABLE):
            if ieee in _NOBODY:
                continue
            device = self.devices.setdefault(Eui64.from_zigbee(ieee), KnownDevice())
            if attributes == _PROVISIONAL_KEY and index < len(install_codes):
                (key,) = install_codes[index]
                device.install_code_key = CountedKey(key, outgoing + SAVED_AFTER_TCLK + 1, incoming)
            elif attributes == _VERIFIED_KEY:
                key = self._key_from_seed(ieee, index)
                device.link_key = CountedKey(key, outgoing + SAVED_AFTER_TCLK + 1, incoming)
        self._load_link_keys([ieee for _, _, ieee in addresses])
        if any(device.key is not None for device in self.devices.values()):
            self.store()  # the counters that were taken ahead: the next restart goes on from them

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
                key, outgoing, incoming = keys[index]
                device.link_key = CountedKey(key, outgoing + SAVED_AFTER + 1, incoming)

    def _key_from_seed(self, ieee: bytes, shift: int) -> bytes:
        """Return the link key of a device that has it from the trust centre (ZDSecMgrGenerateKeyFromSeed)."""
        seed = self._nvram.items.get(NvItem.TCLK_SEED, b"")[:_KEY_OCTETS].ljust(_KEY_OCTETS, b"\x00")
        turned = seed[shift:] + seed[:shift]
        return bytes(a ^ b for a, b in zip(turned, ieee * 2, strict=True))

    def _seed_shift(self, ieee: bytes, key: bytes) -> int | None:
        """Return by how many octets TCLK_SEED is turned to make `key`, None if it does not."""
        shifts = (shift for shift in range(_KEY_OCTETS) if self._key_from_seed(ieee, shift) == key)
        return next(shifts, None)
