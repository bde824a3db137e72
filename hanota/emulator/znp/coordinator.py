"""The emulated coordinator: MT commands on one side, the air on the other."""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import TYPE_CHECKING

from hanota.emulator.zdo import ZDO_ENDPOINT
from hanota.emulator.znp.af import AfCommands
from hanota.emulator.znp.appconfig import AppConfigCommands
from hanota.emulator.znp.joining import Joining
from hanota.emulator.znp.ncp import ZnpNcp
from hanota.emulator.znp.personality import Z_STACK_3_30
from hanota.emulator.znp.sys import RESET_REQ, SysCommands
from hanota.emulator.znp.unpi import MtFrame, MtType, RpcError, Subsystem, UnpiDecoder
from hanota.emulator.znp.util import UtilCommands
from hanota.emulator.znp.zdo import ZdoCommands
from hanota.emulator.znp.zdo_requests import ZdoRequests
from hanota.errors import RemoteProtocolError

if TYPE_CHECKING:
    from hanota.emulator.air import Air, ApsFrame
    from hanota.emulator.aps_security import ApsRefusal
    from hanota.emulator.line import LineSettings
    from hanota.emulator.znp.ncp import Handlers
    from hanota.emulator.znp.nvram import Nvram
    from hanota.emulator.znp.personality import Personality, ZnpSettings
    from hanota.eui64 import Eui64


class ResetReason(IntEnum):
    """First octet of SYS_RESET_IND."""

    POWER_UP = 0
    EXTERNAL = 1
    WATCHDOG = 2


class ZnpCoordinator(ZnpNcp):
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
        super().__init__(
            air, eui64=eui64, personality=personality, nvram=nvram, settings=settings, line=line, seed=seed
        )
        self.line.receive = self._received
        self._decoder = UnpiDecoder()
        self.joining = Joining(self)
        self.sys = SysCommands(self)
        self.zdo = ZdoCommands(self, self.joining)
        self.af = AfCommands(self, self.zdo)
        self._zdo_requests = ZdoRequests(self, self.zdo)
        self._handlers: dict[int, Handlers] = {
            Subsystem.SYS: self.sys.handlers(),
            Subsystem.AF: self.af.handlers(),
            Subsystem.ZDO: self.zdo.handlers() | self._zdo_requests.handlers(),
            Subsystem.UTIL: UtilCommands(self).handlers(),
            Subsystem.APP_CONFIG: AppConfigCommands(self, self.joining).handlers(),
        }

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
