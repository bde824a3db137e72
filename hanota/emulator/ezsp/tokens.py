"""Manufacturing tokens, and the NVM3 objects a host may read and write (UG100, token interface)."""

from __future__ import annotations

import struct
from dataclasses import replace
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from hanota.emulator.ezsp.frames import counted, read_counted
from hanota.emulator.ezsp.nvram import ERASED, NODE_TYPE_COORDINATOR, Child
from hanota.emulator.ezsp.status import SlStatus
from hanota.eui64 import Eui64

if TYPE_CHECKING:
    from hanota.emulator.ezsp.ncp import EzspNcp, Handlers
    from hanota.emulator.ezsp.nvram import StoredNetwork


class MfgToken(IntEnum):
    """Manufacturing tokens (EzspMfgTokenId)."""

    CUSTOM_VERSION = 0x00
    STRING = 0x01
    BOARD_NAME = 0x02
    MANUF_ID = 0x03
    PHY_CONFIG = 0x04
    ASH_CONFIG = 0x06
    CBKE_DATA = 0x09
    INSTALLATION_CODE = 0x0A
    CUSTOM_EUI_64 = 0x0C
    CTUNE = 0x0D


class Nvm3Object(IntEnum):
    """NVM3 objects: the first by its creator code, as firmware on the chip itself has it."""

    RESTORED_EUI64 = 0x0000_E12A
    TRUST_CENTER = 0x0001_E124
    NETWORK_MANAGEMENT = 0x0001_E125
    NODE_DATA = 0x0001_EE64
    CHILD_TABLE = 0x0001_0580


MFG_LENGTHS: Final = {
    MfgToken.CUSTOM_VERSION: 2,
    MfgToken.STRING: 16,
    MfgToken.BOARD_NAME: 16,
    MfgToken.MANUF_ID: 2,
    MfgToken.PHY_CONFIG: 2,
    MfgToken.ASH_CONFIG: 40,
    MfgToken.CBKE_DATA: 92,
    MfgToken.INSTALLATION_CODE: 20,
    MfgToken.CUSTOM_EUI_64: 8,
    MfgToken.CTUNE: 2,
}
"""Octets of each manufacturing token; erased flash reads as 0xFF."""
MFG_DEFAULTS: Final = {MfgToken.STRING: b"hanota", MfgToken.BOARD_NAME: b"emulated EFR32"}
"""What the maker of the board wrote."""

STACK_PROFILE_PRO: Final = 2
CHILD_IN_USE: Final = 0x80

_NODE_DATA: Final = struct.Struct("<HbBBBH8s")
_TRUST_CENTRE: Final = struct.Struct("<H8s16s")
_NETWORK_MANAGEMENT: Final = struct.Struct("<IHBx")
_CHILD: Final = struct.Struct("<8sHB")


