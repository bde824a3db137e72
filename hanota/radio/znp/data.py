"""The three MT frames of every message, read and written without zigpy-znp's codec: half of a block's cost.

Source: Z-Stack Monitor and Test API (SWRA198) 3.1.1.3 (AF_DATA_REQUEST_EXT), 3.1.2.1 (AF_DATA_CONFIRM),
3.1.2.2 (AF_INCOMING_MSG), 2.1 (the frame).
"""

from __future__ import annotations

import logging
import struct
from functools import reduce
from operator import xor
from typing import TYPE_CHECKING, Any, Final, Self

import zigpy_znp.types as t
from zigpy_znp.frames import GeneralFrame
from zigpy_znp.uart import ZnpMtProtocol

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

AF_DATA_REQUEST_EXT: Final = 0x2402
AF_DATA_REQUEST_EXT_RESPONSE: Final = 0x6402
AF_DATA_CONFIRM: Final = 0x4480
AF_INCOMING_MSG: Final = 0x4481
"""Command octets, the first one high."""

INCOMING: Final = struct.Struct("<HHHBBBBBIBB")
"""AF_INCOMING_MSG up to the data: group, cluster, source, its endpoint, endpoint, broadcast, LQI, security,
time stamp, sequence number, length."""

_REQUEST: Final = struct.Struct("<BBBBH6xBHBHBBBH")
_SHORT_ADDRESS: Final = 0x02
_START: Final = 0xFE
_OVERHEAD: Final = 5
_LONGEST: Final = 250


def data_request_ext(
    *,
    nwk: int,
    endpoint: int,
    source_endpoint: int,
    cluster: int,
    sequence: int,
    options: int,
    radius: int,
    data: bytes,
) -> bytes:
    """Return the whole MT frame of an AF_DATA_REQUEST_EXT to one device."""
    body = (
        _REQUEST.pack(
            20 + len(data) & 0xFF,
            AF_DATA_REQUEST_EXT >> 8,
            AF_DATA_REQUEST_EXT & 0xFF,
            _SHORT_ADDRESS,
            nwk,
            endpoint,
            0,
            source_endpoint,
            cluster,
            sequence,
            options,
            radius,
            len(data),
        )
        + data
    )
    return b"\xfe" + body + bytes((reduce(xor, body),))


class MtProtocol(ZnpMtProtocol):  # type: ignore[misc]  # zigpy-znp is published without types
    """The serial protocol in place of zigpy-znp's: frames that `taken` takes never reach its codec."""

    def __init__(self, api: Any, url: str, taken: Callable[[int, bytes], bool]) -> None:
        super().__init__(api, url=url)
        self._taken = taken

    @classmethod
    def in_place_of(cls, other: ZnpMtProtocol, taken: Callable[[int, bytes], bool]) -> Self:
        """Take over the port of `other`."""
        # Private, because zigpy-znp makes its protocol itself.
        transport = other._transport  # noqa: SLF001
        protocol = cls(other._api, other.url, taken)  # noqa: SLF001
        protocol.connection_made(transport)
        protocol._buffer += other._buffer  # noqa: SLF001
        transport.set_protocol(protocol)
        return protocol

    def data_received(self, data: bytes) -> None:
        """Take octets."""
        buffer = self._buffer
        buffer += data
        while len(buffer) >= _OVERHEAD:
            end = buffer[1] + _OVERHEAD
            if buffer[0] != _START or end > _LONGEST + _OVERHEAD:
                break
            if len(buffer) < end:
                return
            frame = bytes(buffer[:end])
            if reduce(xor, frame[1:]):
                break
            del buffer[:end]
            try:
                if not self._taken(frame[2] << 8 | frame[3], frame[4:-1]):
                    self._pass_on(frame)
            except Exception as error:  # noqa: BLE001  # zigpy-znp raises whatever it likes at a malformed ZDO
                # At INFO, without a traceback: an insider can send one after the other.
                logger.info("a frame of the coordinator was not taken: %s", type(error).__name__)
        else:
            return
        super().data_received(b"")

    def write(self, data: bytes) -> None:
        """Send octets, without writing them out for a log that nobody keeps."""
        self._transport.write(data)

    def _pass_on(self, frame: bytes) -> None:
        header, _ = t.CommandHeader.deserialize(frame[2:4])
        self._api.frame_received(GeneralFrame(header, t.Bytes(frame[4:-1])))
