"""How far a transfer is: octets, rate and time left, whatever the devices repeat or resume."""

from __future__ import annotations

import pytest

from hanota.hub.progress import RATE_WINDOW_SECONDS, TransferMeter
from tests.hub_support import PPMID

DEVICE = PPMID.eui64


def served(meter: TransferMeter, first: int, blocks: int, rate: float = 10.0, at: float = 1000.0) -> float:
    """Serve `blocks` of 48 octets from offset `first` on, `rate` a second; return when the next is due."""
    for number in range(blocks):
        meter.block(first + 48 * number, 48, at + number / rate, repeated=False)
    return at + blocks / rate


def test_rate_and_time_left_follow_from_what_was_served() -> None:
    meter = TransferMeter(DEVICE, 1, 48_000)
    now = served(meter, 0, 200)
    progress = meter.read(now)
    assert (progress.octets, progress.total) == (9600, 48_000)
    assert progress.rate == pytest.approx(480, rel=0.02)
    assert progress.seconds_left == pytest.approx(80, rel=0.02)
    assert meter.mean_rate(now) == pytest.approx(480)


def test_no_rate_is_told_before_there_is_one() -> None:
    meter = TransferMeter(DEVICE, 1, 48_000)
    assert meter.read(1000.0).rate is None
    assert meter.mean_rate(1000.0) is None
    meter.block(0, 48, 1000.0, repeated=False)
    progress = meter.read(1000.0)
    assert (progress.octets, progress.rate, progress.seconds_left) == (48, None, None)


def test_a_download_that_goes_on_after_a_restart_is_not_faster_for_what_it_had() -> None:
    meter = TransferMeter(DEVICE, 1, 480_000)
    now = served(meter, 432_000, 200)
    assert meter.read(now).octets == 441_600
    assert meter.read(now).rate == pytest.approx(480, rel=0.02)
    assert meter.mean_rate(now) == pytest.approx(480)


def test_a_stall_brings_the_rate_down_within_the_window() -> None:
    meter = TransferMeter(DEVICE, 1, 48_000)
    now = served(meter, 0, 400)
    assert meter.read(now + 3 * RATE_WINDOW_SECONDS).rate == pytest.approx(480 / 4, rel=0.1)


def test_blocks_that_are_repeated_count_as_repeats_and_not_as_progress() -> None:
    meter = TransferMeter(DEVICE, 1, 480)
    served(meter, 0, 5)
    meter.block(48, 48, 2000.0, repeated=True)
    assert (meter.read(2000.0).octets, meter.repeats) == (240, 1)


def test_a_transfer_that_takes_a_day_keeps_no_more_samples_than_the_window_holds() -> None:
    meter = TransferMeter(DEVICE, 1, 10_000_000)
    served(meter, 0, 20_000, rate=10)
    assert len(meter._samples) <= RATE_WINDOW_SECONDS + 2
