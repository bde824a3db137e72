"""CCS01 Add Device to CHF Device Log and CCS02 Remove Device from it (SR 8.11, RTDS 4.5.0).

Both are DLMS access-requests to one object of the hub, class 0x0068 at 0-0:30.3.0.255, which the access
control broker sends for a service user. CCS01 calls register_device and sets join_timeout and
enable_disable_joining; CCS02 calls unregister_device. The responses give a result for each.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import TYPE_CHECKING, Final, TypeAlias, assert_never

from hanota.errors import LocalProtocolError, RemoteProtocolError
from hanota.eui64 import Eui64
from hanota.gbcs.message import Cra, Message
from hanota.gbcs.octets import Reader

if TYPE_CHECKING:
    from collections.abc import Sequence

ADD_DEVICE_MESSAGE_CODE: Final = 0x0001
REMOVE_DEVICE_MESSAGE_CODE: Final = 0x0002

INSTALL_CODE_SIZE: Final = 16
"""Octets: the key of a device is its install code without the CRC."""
INVOKE_ID_MASK: Final = 0xFFFFFF
"""The long-invoke-id is the low 24 bits of the Originator Counter."""
MAXIMUM_JOIN_TIMEOUT: Final = 0xFFFF
"""Seconds: join_timeout has 16 bits."""

_ACCESS_REQUEST: Final = b"\xd9"
_ACCESS_RESPONSE: Final = b"\xda"
_INVOKE_FLAGS: Final = b"\x20"
"""Of long-invoke-id-and-priority: service class confirmed (RTDS)."""
_NO_DATE_TIME: Final = b"\x00"
_NO_SPECIFICATION: Final = b"\x00"
_OBJECT: Final = bytes.fromhex("0068 00001e0300ff")
"""Class and logical name 0-0:30.3.0.255 of the CHF Device Log."""
_SET: Final = b"\x02"
_ACTION: Final = b"\x03"
_REGISTER_DEVICE: Final = _ACTION + _OBJECT + b"\x01"
_UNREGISTER_DEVICE: Final = _ACTION + _OBJECT + b"\x02"
_SET_JOIN_TIMEOUT: Final = _SET + _OBJECT + b"\x03"
_SET_ENABLE_DISABLE_JOINING: Final = _SET + _OBJECT + b"\x02"
_STRUCTURE_OF_FOUR: Final = b"\x02\x04"
_OCTET_STRING: Final = b"\x09"
_ENUM: Final = b"\x16"
_LONG_UNSIGNED: Final = b"\x12"
_TRUE: Final = b"\x03\xff"
_NULL_DATA: Final = b"\x00"
_INSTALL_CODE: Final = 1
"""key_type."""


class AccessResult(IntEnum):
    """Result of an action or a set: what DLMS action-result and data-access-result have in common."""

    SUCCESS = 0
    HARDWARE_FAULT = 1
    TEMPORARY_FAILURE = 2
    READ_WRITE_DENIED = 3
    OBJECT_UNDEFINED = 4
    OBJECT_CLASS_INCONSISTENT = 9
    OBJECT_UNAVAILABLE = 11
    TYPE_UNMATCHED = 12
    SCOPE_OF_ACCESS_VIOLATED = 13
    DATA_BLOCK_UNAVAILABLE = 14
    OTHER_REASON = 250


@dataclass(frozen=True, slots=True)
class AddDevice:
    """Payload of a CCS01 command."""

    invoke_id: int
    """Low 24 bits of the Originator Counter."""
    ieee_address: Eui64
    key: bytes = field(repr=False)
    """Install code, 16 octets, no CRC."""
    device_type: int
    """0 ESME, 1 GSME, 13 HCALCS, 128 IHD, 130 CAD, 132 PPMID."""
    join_timeout: int
    """Seconds for which the device may join."""


@dataclass(frozen=True, slots=True)
class RemoveDevice:
    """Payload of a CCS02 command."""

    invoke_id: int
    ieee_address: Eui64


@dataclass(frozen=True, slots=True)
class AddDeviceResponse:
    """Payload of a CCS01 response: a DLMS result for each part, 0 for success."""

    invoke_id: int
    register_device: int
    join_timeout: int
    enable_disable_joining: int

    @property
    def succeeded(self) -> bool:
        """Whether the device is in the Device Log."""
        return not (self.register_device or self.join_timeout or self.enable_disable_joining)


@dataclass(frozen=True, slots=True)
class RemoveDeviceResponse:
    """Payload of a CCS02 response: a DLMS result, 0 for success."""

    invoke_id: int
    unregister_device: int

    @property
    def succeeded(self) -> bool:
        """Whether the device is not in the Device Log any more."""
        return not self.unregister_device


DeviceLogPayload: TypeAlias = AddDevice | RemoveDevice | AddDeviceResponse | RemoveDeviceResponse


def encode(payload: DeviceLogPayload) -> bytes:
    """Return the DLMS APDU; raise LocalProtocolError for a value out of its type's limits."""
    if not 0 <= payload.invoke_id <= INVOKE_ID_MASK:
        raise LocalProtocolError(f"a long-invoke-id has 24 bits: {payload.invoke_id}")
    invoke_id = _INVOKE_FLAGS + payload.invoke_id.to_bytes(3, "big")
    match payload:
        case AddDevice():
            return _ACCESS_REQUEST + invoke_id + _encode_addition(payload)
        case RemoveDevice(ieee_address=device):
            return b"".join(
                (
                    _ACCESS_REQUEST,
                    invoke_id,
                    _NO_DATE_TIME,
                    b"\x01" + _UNREGISTER_DEVICE,
                    b"\x01" + _octet_string(device),
                )
            )
        case AddDeviceResponse():
            results = ((_ACTION, payload.register_device), (_SET, payload.join_timeout))
            return _encode_response(invoke_id, (*results, (_SET, payload.enable_disable_joining)))
        case RemoveDeviceResponse():
            return _encode_response(invoke_id, ((_ACTION, payload.unregister_device),))
        case _:
            assert_never(payload)


