"""Whether the daemon does its work: asked by /ready, by systemd and by whoever waits for a bench."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hanota.api.context import Readiness
from hanota.hub.ports import RadioState

if TYPE_CHECKING:
    from hanota.daemon.clock_watch import ClockWatch
    from hanota.daemon.lag import LagWatch
    from hanota.hub.ports import HanRadio
    from hanota.store.database import Database


class ReadinessProbe:
    """Looks whenever it is asked."""

    def __init__(
        self, database: Database, radio: HanRadio, lag: LagWatch, ready_lag: float, clock: ClockWatch
    ) -> None:
        self._database, self._radio, self._lag, self._ready_lag = database, radio, lag, ready_lag
        self._clock = clock
        self.draining = asyncio.Event()
        """Set when the daemon is about to stop."""

    def look(self) -> Readiness:
        """Return what speaks against it."""
        faults = []
        if self.draining.is_set():
            faults.append("the daemon is about to stop")
        if self._radio.state is not RadioState.ONLINE:
            faults.append(f"the coordinator is {self._radio.state}")
        store_fault = self._database.fault()
        if store_fault is not None:
            faults.append(f"the store fails: {store_fault}")
        if self._lag.last > self._ready_lag:
            faults.append(f"the event loop is {self._lag.last:.1f} s late")
        clock_fault = self._clock.fault()
        if clock_fault is not None:
            faults.append(clock_fault)
        return Readiness(tuple(faults))
