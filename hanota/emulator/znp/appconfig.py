"""MT APP_CNF: base device behaviour, that is forming the network and install codes (SWRA198 3.2)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from hanota.emulator.znp.ncp import DeviceState
from hanota.emulator.znp.nvram import NvItem, NvTable
from hanota.emulator.znp.unpi import MtStatus, Subsystem
from hanota.errors import RemoteProtocolError
from hanota.eui64 import Eui64
from hanota.zse.install_code import install_code_key, parse_install_code

if TYPE_CHECKING:
    from hanota.emulator.znp.joining import Joining
    from hanota.emulator.znp.ncp import Handlers, ZnpNcp

COMMISSIONING_NOTIFICATION: Final = 0x80
STATE_CHANGE_IND: Final = 0xC0
MODE_FORMATION: Final = 0x04

BDB_SUCCESS: Final = 0x00
BDB_IN_PROGRESS: Final = 0x01
BDB_FORMATION_FAILURE: Final = 0x08
"""Also the ordinary answer of a coordinator whose network exists."""
BDB_NETWORK_RESTORED: Final = 0x0D

CODE_AND_CRC: Final = 1
KEY_FROM_CODE: Final = 2
"""InstallCodeFormat: 16 octets and CRC, or the key itself."""

ALL_CHANNELS: Final = 0x07FF_F800


class AppConfigCommands:
    """The APP_CNF subsystem of one coordinator."""

    def __init__(self, ncp: ZnpNcp, joining: Joining) -> None:
        self._ncp = ncp
        self._joining = joining
        self._primary_channels = ALL_CHANNELS

    def handlers(self) -> Handlers:
        """Return the SREQ handlers by command id."""
        return {
            0x04: self._add_install_code,
            0x05: self._start_commissioning,
            0x06: self._set_join_uses_install_code_key,
            0x08: self._set_channel,
            0x09: self._set_tc_require_key_exchange,
        }

    def _add_install_code(self, data: bytes) -> bytes:
        form, ieee = struct.unpack_from("<B8s", data)
        code = data[9:]
        try:
            if form == CODE_AND_CRC:
                key = install_code_key(parse_install_code(code.hex()))
            elif form == KEY_FROM_CODE and len(code) == 16:
                key = code
            else:
                return bytes((MtStatus.INVALID_PARAMETER,))
        except RemoteProtocolError:
            return bytes((MtStatus.INVALID_PARAMETER,))
        return bytes((self._ncp.security.add_install_code(Eui64.from_zigbee(ieee), key),))

    def _set_join_uses_install_code_key(self, data: bytes) -> bytes:
        self._joining.install_code_only = bool(struct.unpack("<B", data)[0])
        return bytes((MtStatus.SUCCESS,))

    def _set_channel(self, data: bytes) -> bytes:
        primary, channels = struct.unpack("<BI", data)
        if primary:
            self._primary_channels = channels
        return bytes((MtStatus.SUCCESS,))

    def _set_tc_require_key_exchange(self, data: bytes) -> bytes:
        """Accept only `no`: APS Request-Key, which Smart Energy replaces by CBKE, is not emulated."""
        (required,) = struct.unpack("<B", data)
        return bytes((MtStatus.INVALID_PARAMETER if required else MtStatus.SUCCESS,))

    def _start_commissioning(self, data: bytes) -> bytes:
        (mode,) = struct.unpack("<B", data)
        if mode != MODE_FORMATION:
            return bytes((MtStatus.INVALID_PARAMETER,))
        if self._ncp.nib().formed:
            self._ncp.later(self._restored)
        else:
            self._ncp.later(self._formed)
        return bytes((MtStatus.SUCCESS,))

    def _restored(self) -> None:
        self._ncp.start_network()
        self._state(DeviceState.STARTED_AS_COORDINATOR)
        self._notify(BDB_NETWORK_RESTORED, 0, MODE_FORMATION)
        self._notify(BDB_FORMATION_FAILURE, MODE_FORMATION, 0)

    def _formed(self) -> None:
        self._state(DeviceState.STARTING_AS_COORDINATOR)
        self._form()
        self._ncp.start_network()
        self._notify(BDB_IN_PROGRESS, 2, MODE_FORMATION)
        self._state(DeviceState.STARTED_AS_COORDINATOR)
        self._notify(BDB_SUCCESS, MODE_FORMATION, 0)

    def _form(self) -> None:
        """Choose channel, PAN id and keys as the NV items ask, at random where they do not."""
        item, chance = self._ncp.item, self._ncp.random
        wanted = self._primary_channels & ALL_CHANNELS or ALL_CHANNELS
        channel = chance.choice([number for number in range(11, 27) if wanted >> number & 1])
        (pan_id,) = struct.unpack_from("<H", item(NvItem.PANID))
        if pan_id == 0xFFFF:
            pan_id = chance.randrange(1, 0xFFFE)
        extended_pan_id = item(NvItem.APS_USE_EXT_PANID)
        if extended_pan_id == bytes(8):
            extended_pan_id = item(NvItem.EXTADDR)
        key = item(NvItem.PRECFGKEY)
        if key in {bytes(16), b"\xff" * 16}:
            key = chance.randbytes(16)
        nib = self._ncp.nib().form(
            channel=channel, pan_id=pan_id, extended_pan_id=extended_pan_id, channel_list=wanted
        )
        items = self._ncp.nvram.items
        items[NvItem.NIB] = nib.encode()
        items[NvItem.EXTENDED_PAN_ID] = extended_pan_id
        items[NvItem.NWK_ACTIVE_KEY_INFO] = items[NvItem.NWK_ALTERN_KEY_INFO] = b"\x00" + key
        items[NvItem.NWKKEY] = self._ncp.personality.active_key_items.pack(0, key, 0)
        items[NvItem.BDBNODEISONANETWORK] = b"\x01"
        self._ncp.tables.write(NvTable.NWK_SEC_MATERIAL, [(0, extended_pan_id)])
        self._ncp.security.store()

    def _state(self, state: int) -> None:
        self._ncp.notify(Subsystem.ZDO, STATE_CHANGE_IND, bytes((state,)))

    def _notify(self, status: int, mode: int, remaining: int) -> None:
        self._ncp.notify(Subsystem.APP_CONFIG, COMMISSIONING_NOTIFICATION, bytes((status, mode, remaining)))
