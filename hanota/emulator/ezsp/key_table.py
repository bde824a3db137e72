"""Key frames of EZSP 12 and earlier, whose place the security manager took (UG100, Security Frames).

What they answer is in EmberZNet's security.h (emberGetKey, emberAddOrUpdateKeyTableEntry, ...).
"""

from __future__ import annotations

import asyncio
import struct
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from hanota.emulator.ezsp.configuration import ConfigId
from hanota.emulator.ezsp.status import EMBER_STATUS, SlStatus
from hanota.eui64 import Eui64

if TYPE_CHECKING:
    from hanota.emulator.ezsp.configuration import Configuration
    from hanota.emulator.ezsp.keys import Keys
    from hanota.emulator.ezsp.ncp import EzspNcp, Handlers

_KEY_OCTETS: Final = 16
_NOBODY: Final = Eui64(bytes(8))
_RESERVED_PARTNERS: Final = (_NOBODY, Eui64(b"\xff" * 8))
_RESERVED_KEYS: Final = (bytes(_KEY_OCTETS), b"\xff" * _KEY_OCTETS)

_KEY: Final = struct.Struct("<HB16sIIB8s")
"""EmberKeyStruct: what is known of it, type, key, outgoing and incoming frame counter, sequence, partner."""
_TRANSIENT: Final = struct.Struct("<8s16sHH")
"""EmberTransientKeyData: partner, key, what is known of it, seconds left."""
_NETWORK_BITMASK: Final = 0x0003
"""Has a sequence number and an outgoing frame counter."""
_LINK_BITMASK: Final = 0x001E
"""Has outgoing counter, incoming counter and partner; authorised for APS data."""


class EmberStatus(IntEnum):
    """What only these frames answer."""

    KEY_INVALID = 0xB2
    KEY_TABLE_INVALID_ADDRESS = 0xB3
    TABLE_ENTRY_ERASED = 0xB6


class EmberKeyType(IntEnum):
    """Types of a key."""

    TRUST_CENTER_LINK_KEY = 1
    CURRENT_NETWORK_KEY = 3
    APPLICATION_LINK_KEY = 5


class KeyTableCommands:
    """The older key frames of one co-processor."""

    def __init__(self, ncp: EzspNcp, configuration: Configuration, keys: Keys) -> None:
        self._ncp = ncp
        self._configuration = configuration
        self._keys = keys

    def handlers(self) -> Handlers:
        """Return the command handlers by frame id."""
        return {
            0x0066: self._add_or_update_key_table_entry,
            0x006A: self._get_key,
            0x006D: self._get_transient_key_table_entry,
            0x0071: self._get_key_table_entry,
            0x0072: self._set_key_table_entry,
            0x00AF: self._add_transient_link_key,
            0x00CE: self._get_transient_link_key,
        }

    def _get_key(self, data: bytes) -> bytes:
        network = self._ncp.nvram.network
        if network is None:
            return _status(SlStatus.NOT_JOINED) + bytes(_KEY.size)
        match data[0]:
            case EmberKeyType.CURRENT_NETWORK_KEY:
                key, counter = network.network_key, self._ncp.nvram.network_frame_counter
                fields = (_NETWORK_BITMASK, data[0], key, counter, 0, network.key_sequence, bytes(8))
            case EmberKeyType.TRUST_CENTER_LINK_KEY:
                key, counter = network.trust_centre_key, self._ncp.nvram.aps_frame_counter
                fields = (_LINK_BITMASK, data[0], key, counter, 0, 0, network.trust_centre.to_zigbee())
            case _:
                return _status(SlStatus.INVALID_STATE) + bytes(_KEY.size)
        return _status(SlStatus.OK) + _KEY.pack(*fields)

    def _get_key_table_entry(self, data: bytes) -> bytes:
        if data[0] >= self._configuration[ConfigId.KEY_TABLE_SIZE]:
            return _status(SlStatus.INVALID_INDEX) + bytes(_KEY.size)
        entry = self._keys.at(data[0])
        if entry is None:
            return bytes((EmberStatus.TABLE_ENTRY_ERASED,)) + bytes(_KEY.size)
        outgoing = self._ncp.nvram.aps_frame_counter
        incoming = self._keys.incoming.last(entry.eui64, entry.key)
        kind, partner = EmberKeyType.APPLICATION_LINK_KEY, entry.eui64.to_zigbee()
        return _status(SlStatus.OK) + _KEY.pack(
            _LINK_BITMASK, kind, entry.key, outgoing, incoming, 0, partner
        )

    def _set_key_table_entry(self, data: bytes) -> bytes:
        index, ieee, _, key = struct.unpack_from("<B8s?16s", data)
        return self._store(index, Eui64.from_zigbee(ieee), key)

    def _add_or_update_key_table_entry(self, data: bytes) -> bytes:
        """Store at the partner's own index, else at the first free one; ZigBee PRO has no master keys."""
        ieee, is_link_key, key = struct.unpack_from("<8s?16s", data)
        if not is_link_key:
            return _status(SlStatus.INVALID_STATE)
        partner = Eui64.from_zigbee(ieee)
        index = self._keys.index(partner)
        if index is None:
            size = self._configuration[ConfigId.KEY_TABLE_SIZE]
            index = next((free for free in range(size) if self._keys.at(free) is None), None)
        return _status(SlStatus.FULL) if index is None else self._store(index, partner, key)

    def _store(self, index: int, partner: Eui64, key: bytes) -> bytes:
        if key in _RESERVED_KEYS:
            return bytes((EmberStatus.KEY_INVALID,))
        if partner in _RESERVED_PARTNERS or partner == self._ncp.eui64:
            return bytes((EmberStatus.KEY_TABLE_INVALID_ADDRESS,))
        return _status(self._keys.store(index, partner, key))

    def _add_transient_link_key(self, data: bytes) -> bytes:
        ieee, key = struct.unpack_from("<8s16s", data)
        return _status(self._keys.store_transient(Eui64.from_zigbee(ieee), key))

    def _get_transient_key_table_entry(self, data: bytes) -> bytes:
        partners = list(self._keys.transient())
        return self._transient(partners[data[0]] if data[0] < len(partners) else None)

    def _get_transient_link_key(self, data: bytes) -> bytes:
        return self._transient(Eui64.from_zigbee(data[:8]))

    def _transient(self, partner: Eui64 | None) -> bytes:
        known = None if partner is None else self._keys.transient().get(partner)
        if partner is None or known is None:
            return _status(SlStatus.NOT_FOUND) + bytes(_TRANSIENT.size)
        left = int(known.expires - asyncio.get_running_loop().time())
        return _status(SlStatus.OK) + _TRANSIENT.pack(partner.to_zigbee(), known.key, _LINK_BITMASK, left)


def _status(status: SlStatus) -> bytes:
    return bytes((EMBER_STATUS[status],))
