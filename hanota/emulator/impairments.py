"""What is wrong with a serial line or a radio link: attributes for one assignment in a test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


@dataclass(slots=True)
class LineFaults:
    """What goes wrong in one direction of a serial line; chances are drawn from the line's seed."""

    muted: bool = False
    """Octets vanish while the port stays open: a hung firmware, a pulled data pin."""
    one_octet_reads: bool = False
    """The reader gets every octet in a call of its own."""
    corrupt: float = 0.0
    """Chance that one octet of a chunk is altered."""
    lose: float = 0.0
    """Chance that one octet of a chunk is missing."""
    lose_short: float = 0.0
    """Chance that a chunk as short as an acknowledgement vanishes."""
    double_short: float = 0.0
    """Chance that a chunk as short as an acknowledgement comes twice."""
    manipulate: Callable[[bytes], Iterable[bytes]] | None = None
    """Called with each chunk; what it returns is delivered instead."""


@dataclass(slots=True)
class LinkFaults:
    """What goes wrong between one device and the rest of the HAN, in both directions."""

    loss: float = 0.0
    """Chance that one transmission is not received; the MAC repeats it (macMaxFrameRetries)."""
    duplicate: float = 0.0
    """Chance that a received frame reaches the application twice."""
    latency: float = 0.0
    """Seconds between the end of a transmission and its delivery."""
    jitter: float = 0.0
    """Seconds of uniformly spread extra latency: frames in flight together change their order."""
