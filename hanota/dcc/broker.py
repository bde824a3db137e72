"""The access control broker (ACB): makes Pre-Commands, checks what comes back signed, adds the ACB MAC.

A Signed Pre-Command is passed on only when the rules of `gbcs.verification` hold, its Originator Counter is
above that of every command of the supplier passed on before, and it is octet for octet a Pre-Command made
here and not used yet, with a signature added.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hanota.dcc.counters import stored_counters
from hanota.errors import UnverifiableError, VerificationError
from hanota.gbcs.activate_firmware import activate_firmware_precommand
from hanota.gbcs.crypto import protect
from hanota.gbcs.message import Message
from hanota.gbcs.read_firmware_version import read_firmware_version_command
from hanota.gbcs.verification import verify_signed_precommand

if TYPE_CHECKING:
    from datetime import datetime

    from hanota.eui64 import Eui64
    from hanota.gbcs.keystore import KeyStore
    from hanota.hub.ports import Store

_COMMAND_COUNTER: Final = "command"
_SENT_COUNTER: Final = "sent"


@dataclass(frozen=True, slots=True)
class BrokerSettings:
    """The broker's limits."""

    pre_commands_waiting: int = 1000
    """Pre-Commands not yet returned signed; the oldest is forgotten first."""


class AccessControlBroker:
    """The ACB of the bench, with the keys of `eui64` out of the key store."""

    def __init__(
        self, eui64: Eui64, keystore: KeyStore, store: Store, settings: BrokerSettings | None = None
    ) -> None:
        self._settings = settings or BrokerSettings()
        self._eui64, self._keystore, self._store = eui64, keystore, store
        self._waiting: dict[bytes, Message] = {}

    @property
    def eui64(self) -> Eui64:
        """The broker's own EUI-64."""
        return self._eui64

    def activate_firmware(
        self, supplier: Eui64, device: Eui64, counter: int, image_hash: bytes, when: datetime | None
    ) -> Message:
        """Return the CS06 Pre-Command for `supplier` to sign."""
        message = activate_firmware_precommand(supplier, device, counter, image_hash, when)
        self._waiting[message.to_be_signed()] = message
        while len(self._waiting) > self._settings.pre_commands_waiting:
            del self._waiting[next(iter(self._waiting))]
        return message

    def accept(self, octets: bytes) -> Message:
        """Return the command made of a Signed Pre-Command; `passed_on` notes that it goes out.

        Raise RemoteProtocolError where a rule is broken, UnverifiableError where a key is missing.
        """
        counters = stored_counters(self._store, _COMMAND_COUNTER, Message.decode(octets))
        message = verify_signed_precommand(octets, self._keystore, counters)
        if message.to_be_signed() not in self._waiting:
            raise VerificationError(
                "no Pre-Command with these octets is waiting to be signed",
                hint="ask for the Pre-Command again (Command Variant 4) and change nothing but the signature",
            )
        return self._add_mac(message)

    def passed_on(self, command: Message) -> None:
        """Use up the command's Pre-Command and its Originator Counter; raise StoreError."""
        self._store.raise_counter(_COMMAND_COUNTER, command.originator, command.originator_counter)
        self._waiting.pop(command.to_be_signed(), None)

    def read_firmware_version(self, supplier: Eui64, supplier_counter: int, device: Eui64) -> Message:
        """Return a CS08 command of the broker's own, for `supplier`."""
        counter = self._store.counter(_SENT_COUNTER, self._eui64) + 1
        self._store.raise_counter(_SENT_COUNTER, self._eui64, counter)
        return self._add_mac(
            read_firmware_version_command(self._eui64, device, counter, supplier, supplier_counter)
        )

    def _add_mac(self, message: Message) -> Message:
        own = self._keystore.agreement_private_keys(self._eui64)
        device = self._keystore.agreement_public_keys(message.recipient)
        if not own or not device:
            missing = self._eui64 if not own else message.recipient
            raise UnverifiableError(f"no Key Agreement key of {missing} is known: no MAC can be made")
        return protect(message, own[0], device[0])
