"""bellows' ASH with its work done by the octet string, not octet by octet.

Source: UART Gateway Protocol Reference UG101 (byte stuffing, randomisation, data and ACK frames).
"""

from __future__ import annotations

import re
from binascii import crc_hqx
from typing import Any, Final, Self

from bellows.ash import PSEUDO_RANDOM_DATA_SEQUENCE, AckFrame, AshProtocol, DataFrame

_ESCAPED: Final = re.compile(rb"[\x11\x13\x18\x1a\x7d\x7e]")
_CONTROL: Final = re.compile(rb"[\x11\x13\x18\x1a\x7e]")
LARGEST_FRAME: Final = 2 * (256 + 3)
"""Octets of a frame with every octet escaped."""
_SEQUENCE: Final = [int.from_bytes(PSEUDO_RANDOM_DATA_SEQUENCE[:n], "big") for n in range(257)]


def _escape(match: re.Match[bytes]) -> bytes:
    return bytes((0x7D, match[0][0] ^ 0x20))


def _unescape(match: re.Match[bytes]) -> bytes:
    return bytes((match[0][1] ^ 0x20,))


_ESCAPE_PAIR: Final = re.compile(rb"\x7d[\x31\x33\x38\x3a\x5d\x5e]")


def randomised(data: bytes) -> bytes:
    """Return `data`, at most 256 octets, exclusive-or the pseudo-random sequence."""
    size = len(data)
    return (int.from_bytes(data, "big") ^ _SEQUENCE[size]).to_bytes(size, "big")


class FastDataFrame(DataFrame):  # type: ignore[misc]  # bellows is published without types
    """A data frame; bellows calls `_randomize`, which has no public name."""

    @staticmethod
    def _randomize(data: bytes) -> bytes:
        return randomised(data)


_ACKS: Final = [
    _ESCAPED.sub(_escape, AckFrame(res=0, ncp_ready=0, ack_num=number).to_bytes()) + b"\x7e"
    for number in range(8)
]


class FastAsh(AshProtocol):  # type: ignore[misc]  # bellows is published without types
    """The ASH host."""

    @classmethod
    def in_place_of(cls, other: AshProtocol) -> Self:
        """Take over the line of `other`."""
        ash = cls.__new__(cls)
        ash.__dict__.update(other.__dict__)
        ash._transport.set_protocol(ash)  # noqa: SLF001  # bellows keeps it nowhere else
        return ash

    @staticmethod
    def _stuff_bytes(data: bytes) -> bytes:
        return _ESCAPED.sub(_escape, data)

    def data_received(self, data: bytes) -> None:
        """Take octets; what is not one whole data or ACK frame goes the long way."""
        if not self._buffer and not self._discarding_until_next_flag and data[-1:] == b"\x7e":
            start = 0
            while start < len(data):
                end = data.index(b"\x7e", start)
                if not self._frame(data[start:end]):
                    super().data_received(data[start:])
                    return
                start = end + 1
            return
        super().data_received(data)

    def _frame(self, stuffed: bytes) -> bool:
        if _CONTROL.search(stuffed) or not 3 <= len(stuffed) <= LARGEST_FRAME:
            return False
        data = stuffed
        if b"\x7d" in data:
            data = _ESCAPE_PAIR.sub(_unescape, stuffed)
            if len(stuffed) - len(data) != stuffed.count(b"\x7d"):
                return False
        if not 3 <= len(data) <= 256 + 3 or crc_hqx(data[:-2], 0xFFFF) != data[-2] << 8 | data[-1]:
            return False
        control = data[0]
        if not control & 0x80:
            frame: Any = FastDataFrame(
                frm_num=control >> 4,
                re_tx=control >> 3 & 1,
                ack_num=control & 7,
                ezsp_frame=randomised(data[1:-2]),
            )
        elif control & 0xE0 == 0x80:
            frame = AckFrame(res=control >> 4 & 1, ncp_ready=control >> 3 & 1, ack_num=control & 7)
        else:
            return False
        self.frame_received(frame)
        return True

    def _send_ack(self) -> None:
        if self._suppress_acks or self._transport is None or self._transport.is_closing():
            super()._send_ack()
        else:
            self._transport.write(_ACKS[self._rx_seq])
