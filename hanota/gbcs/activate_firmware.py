"""CS06 Activate Firmware: module ActivateFirmware of GBCS Annex 3, processing in GBCS 11.5.

CommandPayload   ::= SEQUENCE { manufacturerImageHash, originatorCounter, executionDateTime OPTIONAL }
ResponsePayload  ::= CHOICE { commandAccepted NULL, executionOutcome ExecutionOutcome }
ExecutionOutcome ::= SEQUENCE { activateImageResponseCode, firmwareVersion }
AlertPayload     ::= SEQUENCE { alertCode, executionDateTime, originatorCounter, executionOutcome }
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from typing import TYPE_CHECKING, Annotated, Final

from cryptography.hazmat import asn1

from hanota.errors import LocalProtocolError
from hanota.gbcs import cosem, der
from hanota.gbcs.message import Cra, Message

if TYPE_CHECKING:
    from hanota.eui64 import Eui64

MESSAGE_CODE: Final = 0x0012
ALERT_MESSAGE_CODE: Final = 0x00CA

FUTURE_DATED_COMMAND_ACTIONED: Final = 0x8F66
"""Alert Code: the future dated command was executed."""
FUTURE_DATED_COMMAND_NOT_ACTIONED: Final = 0x8F67
"""Alert Code: the future dated command failed."""

CANCELLATION: Final = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
"""The executionDateTime that takes a future dated command back."""

_NULL: Final = b"\x05\x00"


class ActivateImageResponseCode(IntEnum):
    """`activateImageResponseCode`."""

    SUCCESS = 0
    NO_IMAGE_HELD = 1
    HASH_MISMATCH = 2
    ACTIVATION_FAILURE = 3


@der.sequence
class ActivateFirmwareCommand:
    """CommandPayload."""

    manufacturer_image_hash: Annotated[bytes, asn1.Size.exact(32)]
    """SHA-256 of the Manufacturer Image."""
    originator_counter: int
    """The same as in the Grouping Header."""
    execution_date_time: asn1.GeneralizedTime | None
    """None: at once."""

    @property
    def is_cancellation(self) -> bool:
        """Whether this takes back an earlier future dated command."""
        return self.execution_date_time is not None and self.execution_date_time.as_datetime() == CANCELLATION


@dataclass(frozen=True, slots=True)
class CommandAccepted:
    """ResponsePayload.commandAccepted: a future dated command, or a cancellation, was recorded."""


@der.sequence
class ExecutionOutcome:
    """ResponsePayload.executionOutcome, and the outcome in AlertPayload."""

    activate_image_response_code: int
    """See ActivateImageResponseCode."""
    firmware_version: Annotated[bytes, asn1.Size.exact(4)]
    """The version now executing, most significant octet first."""


@der.sequence
class FutureDatedAlert:
    """AlertPayload: what became of a future dated command."""

    alert_code: int
    execution_date_time: asn1.GeneralizedTime
    originator_counter: int
    """That of the command."""
    execution_outcome: ExecutionOutcome


def decode_command(payload: bytes) -> ActivateFirmwareCommand:
    """Read a CommandPayload; raise RemoteProtocolError."""
    return der.decode(ActivateFirmwareCommand, payload)


def decode_response(payload: bytes) -> CommandAccepted | ExecutionOutcome:
    """Read a ResponsePayload, an untagged CHOICE; raise RemoteProtocolError."""
    return CommandAccepted() if payload == _NULL else der.decode(ExecutionOutcome, payload)


def decode_alert(payload: bytes) -> FutureDatedAlert:
    """Read an AlertPayload; raise RemoteProtocolError."""
    return der.decode(FutureDatedAlert, payload)


def activate_firmware_precommand(
    originator: Eui64,
    recipient: Eui64,
    counter: int,
    manufacturer_image_hash: bytes,
    when: datetime | None = None,
) -> Message:
    """Return the pre-command that `originator`, a supplier, is to sign.

    `when` is aware, None to execute at once, CANCELLATION to take an earlier command back.
    """
    payload = ActivateFirmwareCommand(
        manufacturer_image_hash=manufacturer_image_hash,
        originator_counter=counter,
        execution_date_time=None if when is None else der.generalized_time(when),
    )
    return Message(
        cra=Cra.COMMAND,
        originator_counter=counter,
        originator=originator,
        recipient=recipient,
        message_code=MESSAGE_CODE,
        payload=der.encode(payload),
    )


def activate_firmware_response(
    command: Message, payload: CommandAccepted | ExecutionOutcome, now: float | None = None
) -> Message:
    """Return the response to `command`, not yet signed; `now` is None for a device without a clock.

    A CS06 response always carries a date-time.
    """
    return Message(
        cra=Cra.RESPONSE,
        originator_counter=command.originator_counter,
        originator=command.recipient,
        recipient=command.originator,
        date_time=cosem.NOT_SPECIFIED if now is None else cosem.date_time(now),
        message_code=MESSAGE_CODE,
        payload=_NULL if isinstance(payload, CommandAccepted) else der.encode(payload),
    )


def future_dated_alert(command: Message, counter: int, outcome: ExecutionOutcome) -> Message:
    """Return the alert on a future dated `command`, not yet signed; `counter` is the device's own.

    Raise LocalProtocolError for a command that was to be executed at once.
    """
    request = decode_command(command.payload)
    if request.execution_date_time is None:
        raise LocalProtocolError("a command executed at once has a response, not an alert")
    actioned = outcome.activate_image_response_code == ActivateImageResponseCode.SUCCESS
    payload = FutureDatedAlert(
        alert_code=FUTURE_DATED_COMMAND_ACTIONED if actioned else FUTURE_DATED_COMMAND_NOT_ACTIONED,
        execution_date_time=request.execution_date_time,
        originator_counter=request.originator_counter,
        execution_outcome=outcome,
    )
    return Message(
        cra=Cra.ALERT,
        originator_counter=counter,
        originator=command.recipient,
        recipient=command.originator,
        message_code=ALERT_MESSAGE_CODE,
        payload=der.encode(payload),
    )
