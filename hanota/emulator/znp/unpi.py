"""UNPI framing of MT commands: FE, length, two command octets, data, FCS (TI SWRU444)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import reduce
from operator import xor
from typing import Final

SOF: Final = 0xFE
MAX_DATA: Final = 250
"""MT_RPC_DATA_MAX: data octets of one frame."""
_OVERHEAD: Final = 5


class MtType(IntEnum):
    """The upper three bits of the first command octet."""

    SREQ = 1
    AREQ = 2
    SRSP = 3


class Subsystem(IntEnum):
    """The lower five bits of the first command octet."""

    RPC_ERROR = 0
    SYS = 1
    AF = 4
    ZDO = 5
    UTIL = 7
    APP_CONFIG = 15


class RpcError(IntEnum):
    """Why a request was not executed."""

    INVALID_SUBSYSTEM = 1
    INVALID_COMMAND_ID = 2
    INVALID_PARAMETER = 3
    INVALID_LENGTH = 4


class MtStatus(IntEnum):
    """Z-Stack statuses the emulated coordinator gives (Z-Stack API, ZStatus_t)."""

    SUCCESS = 0x00
    FAILURE = 0x01
    INVALID_PARAMETER = 0x02
    NV_ITEM_UNINIT = 0x09
    NV_OPER_FAILED = 0x0A
    NV_BAD_ITEM_LEN = 0x0C
    BUFFER_FULL = 0x11
    SEC_NO_KEY = 0xA1
    APS_NO_ACK = 0xB7
    NWK_NO_ROUTE = 0xCD
    MAC_NO_ACK = 0xE9
    MAC_TRANSACTION_EXPIRED = 0xF0
    MAC_TRANSACTION_OVERFLOW = 0xF1


@dataclass(frozen=True, slots=True)
class MtFrame:
    """One MT command; type and subsystem are plain numbers, for a host may send any."""

    type: int
    subsystem: int
    command: int
    data: bytes = b""

    def encode(self) -> bytes:
        """Return the UNPI frame."""
        body = bytes((len(self.data), self.type << 5 | self.subsystem, self.command)) + self.data
        return bytes((SOF,)) + body + bytes((reduce(xor, body),))


class UnpiDecoder:
    """Finds frames in a stream as TI's MT_UART does: hunts for FE, drops a frame whose FCS is wrong."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.garbage = 0
        """Octets skipped while hunting for a frame."""
        self.bad_frames = 0
        """Frames dropped because of their FCS."""

    def feed(self, data: bytes) -> list[MtFrame]:
        """Add octets; return the frames now complete. At most one frame's octets are kept."""
        self._buffer += data
        frames = []
        while self._synchronise():
            end = self._buffer[1] + _OVERHEAD
            if len(self._buffer) < end:
                break
            body, fcs = bytes(self._buffer[1 : end - 1]), self._buffer[end - 1]
            del self._buffer[:end]
            if reduce(xor, body) == fcs:
                frames.append(MtFrame(body[1] >> 5, body[1] & 0x1F, body[2], body[3:]))
            else:
                self.bad_frames += 1
        return frames

    def reset(self) -> None:
        """Forget a frame begun."""
        self._buffer.clear()

    def _synchronise(self) -> bool:
        """Drop octets up to a start of frame with a possible length; tell whether one is there."""
        buffer = self._buffer
        while buffer and (buffer[0] != SOF or (len(buffer) > 1 and buffer[1] > MAX_DATA)):
            start = buffer.find(SOF, 1)
            skipped = len(buffer) if start < 0 else start
            self.garbage += skipped
            del buffer[:skipped]
        return len(buffer) > 1
