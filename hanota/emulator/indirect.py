"""Frames that a parent holds until its sleeping child asks for them.

Source: IEEE 802.15.4-2006, 7.1.1.1.3 and 7.5.6.3 (indirect transmission); ZigBee specification 3.6.8 (polls).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hanota.emulator.aps import TxStatus

if TYPE_CHECKING:
    from hanota.emulator.airtime import AirSettings
    from hanota.eui64 import Eui64


@dataclass(frozen=True, slots=True, eq=False)
class Transaction:
    """One PSDU on hold."""

    child: Eui64
    octets: int
    outcome: asyncio.Future[TxStatus] = field(repr=False)
    """SUCCESS once the child has it, MAC_TRANSACTION_EXPIRED or MAC_TRANSACTION_OVERFLOW."""


class IndirectQueue:
    """What one parent holds, for all of its children; nothing is held for ever."""

    def __init__(self, settings: AirSettings) -> None:
        self._settings = settings
        self._held: list[Transaction] = []

    def hold(self, child: Eui64, octets: int) -> asyncio.Future[TxStatus]:
        """Hold a frame for `child`; the future tells its fate, and cancelling it drops the frame."""
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[TxStatus] = loop.create_future()
        if len(self._held) >= self._settings.indirect_capacity:
            outcome.set_result(TxStatus.MAC_TRANSACTION_OVERFLOW)
            return outcome
        transaction = Transaction(child, octets, outcome)
        self._held.append(transaction)
        expiry = loop.call_later(
            self._settings.indirect_persistence, _settle, outcome, TxStatus.MAC_TRANSACTION_EXPIRED
        )

        def ended(_: asyncio.Future[TxStatus]) -> None:
            expiry.cancel()
            self._held.remove(transaction)

        outcome.add_done_callback(ended)
        return outcome

    def first(self, child: Eui64) -> Transaction | None:
        """Return the frame that `child` gets next, None where none is held for it."""
        return next((held for held in self._held if held.child == child and not held.outcome.done()), None)

    def fetched(self, transaction: Transaction) -> None:
        """Note that the child has the frame."""
        _settle(transaction.outcome, TxStatus.SUCCESS)


def _settle(outcome: asyncio.Future[TxStatus], status: TxStatus) -> None:
    if not outcome.done():
        outcome.set_result(status)
