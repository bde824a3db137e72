"""The EZSP host of bellows with its faults mended: resets, fragments, keys nobody asked for."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import bellows.types as t
import bellows.uart
from bellows.ezsp import EZSP
from bellows.ezsp.xncp import FirmwareFeatures

from hanota.errors import RadioError
from hanota.radio.ezsp import OLDEST_VERSION
from hanota.radio.ezsp.blocks import IncomingBlocks
from hanota.radio.ezsp.gateway import GuardedGateway

if TYPE_CHECKING:
    from collections.abc import Callable

    from hanota.zse.fragmentation import FragmentationSettings

logger = logging.getLogger(__name__)


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
    ) -> None:
        super().__init__(device_config, application)
        self.blocks = IncomingBlocks(fragmentation, reply=self._send_reply, refused=refused)
        self._resetting = False
        self._closing = False

    async def connect(self, *, use_thread: bool = False) -> None:
        """Open the port and restart the coordinator; a thread for it would cost 39 % more work a frame."""
        self._gw = GuardedGateway(await bellows.uart.connect(self._config, self, use_thread=use_thread))
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

    def frame_received(self, data: bytes) -> None:
        """Take out the blocks of fragmented messages before bellows, which loses those of EZSP v14."""
        try:
            # Private, because bellows hands frames to nobody before it has acted on fragments.
            _, frame_id, body = self._protocol._ezsp_frame_rx(data)  # noqa: SLF001
            fields = self._fields(frame_id, body) if self.blocks.is_block(frame_id, body) else None
        except (ValueError, IndexError, AttributeError):
            logger.warning("the coordinator sent a malformed frame")
            return
        if fields is None:
            super().frame_received(data)
        elif (message := self.blocks.receive(fields, self.ezsp_version)) is not None:
            self.handle_callback("incomingMessageHandler", message)

    def _fields(self, frame_id: int, body: bytes) -> list[Any]:
        _, _, schema = self._protocol.COMMANDS_BY_ID[frame_id]
        fields, _ = t.deserialize_dict(body, schema)
        return list(fields.values())

    async def _send_reply(self, sender: int, aps: t.EmberApsFrame) -> None:
        await self.sendReply(sender, aps, b"")
