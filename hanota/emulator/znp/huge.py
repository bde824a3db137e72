"""Messages that do not fit one MT frame: AF_DATA_STORE and AF_DATA_RETRIEVE (SWRA198 3.1.1.8, 3.1.1.9)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hanota.emulator.znp.data_request import DataRequest


class OutgoingMessage:
    """A data request whose octets the host stores piece by piece."""

    def __init__(self, request: DataRequest, length: int) -> None:
        self._request = request
        self._data = bytearray(length)

    def store(self, index: int, chunk: bytes) -> bool:
        """Take a piece; return False if it lies outside the announced length."""
        if index + len(chunk) > len(self._data):
            return False
        self._data[index : index + len(chunk)] = chunk
        return True

    def request(self) -> DataRequest:
        """Return the request with its octets."""
        return replace(self._request, payload=bytes(self._data))


class IncomingMessages:
    """Messages kept by time stamp until the host has fetched them; the oldest give way above `limit`."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._messages: dict[int, bytes] = {}

    def keep(self, stamp: int, message: bytes) -> int:
        """Keep `message`; return the time stamp to fetch it by, a free one from `stamp` on."""
        while stamp in self._messages:
            stamp = (stamp + 1) & 0xFFFF_FFFF
        while len(self._messages) >= self._limit:
            del self._messages[next(iter(self._messages))]
        self._messages[stamp] = message
        return stamp

    def retrieve(self, stamp: int, index: int, length: int) -> bytes | None:
        """Return a piece; a length of 0 frees the message; None if there is no such piece."""
        message = self._messages.get(stamp)
        if message is None or index + length > len(message):
            return None
        if length == 0:
            del self._messages[stamp]
        return message[index : index + length]

    def clear(self) -> None:
        """Free everything."""
        self._messages.clear()
