"""Security frames: initial and current state, and the security manager that EZSP 12 brought (UG100)."""

from __future__ import annotations

import asyncio
import struct
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from hanota.emulator.ezsp.frames import sl_status
from hanota.emulator.ezsp.nvram import LinkKey
from hanota.emulator.ezsp.status import SlStatus
from hanota.eui64 import Eui64

if TYPE_CHECKING:
    from hanota.emulator.ezsp.keys import Keys
    from hanota.emulator.ezsp.ncp import EzspNcp, Handlers

NO_INDEX: Final = 0xFF
KEY_OCTETS: Final = 16


class KeyType(IntEnum):
    """Core key types of the security manager."""

    NETWORK = 1
    TC_LINK = 2
    TC_LINK_WITH_TIMEOUT = 3
    APP_LINK = 4


_KEY_INDEX_IS_VALID: Final = 0x01
_EUI_IS_VALID: Final = 0x02
_METADATA_BITMASK: Final = 0x001E
"""Has outgoing counter, incoming counter and partner; authorised for APS data."""
_SHOWN: Final = 0x0087
"""Bits of the initial security state that the current one shows: the mode, whether link keys are hashed."""

_INITIAL: Final = struct.Struct("<H16s16sB8s")
_CONTEXT: Final = struct.Struct("<BBH8sBBI")
_METADATA: Final = struct.Struct("<HIIH")


@dataclass(frozen=True, slots=True)
class InitialSecurity:
    """EmberInitialSecurityState: what the next network is formed with."""

    bitmask: int
    trust_centre_key: bytes = field(repr=False)
    network_key: bytes = field(repr=False)
    key_sequence: int

    @property
    def current(self) -> int:
        """Return what getCurrentSecurityState says of it."""
        return self.bitmask & _SHOWN


