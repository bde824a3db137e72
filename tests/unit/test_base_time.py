"""Clocks that timers can trust, and points in time in the forms of wire and log."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

import pytest

from hanota.clock import LoopClock, SystemClock
from hanota.emulator.loop import run_virtual
from hanota.timestamps import ZIGBEE_EPOCH, iso, utc, zigbee_time

EPOCH = 1_800_000_000.0


@pytest.mark.parametrize("step", [-86_400.0, 86_400.0])
def test_a_step_of_the_system_clock_neither_fires_nor_starves_a_timer(
    monkeypatch: pytest.MonkeyPatch, step: float
) -> None:
    clock = SystemClock()
    before = clock.now()
    stepped = time.time() + step  # noqa: TID251  # the system clock itself is what is tested
    monkeypatch.setattr(time, "time", lambda: stepped)
    assert 0 <= clock.now() - before < 60


def test_a_new_clock_takes_the_time_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: EPOCH)
    assert SystemClock().now() == pytest.approx(EPOCH, abs=60)


def test_the_system_clock_goes_on_with_the_monotonic_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0)
    clock = SystemClock()
    before = clock.now()
    monkeypatch.setattr(time, "monotonic", lambda: 1012.5)
    assert clock.now() - before == pytest.approx(12.5)


def test_a_loop_clock_starts_at_its_epoch_and_follows_virtual_time() -> None:
    async def main() -> tuple[float, float]:
        await asyncio.sleep(5)
        clock = LoopClock(asyncio.get_running_loop(), EPOCH)
        first = clock.now()
        await asyncio.sleep(3600)
        return first, clock.now()

    assert run_virtual(main()) == (EPOCH, EPOCH + 3600)


def test_zcl_utctime_counts_from_the_year_2000() -> None:
    assert utc(ZIGBEE_EPOCH) == datetime(2000, 1, 1, tzinfo=UTC)
    assert zigbee_time(ZIGBEE_EPOCH) == 0
    # The GBCS vectors' 2015-01-01 as a ZCL UTCTime.
    assert zigbee_time(datetime(2015, 1, 1, tzinfo=UTC).timestamp()) == 473_385_600


def test_zcl_utctime_stays_in_32_bits_when_its_time_is_over() -> None:
    last = ZIGBEE_EPOCH + 0xFFFF_FFFF
    assert zigbee_time(last) == 0xFFFF_FFFF
    assert zigbee_time(last + 1) == 0
    assert 0 <= zigbee_time(0) <= 0xFFFF_FFFF


def test_logs_have_milliseconds_and_say_utc() -> None:
    assert iso(EPOCH + 0.0625) == "2027-01-15T08:00:00.062Z"
    assert iso(EPOCH) == "2027-01-15T08:00:00.000Z"
