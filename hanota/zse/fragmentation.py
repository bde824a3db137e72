"""APS fragmentation: an ASDU cut into blocks, and blocks put together again.

Source: ZigBee specification 05-3474-21, 2.2.8.4.5 (fragmented transmissions).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, TypeAlias

from hanota.errors import LocalProtocolError, RemoteProtocolError

MAXIMUM_BLOCKS: Final = 255
"""The first block tells their number in one octet (2.2.5.1.8.2)."""
LARGEST_BLOCK: Final = 71
"""Octets: 73 of a frame with APS encryption and no source route, less 2 of extended header."""


@dataclass(frozen=True, slots=True)
class FragmentationSettings:
    """Limits of both directions."""

    block_octets: int = 61
    """Octets of ASDU in each block sent. What GB hubs use: it leaves room for an 8-octet extended nonce."""
    messages: int = 16
    """Messages in reassembly at once, those just ended included; a device has one or two under way."""
    octets: int = 1600
    """The longest message; a GBCS message of 1500 octets and its Tunneling header fit."""
    timeout: float = 30
    """Seconds without a new block until a message is given up; above 4 tries to a sleeper (7.68 s each)."""
    repeat_time: float = 8
    """Seconds in which a block of an ended message is a repetition, as its acknowledgement was lost: above
    the 4 tries of 1.6 s each, and below the time in which an APS counter comes round."""


@dataclass(frozen=True, slots=True)
class MessageId:
    """What the blocks of one ASDU have in common."""

    source: int
    """Short address."""
    counter: int
    """APS counter."""
    profile: int
    cluster: int
    source_endpoint: int
    destination_endpoint: int
    encrypted: bool
    """With APS encryption: a block in the clear is never a part of an encrypted message."""


@dataclass(frozen=True, slots=True)
class Block:
    """One block as it was received; `total` is how many there are, which the first one alone tells."""

    message: MessageId
    number: int
    data: bytes
    total: int | None = None


def cut(asdu: bytes, settings: FragmentationSettings) -> list[bytes]:
    """Return the blocks that carry `asdu`, all of one length but the last.

    Raise LocalProtocolError when it is longer than the settings or 255 blocks allow, or a block would not fit
    a frame.
    """
    size = settings.block_octets
    if not 1 <= size <= LARGEST_BLOCK:
        raise LocalProtocolError(f"a block has 1 to {LARGEST_BLOCK} octets, not {size}")
    if len(asdu) > min(settings.octets, MAXIMUM_BLOCKS * size):
        raise LocalProtocolError(f"an ASDU of {len(asdu)} octets is too long to fragment")
    return [asdu[start : start + size] for start in range(0, len(asdu), size)]


class Reassembly:
    """Puts together what arrives in blocks, in any order, within the limits of the settings.

    When all places are taken, the sender that has most of them loses its oldest message: nobody can keep
    another from being heard.
    """

    def __init__(self, settings: FragmentationSettings) -> None:
        self._settings = settings
        self._states: dict[MessageId, _State] = {}

    def __len__(self) -> int:
        """Return the messages held, whole or not: never more than the settings say."""
        return len(self._states)

    @property
    def octets(self) -> int:
        """The octets held."""
        return sum(_octets(state) for state in self._states.values())

    def receive(self, block: Block, now: float) -> bytes | None:
        """Take a block and return the ASDU with the last one missing, else None.

        Raise RemoteProtocolError where the message is dropped; else the block is to be acknowledged. `now` is
        in seconds of any clock that does not step.
        """
        self._expire(now)
        state = self._states.get(block.message)
        match state:
            case _Dropped():
                raise RemoteProtocolError("part of a message that was dropped")
            case _Delivered() if state.blocks.get(block.number) == block.data:
                return None
            case _Partial():
                pass
            case _:
                # New, or the sender's APS counter has come round within the time of repetitions.
                state = self._begin(block.message)
        try:
            state.add(block, self._settings.octets)
            state.ends_at = now + self._settings.timeout
            asdu = state.whole()
        except RemoteProtocolError:
            self._states[block.message] = _Dropped(now + self._settings.repeat_time)
            raise
        if asdu is not None:
            self._states[block.message] = _Delivered(now + self._settings.repeat_time, state.blocks)
        return asdu

    def _begin(self, message: MessageId) -> _Partial:
        self._states.pop(message, None)
        if len(self._states) >= self._settings.messages:
            del self._states[self._most_dispensable(message.source)]
        state = self._states[message] = _Partial()
        return state

    def _most_dispensable(self, source: int) -> MessageId:
        held = [message.source for message in self._states]
        return min(
            self._states,
            key=lambda message: (
                isinstance(self._states[message], _Partial),
                -held.count(message.source),
                # Among equals the newcomer's own goes first, then the oldest: a dict keeps the order.
                message.source != source,
            ),
        )

    def _expire(self, now: float) -> None:
        for message in [message for message, state in self._states.items() if state.ends_at <= now]:
            del self._states[message]


@dataclass(slots=True)
class _Partial:
    """A message whose blocks are not all there."""

    ends_at: float = 0.0
    blocks: dict[int, bytes] = field(default_factory=dict)
    total: int | None = None

    def add(self, block: Block, limit: int) -> None:
        if not block.data:
            raise RemoteProtocolError("a block without octets")
        if block.total is not None:
            if self.total not in {None, block.total}:
                raise RemoteProtocolError(f"first of {self.total} blocks, then of {block.total}")
            self.total = block.total
        if self.blocks.setdefault(block.number, block.data) != block.data:
            raise RemoteProtocolError(f"block {block.number} came again with other octets")
        if self.total is not None and max(self.blocks) >= self.total:
            raise RemoteProtocolError(f"block {max(self.blocks)} of {self.total}")
        if _octets(self) > limit:
            raise RemoteProtocolError(f"a message of more than {limit} octets")

    def whole(self) -> bytes | None:
        """Return the ASDU if all blocks are there; raise RemoteProtocolError if they do not fit together."""
        if len(self.blocks) != self.total:
            return None
        *others, last = (self.blocks[number] for number in range(self.total))
        if any(len(data) != len(self.blocks[0]) for data in others) or len(last) > len(self.blocks[0]):
            raise RemoteProtocolError("blocks of different lengths")
        return b"".join((*others, last))


@dataclass(slots=True)
class _Delivered:
    """A message that was put together; its blocks tell a repetition from a new message."""

    ends_at: float
    blocks: dict[int, bytes]


@dataclass(slots=True)
class _Dropped:
    """A message that broke a rule; what still comes of it is not acknowledged."""

    ends_at: float


_State: TypeAlias = _Partial | _Delivered | _Dropped


def _octets(state: _State) -> int:
    return 0 if isinstance(state, _Dropped) else sum(map(len, state.blocks.values()))
