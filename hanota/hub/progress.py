"""What a job sees of its transfer: how far it is, how fast, what was repeated, how strong the signal is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hanota.eui64 import Eui64


@dataclass(frozen=True, slots=True)
class Signal:
    """How a device is heard; None where the radio does not tell."""

    lqi: int | None = None
    """0 to 255."""
    rssi: int | None = None
    """dBm."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where one transfer stands; `rate` in octets per second, None before two blocks were served."""

    device: Eui64
    job: int
    octets: int
    total: int
    rate: float | None
    repeats: int = 0
    """Blocks served more than once."""
    waits: int = 0
    """Requests answered WAIT_FOR_DATA."""
    signal: Signal = Signal()
    """Of the last frame."""

    @property
    def percentage(self) -> float:
        """How much of the image was served, 0 to 100."""
        return 100 * self.octets / self.total

    @property
    def seconds_left(self) -> float | None:
        """Time left at the current rate, None where no rate is known."""
        return None if not self.rate else (self.total - self.octets) / self.rate


class Signals:
    """The last signal of each device, and the weakest since its transfer began."""

    def __init__(self) -> None:
        self._last: dict[Eui64, Signal] = {}
        self._weakest: dict[Eui64, tuple[int | None, int | None]] = {}

    def heard(self, device: Eui64, lqi: int | None, rssi: int | None) -> None:
        """Take the signal of one frame; kept for admitted devices only, so this stays small."""
        self._last[device] = Signal(lqi, rssi)
        weakest = self._weakest.get(device)
        if weakest is None:
            self._weakest[device] = (lqi, rssi)
        elif _below(lqi, weakest[0]) or _below(rssi, weakest[1]):
            self._weakest[device] = (_lower(lqi, weakest[0]), _lower(rssi, weakest[1]))

    def begin(self, device: Eui64) -> None:
        """Forget how weak the signal was: a transfer begins."""
        self._weakest.pop(device, None)

    def last(self, device: Eui64) -> Signal:
        """Return the signal of the last frame."""
        return self._last.get(device, Signal())

    def weakest(self, device: Eui64) -> Signal:
        """Return the lowest of each since the transfer began."""
        return Signal(*self._weakest.get(device, (None, None)))


def _below(value: int | None, lowest: int | None) -> bool:
    return value is not None and (lowest is None or value < lowest)


def _lower(value: int | None, lowest: int | None) -> int | None:
    return value if _below(value, lowest) else lowest
