"""How far a transfer is: offset, rate and time left."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from hanota.eui64 import Eui64

RATE_WINDOW_SECONDS: Final = 15.0
"""The rate is the mean over this time: long enough to smooth retries, short enough to show a stall."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where one transfer stands; `rate` in octets per second, None before two blocks were served."""

    device: Eui64
    job: int
    octets: int
    total: int
    rate: float | None

    @property
    def seconds_left(self) -> float | None:
        """Time left at the current rate, None where no rate is known."""
        return None if not self.rate else (self.total - self.octets) / self.rate


class TransferMeter:
    """Follows the highest offset served and the rate over the last `RATE_WINDOW_SECONDS`."""

    def __init__(self, device: Eui64, job: int, total: int) -> None:
        self._device, self._job, self._total = device, job, total
        self._octets = 0
        self._repeats = 0
        self._first_offset = 0
        self._started: float | None = None
        self._samples: deque[tuple[float, int]] = deque()

    @property
    def repeats(self) -> int:
        """Blocks served more than once."""
        return self._repeats

    def mean_rate(self, now: float) -> float | None:
        """Return octets per second since the first block, None before any time has passed."""
        if self._started is None or now <= self._started:
            return None
        return (self._octets - self._first_offset) / (now - self._started)

    def block(self, offset: int, size: int, now: float, *, repeated: bool) -> None:
        """Count one block; the first is above offset 0 where a download goes on after a restart."""
        if self._started is None:
            self._started, self._first_offset = now, offset
        self._repeats += repeated
        self._octets = max(self._octets, offset + size)
        # One sample a second is enough for the window and keeps it bounded whatever the block size.
        if not self._samples or now - self._samples[-1][0] >= 1.0:
            self._samples.append((now, self._octets))
        while len(self._samples) > 1 and now - self._samples[0][0] > RATE_WINDOW_SECONDS:
            self._samples.popleft()

    def read(self, now: float) -> Progress:
        """Return the progress at `now` (Unix seconds)."""
        rate: float | None = None
        if self._samples and now > self._samples[0][0]:
            since, octets = self._samples[0]
            rate = (self._octets - octets) / (now - since)
        return Progress(self._device, self._job, self._octets, self._total, rate)
