"""The access control broker (ACB): makes Pre-Commands, checks what comes back signed, adds the ACB MAC.

A Signed Pre-Command is passed on only when the rules of `gbcs.verification` hold, its Originator Counter is
above that of every command of the supplier passed on to this device before, and it is octet for octet a
Pre-Command made here and not used yet, with a signature added.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from hanota.dcc.counters import next_counter, stored_counters
from hanota.errors import UnverifiableError, VerificationError
from hanota.gbcs.activate_firmware import activate_firmware_precommand
from hanota.gbcs.crypto import protect
from hanota.gbcs.message import Message
from hanota.gbcs.verification import verify_signed_precommand

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from hanota.clock import Clock
    from hanota.dcc.ports import DccStore
    from hanota.duis.request import RequestId
    from hanota.eui64 import Eui64
    from hanota.gbcs.keystore import KeyStore
    from hanota.hub.ports import Store

_COMMAND_COUNTER: Final = "command"
"""The highest Originator Counter of a supplier passed on to one device; the device is part of the name."""
_SENT_COUNTER: Final = "sent"


@dataclass(frozen=True, slots=True)
class BrokerSettings:
    """The broker's limits."""

    pre_commands_waiting: int = 1000
    """Pre-Commands not yet returned signed; the oldest is forgotten first."""


class AccessControlBroker:
    """The ACB of the bench, with the keys of `eui64` out of the key store."""

    def __init__(
        self,
        eui64: Eui64,
        keystore: KeyStore,
        store: Store,
        dcc_store: DccStore,
        clock: Clock,
        settings: BrokerSettings | None = None,
    ) -> None:
        self._settings = settings or BrokerSettings()
        self._eui64, self._keystore, self._store = eui64, keystore, store
        self._dcc_store, self._clock = dcc_store, clock

    @property
    def eui64(self) -> Eui64:
        """The broker's own EUI-64."""
        return self._eui64

    @staticmethod
    def activate_firmware(request_id: RequestId, image_hash: bytes, when: datetime | None) -> Message:
        """Return the CS06 Pre-Command for the originator to sign; `made` notes that it is handed out."""
        return activate_firmware_precommand(
            request_id.originator, request_id.target, request_id.counter, image_hash, when
        )

    def made(self, pre_command: Message, request_id: RequestId) -> None:
        """Keep a Pre-Command that is handed out to be signed; raise StoreError."""
        self._dcc_store.add_pre_command(
            _digest(pre_command), request_id, self._clock.now(), keep=self._settings.pre_commands_waiting
        )

    def accept(self, octets: bytes) -> Message:
        """Return the command made of a Signed Pre-Command; `passed_on` notes that it goes out.

        Raise RemoteProtocolError where a rule is broken, UnverifiableError where a key is missing.
        """
        received = Message.decode(octets)
        counters = stored_counters(self._store, _counter_name(received.recipient), received)
        message = verify_signed_precommand(octets, self._keystore, counters)
        if not self._dcc_store.has_pre_command(_digest(message)):
            raise VerificationError(
                "no Pre-Command with these octets is waiting to be signed",
                hint="ask for the Pre-Command again (Command Variant 4) and change nothing but the signature",
            )
        return self._add_mac(message)

    def passed_on(self, command: Message) -> None:
        """Use up the command's Pre-Command and its Originator Counter; raise StoreError."""
        name = _counter_name(command.recipient)
        self._store.raise_counter(name, command.originator, command.originator_counter)
        self._dcc_store.remove_pre_command(_digest(command))

    def check_keys(self, device: Eui64) -> None:
        """Raise UnverifiableError where no command to `device` can have a MAC."""
        own = self._keystore.agreement_private_keys(self._eui64)
        if not own or not self._keystore.agreement_public_keys(device):
            missing = device if own else self._eui64
            raise UnverifiableError(f"no Key Agreement key of {missing} is known: no MAC can be made")

    def own_command(self, make: Callable[[Eui64, int], Message]) -> Message:
        """Return a command of the broker's own, made of its EUI-64 and its next counter, with the MAC."""
        return self._add_mac(make(self._eui64, next_counter(self._store, _SENT_COUNTER, self._eui64)))

    def _add_mac(self, message: Message) -> Message:
        self.check_keys(message.recipient)
        own = self._keystore.agreement_private_keys(self._eui64)
        return protect(message, own[0], self._keystore.agreement_public_keys(message.recipient)[0])


def _digest(message: Message) -> bytes:
    return sha256(message.to_be_signed()).digest()


def _counter_name(device: Eui64) -> str:
    return f"{_COMMAND_COUNTER} {device}"
