"""What hanota and an external device's process say to each other on a stream socket, sans-IO.

A message is a big-endian u16 length and that many octets; octet 0 is its type, other integers are
little-endian. DATA goes both ways, EVENT from the device to hanota, CMD from hanota to the device.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import TYPE_CHECKING, Final, assert_never

from hanota.errors import LocalProtocolError, RemoteProtocolError

if TYPE_CHECKING:
    from hanota.emulator.memory import Json

MAXIMUM_MESSAGE: Final = 0xFFFF
"""Octets of a message, its type included: what the length can say."""
_ALL_FLAGS: Final = 0x07
_LENGTH: Final = struct.Struct(">H")
_DATA: Final = struct.Struct("<BHBBHH")


class MessageType(IntEnum):
    """Octet 0 of a message."""

    DATA = 0x01
    EVENT = 0x10
    CMD = 0x11


class DataFlag(IntFlag):
    """Octet 1 of DATA."""

    APS_ENCRYPTED = 1
    APS_ACK = 2
    BROADCAST = 4


@dataclass(frozen=True, slots=True)
class Data:
    """One ZCL frame on the air."""

    flags: DataFlag
    peer: int
    """Network address: where it goes, or where it came from."""
    source_endpoint: int
    destination_endpoint: int
    profile: int
    cluster: int
    frame: bytes
    """The whole ZCL frame."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something the device has to tell; hanota logs it."""

    content: Json


@dataclass(frozen=True, slots=True)
class Cmd:
    """A text for the device; what it means is the device's affair."""

    text: str


Message = Data | Event | Cmd


def encode_message(message: Message) -> bytes:
    """Return the message's octets, its length first; raise LocalProtocolError for what does not fit."""
    match message:
        case Data():
            body = _encode_data(message)
        case Event():
            body = bytes((MessageType.EVENT,)) + _encode_json(message.content)
        case Cmd():
            body = bytes((MessageType.CMD,)) + _encode_text(message.text)
        case _:
            assert_never(message)
    if len(body) > MAXIMUM_MESSAGE:
        raise LocalProtocolError(f"a message has at most {MAXIMUM_MESSAGE} octets, not {len(body)}")
    return _LENGTH.pack(len(body)) + body


def decode_message(octets: bytes) -> Message:
    """Parse one message without its length; raise RemoteProtocolError for anything else."""
    if not octets:
        raise RemoteProtocolError("a message without a type")
    body = octets[1:]
    match octets[0]:
        case MessageType.DATA:
            return _decode_data(body)
        case MessageType.EVENT:
            return Event(_decode_json(body))
        case MessageType.CMD:
            return Cmd(_decode_text(body))
        case unknown:
            raise RemoteProtocolError(f"unknown message type {unknown:#04x}")


class MessageDecoder:
    """Cuts a stream into messages; holds less than one message and what it was fed last."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Take octets as they come; return the messages that are whole now, without their lengths."""
        self._buffer += data
        messages: list[bytes] = []
        start = 0
        while len(self._buffer) - start >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer, start)
            end = start + _LENGTH.size + length
            if len(self._buffer) < end:
                break
            messages.append(bytes(self._buffer[start + _LENGTH.size : end]))
            start = end
        del self._buffer[:start]
        return messages


def _encode_data(data: Data) -> bytes:
    try:
        head = _DATA.pack(
            data.flags,
            data.peer,
            data.source_endpoint,
            data.destination_endpoint,
            data.profile,
            data.cluster,
        )
    except struct.error as error:
        raise LocalProtocolError(f"a field of DATA is out of range: {error}") from None
    return bytes((MessageType.DATA,)) + head + data.frame


def _decode_data(body: bytes) -> Data:
    if len(body) < _DATA.size:
        raise RemoteProtocolError(f"DATA has at least {1 + _DATA.size} octets, got {1 + len(body)}")
    flags, peer, source, destination, profile, cluster = _DATA.unpack_from(body)
    if flags > _ALL_FLAGS:
        raise RemoteProtocolError(f"DATA with reserved flags {flags:#04x}")
    return Data(DataFlag(flags), peer, source, destination, profile, cluster, body[_DATA.size :])


def _encode_json(content: Json) -> bytes:
    try:
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode()
    except (ValueError, RecursionError) as error:
        raise LocalProtocolError(f"not a JSON value: {error}") from None


def _decode_json(body: bytes) -> Json:
    try:
        content: Json = json.loads(body.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise RemoteProtocolError(f"EVENT is not JSON: {error}") from None
    return content


def _refuse_constant(name: str) -> Json:
    raise ValueError(f"{name} is no JSON number")


def _encode_text(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise LocalProtocolError(f"not a text: {error}") from None


def _decode_text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise RemoteProtocolError(f"CMD is not UTF-8: {error}") from None
