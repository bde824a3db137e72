"""CS08 Read PPMID/HCALCS Firmware Version (GBCS 11.8): the access control broker asks, for a supplier.

The payload of the command is NULL; that of the response SEQUENCE { firmwareVersion, responseCode }, in this
order, which is not the order of CS06 (RTDS 4.5.0).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TYPE_CHECKING, Annotated, Final

from cryptography.hazmat import asn1

from hanota.errors import RemoteProtocolError
from hanota.gbcs import der
from hanota.gbcs.message import Cra, Message

if TYPE_CHECKING:
    from hanota.eui64 import Eui64

MESSAGE_CODE: Final = 0x0129

_NULL: Final = b"\x05\x00"


class ReadResponseCode(IntEnum):
    """`responseCode`."""

    SUCCESS = 0
    READ_FAILURE = 1


@dataclass(frozen=True, slots=True)
class ReadFirmwareVersionCommand:
    """The command's payload, NULL."""


@der.sequence
class ReadFirmwareVersionResponse:
    """The response's payload."""

    firmware_version: Annotated[bytes, asn1.Size.exact(4)]
    """The version now executing, most significant octet first; zeros when it could not be read."""
    response_code: int
    """See ReadResponseCode."""


def decode_command(payload: bytes) -> ReadFirmwareVersionCommand:
    """Read a command's payload; raise RemoteProtocolError."""
    if payload != _NULL:
        raise RemoteProtocolError(f"the payload of a CS08 command is NULL, not {payload.hex()}")
    return ReadFirmwareVersionCommand()


def decode_response(payload: bytes) -> ReadFirmwareVersionResponse:
    """Read a response's payload; raise RemoteProtocolError."""
    return der.decode(ReadFirmwareVersionResponse, payload)


def read_firmware_version_command(
    originator: Eui64, recipient: Eui64, counter: int, supplier: Eui64, supplier_counter: int
) -> Message:
    """Return the command of the access control broker `originator`, its MAC still to be added."""
    return Message(
        cra=Cra.COMMAND,
        originator_counter=counter,
        originator=originator,
        recipient=recipient,
        message_code=MESSAGE_CODE,
        supplementary_remote_party=supplier,
        supplementary_remote_party_counter=supplier_counter,
        payload=_NULL,
        signature=b"",
    )


def read_firmware_version_response(command: Message, payload: ReadFirmwareVersionResponse) -> Message:
    """Return the response to `command`, its MAC still to be added; the supplementary fields are echoed."""
    return replace(
        command,
        cra=Cra.RESPONSE,
        originator=command.recipient,
        recipient=command.originator,
        payload=der.encode(payload),
        signature=b"",
        mac=None,
    )
