"""The EZSP frames of every message, read and written without bellows' codec: most of what a block costs.

Source: EZSP Reference Guide UG100 (frame format, sendUnicast, messageSentHandler, incomingMessageHandler).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from hanota.radio.ezsp import REORDERED_VERSION
from hanota.radio.frame import ReceivedFrame

SEND_UNICAST: Final = 0x0034
MESSAGE_SENT: Final = 0x003F
INCOMING_MESSAGE: Final = 0x0045
INVALID_COMMAND: Final = 0x0058

HEADER: Final = struct.Struct("<BHH")
"""Sequence, frame control, frame id."""
_OPTION_ENCRYPTION: Final = 0x0020
_OPTION_FRAGMENT: Final = 0x8000
_INCOMING_UNICAST: Final = 0x00
_OUTGOING_DIRECT: Final = 0x00


@dataclass(frozen=True, slots=True)
class ApsHeader:
    """EmberApsFrame."""

    profile: int
    cluster: int
    source_endpoint: int
    endpoint: int
    options: int
    group: int = 0
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class Sent:
    """A messageSentHandler, or the answer to a sendUnicast."""

    number: int
    """Message tag, or APS counter."""
    status: int


class DataFrames:
    """The layouts of one EZSP version."""

    def __init__(self, version: int) -> None:
        self._new = version >= REORDERED_VERSION
        self._incoming = struct.Struct("<BHHBBHHBH8xBBBb4xB" if self._new else "<BHHBBHHBBbHBBB")
        self._sent = struct.Struct("<IBH11xH" if self._new else "<BH11xBB")
        self._send = struct.Struct("<BHHBHHHBBHHBHB" if self._new else "<BHHBHHHBBHHBBB")
        self._answer = struct.Struct("<IB" if self._new else "<BB")

    def incoming(self, body: bytes) -> ReceivedFrame | None:
        """Read a whole unicast; None for what bellows is to read."""
        size = self._incoming.size
        if len(body) < size:
            return None
        kind, profile, cluster, source_endpoint, endpoint, options, _, _, *rest = self._incoming.unpack_from(
            body
        )
        if self._new:
            nwk, _, _, lqi, rssi, length = rest
        else:
            lqi, rssi, nwk, _, _, length = rest
        if kind != _INCOMING_UNICAST or options & _OPTION_FRAGMENT or len(body) != size + length:
            return None
        return ReceivedFrame(
            nwk=nwk,
            source_endpoint=source_endpoint,
            endpoint=endpoint,
            profile=profile,
            cluster=cluster,
            data=body[size:],
            encrypted=bool(options & _OPTION_ENCRYPTION),
            unicast=True,
            lqi=lqi,
            rssi=rssi,
        )

    def sent(self, body: bytes) -> Sent | None:
        """Read a messageSentHandler of a unicast."""
        if len(body) < self._sent.size:
            return None
        if self._new:
            status, kind, _, tag = self._sent.unpack_from(body)
        else:
            kind, _, tag, status = self._sent.unpack_from(body)
        return Sent(tag, status) if kind in (0, 1) else None

    def send_unicast(self, sequence: int, nwk: int, aps: ApsHeader, tag: int, data: bytes) -> bytes:
        """Return a sendUnicast."""
        return (
            self._send.pack(
                sequence,
                0x0100,
                SEND_UNICAST,
                _OUTGOING_DIRECT,
                nwk,
                aps.profile,
                aps.cluster,
                aps.source_endpoint,
                aps.endpoint,
                aps.options,
                aps.group,
                aps.sequence,
                tag,
                len(data),
            )
            + data
        )

    def answer(self, body: bytes) -> Sent | None:
        """Read the answer to a sendUnicast."""
        if len(body) < self._answer.size:
            return None
        status, sequence = self._answer.unpack_from(body)
        return Sent(sequence, status)
