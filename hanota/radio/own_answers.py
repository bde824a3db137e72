"""Answers of the radio's own: to whoever reads its attributes, and to commands it does not serve."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from hanota.errors import RadioError
from hanota.hub.ports import Priority

if TYPE_CHECKING:
    from hanota.hub.ports import HanRadio
    from hanota.radio.inbound import Answer

logger = logging.getLogger(__name__)


class OwnAnswers:
    """Sends answers beside everything else, `limit` at once: a flood of questions is not answered."""

    def __init__(self, limit: int, radio: HanRadio) -> None:
        self._limit, self._radio = limit, radio
        self.tasks: set[asyncio.Task[None]] = set()
        """Those under way."""

    def begin(self, answer: Answer) -> None:
        """Send an answer, unless too many are under way."""
        if len(self.tasks) >= self._limit:
            return
        task = asyncio.get_running_loop().create_task(self._send(answer))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _send(self, answer: Answer) -> None:
        try:
            await self._radio.send(
                answer.device,
                answer.cluster,
                answer.data,
                priority=Priority.NORMAL,
                encrypted=answer.encrypted,
            )
        except RadioError as error:
            logger.info("answer to %s: %s", answer.device, error)
