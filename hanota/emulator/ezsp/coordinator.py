"""The emulated co-processor: EZSP on one side, the air on the other."""

from __future__ import annotations

import asyncio
import struct
from typing import TYPE_CHECKING, Final

from hanota.emulator.aps_security import ApsRefusal
from hanota.emulator.ezsp.addresses import AddressCommands
from hanota.emulator.ezsp.ash import HostReset, Received, ResetCode
from hanota.emulator.ezsp.configuration import Configuration
from hanota.emulator.ezsp.counters import Counter
from hanota.emulator.ezsp.frames import FIRMWARE, Command, FrameId, InvalidCommandError
from hanota.emulator.ezsp.joining import Joining
from hanota.emulator.ezsp.key_table import KeyTableCommands
from hanota.emulator.ezsp.keys import Keys
from hanota.emulator.ezsp.messaging import MessagingCommands
from hanota.emulator.ezsp.ncp import EzspNcp
from hanota.emulator.ezsp.network import NetworkCommands
from hanota.emulator.ezsp.security import SecurityCommands
from hanota.emulator.ezsp.status import EzspStatus
from hanota.emulator.ezsp.tokens import TokenCommands
from hanota.emulator.ezsp.utilities import UtilityCommands
from hanota.emulator.ezsp.zdo import Zdo
from hanota.emulator.zdo import ZDO_ENDPOINT, ZDO_PROFILE, ZdoCluster
from hanota.errors import RemoteProtocolError

if TYPE_CHECKING:
    from hanota.emulator.air import Air, ApsFrame
    from hanota.emulator.ezsp.ncp import EzspSettings, Handlers
    from hanota.emulator.ezsp.nvram import EzspNvram
    from hanota.emulator.line import LineSettings
    from hanota.eui64 import Eui64

STACK_TYPE_MESH: Final = 2
REFUSALS: Final = {
    ApsRefusal.NO_KEY: Counter.APS_LINK_KEY_NOT_AUTHORIZED,
    ApsRefusal.WRONG_KEY: Counter.APS_DECRYPTION_FAILURE,
    ApsRefusal.REPLAYED: Counter.APS_FRAME_COUNTER_FAILURE,
}
"""Where the stack counts what it drops."""


