"""What a job sees of its transfer: the numbers that follow from others, and the signal."""

from __future__ import annotations

import pytest

from hanota.hub.progress import Progress, Signal, Signals
from tests.hub_parties_support import HCALCS, PPMID

DEVICE = PPMID.eui64


def test_percentage_and_time_left_follow_from_octets_and_rate() -> None:
    progress = Progress(DEVICE, 1, 9_600, 48_000, 480.0)
    assert progress.percentage == pytest.approx(20)
    assert progress.seconds_left == pytest.approx(80)


@pytest.mark.parametrize("rate", [None, 0.0])
def test_no_time_left_is_told_where_nothing_moves(rate: float | None) -> None:
    assert Progress(DEVICE, 1, 48, 48_000, rate).seconds_left is None


def test_the_last_signal_and_the_weakest_since_the_transfer_began_are_kept() -> None:
    signals = Signals()
    signals.heard(DEVICE, 20, -95)
    signals.begin(DEVICE)
    for lqi, rssi in ((200, -60), (120, -85), (140, -70)):
        signals.heard(DEVICE, lqi, rssi)
    assert signals.last(DEVICE) == Signal(140, -70)
    assert signals.weakest(DEVICE) == Signal(120, -85)
    assert signals.last(HCALCS.eui64) == signals.weakest(HCALCS.eui64) == Signal()


def test_a_radio_that_tells_no_signal_leaves_what_is_known() -> None:
    signals = Signals()
    signals.heard(DEVICE, None, None)
    signals.heard(DEVICE, 90, None)
    signals.heard(DEVICE, None, None)
    assert signals.last(DEVICE) == Signal()
    assert signals.weakest(DEVICE) == Signal(90, None)
