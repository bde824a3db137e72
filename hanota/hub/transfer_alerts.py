"""CCS08 Firmware Transfer Alert: the one GBCS message of the hub's own, with its Digital Signature."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hanota.gbcs.alerts import firmware_transfer_alert
from hanota.gbcs.crypto import sign

if TYPE_CHECKING:
    from collections.abc import Callable

    from hanota.clock import Clock
    from hanota.eui64 import Eui64
    from hanota.gbcs.alerts import TransferResponseCode
    from hanota.gbcs.certificates import Credentials
    from hanota.hub.jobs import Job
    from hanota.hub.journal import Journal
    from hanota.hub.ports import Store

_COUNTER: Final = "sent"
"""The counter of what the hub itself has sent."""


class TransferAlerts:
    """Authors an alert for each transfer that ends; `send` takes the hub's EUI-64 and the octets."""

    def __init__(
        self,
        credentials: Credentials,
        broker: Eui64,
        store: Store,
        journal: Journal,
        clock: Clock,
        send: Callable[[Eui64, bytes], None],
    ) -> None:
        self._credentials, self._broker = credentials, broker
        self._store, self._journal, self._clock, self._send = store, journal, clock, send

    def transfer_ended(self, job: Job, code: TransferResponseCode) -> None:
        """Tell how the transfer of a job ended; raise StoreError."""
        own = self._credentials.eui64
        counter = self._store.counter(_COUNTER, own) + 1
        alert = firmware_transfer_alert(
            own,
            self._broker,
            counter,
            device=job.device,
            firmware_version=job.firmware_version,
            response_code=code,
            now=self._clock.now(),
        )
        with self._journal.transaction():
            self._store.raise_counter(_COUNTER, own, counter)
            self._send(own, sign(alert, self._credentials.signing_key).encode())
