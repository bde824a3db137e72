"""The way of every EZSP frame to the coordinator, with two faults of bellows' ASH kept out of it."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from bellows.ash import create_eager_task

from hanota.errors import LocalProtocolError
from hanota.radio.ezsp.ash import FastAsh, FastDataFrame

LARGEST_FRAME: Final = 256
"""Octets of an EZSP frame that bellows' ASH can randomise. A longer one makes it lose count of its frames, so
that the coordinator takes none of the next ones."""


class GuardedGateway:
    """bellows' gateway: refuses frames that would break ASH, and hears of a frame given up by its sender."""

    def __init__(self, gateway: Any) -> None:
        self._gateway = gateway
        # Private, because bellows makes its ASH itself.
        self._ash = gateway._transport = FastAsh.in_place_of(gateway._transport)  # noqa: SLF001

    def __getattr__(self, name: str) -> Any:
        return getattr(self._gateway, name)

    async def send_data(self, data: bytes) -> None:
        """Send one EZSP frame and return when it is acknowledged; raise LocalProtocolError if too long."""
        if len(data) > LARGEST_FRAME:
            raise LocalProtocolError(f"an EZSP frame of {len(data)} octets; ASH carries {LARGEST_FRAME}")
        # bellows sends on when its caller is cancelled, and leaves the outcome for nobody to see.
        frame = FastDataFrame(frm_num=None, re_tx=None, ack_num=None, ezsp_frame=data)
        sending = create_eager_task(self._ash._send_data_frame(frame))  # noqa: SLF001  # see FastDataFrame
        sending.add_done_callback(_note)
        await asyncio.shield(sending)


def _note(sending: asyncio.Future[None]) -> None:
    if not sending.cancelled():
        sending.exception()
