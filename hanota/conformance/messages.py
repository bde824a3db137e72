"""GBCS messages out of the frames of a tunnel, whether the DCC believed them or not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hanota.errors import RemoteProtocolError
from hanota.gbcs.message import Message
from hanota.zse.tunneling.commands import TransferData, decode_command

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hanota.conformance.faulty_radio import RadioFrame


@dataclass(frozen=True, slots=True)
class Heard:
    """One message as it went through the tunnel; `at` is Unix seconds, `frame` the number of its frame."""

    at: float
    frame: int
    octets: bytes
    message: Message


class Tunnelled:
    """Reads Transfer Data commands; a message that was cut in pieces is put together."""

    @staticmethod
    def of(frames: Iterable[RadioFrame]) -> Iterator[Heard]:
        """Yield each message that the frames carry, all of one device and one way, in order."""
        rest, first = b"", None
        for frame in frames:
            data = _data(frame)
            if data is None:
                continue
            first = first or frame
            rest += data
            message = _message(rest)
            if message is not None:
                yield Heard(first.at, first.number, rest, message)
                rest, first = b"", None
            elif _message(data) is not None:  # what came before was no beginning of it
                yield Heard(frame.at, frame.number, data, Message.decode(data))
                rest, first = b"", None


def _data(frame: RadioFrame) -> bytes | None:
    zcl = frame.zcl
    if zcl is None or not zcl.cluster_specific:
        return None
    try:
        command = decode_command(zcl)
    except RemoteProtocolError:
        return None
    return command.data if isinstance(command, TransferData) else None


def _message(octets: bytes) -> Message | None:
    try:
        return Message.decode(octets)
    except RemoteProtocolError:
        return None