class EzspCoordinator(EzspNcp):
    """An EFR32 with EmberZNet; it is trust centre, and node 0x0000 of its air."""

    def __init__(
        self,
        air: Air,
        *,
        eui64: Eui64,
        version: int = 13,
        nvram: EzspNvram | None = None,
        settings: EzspSettings | None = None,
        line: LineSettings | None = None,
        seed: int = 0,
    ) -> None:
        """Raise LocalProtocolError unless `version` is an EZSP version of frames.FIRMWARE."""
        super().__init__(air, version=version, nvram=nvram, settings=settings, line=line, seed=seed)
        self.line.receive = self._received
        self.configuration = Configuration(self)
        self.keys = Keys(self, self.configuration)
        self.addresses = AddressCommands(self, self.configuration)
        self.security = SecurityCommands(self, self.keys)
        self.network = NetworkCommands(self, self.security)
        self.joining = Joining(self, self.configuration, self.addresses, self.keys)
        self.messaging = MessagingCommands(self, self.configuration, self.addresses, self.keys)
        self.zdo = Zdo(self, self.configuration, self.messaging)
        self.tokens = TokenCommands(self)
        self._utilities = UtilityCommands(self, self.configuration)
        handlers: Handlers = {
            **self.configuration.handlers(),
            **self.security.handlers(),
            **KeyTableCommands(self, self.configuration, self.keys).handlers(),
            **self.addresses.handlers(),
            **self.network.handlers(),
            **self.joining.handlers(),
            **self.messaging.handlers(),
            **self.zdo.handlers(),
            **self.tokens.handlers(),
            **self._utilities.handlers(),
        }
        self._handlers = {frame: handle for frame, handle in handlers.items() if self.layout.has(frame)}
        self._hardware_eui64 = eui64
        self._eui64 = self.tokens.custom_eui64() or eui64
        self._version_set = False

    @property
    def eui64(self) -> Eui64:
        """Its IEEE address since the last reset: from a token, or the hardware's."""
        return self._eui64

    def reset(self, reason: ResetCode = ResetCode.WATCHDOG) -> None:
        """Restart the firmware: the network is down and all but non-volatile memory lost."""
        self.ash.reset(reason)
        self._restart()
        self._flush()

    def stop(self) -> None:
        """Leave the air and end every activity; nothing is left running."""
        self.cancel_activities()
        self.stop_network()
        self._stop_timer()

    def start_network(self) -> None:
        """Go on the air as coordinator and trust centre."""
        self.go_on_air(self.joining, takes_blocks=True)

    def stop_network(self) -> None:
        """Go off the air; the join window closes."""
        self.go_off_air()
        self.joining.reset()

    def link_key_for(self, peer: Eui64) -> bytes | None:
        """Return the link key held for `peer`."""
        return self.keys.key(peer)

    def next_frame_counter(self, peer: Eui64) -> int:  # noqa: ARG002  # one counter for all partners
        """Return the frame counter of the next frame encrypted for `peer`."""
        self.nvram.aps_frame_counter += 1
        return self.nvram.aps_frame_counter

    def unsecure(self, frame: ApsFrame, sender: Eui64) -> ApsRefusal | None:
        """Take a frame's APS encryption off; the stack looks its key up by what it knows of the source."""
        partner = self.addresses.eui64(frame.source) or sender
        refusal = self.keys.incoming.check(frame, partner, self.keys.key(partner))
        if refusal is not None:
            self.aps_refused[refusal] += 1
            self.counters.count(REFUSALS[refusal])
        return refusal

    def receive(self, frame: ApsFrame) -> None:
        """Take a frame from the air, or one the host sent to the node itself."""
        if not self.network_up:
            return
        if frame.source != self.nwk:
            self._hear(frame)
        if frame.destination_endpoint == ZDO_ENDPOINT:
            self.zdo.receive(frame)
        else:
            self.messaging.receive(frame)

    def _hear(self, frame: ApsFrame) -> None:
        """Note who sent a frame: a neighbour's auxiliary header tells it, and everybody's announcement."""
        sender = None if self.han is None else self.han.eui64_of(frame.source)
        if self.han is not None and sender is not None:
            announced = (frame.profile, frame.cluster) == (ZDO_PROFILE, ZdoCluster.DEVICE_ANNCE)
            if announced or self.han.parent_of(sender) == self.nwk:
                self.addresses.learn(sender, frame.source)
        if frame.is_broadcast:
            self.counters.count(Counter.MAC_RX_BROADCAST, Counter.APS_DATA_RX_BROADCAST)
        else:
            self.counters.count(Counter.MAC_RX_UNICAST, Counter.APS_DATA_RX_UNICAST)

    def _restart(self) -> None:
        self.cancel_activities()
        self.stop_network()
        self._forget()
        for part in (
            self.keys,
            self.configuration,
            self.security,
            self.addresses,
            self.network,
            self.messaging,
            self.zdo,
            self._utilities,
        ):
            part.reset()
        self._eui64 = self.tokens.custom_eui64() or self._hardware_eui64
        self._version_set = False

    def _received(self, data: bytes) -> None:
        for event in self.ash.receive(data, asyncio.get_running_loop().time()):
            match event:
                case HostReset():
                    self._restart()
                case Received(payload):
                    self._handle(payload)
        self._flush()

    def _handle(self, payload: bytes) -> None:
        if not self.ash.accepts_responses:
            self.statistics.overrun_commands += 1
            return
        try:
            command = Command.decode(payload)
        except RemoteProtocolError:
            self.statistics.malformed_commands += 1
            return
        try:
            frame_id, parameters = command.frame_id, self._execute(command)
        except InvalidCommandError as error:
            frame_id, parameters = FrameId.INVALID_COMMAND, self.layout.invalid_command(error.reason)
        except (struct.error, IndexError, RemoteProtocolError):
            self.statistics.malformed_commands += 1
            frame_id = FrameId.INVALID_COMMAND
            parameters = self.layout.invalid_command(EzspStatus.ERROR_TRUNCATED)
        self._sequence = command.sequence
        response = command.response(frame_id, parameters, overflow=self._overflow)
        self._overflow = False
        self.ash.respond(response, asyncio.get_running_loop().time())

    def _execute(self, command: Command) -> bytes:
        if not command.supported:
            raise InvalidCommandError(EzspStatus.ERROR_UNSUPPORTED_CONTROL)
        if command.frame_id == FrameId.VERSION:
            return self._version(command.parameters)
        if not self._version_set:
            raise InvalidCommandError(EzspStatus.ERROR_VERSION_NOT_SET)
        handler = self._handlers.get(command.frame_id)
        if handler is None:
            self.statistics.unknown_commands += 1
            raise InvalidCommandError(EzspStatus.ERROR_INVALID_FRAME_ID)
        return handler(command.parameters)

    def _version(self, parameters: bytes) -> bytes:
        """Tell the version; no other command is carried out until the host asks for that one."""
        self._version_set = parameters[0] == self.layout.version
        major, minor, patch, special = FIRMWARE[self.layout.version]
        release = major << 12 | minor << 8 | patch << 4 | special
        return struct.pack("<BBH", self.layout.version, STACK_TYPE_MESH, release)
