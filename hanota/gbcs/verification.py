"""What must hold before a message is believed. Octets in; the message out, or an error raised.

A command, at a device (after GBCS 6.2.4 and 11.5 step 1; the order is hanota's, cheapest first):

1.  The octets are one GBCS message, and a command with MAC Header and MAC.
2.  The recipient is this device.
3.  The originator is known, and has the role that may send this use case.
4.  The Originator Counter is higher than the last accepted of the originator, and does not jump (4.3.1.5).
5.  A message of a critical use case is signed; a signature, wherever there is one, is the originator's.
6.  The MAC was made by an access control broker for this device, whoever the originator is.
7.  The payload can be read, and repeats the Originator Counter of the Grouping Header: all of it in CS06,
    its low 24 bits in CCS01 and CCS02.
8.  Only now is the counter accepted. Whatever failed before has changed nothing.

A signed pre-command, at the DCC: 1 (signed, no MAC yet), 3, 4, 5, 7, 8.

A response or an alert, at the DCC:

1.  The octets are one GBCS message, a response or an alert.
2.  The originator is the device it is said to come from.
3.  It is signed by the device, or, where the use case is not critical, has a MAC made between the device and
    the recipient. It may not be without both.
4.  The payload can be read; 7 above is true of a CCS01 or CCS02 response too.

Whoever waits for it adds (`dcc.incoming`, `dcc.exchange`) that a response answers a command: its message
code, parties, Originator Counter and supplementary fields are those of the command; and that an alert's
counter is higher than the last accepted of the device.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from hanota.errors import UnverifiableError, VerificationError
from hanota.gbcs.activate_firmware import ActivateFirmwareCommand
from hanota.gbcs.crypto import verify_mac, verify_signature
from hanota.gbcs.device_log import (
    INVOKE_ID_MASK,
    AddDevice,
    AddDeviceResponse,
    RemoveDevice,
    RemoveDeviceResponse,
)
from hanota.gbcs.message import Cra, Message, Shape
from hanota.gbcs.usecases import USE_CASES, decode_payload, use_case_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hanota.eui64 import Eui64
    from hanota.gbcs.counters import CounterLog
    from hanota.gbcs.crypto import PrivateKey, PublicKey
    from hanota.gbcs.keystore import KeyStore


def verify_command(data: bytes, recipient: Eui64, keystore: KeyStore, counters: CounterLog) -> Message:
    """Return a command that the device `recipient`, holding its own private key, may carry out.

    Raise RemoteProtocolError, VerificationError (ReplayError among them), or UnverifiableError for want of a
    key; `counters` then is as it was.
    """
    message = Message.decode(data)
    if message.shape is not Shape.COMMAND:
        raise VerificationError(f"a command with a MAC was expected, this is a {message.shape.value}")
    if message.recipient != recipient:
        raise VerificationError(f"the command is for {message.recipient}, not for {recipient}")
    _verify_authority(message, keystore)
    counters.check(message.originator, message.originator_counter)
    _verify_signature(message, keystore)
    _verify_mac(message, _pairs(keystore.access_control_brokers(), recipient, keystore))
    _verify_payload(message)
    counters.accept(message.originator, message.originator_counter)
    return message


def verify_signed_precommand(data: bytes, keystore: KeyStore, counters: CounterLog) -> Message:
    """Return a signed pre-command for the access control broker to add its MAC; raise as verify_command."""
    message = Message.decode(data)
    if message.shape is not Shape.SIGNED_PRE_COMMAND:
        raise VerificationError(f"a signed pre-command was expected, this is a {message.shape.value}")
    _verify_authority(message, keystore)
    counters.check(message.originator, message.originator_counter)
    _verify_signature(message, keystore)
    _verify_payload(message)
    counters.accept(message.originator, message.originator_counter)
    return message


def verify_from_device(data: bytes, device: Eui64, keystore: KeyStore) -> Message:
    """Return a response or an alert that `device` sent and protected.

    Raise RemoteProtocolError, VerificationError, or UnverifiableError for want of a key.
    """
    message = Message.decode(data)
    if message.cra is Cra.COMMAND:
        raise VerificationError(f"a response or an alert was expected, this is a {message.shape.value}")
    if message.originator != device:
        raise VerificationError(f"the message is from {message.originator}, not from {device}")
    _verify_signature(message, keystore)
    if message.mac is not None:
        _verify_mac(message, _pairs([message.recipient], device, keystore))
    elif not message.signature:
        raise VerificationError("the message has neither signature nor MAC")
    _verify_payload(message)
    return message


class Verdict(StrEnum):
    """What can be said of a signature or a MAC with the keys at hand."""

    VALID = "valid"
    INVALID = "invalid"
    ABSENT = "absent"
    UNVERIFIABLE = "unverifiable"


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What can be said of a message."""

    signature: Verdict
    mac: Verdict


