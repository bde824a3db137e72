"""GBCS commands to the hub itself, carried out as the Communications Hub Function: CCS01 and CCS02.

A command is verified as any device verifies one (`gbcs.verification`): its recipient, the authority of its
originator, the Originator Counter, the MAC of the access control broker. One that is not believed is noted
and not answered, and has changed nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hanota.errors import RemoteProtocolError, UnverifiableError
from hanota.gbcs.counters import CounterLog
from hanota.gbcs.crypto import protect
from hanota.gbcs.device_log import AccessResult, AddDevice, RemoveDevice, device_log_response
from hanota.gbcs.keystore import KeyStore
from hanota.gbcs.message import Message
from hanota.gbcs.usecases import decode_payload, use_case_name
from hanota.gbcs.verification import verify_command
from hanota.hub.events import EventKind, Party
from hanota.hub.ports import DeviceLogEntry, DeviceType

if TYPE_CHECKING:
    from collections.abc import Callable

    from hanota.eui64 import Eui64
    from hanota.gbcs.certificates import Credentials
    from hanota.hub.admission import Admission
    from hanota.hub.journal import Journal
    from hanota.hub.ports import Store
    from hanota.hub.refusals import Refusals

_COUNTER: Final = "executed"
"""The highest Originator Counter of the commands that the hub itself has carried out."""


class OwnCommands:
    """Carries out what the access control broker asks; `send` takes the hub's EUI-64 and the octets."""

    def __init__(
        self,
        credentials: Credentials,
        trust: KeyStore,
        store: Store,
        journal: Journal,
        refusals: Refusals,
        admission: Admission,
        send: Callable[[Eui64, bytes], None],
    ) -> None:
        own = KeyStore()
        own.add(credentials)
        self._keystore = trust | own
        self._credentials = credentials
        self._store, self._journal, self._refusals = store, journal, refusals
        self._admission, self._send = admission, send

    def execute(self, octets: bytes) -> None:
        """Carry out one command and answer it; raise StoreError, and then nothing was done."""
        own = self._credentials.eui64
        try:
            command = self._verified(octets)
            payload = _asked(command)
        except (RemoteProtocolError, UnverifiableError) as error:
            self._refusals.record(
                EventKind.GBCS_REFUSED, Party.DCC, Party.HUB, device=own, detail={"reason": str(error)}
            )
            return
        with self._journal.transaction():
            self._store.raise_counter(_COUNTER, command.originator, command.originator_counter)
            response = device_log_response(command, self._perform(payload))
            self._send(own, self._protected(response).encode())

    def _verified(self, octets: bytes) -> Message:
        counters = self._counters(Message.decode(octets))
        return verify_command(octets, self._credentials.eui64, self._keystore, counters)

    def _perform(self, payload: AddDevice | RemoveDevice) -> AccessResult:
        """Do what is asked; asked for what is so already, that is a success, and the key is discarded."""
        device = payload.ieee_address
        known = device in self._admission
        if isinstance(payload, RemoveDevice):
            if known:
                self._admission.remove(device)
            return AccessResult.SUCCESS
        if payload.device_type not in set(DeviceType) or device == self._credentials.eui64:
            return AccessResult.OTHER_REASON
        if not known:
            entry = DeviceLogEntry(device, DeviceType(payload.device_type), payload.key)
            self._admission.admit(entry, payload.join_timeout)
        return AccessResult.SUCCESS

    def _protected(self, response: Message) -> Message:
        broker = self._keystore.agreement_public_key(response.recipient)
        return protect(response, self._credentials.agreement_key, broker)

    def _counters(self, message: Message) -> CounterLog:
        originator = message.originator
        last = self._store.counter(_COUNTER, originator)
        # The store has no 0: it stands for an originator never heard, whose first counter may be any other.
        return CounterLog({originator: last} if last or not message.originator_counter else None)


def _asked(command: Message) -> AddDevice | RemoveDevice:
    match decode_payload(command):
        case AddDevice() | RemoveDevice() as payload:
            return payload
        case _:
            raise RemoteProtocolError(f"the hub carries out no {use_case_name(command)}")
