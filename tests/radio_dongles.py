"""The emulated dongles of both radio families, alike for the tests of the coordinator."""

from __future__ import annotations

import random
import struct
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

from hanota.emulator.ezsp.configuration import ConfigId
from hanota.emulator.ezsp.coordinator import EzspCoordinator
from hanota.emulator.znp.coordinator import ZnpCoordinator
from hanota.emulator.znp.nib import Nib
from hanota.emulator.znp.nvram import NvItem
from hanota.emulator.znp.personality import PERSONALITIES, Z_STACK_3_30
from hanota.emulator.znp.unpi import MtType, Subsystem, UnpiDecoder
from hanota.eui64 import Eui64

if TYPE_CHECKING:
    from hanota.emulator.air import Air
    from hanota.emulator.ezsp.frames import Command
    from hanota.emulator.line import Direction, LineSettings

HUB = Eui64.parse("00-12-4B-00-AA-BB-CC-DD")

Ncp: TypeAlias = ZnpCoordinator | EzspCoordinator


@dataclass(frozen=True)
class Network:
    """What a dongle formed."""

    channel: int
    pan_id: int
    extended_pan_id: Eui64
    key: bytes


@dataclass
class Tap:
    """What of the host's commands matters to security."""

    permits: list[int] = field(default_factory=list)
    """The durations of every request to open or close the network, whichever way it was made."""
    endpoints: list[tuple[int, int, int]] = field(default_factory=list)
    """Endpoint, profile and device type of every registration."""
    keys: list[bytes] = field(default_factory=list)
    """The parameters of every command that carries a link key."""


class Dongle(ABC):
    """One kind of emulated dongle."""

    family: str
    version: int | str | None
    """Of EZSP, or the release of Z-Stack; None is the usual one."""

    @abstractmethod
    def make(self, air: Air, eui64: Eui64 = HUB, line: LineSettings | None = None) -> Ncp:
        """Make one, factory new."""

    @abstractmethod
    def network(self, ncp: Ncp) -> Network:
        """Read its network out of its non-volatile memory."""

    @abstractmethod
    def limit_in_flight(self, ncp: Ncp, messages: int) -> None:
        """Let it have no room for more unicasts at once; a running one."""

    @abstractmethod
    def forget(self, ncp: Ncp, device: Eui64) -> None:
        """Let it forget where a device is."""

    @abstractmethod
    def tap(self, ncp: Ncp) -> Tap:
        """Record what it is told from now on."""

    def lost(self, _ncp: Ncp) -> int:
        """Return how many messages it had no room for on their way to the host."""
        return 0

    def give_next(self, ncp: Ncp, nwk: int) -> None:
        """Let it give the short address `nwk` to the next device that joins."""
        ncp.random = _Fixed(nwk)


class _Fixed(random.Random):
    def __init__(self, number: int) -> None:
        super().__init__(0)
        self._number = number

    def choice(self, seq: object) -> int:  # type: ignore[override]
        return self._number


