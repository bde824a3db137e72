"""What the emulated coordinator's subsystems share: NV memory, limits, counts, indications to the host."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final, TypeAlias

from hanota.emulator.line import Direction
from hanota.emulator.ncp import Ncp
from hanota.emulator.znp.nib import Nib
from hanota.emulator.znp.nvram import STARTUP_CLEAR_CONFIG, STARTUP_CLEAR_STATE, NvItem
from hanota.emulator.znp.security import SecurityManager
from hanota.emulator.znp.tables import NvTables
from hanota.emulator.znp.unpi import MtFrame, MtType, Subsystem
from hanota.eui64 import Eui64

if TYPE_CHECKING:
    from hanota.emulator.air import Air
    from hanota.emulator.line import LineSettings
    from hanota.emulator.zdo import SimpleDescriptor
    from hanota.emulator.znp.nvram import Nvram
    from hanota.emulator.znp.personality import Personality, ZnpSettings

Handlers: TypeAlias = dict[int, Callable[[bytes], bytes]]
"""SREQ data to SRSP data, by command id; RemoteProtocolError or struct.error for data of a wrong length."""

MAC_CAPABILITIES: Final = 0x8F
"""A mains-powered full-function device that may be the coordinator."""


class DeviceState(IntEnum):
    """The stack's devState."""

    HELD = 0
    STARTING_AS_COORDINATOR = 8
    STARTED_AS_COORDINATOR = 9


@dataclass(slots=True)
class ZnpStatistics:
    """What the coordinator did not carry out."""

    unknown_commands: int = 0
    malformed_commands: int = 0
    unregistered_endpoint: int = 0
    """Frames from the air for an endpoint the host has not registered."""
    unanswered_requests: int = 0
    """ZDO requests of devices dropped because `max_zdo_messages` were under way."""


class ZnpNcp(Ncp):
    """The coordinator as its subsystems see it; `ZnpCoordinator` puts them together."""

    def __init__(
        self,
        air: Air,
        *,
        eui64: Eui64,
        personality: Personality,
        nvram: Nvram | None,
        settings: ZnpSettings | None,
        line: LineSettings | None,
        seed: int,
    ) -> None:
        super().__init__(air, capabilities=MAC_CAPABILITIES, line=line, seed=seed)
        self.personality = personality
        self.settings = settings or personality.settings
        self.statistics = ZnpStatistics()
        self._factory = personality.factory_new(tclk_seed=self.random.randbytes(16))
        self._factory.items[NvItem.EXTADDR] = eui64.to_zigbee()
        self.nvram = nvram or self._factory.copy()
        self.endpoints: dict[int, SimpleDescriptor] = {}
        """Registered by the host since the last reset."""
        self._read_nvram()

    @abstractmethod
    def start_network(self) -> None:
        """Go on the air as coordinator and trust centre."""

    @property
    def eui64(self) -> Eui64:
        """Its IEEE address: the host's choice in NV, or the hardware's."""
        return Eui64.from_zigbee(self.item(NvItem.EXTADDR))

    @property
    def device_state(self) -> DeviceState:
        """Held until the host starts the network."""
        return DeviceState.STARTED_AS_COORDINATOR if self.network_up else DeviceState.HELD

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

    def _send(self, frame: MtFrame) -> None:
        self.line.write(Direction.TO_HOST, frame.encode())
