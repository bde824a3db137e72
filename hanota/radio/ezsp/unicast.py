"""Unicasts through EZSP: one sendUnicast for each frame or block, each waited for until its messageSent.

Source: EZSP Reference Guide UG100 (EmberApsFrame, sendUnicast, messageSentHandler).
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import bellows.types as t
import zigpy.exceptions

from hanota.radio.ezsp import BUSY_STATUSES, REORDERED_VERSION
from hanota.radio.sequence import PacketSequence
from hanota.zse.fragmentation import cut

if TYPE_CHECKING:
    from hanota.radio.ezsp.data import ApsHeader, Sent
    from hanota.radio.ezsp.host import HanEzsp
    from hanota.radio.settings import RadioSettings


class Unicasts:
    """Sends unicasts; a message tag that no other in flight has tells their confirmations apart."""

    def __init__(self, ezsp: HanEzsp, settings: RadioSettings) -> None:
        self._ezsp, self._settings = ezsp, settings
        self._tags = PacketSequence()
        self._waiting: dict[int, asyncio.Future[int]] = {}
        ezsp.sent = self._sent

    async def send(self, nwk: int, aps: ApsHeader, data: bytes, *, single: int, patience: float) -> None:
        """Send `data` to `nwk`, in blocks above `single` octets; return when all is delivered.

        Raise zigpy's DeliveryError with an sl_Status, TimeoutError when the coordinator does not tell within
        `patience` seconds what became of a frame, LocalProtocolError when `data` is too long.
        """
        with self._tags.take() as tag:
            if len(data) <= single:
                await self._send(nwk, aps, tag, data, patience)
                return
            blocks = cut(data, self._settings.fragmentation)
            options = aps.options | t.EmberApsOption.APS_OPTION_FRAGMENT | t.EmberApsOption.APS_OPTION_RETRY
            aps = replace(aps, options=int(options))
            # A window of one block: its messageSent comes with the acknowledgement of the device.
            for number, block in enumerate(blocks):
                aps = replace(aps, group=len(blocks) << 8 | number)
                sequence = await self._send_block(nwk, aps, tag, block, patience)
                # The coordinator chose the APS counter for the first; the others are told it.
                aps = replace(aps, sequence=sequence)

    async def _send_block(self, nwk: int, aps: ApsHeader, tag: int, block: bytes, patience: float) -> int:
        """Send a block, and one in the middle of a message again where the coordinator has no room."""
        attempts = self._settings.busy_attempts if aps.group & 0xFF else 1
        delay = self._settings.busy_delay
        for _ in range(attempts - 1):
            try:
                return await self._send(nwk, aps, tag, block, patience)
            except zigpy.exceptions.DeliveryError as error:
                if error.status not in BUSY_STATUSES:
                    raise
            await asyncio.sleep(delay)
            delay *= 2
        return await self._send(nwk, aps, tag, block, patience)

    async def _send(self, nwk: int, aps: ApsHeader, tag: int, data: bytes, patience: float) -> int:
        """Send one frame and return its APS counter when it is delivered."""
        confirmed: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting[tag] = confirmed
        try:
            answer = await self._ezsp.send_data(nwk, aps, tag, data)
            if answer.status:
                status = self._status(answer.status)
                raise zigpy.exceptions.DeliveryError(f"not accepted: {status.name}", status)
            async with asyncio.timeout(patience):
                outcome = await confirmed
        finally:
            del self._waiting[tag]
        if outcome:
            status = self._status(outcome)
            raise zigpy.exceptions.DeliveryError(f"not delivered: {status.name}", status)
        return answer.number

    def _status(self, status: int) -> t.sl_Status:
        if self._ezsp.ezsp_version >= REORDERED_VERSION:
            return t.sl_Status(status)
        return t.sl_Status.from_ember_status(t.EmberStatus(status))

    def _sent(self, sent: Sent) -> bool:
        confirmed = self._waiting.get(sent.number)
        if confirmed is None:
            return False
        if not confirmed.done():
            confirmed.set_result(sent.status)
        return True