def check(message: Message, keystore: KeyStore) -> Verdicts:
    """Judge any message from the outside, with whichever keys of either side the key store has."""
    return Verdicts(_signature_verdict(message, keystore), _mac_verdict(message, keystore))


def _signature_verdict(message: Message, keystore: KeyStore) -> Verdict:
    if not message.signature:
        return Verdict.ABSENT
    keys = keystore.signing_public_keys(message.originator)
    if _any_signature(message, keys):
        return Verdict.VALID
    return Verdict.INVALID if keys else Verdict.UNVERIFIABLE


def _mac_verdict(message: Message, keystore: KeyStore) -> Verdict:
    if message.mac is None:
        return Verdict.ABSENT
    by_rule, device = _mac_parties(message, keystore)
    pairs = list(_pairs(by_rule, device, keystore))
    if _any_mac(message, pairs):
        return Verdict.VALID
    others = {message.originator, message.recipient, *keystore.access_control_brokers()} - {device}
    if message.supplementary_remote_party is not None:
        others.add(message.supplementary_remote_party)
    if _any_mac(message, _pairs(others.difference(by_rule), device, keystore)):
        return Verdict.VALID
    return Verdict.INVALID if pairs else Verdict.UNVERIFIABLE


def _mac_parties(message: Message, keystore: KeyStore) -> tuple[tuple[Eui64, ...], Eui64]:
    """Return who may have agreed the MAC's key, and with which device."""
    if message.cra is not Cra.COMMAND:
        return (message.recipient,), message.originator
    use_case = USE_CASES.get(message.message_code)
    if (use_case and use_case.han_only) or keystore.is_device(message.originator):
        return (message.originator,), message.recipient
    return keystore.access_control_brokers(), message.recipient


def _verify_authority(message: Message, keystore: KeyStore) -> None:
    if not keystore.certificates(message.originator):
        raise VerificationError(f"the originator {message.originator} is unknown")
    use_case = USE_CASES.get(message.message_code)
    role = use_case.originator_role if use_case else None
    if role is not None and role not in keystore.roles(message.originator):
        raise VerificationError(f"{message.originator} is not in the role {role.name}")


def _verify_signature(message: Message, keystore: KeyStore) -> None:
    use_case = USE_CASES.get(message.message_code)
    if not message.signature:
        if use_case and use_case.critical:
            raise VerificationError(f"a message of {use_case_name(message)} must be signed")
        return
    keys = keystore.signing_public_keys(message.originator)
    if not keys:
        raise UnverifiableError(f"there is no Digital Signing certificate of {message.originator}")
    if not _any_signature(message, keys):
        raise VerificationError(f"the signature is not that of {message.originator}")


def _verify_mac(message: Message, pairs: Iterable[tuple[PrivateKey, PublicKey]]) -> None:
    held = list(pairs)
    if not held:
        raise UnverifiableError("there is no pair of Key Agreement keys to verify the MAC with")
    if not _any_mac(message, held):
        raise VerificationError("the MAC does not verify")


def _verify_payload(message: Message) -> None:
    match decode_payload(message):
        case ActivateFirmwareCommand() as payload if payload.originator_counter != message.originator_counter:
            raise VerificationError(
                f"the payload's originatorCounter {payload.originator_counter} is not the Grouping Header's, "
                f"{message.originator_counter}"
            )
        case AddDevice() | RemoveDevice() | AddDeviceResponse() | RemoveDeviceResponse() as payload if (
            payload.invoke_id != message.originator_counter & INVOKE_ID_MASK
        ):
            raise VerificationError(
                f"the payload's long-invoke-id {payload.invoke_id} is not of the Grouping Header's counter "
                f"{message.originator_counter}"
            )
        case _:
            return


def _pairs(
    parties: Iterable[Eui64], device: Eui64, keystore: KeyStore
) -> Iterator[tuple[PrivateKey, PublicKey]]:
    """Yield every pair of a party's and the device's keys of which either private half is at hand."""
    for party in parties:
        for owner, peer in ((party, device), (device, party)):
            for private_key in keystore.agreement_private_keys(owner):
                for public_key in keystore.agreement_public_keys(peer):
                    yield private_key, public_key


def _any_signature(message: Message, keys: Iterable[PublicKey]) -> bool:
    for public_key in keys:
        try:
            verify_signature(message, public_key)
        except VerificationError:
            continue
        return True
    return False


def _any_mac(message: Message, pairs: Iterable[tuple[PrivateKey, PublicKey]]) -> bool:
    for private_key, public_key in pairs:
        try:
            verify_mac(message, private_key, public_key)
        except VerificationError:
            continue
        return True
    return False
