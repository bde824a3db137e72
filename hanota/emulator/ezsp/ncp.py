"""What the emulated co-processor's command groups share: memory, limits, counts, callbacks over ASH."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from hanota.emulator.ezsp.ash import AshNcp, AshSettings
from hanota.emulator.ezsp.counters import Counters
from hanota.emulator.ezsp.frames import FIRMWARE, FrameId, Layout, callback
from hanota.emulator.ezsp.nvram import EzspNvram
from hanota.emulator.line import Direction
from hanota.emulator.ncp import InFlight, Ncp, ZdoSender
from hanota.errors import LocalProtocolError

if TYPE_CHECKING:
    from hanota.emulator.air import Air
    from hanota.emulator.ezsp.status import SlStatus
    from hanota.emulator.line import LineSettings
    from hanota.emulator.zdo import SimpleDescriptor

Handlers: TypeAlias = dict[int, Callable[[bytes], bytes]]
"""Parameters to response parameters, by frame id.

They raise struct.error, IndexError or RemoteProtocolError for parameters cut short.
"""

CAPABILITIES: Final = 0x8F
"""MAC capability flags: alternate coordinator, router, mains, always listening, allocates addresses."""


@dataclass(frozen=True, slots=True)
class EzspSettings:
    """Limits of the firmware build."""

    packet_buffers: int = 240
    """Messages that may be under way at all; one more is ALLOCATION_FAILED (EMBER_NO_BUFFERS)."""
    max_endpoints: int = 16
    """Endpoints a host may register."""
    max_transient_keys: int = 12
    """Keys for devices that may join: as many as can be given a link key."""
    max_neighbours: int = 26
    """Devices whose EUI64 the stack itself remembers."""
    max_zdo_messages: int = 16
    """ZDO responses being sent at once: one more is dropped."""
    ash: AshSettings = field(default_factory=AshSettings)
    """Figures of the serial protocol."""


@dataclass(slots=True)
class EzspStatistics:
    """What the co-processor did not carry out."""

    unknown_commands: int = 0
    malformed_commands: int = 0
    overrun_commands: int = 0
    """Commands of a host that does not take its responses."""
    dropped_callbacks: int = 0
    unregistered_endpoint: int = 0
    """Frames from the air for an endpoint the host has not registered."""
    unanswered_requests: int = 0
    """ZDO requests of devices dropped because `max_zdo_messages` were under way."""


class EzspNcp(Ncp):
    """The co-processor as its command groups see it; `EzspCoordinator` puts the groups together."""

    def __init__(
        self,
        air: Air,
        *,
        version: int,
        nvram: EzspNvram | None,
        settings: EzspSettings | None,
        line: LineSettings | None,
        seed: int,
    ) -> None:
        """Raise LocalProtocolError unless `version` is an EZSP version of frames.FIRMWARE."""
        super().__init__(air, capabilities=CAPABILITIES, line=line, seed=seed)
        if version not in FIRMWARE:
            raise LocalProtocolError(f"EZSP {version} is not emulated", hint=f"one of {sorted(FIRMWARE)}")
        self.settings = settings or EzspSettings()
        self.statistics = EzspStatistics()
        self.counters = Counters()
        self.nvram = nvram or EzspNvram()
        self.layout = Layout(version)
        self.endpoints: dict[int, SimpleDescriptor] = {}
        """Registered by the host since the last reset."""
        self.ash = AshNcp(self.settings.ash)
        self.messages = InFlight()
        """Messages of the host under way, each in a packet buffer."""
        self.zdo_sender = ZdoSender(self, self.settings.max_zdo_messages)
        self._sequence = 0
        self._overflow = False
        self._timer: asyncio.TimerHandle | None = None

    @abstractmethod
    def start_network(self) -> None:
        """Go on the air as coordinator and trust centre."""

    @abstractmethod
    def stop_network(self) -> None:
        """Go off the air; the join window closes."""

    @property
    def free_buffers(self) -> int:
        """Packet buffers not in use."""
        return 0 if self.buffers_full else self.settings.packet_buffers - self.messages.count

    def report_status(self, status: SlStatus) -> None:
        """Tell the host how the network is: stackStatusHandler."""
        self.call_back(FrameId.STACK_STATUS_HANDLER, self.layout.status(status))

    def call_back(self, frame_id: FrameId, parameters: bytes) -> None:
        """Send a callback; one that finds no room is lost, and the next response says so."""
        frame = callback(self._sequence, frame_id, parameters)
        if not self.ash.call_back(frame, asyncio.get_running_loop().time()):
            self.statistics.dropped_callbacks += 1
            self._overflow = True
        self._flush()

    def _forget(self) -> None:
        """Begin anew: all but non-volatile memory and the serial protocol's state is lost."""
        self.endpoints.clear()
        self.counters.clear()
        self.messages.clear()
        self.zdo_sender.reset()
        self._sequence = 0
        self._overflow = False

    def _flush(self) -> None:
        """Write what ASH has to send and wake up when it next has something to do."""
        for octets in self.ash.take_output():
            self.line.write(Direction.TO_HOST, octets)
        due = self.ash.next_timer()
        if self._timer is not None:
            if self._timer.when() == due and not self._timer.cancelled():
                return
            self._timer.cancel()
            self._timer = None
        if due is not None:
            self._timer = asyncio.get_running_loop().call_at(due, self._expire)

    def _expire(self) -> None:
        self._timer = None
        self.ash.expire(asyncio.get_running_loop().time())
        self._flush()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
