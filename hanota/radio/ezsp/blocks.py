"""Fragmented messages from devices: EZSP hands over block by block, and the host acknowledges each.

Source: EZSP Reference Guide UG100 (EmberApsFrame, incomingMessageHandler, sendReply).
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

import bellows.types as t

from hanota.errors import RemoteProtocolError
from hanota.radio.ezsp import REORDERED_VERSION
from hanota.zse.fragmentation import Block, MessageId, Reassembly

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hanota.zse.fragmentation import FragmentationSettings

logger = logging.getLogger(__name__)

INCOMING_MESSAGE: Final = 0x0045
"""Frame id of incomingMessageHandler."""
_OPTIONS: Final = slice(7, 9)
"""Where the APS options are, in either order: after the message type and 6 octets of EmberApsFrame."""
_WHOLE_WINDOW: Final = 0xFF00
"""Acknowledgement bits of a window of one block."""

Fields = list[Any]
"""The values of incomingMessageHandler in the order of their EZSP version."""


class IncomingBlocks:
    """Takes the blocks out of what the coordinator sends, and gives back whole messages."""

    def __init__(
        self,
        settings: FragmentationSettings,
        *,
        reply: Callable[[int, Any], Awaitable[object]],
        refused: Callable[[int, int, str], None],
    ) -> None:
        """`reply` sends an empty sendReply; `refused` hears short address, cluster and reason of a drop."""
        self.reassembly = Reassembly(settings)
        self._acknowledgements = settings.messages
        self._reply, self._refused = reply, refused
        self._tasks: set[asyncio.Task[None]] = set()

    @staticmethod
    def is_block(frame_id: int, body: bytes) -> bool:
        """Tell whether an EZSP frame carries a block."""
        options = int.from_bytes(body[_OPTIONS], "little")
        return frame_id == INCOMING_MESSAGE and bool(options & t.EmberApsOption.APS_OPTION_FRAGMENT)

    def receive(self, fields: Fields, version: int) -> Fields | None:
        """Take one block and acknowledge it; return the fields of the whole message with the last one."""
        sender = int(fields[2 if version >= REORDERED_VERSION else 4])
        aps = fields[1]
        try:
            asdu = self.reassembly.receive(_block(sender, aps, fields[-1]), asyncio.get_running_loop().time())
        except RemoteProtocolError as error:
            self._refused(sender, int(aps.clusterId), f"malformed: {error}")
            return None
        self._acknowledge(sender, aps)
        if asdu is None:
            return None
        options = aps.options & ~t.EmberApsOption.APS_OPTION_FRAGMENT
        return [fields[0], aps.replace(options=options, groupId=0), *fields[2:-1], asdu]

    def stop(self) -> None:
        """Acknowledge nothing more."""
        for task in self._tasks:
            task.cancel()

    def _acknowledge(self, sender: int, aps: Any) -> None:
        """Send the APS acknowledgement, unless too many are under way: then the block comes again."""
        if len(self._tasks) >= self._acknowledgements:
            return
        # As it was received, UG100 says: the coordinator itself turns the endpoints round.
        answer = aps.replace(groupId=t.uint16_t(_WHOLE_WINDOW | aps.groupId & 0xFF))
        task = asyncio.get_running_loop().create_task(self._send(sender, answer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send(self, sender: int, answer: Any) -> None:
        try:
            await self._reply(sender, answer)
        except Exception as error:  # noqa: BLE001  # bellows raises whatever it likes; the block comes again
            logger.info("acknowledgement to %#06x: %r", sender, error)


def _block(sender: int, aps: Any, data: bytes) -> Block:
    number = int(aps.groupId) & 0xFF
    message = MessageId(
        source=sender,
        counter=int(aps.sequence),
        profile=int(aps.profileId),
        cluster=int(aps.clusterId),
        source_endpoint=int(aps.sourceEndpoint),
        destination_endpoint=int(aps.destinationEndpoint),
        encrypted=bool(aps.options & t.EmberApsOption.APS_OPTION_ENCRYPTION),
    )
    return Block(message, number, bytes(data), total=int(aps.groupId) >> 8 if number == 0 else None)
