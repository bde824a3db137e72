"""Which device is served image blocks now, and how long the others wait: pure decisions, time as an argument.

Devices that are served together are served block by block in turn, because each asks for its next block
when it has the last: that is the fair way, and the usual one. Where more want blocks than `transfers`, each
has its turn of so many octets; who has had it goes to the end of the queue. What a device is told is
WAIT_FOR_DATA, the one means that every client keeps to, and it comes back by itself.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from enum import StrEnum
from itertools import count
from math import ceil
from typing import TYPE_CHECKING, Final

from hanota.errors import ConfigError
from hanota.hub.jobs import JobPriority

if TYPE_CHECKING:
    from datetime import time

    from hanota.eui64 import Eui64

_DAY: Final = 24 * 3600
_WEIGHT: Final = 0.2
"""Of the last turn in how long turns last: a mean over about ten."""


class WaitReason(StrEnum):
    """Why a device is told to wait."""

    PAUSED = "the job is paused"
    QUIET_HOURS = "quiet hours"
    AIRTIME = "the airtime for image blocks is used up"
    PRIORITY = "a job of higher priority is served"
    TURN = "others have their turn"


@dataclass(frozen=True, slots=True)
class QuietHours:
    """A part of each day, UTC, in which no image block is served; it may pass midnight."""

    start: time
    end: time

    def seconds_left(self, now: float) -> float:
        """Return how long it still lasts at `now` (Unix seconds), 0 outside of it."""
        since = (now - _seconds(self.start)) % _DAY
        length = (_seconds(self.end) - _seconds(self.start)) % _DAY
        return max(0.0, length - since)


@dataclass(frozen=True, slots=True)
class SchedulerSettings:
    """Limits on image blocks, so that they leave the HAN to others; times in seconds."""

    transfers: int = 64
    """Devices served at once, of a Device Log's; interleaved block by block they end together, and the air,
    not their number, is the bound."""
    turn_octets: int = 4800
    """Octets of a turn where more devices want blocks: some seconds, and a fiftieth of a usual image of
    240 kB, so that equal jobs end within a tenth of each other."""
    turn_wait: int = 5
    """The longest time for which a device without a turn is told to wait; the first in the queue is told
    less, so that its turn is not idle for long."""
    idle_seconds: float = 20
    """Silence after which a turn is over: common clients repeat a request after 3 to 5 seconds."""
    airtime_share: float = 1.0
    """Part of the air, above 0 and up to 1, that image blocks may take over time."""
    airtime_burst: float = 5.0
    """Seconds of air that blocks may take at one go before the rest is left to others."""
    exchange_airtime: float = 0.0139
    """Air of one block without its octets: request, response, APS acknowledgement, and what CSMA costs."""
    octet_airtime: float = 32e-6
    """Air of one octet at 250 kbit/s."""
    quiet_hours: tuple[QuietHours, ...] = ()
    longest_wait: int = 240
    """The longest wait told at one time; below `OtaServerSettings.stall_seconds`, since a device that waits
    is none that is silent."""

    def __post_init__(self) -> None:
        """Raise ConfigError for what would serve nobody."""
        if not 0 < self.airtime_share <= 1:
            raise ConfigError(f"an airtime share of {self.airtime_share}: it is above 0 and at most 1")
        if self.transfers < 1:
            raise ConfigError("no device could be served: raise SchedulerSettings.transfers")
        if any(hours.start == hours.end for hours in self.quiet_hours):
            raise ConfigError("quiet hours that end when they start: no time, or all of it?")


@dataclass(slots=True)
class _Enrolled:
    priority: JobPriority
    paused: bool


@dataclass(slots=True)
class _Turn:
    priority: JobPriority
    since: float
    at: float
    octets: int = 0


@dataclass(slots=True)
class _Waiting:
    priority: JobPriority
    number: int
    asked_at: float


class Scheduler:
    """`hanota.ota.slots.Admission` for one radio."""

    def __init__(self, settings: SchedulerSettings) -> None:
        self._settings = settings
        self._enrolled: dict[Eui64, _Enrolled] = {}
        self._serving: OrderedDict[Eui64, _Turn] = OrderedDict()
        """Who has a turn, the longest not served first."""
        self._waiting: dict[Eui64, _Waiting] = {}
        self._number = count()
        self._turn_seconds = 0.0
        """How long turns last."""
        self._reasons: dict[Eui64, WaitReason] = {}
        self._air = settings.airtime_burst
        self._air_at: float | None = None
        self._rest_until = 0.0

    def enrol(self, device: Eui64, priority: JobPriority, *, paused: bool) -> None:
        """Note the job of `device`, or how it has changed."""
        self._enrolled[device] = _Enrolled(priority, paused)

    def dismiss(self, device: Eui64) -> None:
        """Forget `device`: its job has ended."""
        self._enrolled.pop(device, None)
        self._reasons.pop(device, None)
        self.free(device)

    def reason(self, device: Eui64) -> WaitReason | None:
        """Return why `device` was told to wait when it last asked, None where it was not."""
        return self._reasons.get(device)

    # -- Admission ---------------------------------------------------------------------------------------

    def wait(self, device: Eui64, now: float) -> int | None:
        """Return how many seconds `device` is to wait with its request, None where it is served now."""
        verdict = self._verdict(device, now)
        if verdict is None:
            self._reasons.pop(device, None)
            return None
        reason, seconds = verdict
        self._reasons[device] = reason
        return max(1, min(ceil(seconds), self._settings.longest_wait))

    def served(self, device: Eui64, octets: int, now: float) -> None:
        """Count a block that `device` is served."""
        turn = self._serving.get(device)
        if turn is None:
            turn = self._serving[device] = _Turn(self._priority(device), now, now)
        turn.octets += octets
        turn.at = now
        self._serving.move_to_end(device)
        if self._settings.airtime_share < 1:
            self._spend(octets, now)

    def free(self, device: Eui64) -> None:
        """Give the turn of `device` to others, and its place in the queue."""
        self._serving.pop(device, None)
        self._waiting.pop(device, None)

    # -- inside ------------------------------------------------------------------------------------------

    def _verdict(self, device: Eui64, now: float) -> tuple[WaitReason, float] | None:
        settings = self._settings
        enrolled = self._enrolled.get(device)
        if enrolled is not None and enrolled.paused:
            self.free(device)
            return WaitReason.PAUSED, settings.longest_wait
        if settings.quiet_hours:
            left = max(hours.seconds_left(now) for hours in settings.quiet_hours)
            if left > 0:
                self.free(device)
                return WaitReason.QUIET_HOURS, left
        if now < self._rest_until:
            return WaitReason.AIRTIME, self._rest_until - now
        self._drop_silent(now)
        priority = self._priority(device)
        if self._is_passed(priority):
            self.free(device)
            return WaitReason.PRIORITY, settings.turn_wait
        turn = self._serving.get(device)
        if turn is not None:
            if turn.octets < settings.turn_octets or not self._waiting:
                return None
            del self._serving[device]
            self._turn_seconds += _WEIGHT * (now - turn.since - self._turn_seconds)
        if self._has_place(device):
            self._waiting.pop(device, None)
            self._serving[device] = _Turn(priority, now, now)
            return None
        waiting = self._waiting.get(device)
        if waiting is None:
            waiting = self._waiting[device] = _Waiting(priority, next(self._number), now)
        waiting.asked_at = now
        ahead = sum(other.number < waiting.number for other in self._waiting.values())
        return WaitReason.TURN, min(ahead * self._turn_seconds / settings.transfers, settings.turn_wait)

    def _priority(self, device: Eui64) -> JobPriority:
        enrolled = self._enrolled.get(device)
        return JobPriority.NORMAL if enrolled is None else enrolled.priority

    def _is_passed(self, priority: JobPriority) -> bool:
        """Tell whether a device of higher priority is served, or waits for it."""
        if priority is JobPriority.HIGH:
            return False
        return any(turn.priority > priority for turn in self._serving.values()) or any(
            waiting.priority > priority for waiting in self._waiting.values()
        )

    def _has_place(self, device: Eui64) -> bool:
        """Tell whether more turns are free than devices are ahead in the queue."""
        free = self._settings.transfers - len(self._serving)
        own = self._waiting.get(device)
        if free <= 0 or own is None:
            return free > len(self._waiting)
        return free > sum(waiting.number < own.number for waiting in self._waiting.values())

    def _drop_silent(self, now: float) -> None:
        """Take the turn, or the place in the queue, from devices that have stopped asking."""
        settings, serving = self._settings, self._serving
        while serving and now - next(iter(serving.values())).at >= settings.idle_seconds:
            serving.popitem(last=False)
        patience = settings.turn_wait + settings.idle_seconds
        for device in [d for d, waiting in self._waiting.items() if now - waiting.asked_at >= patience]:
            del self._waiting[device]

    def _spend(self, octets: int, now: float) -> None:
        """Take the air of one block; once what may be taken at one go is used up, let it grow again whole."""
        settings = self._settings
        grown = 0.0 if self._air_at is None else max(0.0, now - self._air_at) * settings.airtime_share
        self._air_at = now
        self._air = min(settings.airtime_burst, self._air + grown)
        self._air -= settings.exchange_airtime + octets * settings.octet_airtime
        if self._air <= 0:
            self._rest_until = now + (settings.airtime_burst - self._air) / settings.airtime_share


def _seconds(at: time) -> int:
    return at.hour * 3600 + at.minute * 60 + at.second
