"""APS fragmentation as a node's stack does it: numbering the blocks, putting them together again.

Source: ZigBee specification 05-3474-21, 2.2.8.4.5 (fragmented transmissions).
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hanota.emulator.aps import ApsFrame, Fragment


@dataclass(frozen=True, slots=True)
class ReassemblySettings:
    """Limits of a stack that reassembles."""

    max_messages: int = 16
    """Messages begun or just finished; a new one takes the place of the oldest."""
    max_octets: int = 1600
    """Octets of one message; GBCS tunnels carry up to 1500."""
    max_age: float = 30.0
    """Seconds from a message's first block on: apscMaxFrameRetries of its every block fit in it."""


MessageKey: TypeAlias = tuple[int, int, int]
"""Source, destination, APS counter."""


@dataclass(slots=True)
class _Message:
    begun: float
    blocks: dict[int, bytes] = field(default_factory=dict)
    finished: bool = False


class Reassembly:
    """Puts messages together from their blocks, in whatever order they come; memory is bounded."""

    def __init__(self, settings: ReassemblySettings | None = None) -> None:
        self.settings = settings or ReassemblySettings()
        self._messages: OrderedDict[MessageKey, _Message] = OrderedDict()

    def add(self, key: MessageKey, fragment: Fragment, payload: bytes, now: float) -> bytes | None:
        """Take one block; return the message when it was the last one missing, and only once."""
        message = self._messages.get(key)
        reused = message is not None and message.finished and fragment.index == 0
        if message is None or reused or now - message.begun > self.settings.max_age:
            message = _Message(now)
            self._messages[key] = message
            self._messages.move_to_end(key)
            if len(self._messages) > self.settings.max_messages:
                self._messages.popitem(last=False)
        if message.finished or fragment.index >= fragment.count:
            return None
        held = sum(map(len, message.blocks.values()))
        if held + len(payload) <= self.settings.max_octets:
            message.blocks.setdefault(fragment.index, payload)
        if len(message.blocks) < fragment.count:
            return None
        message.finished = True
        whole = b"".join(message.blocks[index] for index in sorted(message.blocks))
        message.blocks.clear()
        return whole


class BlockAcknowledgements:
    """Blocks under way to nodes whose host, not their stack, takes and acknowledges them."""

    def __init__(self) -> None:
        self.takers: set[int] = set()
        """Short addresses of those nodes."""
        self._waiting: dict[tuple[int, int, int, int], asyncio.Future[None]] = {}

    def expected(self, frame: ApsFrame) -> bool:
        """Tell whether `frame` is a block whose acknowledgement the receiver gives itself."""
        return frame.fragment is not None and frame.destination in self.takers

    @contextmanager
    def waiting(self, frame: ApsFrame) -> Iterator[asyncio.Future[None]]:
        """Give a future that is done when the block is acknowledged."""
        index = 0 if frame.fragment is None else frame.fragment.index
        key = (frame.destination, frame.source, frame.sequence, index)
        taken = self._waiting[key] = asyncio.get_running_loop().create_future()
        try:
            yield taken
        finally:
            if self._waiting.get(key) is taken:
                del self._waiting[key]

    def acknowledge(self, receiver: int, sender: int, sequence: int, indices: Iterable[int]) -> None:
        """Acknowledge blocks of the message `sequence` from `sender`."""
        for index in indices:
            taken = self._waiting.get((receiver, sender, sequence, index))
            if taken is not None and not taken.done():
                taken.set_result(None)
