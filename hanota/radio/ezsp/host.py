"""The EZSP host of bellows with its faults mended: resets, fragments, keys nobody asked for."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

import bellows.types as t
import bellows.uart
from bellows.ezsp import EZSP
from bellows.ezsp.protocol import EZSP_CMD_TIMEOUT
from bellows.ezsp.xncp import FirmwareFeatures

from hanota.errors import RadioError
from hanota.radio.ezsp import OLDEST_VERSION
from hanota.radio.ezsp.blocks import IncomingBlocks
from hanota.radio.ezsp.data import (
    HEADER,
    INCOMING_MESSAGE,
    INVALID_COMMAND,
    MESSAGE_SENT,
    SEND_UNICAST,
    ApsHeader,
    DataFrames,
    Sent,
)
from hanota.radio.ezsp.gateway import GuardedGateway

if TYPE_CHECKING:
    from collections.abc import Callable

    from hanota.radio.frame import ReceivedFrame
    from hanota.zse.fragmentation import FragmentationSettings

logger = logging.getLogger(__name__)

_AFTER_OTHERS: Final = -1
"""bellows' own priority of a message among commands."""


class HanEzsp(EZSP):  # type: ignore[misc]  # bellows is published without types
    """One EZSP connection of a smart-metering hub."""

    is_tcp_serial_port = False
    """bellows waits 2 s at each reset of a `socket://` for a restart that only zigbeed makes unasked."""

    def __init__(
        self,
        device_config: dict[str, Any],
        application: Any,
        *,
        fragmentation: FragmentationSettings,
        refused: Callable[[int, int, str], None],
        arrived: Callable[[ReceivedFrame], bool],
    ) -> None:
        super().__init__(device_config, application)
        self._arrived = arrived
        self.sent: Callable[[Sent], bool] = lambda _: False
        self._answers: dict[int, asyncio.Future[Sent]] = {}
        self.data_frames: DataFrames | None = None
        """The layouts of the version agreed on, None before."""
        self.blocks = IncomingBlocks(fragmentation, reply=self._send_reply, refused=refused)
        self._resetting = False
        self._closing = False

    async def connect(self, *, use_thread: bool = False) -> None:
        """Open the port and restart the coordinator; a thread for it would cost 39 % more work a frame."""
        proxy = await bellows.uart.connect(self._config, self, use_thread=use_thread)
        # Private: past the proxy for a thread that there is none of.
        self._gw = GuardedGateway(proxy._obj)  # noqa: SLF001
        await self.startup_reset()

    async def startup_reset(self) -> None:
        """Restart the coordinator; a restart or error it reports meanwhile is a failed attempt, no loss."""
        self._resetting = True
        try:
            await super().startup_reset()
        finally:
            self._resetting = False

    def enter_failed_state(self, code: t.NcpResetCode) -> None:
        """Report that the coordinator restarted or gave up."""
        if not self._resetting:
            super().enter_failed_state(code)

    async def version(self) -> None:
        """Agree on a version; raise RadioError where it is too old."""
        await super().version()
        if self.ezsp_version < OLDEST_VERSION:
            raise RadioError(
                f"the coordinator speaks EZSP v{self.ezsp_version}, this hub v{OLDEST_VERSION} and later",
                hint="update its firmware to EmberZNet 6.7 or later, 7.4 where there is one",
            )
        self.data_frames = DataFrames(self.ezsp_version)

    async def get_xncp_features(self) -> FirmwareFeatures:
        """Ask for extensions, and claim the one by which bellows leaves group membership alone.

        Without it bellows restores the groups of endpoint 1, which is not registered here, and fails.
        """
        self._xncp_features = await super().get_xncp_features() | FirmwareFeatures.MEMBER_OF_ALL_GROUPS
        return self._xncp_features

    async def pre_permit(self, time_s: int) -> None:
        """Do nothing: bellows imports ZigBeeAlliance09 for everybody here, even to close the network."""

    async def set_extended_timeout(self, nwk: t.NWK, ieee: t.EUI64, extended_timeout: bool = True) -> None:  # noqa: FBT001, FBT002  # bellows' signature
        """Do nothing: the address table is the application's, and bellows would write over it."""

    async def disconnect(self) -> None:
        """Close the connection."""
        self._closing = True
        self.blocks.stop()
        await super().disconnect()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Report that the line is gone, unless it was closed here: that has its own reason."""
        if not self._closing:
            super().connection_lost(exc)

    async def send_data(self, nwk: int, aps: ApsHeader, tag: int, data: bytes) -> Sent:
        """Send a unicast and return the coordinator's answer to it."""
        protocol, frames = self._protocol, self.data_frames
        if frames is None:
            raise RadioError("no EZSP version is agreed on")
        # Private: the one order in which commands go, and their numbers, are kept by bellows.
        async with protocol._send_semaphore(priority=_AFTER_OTHERS):  # noqa: SLF001
            sequence = protocol._seq  # noqa: SLF001
            protocol._seq = (sequence + 1) & 0xFF  # noqa: SLF001
            answered: asyncio.Future[Sent] = asyncio.get_running_loop().create_future()
            self._answers[sequence] = answered
            try:
                await self._gw.send_data(frames.send_unicast(sequence, nwk, aps, tag, data))
                async with asyncio.timeout(EZSP_CMD_TIMEOUT):
                    return await answered
            finally:
                del self._answers[sequence]

    def frame_received(self, data: bytes) -> None:
        """Take the frames of messages, and the blocks of fragmented ones, before bellows."""
        if len(data) < HEADER.size:
            super().frame_received(data)
            return
        sequence, _, frame_id = HEADER.unpack_from(data)
        body = bytes(data[HEADER.size :])
        if self.data_frames is not None and self._taken(self.data_frames, sequence, frame_id, body):
            return
        try:
            fields = self._fields(frame_id, body) if self.blocks.is_block(frame_id, body) else None
        except (ValueError, IndexError, AttributeError):
            logger.warning("the coordinator sent a malformed frame")
            return
        if fields is None:
            super().frame_received(data)
        elif (message := self.blocks.receive(fields, self.ezsp_version)) is not None:
            self.handle_callback("incomingMessageHandler", message)

    def _taken(self, frames: DataFrames, sequence: int, frame_id: int, body: bytes) -> bool:
        if frame_id == INCOMING_MESSAGE:
            received = frames.incoming(body)
            return received is not None and self._arrived(received)
        if frame_id == MESSAGE_SENT:
            sent = frames.sent(body)
            return sent is not None and self.sent(sent)
        if frame_id == SEND_UNICAST and sequence in self._answers:
            answer = frames.answer(body)
            if answer is not None and not self._answers[sequence].done():
                self._answers[sequence].set_result(answer)
            return True
        if frame_id == INVALID_COMMAND and (waiting := self._answers.get(sequence)) is not None:
            if not waiting.done():
                waiting.set_exception(RadioError("the coordinator does not take sendUnicast"))
            return True
        return False

    def _fields(self, frame_id: int, body: bytes) -> list[Any]:
        _, _, schema = self._protocol.COMMANDS_BY_ID[frame_id]
        fields, _ = t.deserialize_dict(body, schema)
        return list(fields.values())

    async def _send_reply(self, sender: int, aps: t.EmberApsFrame) -> None:
        await self.sendReply(sender, aps, b"")
