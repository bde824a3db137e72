"""The emulated coordinator: MT commands on one side, the air on the other."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final, TypeAlias

from hanota.emulator.line import Direction
from hanota.emulator.ncp import Ncp
from hanota.emulator.zdo import ZDO_ENDPOINT
from hanota.emulator.znp.af import AfCommands
from hanota.emulator.znp.appconfig import STARTED_AS_COORDINATOR, AppConfigCommands
from hanota.emulator.znp.joining import Joining
from hanota.emulator.znp.nib import Nib
from hanota.emulator.znp.nvram import STARTUP_CLEAR_CONFIG, STARTUP_CLEAR_STATE, NvItem
from hanota.emulator.znp.personality import Z_STACK_3_30
from hanota.emulator.znp.security import SecurityManager
from hanota.emulator.znp.sys import RESET_REQ, SysCommands
from hanota.emulator.znp.tables import NvTables
from hanota.emulator.znp.unpi import MtFrame, MtType, RpcError, Subsystem, UnpiDecoder
from hanota.emulator.znp.util import UtilCommands
from hanota.emulator.znp.zdo import MAC_CAPABILITIES, ZdoCommands
from hanota.emulator.znp.zdo_requests import ZdoRequests
from hanota.errors import RemoteProtocolError
from hanota.eui64 import Eui64

if TYPE_CHECKING:
    from hanota.emulator.air import Air, ApsFrame
    from hanota.emulator.aps_security import ApsRefusal
    from hanota.emulator.line import LineSettings
    from hanota.emulator.znp.nvram import Nvram
    from hanota.emulator.znp.personality import Personality, ZnpSettings

Handlers: TypeAlias = dict[int, Callable[[bytes], bytes]]
"""SREQ data to SRSP data, by command id; RemoteProtocolError or struct.error for data of a wrong length."""


HELD: Final = 0
"""The devState DEV_HOLD."""


class ResetReason(IntEnum):
    """First octet of SYS_RESET_IND."""

    POWER_UP = 0
    EXTERNAL = 1
    WATCHDOG = 2


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
    """A Z-Stack 3 coordinator; it is trust centre, and node 0x0000 of its air."""

    def __init__(
        self,
        air: Air,
        *,
        eui64: Eui64,
        personality: Personality = Z_STACK_3_30,
        nvram: Nvram | None = None,
        settings: ZnpSettings | None = None,
        line: LineSettings | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(air, capabilities=MAC_CAPABILITIES, line=line, seed=seed)
        self.personality = personality
        self.settings = settings or personality.settings
        self.statistics = ZnpStatistics()
        self._factory = personality.factory_new(tclk_seed=self.random.randbytes(16))
        self._factory.items[NvItem.EXTADDR] = eui64.to_zigbee()
        self.nvram = nvram or self._factory.copy()
        self.line.receive = self._received
        self._decoder = UnpiDecoder()
        self.joining = Joining(self)
        self.sys = SysCommands(self)
        self.af = AfCommands(self)
        self.zdo = ZdoCommands(self)
        self._zdo_requests = ZdoRequests(self)
        self._handlers: dict[int, Handlers] = {
            Subsystem.SYS: self.sys.handlers(),
            Subsystem.AF: self.af.handlers(),
            Subsystem.ZDO: self.zdo.handlers() | self._zdo_requests.handlers(),
            Subsystem.UTIL: UtilCommands(self).handlers(),
            Subsystem.APP_CONFIG: AppConfigCommands(self).handlers(),
        }
        self._read_nvram()

    @property
    def eui64(self) -> Eui64:
        """Its IEEE address: the host's choice in NV, or the hardware's."""
        return Eui64.from_zigbee(self.item(NvItem.EXTADDR))

    @property
    def device_state(self) -> int:
        """Its devState: held until the host starts the network."""
        return STARTED_AS_COORDINATOR if self.network_up else HELD

    def item(self, item: NvItem) -> bytes:
        """Return a legacy item, that of a new coordinator where the host has deleted or shortened it."""
        new = self._factory.items[item]
        kept = self.nvram.items.get(item, b"")[: len(new)]
        return kept if len(kept) == len(new) else new

    def nib(self) -> Nib:
        """Return the network information base, a new one where there is none of the firmware's layout."""
        new = Nib.unformed(aligned=self.personality.aligned)
        octets = self.nvram.items.get(NvItem.NIB, b"")
        return Nib.decode(octets) if len(octets) == len(new.octets) else new

    def reset(self, reason: ResetReason = ResetReason.WATCHDOG) -> None:
        """Restart the firmware: the network is down and every registration lost until the host acts."""
        self.stop()
        self._decoder.reset()
        self.af.reset()
        self.zdo.reset()
        self._zdo_requests.reset()
        self.joining.reset()
        self._read_nvram()
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

    def next_frame_counter(self, peer: Eui64) -> int:
        """Return the frame counter of the next frame encrypted for `peer`."""
        return self.security.next_frame_counter(peer)

    def unsecure(self, frame: ApsFrame, sender: Eui64) -> ApsRefusal | None:
        """Take a frame's APS encryption off; the stack looks its key up by what it knows of the source."""
        refusal = self.security.unsecure(frame, self.security.address(frame.source) or sender)
        if refusal is not None:
            self.aps_refused[refusal] += 1
        return refusal

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
        """Do what the firmware does first: clear what STARTUP_OPTION says, create again what was deleted."""
        items, new = self.nvram.items, self._factory
        option = self.item(NvItem.STARTUP_OPTION)[0]
        state = self.personality.state_items()
        if option & STARTUP_CLEAR_STATE:
            self.nvram.tables = dict(new.tables)
            for item in state & items.keys():
                del items[item]
        if option & STARTUP_CLEAR_CONFIG:
            kept = {*state, NvItem.TCLK_SEED, NvItem.EXTADDR}
            items.update({item: value for item, value in new.items.items() if item not in kept})
        items[NvItem.STARTUP_OPTION] = b"\x00"
        for item, value in new.items.items():
            items.setdefault(item, value)
        self.tables = NvTables(self.nvram, self.personality)
        self.security = SecurityManager(self.nvram, self.tables, self.personality)

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