class SecurityCommands:
    """The security frames of one co-processor."""

    def __init__(self, ncp: EzspNcp, keys: Keys) -> None:
        self._ncp = ncp
        self._keys = keys
        self.initial: InitialSecurity | None = None
        """Set by the host before it forms a network."""

    def handlers(self) -> Handlers:
        """Return the command handlers by frame id."""
        return {
            0x0068: self._set_initial_security_state,
            0x0069: self._get_current_security_state,
            0x006B: self._clear_transient_link_keys,
            0x0075: self._find_key_table_entry,
            0x0076: lambda data: self._ncp.layout.status(self._keys.erase(data[0])),
            0x00B1: self._clear_key_table,
            0x010C: self._get_aps_key_info,
            0x010D: self._export_link_key_by_eui,
            0x010E: self._import_link_key,
            0x010F: self._export_link_key_by_index,
            0x0110: self._check_key_context,
            0x0111: self._import_transient_key,
            0x0112: self._export_transient_key_by_index,
            0x0113: self._export_transient_key_by_eui,
            0x0114: self._export_key,
            0x0115: self._import_key,
            0x0116: self._get_network_key_info,
        }

    def reset(self) -> None:
        """Forget what is not in non-volatile memory."""
        self.initial = None

    def _set_initial_security_state(self, data: bytes) -> bytes:
        if self._ncp.network_up:
            return self._ncp.layout.status(SlStatus.INVALID_STATE)
        bitmask, preconfigured, network, sequence, _ = _INITIAL.unpack_from(data)
        self.initial = InitialSecurity(bitmask, preconfigured, network, sequence)
        return self._ncp.layout.status(SlStatus.OK)

    def _get_current_security_state(self, _data: bytes) -> bytes:
        network = self._ncp.nvram.network if self._ncp.network_up else None
        if network is None:
            return self._ncp.layout.status(SlStatus.NOT_JOINED) + bytes(10)
        state = struct.pack("<H", network.security) + network.trust_centre.to_zigbee()
        return self._ncp.layout.status(SlStatus.OK) + state

    def _get_network_key_info(self, _data: bytes) -> bytes:
        network, counter = self._ncp.nvram.network, self._ncp.nvram.network_frame_counter
        sequence = 0 if network is None else network.key_sequence
        info = struct.pack("<?xBxI", network is not None, sequence, counter)  # no alternate key
        return sl_status(SlStatus.OK) + info

    def _find_key_table_entry(self, data: bytes) -> bytes:
        index = self._keys.index(_eui64(data))
        return bytes((NO_INDEX if index is None else index,))

    def _clear_key_table(self, _data: bytes) -> bytes:
        self._ncp.nvram.link_keys.clear()
        self._keys.incoming.clear()
        return self._ncp.layout.status(SlStatus.OK)

    def _clear_transient_link_keys(self, _data: bytes) -> bytes:
        self._keys.clear_transient()
        return b""

    def _import_link_key(self, data: bytes) -> bytes:
        index, ieee, key = struct.unpack_from("<B8s16s", data)
        return sl_status(self._keys.store(index, Eui64.from_zigbee(ieee), key))

    def _import_transient_key(self, data: bytes) -> bytes:
        ieee, key = struct.unpack_from("<8s16s", data)
        return sl_status(self._keys.store_transient(Eui64.from_zigbee(ieee), key))

    def _export_link_key_by_index(self, data: bytes) -> bytes:
        entry = self._keys.at(data[0])
        if self._ncp.layout.is_sl:
            return self._exported(KeyType.APP_LINK, data[0], entry)
        return _partner(entry) + _plain(entry) + self._metadata(entry) + _found(entry)

    def _export_link_key_by_eui(self, data: bytes) -> bytes:
        index = self._keys.index(_eui64(data))
        number = NO_INDEX if index is None else index
        entry = self._keys.at(number)
        if self._ncp.layout.is_sl:
            return self._exported(KeyType.APP_LINK, number, entry)
        return _plain(entry) + bytes((number,)) + self._metadata(entry) + _found(entry)

    def _export_transient_key_by_index(self, data: bytes) -> bytes:
        partners = list(self._keys.transient())
        return self._export_transient(partners[data[0]] if data[0] < len(partners) else None, data[0])

    def _export_transient_key_by_eui(self, data: bytes) -> bytes:
        return self._export_transient(_eui64(data), NO_INDEX)

    def _export_transient(self, eui64: Eui64 | None, index: int) -> bytes:
        key = None if eui64 is None else self._keys.transient().get(eui64)
        if eui64 is None or key is None:
            return self._exported(KeyType.TC_LINK_WITH_TIMEOUT, index, None)
        left = int(key.expires - asyncio.get_running_loop().time())
        return self._exported(KeyType.TC_LINK_WITH_TIMEOUT, index, LinkKey(eui64, key.key), left)

    def _exported(self, kind: KeyType, index: int, entry: LinkKey | None, seconds: int = 0) -> bytes:
        value = _context(kind, index, entry) + _plain(entry) + self._metadata(entry, seconds)
        return _found(entry) + value if self._ncp.layout.is_sl else value + _found(entry)

    def _get_aps_key_info(self, data: bytes) -> bytes:
        kind, index, eui64 = _read_context(data)
        entry = self._find(kind, index, eui64)
        if self._ncp.layout.is_sl:
            return _found(entry) + self._metadata(entry) + data[: _CONTEXT.size]
        return _partner(entry) + self._metadata(entry) + _found(entry)

    def _check_key_context(self, data: bytes) -> bytes:
        known = self._key(*_read_context(data)) is not None
        return sl_status(SlStatus.OK if known else SlStatus.NOT_FOUND)

    def _export_key(self, data: bytes) -> bytes:
        key = self._key(*_read_context(data))
        status = sl_status(SlStatus.NOT_FOUND if key is None else SlStatus.OK)
        value = key or bytes(KEY_OCTETS)
        return status + value + data[: _CONTEXT.size] if self._ncp.layout.is_sl else value + status

    def _import_key(self, data: bytes) -> bytes:
        kind, index, eui64 = _read_context(data)
        (key,) = struct.unpack_from("<16s", data, _CONTEXT.size)
        match kind:
            case KeyType.APP_LINK:
                status = self._keys.store(index, eui64, key)
            case KeyType.TC_LINK_WITH_TIMEOUT:
                status = self._keys.store_transient(eui64, key)
            case _:
                status = SlStatus.NOT_SUPPORTED
        return sl_status(status) + (data[: _CONTEXT.size] if self._ncp.layout.is_sl else b"")

    def _metadata(self, entry: LinkKey | None, seconds: int = 0) -> bytes:
        """Describe a key; every link key has the one outgoing counter, and an incoming one of its own."""
        if entry is None:
            return bytes(_METADATA.size)
        outgoing = self._ncp.nvram.aps_frame_counter
        incoming = self._keys.incoming.last(entry.eui64, entry.key)
        return _METADATA.pack(_METADATA_BITMASK, outgoing, incoming, seconds)

    def _key(self, kind: int, index: int, eui64: Eui64) -> bytes | None:
        network = self._ncp.nvram.network
        match kind:
            case KeyType.NETWORK:
                return None if network is None else network.network_key
            case KeyType.TC_LINK:
                return None if network is None else network.trust_centre_key
            case _:
                entry = self._find(kind, index, eui64)
                return None if entry is None else entry.key

    def _find(self, kind: int, index: int, eui64: Eui64) -> LinkKey | None:
        match kind:
            case KeyType.APP_LINK:
                known = self._keys.index(eui64)
                return self._keys.at(index if known is None else known)
            case KeyType.TC_LINK_WITH_TIMEOUT:
                key = self._keys.transient_key(eui64)
                return None if key is None else LinkKey(eui64, key)
            case _:
                return None


def _eui64(data: bytes) -> Eui64:
    return Eui64.from_zigbee(data[:8])


def _read_context(data: bytes) -> tuple[int, int, Eui64]:
    kind, index, _, ieee, _, _, _ = _CONTEXT.unpack_from(data)
    return kind, index, Eui64.from_zigbee(ieee)


def _found(entry: LinkKey | None) -> bytes:
    return sl_status(SlStatus.NOT_FOUND if entry is None else SlStatus.OK)


def _partner(entry: LinkKey | None) -> bytes:
    return bytes(8) if entry is None else entry.eui64.to_zigbee()


def _plain(entry: LinkKey | None) -> bytes:
    return bytes(KEY_OCTETS) if entry is None else entry.key


def _context(kind: KeyType, index: int, entry: LinkKey | None) -> bytes:
    if entry is None:
        return bytes(_CONTEXT.size)
    flags = _KEY_INDEX_IS_VALID | _EUI_IS_VALID
    return _CONTEXT.pack(kind, index, 0, entry.eui64.to_zigbee(), 0, flags, 0)
