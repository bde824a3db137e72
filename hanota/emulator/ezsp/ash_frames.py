"""ASH v2 framing: control octet, randomised data, CRC, octet stuffing (UG101 2 and 4)."""

from __future__ import annotations

from binascii import crc_hqx
from dataclasses import dataclass
from typing import Final, TypeAlias, assert_never

from hanota.errors import RemoteProtocolError

FLAG: Final = 0x7E
"""Ends every frame."""
ESCAPE: Final = 0x7D
XON: Final = 0x11
XOFF: Final = 0x13
"""Software flow control: never part of a frame."""
SUBSTITUTE: Final = 0x18
"""Stands for an octet that the UART received with an error."""
CANCEL: Final = 0x1A
"""Terminates a frame in progress."""
RESERVED: Final = frozenset((FLAG, ESCAPE, XON, XOFF, SUBSTITUTE, CANCEL))
FLIP: Final = 0x20
"""Inverted in an octet that is escaped."""

VERSION: Final = 2
FRAME_NUMBERS: Final = 8
CRC_OCTETS: Final = 2
_MIN_OCTETS: Final = 1 + CRC_OCTETS

_SHORT: Final = 0x80
"""Set in every control octet but that of DATA."""
_KIND: Final = 0xE0
_ACK: Final = 0x80
_NAK: Final = 0xA0
_RST: Final = 0xC0
_RSTACK: Final = 0xC1
_ERROR: Final = 0xC2
_RE_TX: Final = 0x08
_N_RDY: Final = 0x08
"""One bit: of DATA that it was sent before, of ACK and NAK that the host is not ready."""
_NUMBER: Final = 0x07


@dataclass(frozen=True, slots=True)
class Data:
    """DATA: one EZSP frame."""

    frame_number: int
    ack_number: int
    payload: bytes
    retransmission: bool = False


@dataclass(frozen=True, slots=True)
class Ack:
    """ACK: `ack_number` is the frame expected next."""

    ack_number: int
    not_ready: bool = False
    """The host wants no callbacks for now."""


@dataclass(frozen=True, slots=True)
class Nak:
    """NAK: send again from `ack_number`."""

    ack_number: int
    not_ready: bool = False


@dataclass(frozen=True, slots=True)
class Rst:
    """RST: the host resets the co-processor."""


@dataclass(frozen=True, slots=True)
class Rstack:
    """RSTACK: the co-processor has reset."""

    code: int


@dataclass(frozen=True, slots=True)
class Error:
    """ERROR: the co-processor has given up."""

    code: int


AshFrame: TypeAlias = Data | Ack | Nak | Rst | Rstack | Error


@dataclass(frozen=True, slots=True)
class BadFrame:
    """A frame that could not be read."""

    reason: str
    is_data: bool
    """Its control octet is that of DATA: only such a frame is rejected with NAK."""


def randomise(data: bytes) -> bytes:
    """Exclusive-or `data` with the sequence of UG101 4.3; the same again restores it."""
    octets, register = bytearray(), 0x42
    for octet in data:
        octets.append(octet ^ register)
        register = register >> 1 ^ (0xB8 if register & 1 else 0)
    return bytes(octets)


def encode(frame: AshFrame) -> bytes:
    """Return the octets of a frame, stuffed and with its flag."""
    match frame:
        case Data(number, ack, payload, again):
            control = number << 4 | _RE_TX * again | ack
            body = bytes((control,)) + randomise(payload)
        case Ack(ack, not_ready):
            body = bytes((_ACK | _N_RDY * not_ready | ack,))
        case Nak(ack, not_ready):
            body = bytes((_NAK | _N_RDY * not_ready | ack,))
        case Rst():
            body = bytes((_RST,))
        case Rstack(code):
            body = bytes((_RSTACK, VERSION, code))
        case Error(code):
            body = bytes((_ERROR, VERSION, code))
        case _:
            assert_never(frame)
    return _stuff(body + crc_hqx(body, 0xFFFF).to_bytes(CRC_OCTETS, "big")) + bytes((FLAG,))


def decode(octets: bytes) -> AshFrame:
    """Read one frame, unstuffed and without its flag; raise RemoteProtocolError if it is not one."""
    if len(octets) < _MIN_OCTETS:
        raise RemoteProtocolError("ASH frame too short")
    body, crc = octets[:-CRC_OCTETS], octets[-CRC_OCTETS:]
    if crc_hqx(body, 0xFFFF).to_bytes(CRC_OCTETS, "big") != crc:
        raise RemoteProtocolError("ASH CRC mismatch")
    control, rest = body[0], body[1:]
    number, flag = control & _NUMBER, bool(control & _RE_TX)
    if not control & _SHORT:
        return Data(control >> 4 & _NUMBER, number, randomise(rest), flag)
    if control & _KIND == _ACK and not rest:
        return Ack(number, flag)
    if control & _KIND == _NAK and not rest:
        return Nak(number, flag)
    if control == _RST and not rest:
        return Rst()
    if control == _RSTACK and len(rest) == 2:
        return Rstack(rest[1])
    if control == _ERROR and len(rest) == 2:
        return Error(rest[1])
    raise RemoteProtocolError(f"ASH control {control:#04x} with {len(rest)} octets of data")


class AshDecoder:
    """Finds frames in a stream; keeps no more octets than the longest frame has."""

    def __init__(self, max_data: int) -> None:
        self._limit = max_data + _MIN_OCTETS
        self._buffer = bytearray()
        self._escaped = False
        self._fault: str | None = None
        self.cancelled = 0
        """Frames in progress that the host cancelled."""

    def feed(self, data: bytes) -> list[AshFrame | BadFrame]:
        """Add octets; return the frames now complete, in order."""
        frames: list[AshFrame | BadFrame] = []
        for octet in data:
            if octet not in RESERVED:
                self._keep(octet)
            elif octet == FLAG:
                frames += self._finished()
            elif octet == CANCEL:
                self.cancelled += bool(self._buffer)
                self.reset()
            elif octet == SUBSTITUTE:
                self._fault = self._fault or "an octet received in error"
            elif octet == ESCAPE:
                self._escaped = True
        return frames

    def reset(self) -> None:
        """Forget a frame begun."""
        self._buffer.clear()
        self._escaped = False
        self._fault = None

    def _keep(self, octet: int) -> None:
        if len(self._buffer) >= self._limit:
            self._fault = self._fault or "too many octets"
        else:
            self._buffer.append(octet ^ FLIP if self._escaped else octet)
            self._escaped = False

    def _finished(self) -> list[AshFrame | BadFrame]:
        octets, fault = bytes(self._buffer), self._fault
        self.reset()
        if not octets and fault is None:
            return []  # flags may follow one another
        if fault is None:
            try:
                return [decode(octets)]
            except RemoteProtocolError as error:
                fault = str(error)
        return [BadFrame(fault, is_data=bool(octets) and not octets[0] & _SHORT)]


def _stuff(octets: bytes) -> bytes:
    stuffed = bytearray()
    for octet in octets:
        if octet in RESERVED:
            stuffed += bytes((ESCAPE, octet ^ FLIP))
        else:
            stuffed.append(octet)
    return bytes(stuffed)