def decode_add_command(payload: bytes) -> AddDevice:
    """Read the payload of a CCS01 command; raise RemoteProtocolError."""
    reader = Reader(payload)
    invoke_id = _decode_request_head(reader)
    reader.expect(b"\x03", "number of specifications")
    reader.expect(_REGISTER_DEVICE, "action register_device")
    reader.expect(_SET_JOIN_TIMEOUT, "set join_timeout")
    reader.expect(_SET_ENABLE_DISABLE_JOINING, "set enable_disable_joining")
    reader.expect(b"\x03", "number of data")
    reader.expect(_STRUCTURE_OF_FOUR, "device")
    reader.expect(_OCTET_STRING, "ieee_address")
    device = reader.octet_string("ieee_address")
    reader.expect(_ENUM + bytes([_INSTALL_CODE]), "key_type")
    reader.expect(_OCTET_STRING, "key")
    key = reader.octet_string("key")
    if len(key) != INSTALL_CODE_SIZE:
        raise RemoteProtocolError(f"key: an install code has {INSTALL_CODE_SIZE} octets, not {len(key)}")
    reader.expect(_ENUM, "device_type")
    device_type = reader.integer(1, "device_type")
    reader.expect(_LONG_UNSIGNED, "join_timeout")
    join_timeout = reader.integer(2, "join_timeout")
    reader.expect(_TRUE, "enable_disable_joining")
    reader.end("CCS01 command")
    return AddDevice(invoke_id, Eui64(device), key, device_type, join_timeout)


def decode_remove_command(payload: bytes) -> RemoveDevice:
    """Read the payload of a CCS02 command; raise RemoteProtocolError."""
    reader = Reader(payload)
    invoke_id = _decode_request_head(reader)
    reader.expect(b"\x01", "number of specifications")
    reader.expect(_UNREGISTER_DEVICE, "action unregister_device")
    reader.expect(b"\x01", "number of data")
    reader.expect(_OCTET_STRING, "ieee_address")
    device = reader.octet_string("ieee_address")
    reader.end("CCS02 command")
    return RemoveDevice(invoke_id, Eui64(device))


def decode_add_response(payload: bytes) -> AddDeviceResponse:
    """Read the payload of a CCS01 response; raise RemoteProtocolError."""
    return AddDeviceResponse(*_decode_response(payload, (_ACTION, _SET, _SET)))


def decode_remove_response(payload: bytes) -> RemoveDeviceResponse:
    """Read the payload of a CCS02 response; raise RemoteProtocolError."""
    return RemoveDeviceResponse(*_decode_response(payload, (_ACTION,)))


def add_device_command(
    originator: Eui64,
    recipient: Eui64,
    counter: int,
    supplier: Eui64,
    supplier_counter: int,
    *,
    device: Eui64,
    install_code: bytes,
    device_type: int,
    join_timeout: int,
) -> Message:
    """Return CCS01 from the access control broker to the hub, its MAC still to be added.

    Raise LocalProtocolError for an install code that has not 16 octets, or a number out of its range.
    """
    payload = AddDevice(counter & INVOKE_ID_MASK, device, install_code, device_type, join_timeout)
    return _command(
        originator, recipient, counter, supplier, supplier_counter, ADD_DEVICE_MESSAGE_CODE, payload
    )


