"""What a transfer has seen so far: octets, rate, repeats, waits; cheap enough to count with every block."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

RATE_WINDOW_SECONDS: Final = 15.0
"""The rate is the mean over this time: long enough to smooth retries, short enough to show a stall."""
_SAMPLE_SECONDS: Final = 1.0
"""One sample a second is enough for the window, and bounds it whatever the block size."""


@dataclass(frozen=True, slots=True)
class TransferStatistics:
    """Where one transfer stands; `rate` in octets a second, None before any time has passed."""

    octets: int
    """From the start of the image up to the furthest one answered."""
    total: int
    blocks: int
    repeats: int
    """Blocks answered more than once."""
    waits: int
    """Requests answered WAIT_FOR_DATA."""
    skipped: int
    """Blocks of pages left out because their time had passed."""
    undelivered: int
    """Responses that the radio could not deliver."""
    block_size: int | None
    """Octets of the last block."""
    rate: float | None
    mean_rate: float | None
    """Since the first block of this offer."""

    @property
    def percentage(self) -> float:
        """How much of the image was answered, 0 to 100."""
        return 100 * self.octets / self.total

    @property
    def seconds_left(self) -> float | None:
        """Time left at the current rate, None where there is none."""
        return (self.total - self.octets) / self.rate if self.rate else None


class TransferMeter:
    """Counts for one session; `block` is called for every block served."""

    __slots__ = (
        "_first_offset",
        "_samples",
        "_started",
        "block_size",
        "blocks",
        "repeats",
        "served",
        "skipped",
        "undelivered",
        "waits",
    )

    def __init__(self) -> None:
        self.served = 0
        """Octets from the start up to the furthest one answered."""
        self.blocks = self.repeats = self.waits = self.skipped = self.undelivered = 0
        self.block_size: int | None = None
        self._first_offset = 0
        self._started: float | None = None
        self._samples: deque[tuple[float, int]] = deque()

    def block(self, start: int, end: int, now: float) -> bool:
        """Count the octets from `start` to `end` as served; return whether nothing in them was new."""
        if self._started is None:
            self._started, self._first_offset = now, start
        repeated = end <= self.served
        if repeated:
            self.repeats += 1
        else:
            self.served = end
        self.blocks += 1
        self.block_size = end - start
        samples = self._samples
        if not samples or now - samples[-1][0] >= _SAMPLE_SECONDS:
            samples.append((now, self.served))
            while len(samples) > 1 and now - samples[0][0] > RATE_WINDOW_SECONDS:
                samples.popleft()
        return repeated

    def read(self, total: int, now: float) -> TransferStatistics:
        """Return the statistics at `now` of an image of `total` octets."""
        rate = mean_rate = None
        if self._samples and now > self._samples[0][0]:
            since, octets = self._samples[0]
            rate = (self.served - octets) / (now - since)
        if self._started is not None and now > self._started:
            mean_rate = (self.served - self._first_offset) / (now - self._started)
        return TransferStatistics(
            self.served,
            total,
            self.blocks,
            self.repeats,
            self.waits,
            self.skipped,
            self.undelivered,
            self.block_size,
            rate,
            mean_rate,
        )