class TokenCommands:
    """The tokens of one co-processor."""

    def __init__(self, ncp: EzspNcp) -> None:
        self._ncp = ncp

    def handlers(self) -> Handlers:
        """Return the command handlers by frame id."""
        return {
            0x000B: self._get_mfg_token,
            0x000C: self._set_mfg_token,
            0x0102: self._get_token_data,
            0x0103: self._set_token_data,
        }

    def custom_eui64(self) -> Eui64 | None:
        """Return the EUI64 that tokens give the node, None for the hardware's."""
        custom = Eui64.from_zigbee(self._mfg(MfgToken.CUSTOM_EUI_64))
        return next((eui64 for eui64 in (self._ncp.nvram.restored_eui64, custom) if eui64 != ERASED), None)

    def _mfg(self, token: int) -> bytes:
        if token not in MFG_LENGTHS:
            return b""
        known = MfgToken(token)
        stored = self._ncp.nvram.manufacturing.get(token, MFG_DEFAULTS.get(known, b""))
        return stored.ljust(MFG_LENGTHS[known], b"\xff")

    def _get_mfg_token(self, data: bytes) -> bytes:
        return counted(self._mfg(data[0]))

    def _set_mfg_token(self, data: bytes) -> bytes:
        token, value = data[0], read_counted(data, 1)
        layout, written = self._ncp.layout, self._ncp.nvram.manufacturing
        if len(value) != len(self._mfg(token)):
            return layout.status(SlStatus.INVALID_PARAMETER)
        if self._mfg(token).strip(b"\xff"):
            return layout.status(SlStatus.INVALID_STATE)
        written[token] = value
        return layout.status(SlStatus.OK)

    def _get_token_data(self, data: bytes) -> bytes:
        value = self._read(*struct.unpack_from("<II", data))
        if value is None:
            return self._ncp.layout.status(SlStatus.NOT_FOUND)
        return self._ncp.layout.status(SlStatus.OK) + struct.pack("<I", len(value)) + value

    def _set_token_data(self, data: bytes) -> bytes:
        token, index, length = struct.unpack_from("<III", data)
        value, current = data[12 : 12 + length], self._read(token, index)
        if current is None:
            return self._ncp.layout.status(SlStatus.NOT_FOUND)
        if len(value) != length or len(value) != len(current):
            return self._ncp.layout.status(SlStatus.INVALID_PARAMETER)
        self._write(token, index, value)
        return self._ncp.layout.status(SlStatus.OK)

    def _read(self, token: int, index: int) -> bytes | None:
        """Return an NVM3 object as the firmware stores it, None if there is none."""
        nvram = self._ncp.nvram
        match token, index, nvram.network:
            case (Nvm3Object.RESTORED_EUI64, 0, _):
                return nvram.restored_eui64.to_zigbee()
            case (Nvm3Object.CHILD_TABLE, _, _):
                child = nvram.children.get(index)
                return (
                    None if child is None else _CHILD.pack(child.eui64.to_zigbee(), child.nwk, CHILD_IN_USE)
                )
            case (_, _, None):
                return None
            case (_, 0, network):
                return _network_object(token, network)
            case _:
                return None

    def _write(self, token: int, index: int, value: bytes) -> None:
        nvram = self._ncp.nvram
        if token == Nvm3Object.RESTORED_EUI64:
            nvram.restored_eui64 = Eui64.from_zigbee(value)
        elif token == Nvm3Object.CHILD_TABLE:
            ieee, nwk, _ = _CHILD.unpack(value)
            nvram.children[index] = Child(Eui64.from_zigbee(ieee), nwk, nvram.children[index].node_type)
        elif nvram.network is not None:
            nvram.network = _changed_network(token, nvram.network, value)


def _network_object(token: int, network: StoredNetwork) -> bytes | None:
    known = network.parameters
    match token:
        case Nvm3Object.NODE_DATA:
            head = (known.pan_id, known.tx_power, known.channel, STACK_PROFILE_PRO, NODE_TYPE_COORDINATOR, 0)
            return _NODE_DATA.pack(*head, known.extended_pan_id)
        case Nvm3Object.TRUST_CENTER:
            return _TRUST_CENTRE.pack(
                network.security, network.trust_centre.to_zigbee(), network.trust_centre_key
            )
        case Nvm3Object.NETWORK_MANAGEMENT:
            return _NETWORK_MANAGEMENT.pack(known.channels, known.manager, known.update_id)
        case _:
            return None


def _changed_network(token: int, network: StoredNetwork, value: bytes) -> StoredNetwork:
    known = network.parameters
    match token:
        case Nvm3Object.NODE_DATA:
            pan_id, power, channel, _, _, _, extended = _NODE_DATA.unpack(value)
            changed = replace(known, pan_id=pan_id, tx_power=power, channel=channel, extended_pan_id=extended)
            return replace(network, parameters=changed)
        case Nvm3Object.TRUST_CENTER:
            security, ieee, key = _TRUST_CENTRE.unpack(value)
            trust_centre = Eui64.from_zigbee(ieee)
            return replace(network, security=security, trust_centre=trust_centre, trust_centre_key=key)
        case _:
            channels, manager, update_id = _NETWORK_MANAGEMENT.unpack(value)
            changed = replace(known, channels=channels, manager=manager, update_id=update_id)
            return replace(network, parameters=changed)