def remove_device_command(
    originator: Eui64,
    recipient: Eui64,
    counter: int,
    supplier: Eui64,
    supplier_counter: int,
    device: Eui64,
) -> Message:
    """Return CCS02 from the access control broker to the hub, its MAC still to be added."""
    payload = RemoveDevice(counter & INVOKE_ID_MASK, device)
    return _command(
        originator, recipient, counter, supplier, supplier_counter, REMOVE_DEVICE_MESSAGE_CODE, payload
    )


def device_log_response(command: Message, result: AccessResult = AccessResult.SUCCESS) -> Message:
    """Return the hub's response to CCS01 or CCS02, `result` for each part, its MAC still to be added."""
    invoke_id = command.originator_counter & INVOKE_ID_MASK
    payload: DeviceLogPayload
    if command.message_code == ADD_DEVICE_MESSAGE_CODE:
        payload = AddDeviceResponse(invoke_id, result, result, result)
    else:
        payload = RemoveDeviceResponse(invoke_id, result)
    return replace(
        command,
        cra=Cra.RESPONSE,
        originator=command.recipient,
        recipient=command.originator,
        payload=encode(payload),
        signature=b"",
        mac=None,
    )


def _command(
    originator: Eui64,
    recipient: Eui64,
    counter: int,
    supplier: Eui64,
    supplier_counter: int,
    message_code: int,
    payload: DeviceLogPayload,
) -> Message:
    return Message(
        cra=Cra.COMMAND,
        originator_counter=counter,
        originator=originator,
        recipient=recipient,
        message_code=message_code,
        supplementary_remote_party=supplier,
        supplementary_remote_party_counter=supplier_counter,
        payload=encode(payload),
        signature=b"",
    )


def _encode_addition(payload: AddDevice) -> bytes:
    if len(payload.key) != INSTALL_CODE_SIZE:
        raise LocalProtocolError(f"an install code has {INSTALL_CODE_SIZE} octets, not {len(payload.key)}")
    if not 0 <= payload.device_type <= 0xFF:
        raise LocalProtocolError(f"device_type has 8 bits: {payload.device_type}")
    if not 0 <= payload.join_timeout <= MAXIMUM_JOIN_TIMEOUT:
        raise LocalProtocolError(f"join_timeout has 16 bits: {payload.join_timeout}")
    return b"".join(
        (
            _NO_DATE_TIME,
            b"\x03" + _REGISTER_DEVICE + _SET_JOIN_TIMEOUT + _SET_ENABLE_DISABLE_JOINING,
            b"\x03" + _STRUCTURE_OF_FOUR,
            _octet_string(payload.ieee_address),
            _ENUM + bytes([_INSTALL_CODE]),
            _octet_string(payload.key),
            _ENUM + bytes([payload.device_type]),
            _LONG_UNSIGNED + payload.join_timeout.to_bytes(2, "big"),
            _TRUE,
        )
    )


def _octet_string(octets: bytes) -> bytes:
    return _OCTET_STRING + bytes([len(octets)]) + octets


def _encode_response(invoke_id: bytes, results: Sequence[tuple[bytes, int]]) -> bytes:
    count = bytes([len(results)])
    for _, result in results:
        if not 0 <= result <= 0xFF:
            raise LocalProtocolError(f"a result has 8 bits: {result}")
    return b"".join(
        (
            _ACCESS_RESPONSE,
            invoke_id,
            _NO_DATE_TIME,
            _NO_SPECIFICATION,
            count + _NULL_DATA * len(results),
            count + b"".join(kind + bytes([result]) for kind, result in results),
        )
    )


def _decode_request_head(reader: Reader) -> int:
    reader.expect(_ACCESS_REQUEST, "access-request")
    invoke_id = _decode_invoke_id(reader)
    reader.expect(_NO_DATE_TIME, "date-time")
    return invoke_id


def _decode_invoke_id(reader: Reader) -> int:
    reader.expect(_INVOKE_FLAGS, "long-invoke-id flags")
    return reader.integer(3, "long-invoke-id")


def _decode_response(payload: bytes, kinds: Sequence[bytes]) -> tuple[int, ...]:
    """Return the long-invoke-id and the result of each part."""
    reader = Reader(payload)
    reader.expect(_ACCESS_RESPONSE, "access-response")
    numbers = [_decode_invoke_id(reader)]
    reader.expect(_NO_DATE_TIME, "date-time")
    reader.expect(_NO_SPECIFICATION, "specification")
    count = bytes([len(kinds)])
    reader.expect(count + _NULL_DATA * len(kinds), "data")
    reader.expect(count, "number of results")
    for kind in kinds:
        reader.expect(kind, "what a result is of")
        numbers.append(reader.integer(1, "result"))
    reader.end("access-response")
    return tuple(numbers)
