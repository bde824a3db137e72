"""Who is served blocks and who waits: turns, priorities, airtime, quiet hours, pauses."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hanota.errors import ConfigError
from hanota.eui64 import Eui64
from hanota.hub.jobs import JobPriority
from hanota.hub.scheduler import QuietHours, Scheduler, SchedulerSettings, WaitReason

MIDNIGHT = datetime(2026, 11, 21, tzinfo=UTC).timestamp()
BLOCK = 960
"""Octets, more than a block has: twenty at a time, so that the tests take their time from what they test."""
EXCHANGE = 20 * (0.0139 + 48 * 32e-6)
"""Seconds of air of one block, with what belongs to it, as the settings have it."""


def device(number: int) -> Eui64:
    return Eui64(number.to_bytes(8, "big"))


A, B, C = device(1), device(2), device(3)


@dataclass
class Air:
    """Devices that fetch an image over one air, each asking for its next block when it has the last."""

    scheduler: Scheduler
    octets: int
    now: float = MIDNIGHT
    finished: dict[Eui64, float] = field(default_factory=dict)
    busy: list[tuple[float, float]] = field(default_factory=list)
    """When the air was taken for a block, and for how long."""

    def run(self, *devices: Eui64, until: float = float("inf")) -> None:
        left = dict.fromkeys(devices, self.octets)
        asks = dict.fromkeys(devices, self.now)
        while asks and self.now < until:
            asking = min(asks, key=lambda each: asks[each])
            self.now = max(self.now, asks[asking])
            wait = self.scheduler.wait(asking, self.now)
            if wait is not None:
                asks[asking] = self.now + wait
                continue
            self.scheduler.served(asking, BLOCK, self.now)
            self.busy.append((self.now, EXCHANGE))
            self.now += EXCHANGE
            asks[asking] = self.now
            left[asking] -= BLOCK
            if left[asking] <= 0:
                self.finished[asking] = self.now
                del asks[asking]
                self.scheduler.free(asking)


@settings(deadline=None, max_examples=30)
@given(devices=st.integers(2, 64), transfers=st.integers(1, 64))
def test_equal_jobs_end_within_a_tenth_of_each_other_however_many_may_be_served_at_once(
    devices: int, transfers: int
) -> None:
    air = Air(Scheduler(SchedulerSettings(transfers=transfers)), 240_000)
    air.run(*(device(number) for number in range(devices)))
    times = [at - MIDNIGHT for at in air.finished.values()]
    assert len(times) == devices
    assert min(times) >= 0.9 * max(times)
    assert len(air.busy) * EXCHANGE >= 0.6 * max(times), "the air is not left idle for the turns"


@settings(deadline=None, max_examples=20)
@given(devices=st.integers(1, 64), share=st.floats(0.05, 0.95))
def test_image_blocks_take_no_more_than_their_share_of_the_air(devices: int, share: float) -> None:
    chosen = SchedulerSettings(airtime_share=share, exchange_airtime=20 * 0.0139)
    air = Air(Scheduler(chosen), 48_000)
    air.run(*(device(number) for number in range(devices)), until=MIDNIGHT + 600)
    taken = sum(seconds for _, seconds in air.busy)
    assert taken <= share * (air.now - MIDNIGHT) + chosen.airtime_burst + EXCHANGE
    if len(air.finished) < devices:
        assert taken >= 0.85 * share * (air.now - MIDNIGHT), "what may be taken is taken"


def test_the_whole_air_is_taken_where_no_share_is_set() -> None:
    air = Air(Scheduler(SchedulerSettings()), 48_000)
    air.run(A, B, C)
    assert air.now - MIDNIGHT == pytest.approx(150 * EXCHANGE, abs=0.01)


def test_a_job_of_higher_priority_is_served_alone_and_the_others_go_on_after_it() -> None:
    scheduler = Scheduler(SchedulerSettings())
    for number, priority in ((A, JobPriority.HIGH), (B, JobPriority.NORMAL), (C, JobPriority.LOW)):
        scheduler.enrol(number, priority, paused=False)
    air = Air(scheduler, 9_600)
    air.run(C, B, A)
    assert list(air.finished) == [A, B, C]
    assert air.finished[A] - MIDNIGHT < 1.1 * 20 * EXCHANGE
    assert scheduler.wait(B, air.now) is None


def test_a_device_of_higher_priority_takes_the_turn_of_a_lower_one_at_its_next_request() -> None:
    scheduler = Scheduler(SchedulerSettings(transfers=1))
    scheduler.enrol(A, JobPriority.HIGH, paused=False)
    assert scheduler.wait(B, MIDNIGHT) is None
    scheduler.served(B, BLOCK, MIDNIGHT)
    assert scheduler.wait(A, MIDNIGHT) == 1
    assert scheduler.wait(B, MIDNIGHT + 1) == 5
    assert scheduler.reason(B) is WaitReason.PRIORITY
    assert scheduler.wait(A, MIDNIGHT + 5) is None


def test_a_device_of_higher_priority_that_falls_silent_holds_nobody_up() -> None:
    scheduler = Scheduler(SchedulerSettings(idle_seconds=20))
    scheduler.enrol(A, JobPriority.HIGH, paused=False)
    scheduler.served(A, BLOCK, MIDNIGHT)
    assert scheduler.wait(B, MIDNIGHT + 19) is not None
    assert scheduler.wait(B, MIDNIGHT + 20) is None


def test_a_turn_is_given_on_only_if_somebody_wants_it() -> None:
    scheduler = Scheduler(SchedulerSettings(transfers=1, turn_octets=BLOCK))
    for number in range(100):
        assert scheduler.wait(A, MIDNIGHT + number) is None
        scheduler.served(A, BLOCK, MIDNIGHT + number)
    assert scheduler.wait(B, MIDNIGHT + 100) == 1
    assert scheduler.wait(A, MIDNIGHT + 101) is not None
    assert scheduler.reason(A) is WaitReason.TURN
    assert scheduler.wait(B, MIDNIGHT + 105) is None


def test_a_turn_of_a_device_that_stopped_asking_falls_free_as_does_a_place_in_the_queue() -> None:
    scheduler = Scheduler(SchedulerSettings(transfers=1, idle_seconds=20))
    scheduler.served(A, BLOCK, MIDNIGHT)
    assert scheduler.wait(B, MIDNIGHT) == 1
    assert scheduler.wait(C, MIDNIGHT + 21) is not None, "B is before it"
    assert scheduler.wait(C, MIDNIGHT + 26) is None, "B did not come back"


@pytest.mark.parametrize(
    ("hours", "at", "left"),
    [
        (QuietHours(time(9), time(17)), 8.99, 0),
        (QuietHours(time(9), time(17)), 9, 8),
        (QuietHours(time(9), time(17)), 16.5, 0.5),
        (QuietHours(time(9), time(17)), 17, 0),
        (QuietHours(time(22), time(6)), 21.9, 0),
        (QuietHours(time(22), time(6)), 23, 7),
        (QuietHours(time(22), time(6)), 0, 6),
        (QuietHours(time(22), time(6)), 6, 0),
    ],
)
def test_quiet_hours_are_times_of_day_utc_and_may_pass_midnight(
    hours: QuietHours, at: float, left: float
) -> None:
    assert hours.seconds_left(MIDNIGHT + 3600 * at) == pytest.approx(3600 * left, abs=1e-3)


def test_in_quiet_hours_nobody_is_served_and_the_last_wait_ends_with_them() -> None:
    quiet = QuietHours(time(0), time(0, 10))
    air = Air(Scheduler(SchedulerSettings(quiet_hours=(quiet,))), BLOCK)
    air.run(A, B)
    assert min(at for at, _ in air.busy) == MIDNIGHT + 600
    assert len(air.finished) == 2


def test_a_paused_device_waits_and_takes_no_turn_from_others() -> None:
    scheduler = Scheduler(SchedulerSettings(transfers=1))
    scheduler.served(A, BLOCK, MIDNIGHT)
    scheduler.enrol(A, JobPriority.HIGH, paused=True)
    assert scheduler.wait(A, MIDNIGHT) == 240
    assert scheduler.reason(A) is WaitReason.PAUSED
    assert scheduler.wait(B, MIDNIGHT) is None
    scheduler.enrol(A, JobPriority.HIGH, paused=False)
    scheduler.free(B)
    assert scheduler.wait(A, MIDNIGHT) is None
    assert scheduler.reason(A) is None


def test_a_job_that_has_ended_leaves_nothing_behind() -> None:
    scheduler = Scheduler(SchedulerSettings(transfers=1))
    scheduler.enrol(A, JobPriority.NORMAL, paused=True)
    scheduler.wait(A, MIDNIGHT)
    scheduler.served(B, BLOCK, MIDNIGHT)
    scheduler.wait(C, MIDNIGHT)
    for number in (A, B, C):
        scheduler.dismiss(number)
    kept = (scheduler._enrolled, scheduler._serving, scheduler._waiting, scheduler._reasons)
    assert not any(kept)


@pytest.mark.parametrize(
    "changes",
    [
        {"airtime_share": 0},
        {"airtime_share": 1.1},
        {"transfers": 0},
        {"quiet_hours": (QuietHours(time(1), time(1)),)},
    ],
)
def test_settings_that_would_serve_nobody_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        SchedulerSettings(**changes)  # type: ignore[arg-type]