@dataclass(frozen=True)
class ZnpDongle(Dongle):
    """A Z-Stack dongle of one release."""

    version: str | None = None
    family = "znp"

    def __str__(self) -> str:
        return "znp" if self.version is None else f"znp-{self.version}"

    def make(self, air: Air, eui64: Eui64 = HUB, line: LineSettings | None = None) -> ZnpCoordinator:
        personality = Z_STACK_3_30 if self.version is None else PERSONALITIES[self.version]
        return ZnpCoordinator(air, eui64=eui64, personality=personality, line=line)

    def network(self, ncp: Ncp) -> Network:
        assert isinstance(ncp, ZnpCoordinator)
        items = ncp.nvram.items
        nib = Nib.decode(items[NvItem.NIB])
        extended_pan_id = Eui64.from_zigbee(items[NvItem.EXTENDED_PAN_ID])
        return Network(nib.channel, nib.pan_id, extended_pan_id, items[NvItem.NWK_ACTIVE_KEY_INFO][1:17])

    def limit_in_flight(self, ncp: Ncp, messages: int) -> None:
        assert isinstance(ncp, ZnpCoordinator)
        ncp.settings = replace(ncp.settings, max_in_flight=messages)

    def forget(self, ncp: Ncp, device: Eui64) -> None:
        assert isinstance(ncp, ZnpCoordinator)
        ncp.security.forget(device)

    def tap(self, ncp: Ncp) -> Tap:
        tap, decoder = Tap(), UnpiDecoder()

        def observe(_at: float, direction: Direction, data: bytes) -> None:
            if direction.name != "TO_NCP":
                return
            for frame in decoder.feed(data):
                match frame.type, frame.subsystem, frame.command:
                    case MtType.SREQ, Subsystem.ZDO, 0x36:
                        tap.permits.append(frame.data[3])
                    case MtType.SREQ, Subsystem.AF, 0x02 if frame.data[13:15] == b"\x36\x00":
                        tap.permits.append(frame.data[21])
                    case MtType.SREQ, Subsystem.AF, 0x00:
                        tap.endpoints.append(struct.unpack_from("<BHH", frame.data))
                    case MtType.SREQ, Subsystem.APP_CONFIG, 0x04:
                        tap.keys.append(frame.data)
                    case _:
                        pass

        ncp.line.observe = observe
        return tap


@dataclass(frozen=True)
class EzspDongle(Dongle):
    """An EmberZNet dongle of one EZSP version."""

    version: int
    family = "ezsp"

    def __str__(self) -> str:
        return f"ezsp-v{self.version}"

    def make(self, air: Air, eui64: Eui64 = HUB, line: LineSettings | None = None) -> EzspCoordinator:
        return EzspCoordinator(air, eui64=eui64, version=self.version, line=line)

    def network(self, ncp: Ncp) -> Network:
        assert isinstance(ncp, EzspCoordinator)
        network = ncp.nvram.network
        assert network is not None
        formed = network.parameters
        extended_pan_id = Eui64.from_zigbee(formed.extended_pan_id)
        return Network(formed.channel, formed.pan_id, extended_pan_id, network.network_key)

    def limit_in_flight(self, ncp: Ncp, messages: int) -> None:
        assert isinstance(ncp, EzspCoordinator)
        ncp.configuration._config[ConfigId.APS_UNICAST_MESSAGE_COUNT] = messages

    def forget(self, ncp: Ncp, device: Eui64) -> None:
        assert isinstance(ncp, EzspCoordinator)
        ncp.addresses.reset()

    def lost(self, ncp: Ncp) -> int:
        assert isinstance(ncp, EzspCoordinator)
        return ncp.statistics.dropped_callbacks

    def tap(self, ncp: Ncp) -> Tap:
        assert isinstance(ncp, EzspCoordinator)
        tap, execute = Tap(), ncp._execute

        def observed(command: Command) -> bytes:
            data = command.parameters
            match command.frame_id:
                case 0x0022:
                    tap.permits.append(data[0])
                case 0x0036 if b"\x36\x00\x00\x00" in data[:12]:
                    tap.permits.append(data[-2])
                case 0x0002:
                    tap.endpoints.append(struct.unpack_from("<BHH", data))
                case 0x0068 | 0x010E | 0x0111 | 0x0115:
                    tap.keys.append(data)
                case _:
                    pass
            return execute(command)

        ncp._execute = observed  # type: ignore[method-assign]
        return tap


ZNP, ZNP_3_0, EZSP_V13, EZSP_V14 = ZnpDongle(), ZnpDongle("3.0"), EzspDongle(13), EzspDongle(14)
FAMILIES: tuple[Dongle, ...] = (ZNP, EZSP_V13)
"""The main job runs on one dongle of each radio family."""
DONGLES: tuple[Dongle, ...] = (ZNP, EZSP_V13, EZSP_V14)
"""Every simulation of the radio runs on each; EZSP versions above 14 differ in nothing it uses."""
