"""The emulated coordinator: MT commands on one side, the air on the other."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, TypeAlias

from hanota.emulator.line import Direction
from hanota.emulator.ncp import Ncp
from hanota.emulator.zdo import ZDO_ENDPOINT
from hanota.emulator.znp.af import AfCommands
from hanota.emulator.znp.appconfig import AppConfigCommands
from hanota.emulator.znp.joining import Joining
from hanota.emulator.znp.nib import Nib
from hanota.emulator.znp.nvram import STARTUP_CLEAR_CONFIG, STARTUP_CLEAR_STATE, NvItem, Nvram
from hanota.emulator.znp.security import SecurityManager
from hanota.emulator.znp.sys import RESET_REQ, SysCommands
from hanota.emulator.znp.unpi import MtFrame, MtType, RpcError, Subsystem, UnpiDecoder
from hanota.emulator.znp.util import UtilCommands
from hanota.emulator.znp.zdo import NODE_DESCRIPTOR, ZdoCommands
from hanota.errors import RemoteProtocolError
from hanota.eui64 import Eui64

if TYPE_CHECKING:
    from hanota.emulator.air import Air, ApsFrame
    from hanota.emulator.line import LineSettings

Handlers: TypeAlias = dict[int, Callable[[bytes], bytes]]
"""SREQ data to SRSP data, by command id; RemoteProtocolError or struct.error for data of a wrong length."""


class ResetReason(IntEnum):
    """First octet of SYS_RESET_IND."""

    POWER_UP = 0
    EXTERNAL = 1
    WATCHDOG = 2


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
    max_nv_entry: int = 1024
    """Octets a host may ask for in SYS_NV_CREATE."""


@dataclass(slots=True)
class ZnpStatistics:
    """What the coordinator did not carry out."""

    unknown_commands: int = 0
    malformed_commands: int = 0
    unregistered_endpoint: int = 0
    """Frames from the air for an endpoint the host has not registered."""
    unanswered_requests: int = 0
    """ZDO requests of devices dropped because `max_zdo_messages` were under way."""


class ZnpCoordinator(Ncp):
    """A CC2652-class coordinator with Z-Stack 3.30; it is trust centre, and node 0x0000 of its air."""

    def __init__(
        self,
        air: Air,
        *,
        eui64: Eui64,
        nvram: Nvram | None = None,
        settings: ZnpSettings | None = None,
        line: LineSettings | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(air, capabilities=NODE_DESCRIPTOR.capabilities, line=line, seed=seed)
        self.settings = settings or ZnpSettings()
        self.statistics = ZnpStatistics()
        self.nvram = nvram or Nvram.factory_new(tclk_seed=self.random.randbytes(16))
        self.line.receive = self._received
        self._hardware_eui64 = eui64
        self._decoder = UnpiDecoder()
        self.joining = Joining(self)
        self.sys = SysCommands(self)
        self.af = AfCommands(self)
        self.zdo = ZdoCommands(self)
        self._handlers: dict[int, Handlers] = {
            Subsystem.SYS: self.sys.handlers(),
            Subsystem.AF: self.af.handlers(),
            Subsystem.ZDO: self.zdo.handlers(),
            Subsystem.UTIL: UtilCommands(self).handlers(),
            Subsystem.APP_CONFIG: AppConfigCommands(self).handlers(),
        }
        self._read_nvram()
        self.security = SecurityManager(self.nvram)

    @property
    def eui64(self) -> Eui64:
        """Its IEEE address: the host's choice in NV, or the hardware's."""
        return Eui64.from_zigbee(self.nvram.items[NvItem.EXTADDR])

    def reset(self, reason: ResetReason = ResetReason.WATCHDOG) -> None:
        """Restart the firmware: the network is down and every registration lost until the host acts."""
        self.stop()
        self._decoder.reset()
        self.af.reset()
        self.zdo.reset()
        self.joining.reset()
        self._read_nvram()
        self.security = SecurityManager(self.nvram)
        self.sys.reset_indication(reason)

    def stop(self) -> None:
        """Leave the air and end every activity; nothing is left running."""
        self.cancel_activities()
        self.go_off_air()
        self.joining.reset()

    def start_network(self) -> None:
        """Go on the air as coordinator and trust centre."""
        self.go_on_air(self.joining, takes_blocks=False)

    def link_key_for(self, peer: Eui64) -> bytes | None:
        """Return the link key held for `peer`."""
        return self.security.key(peer)

    def receive(self, frame: ApsFrame) -> None:
        """Take a frame from the air."""
        if not self.network_up:
            return
        if frame.destination_endpoint == ZDO_ENDPOINT:
            self.zdo.receive(frame)
        else:
            self.af.receive(frame)

    def notify(self, subsystem: Subsystem, command: int, data: bytes) -> None:
        """Send an AREQ to the host."""
        self._send(MtFrame(MtType.AREQ, subsystem, command, data))

    def _read_nvram(self) -> None:
        """Do what the firmware does first: clear what STARTUP_OPTION says, restore the IEEE address."""
        items = self.nvram.items
        option = items[NvItem.STARTUP_OPTION][0]
        if option & (STARTUP_CLEAR_STATE | STARTUP_CLEAR_CONFIG):
            seed = items[NvItem.TCLK_SEED]
            fresh = Nvram.factory_new(tclk_seed=seed)
            if option & STARTUP_CLEAR_STATE:
                self.nvram.tables = fresh.tables
                items[NvItem.NIB] = Nib.unformed().encode()
                items.pop(NvItem.BDBNODEISONANETWORK, None)
            if option & STARTUP_CLEAR_CONFIG:
                items.update(fresh.items)
            items[NvItem.STARTUP_OPTION] = b"\x00"
        items.setdefault(NvItem.EXTADDR, self._hardware_eui64.to_zigbee())

    def _received(self, data: bytes) -> None:
        for frame in self._decoder.feed(data):
            self._handle(frame)

    def _handle(self, frame: MtFrame) -> None:
        if (frame.type, frame.subsystem, frame.command) == (MtType.AREQ, Subsystem.SYS, RESET_REQ):
            self.reset(ResetReason.POWER_UP)
            return
        if frame.type != MtType.SREQ:
            self.statistics.unknown_commands += 1
            return
        handlers = self._handlers.get(frame.subsystem)
        if handlers is None or frame.command not in handlers:
            self.statistics.unknown_commands += 1
            unknown = RpcError.INVALID_SUBSYSTEM if handlers is None else RpcError.INVALID_COMMAND_ID
            self._refuse(frame, unknown)
            return
        try:
            answer = handlers[frame.command](frame.data)
        except (struct.error, IndexError, RemoteProtocolError):
            self.statistics.malformed_commands += 1
            self._refuse(frame, RpcError.INVALID_LENGTH)
            return
        self._send(MtFrame(MtType.SRSP, frame.subsystem, frame.command, answer))

    def _refuse(self, frame: MtFrame, error: RpcError) -> None:
        data = bytes((error, frame.type << 5 | frame.subsystem, frame.command))
        self._send(MtFrame(MtType.SRSP, Subsystem.RPC_ERROR, 0, data))

    def _send(self, frame: MtFrame) -> None:
        self.line.write(Direction.TO_HOST, frame.encode())
