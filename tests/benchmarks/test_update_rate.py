"""How fast updates go on the modelled link, beside what its line and air allow at most.

Rates are in virtual time, and therefore the same on every machine. `link_bounds` computes the bounds.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.benchmarks.link_bounds import one_by_one, page, together
from tests.benchmarks.rate_support import PAGE, Setup, rate_of
from tests.radio_dongles import DONGLES, FAMILIES

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.radio_dongles import Dongle

    Figures = Callable[[str, tuple[str, ...], list[tuple[str, ...]]], None]

BAUD_RATES = (115_200, 460_800)
REACHED = 0.95
"""Of the bound."""
NOISE = 1.02
"""More than this of a bound means that the bound is wrong; a run has some hundred random back-offs."""
SPREAD = 0.1
"""Of the time that several devices take: so far apart may they end."""
COLUMNS = ("dongle", "baud rate", "APS encryption", "APS ack", "block", "octets/s", "bound", "reached")
NARROW = 0.8
"""Of its rate that a dongle keeps with room for one frame at a time, as its line and its air take turns."""
ALL = 96_000
"""Octets that devices get between them."""


def row(setup: Setup, rate: float, bound: float) -> tuple[str, ...]:
    return (
        str(setup.dongle),
        str(setup.baudrate),
        _yes(setup.encrypted),
        _yes(setup.acknowledged),
        str(setup.block),
        f"{rate:.0f}",
        f"{bound:.0f}",
        f"{100 * rate / bound:.0f} %",
    )


def _yes(true: bool) -> str:
    return "yes" if true else "no"


@pytest.mark.benchmark
@pytest.mark.parametrize("dongle", DONGLES, ids=str)
def test_a_client_that_asks_block_by_block_gets_nearly_all_that_line_and_air_allow(
    dongle: Dongle, figures: Figures
) -> None:
    setups = [
        Setup(dongle, baudrate, acknowledged, encrypted)
        for baudrate in BAUD_RATES
        for encrypted in (True, False)
        for acknowledged in (True, False)
    ]
    reached = [(setup, rate_of(setup).total, one_by_one(setup.link, setup.block)) for setup in setups]
    figures("one device, block by block", COLUMNS, [row(*each) for each in reached])
    for setup, rate, bound in reached:
        assert REACHED <= rate / bound <= NOISE, setup


@pytest.mark.benchmark
@pytest.mark.parametrize("dongle", DONGLES, ids=str)
def test_a_client_that_asks_for_pages_gets_nearly_all_and_twice_as_much_as_by_acknowledged_blocks(
    dongle: Dongle, figures: Figures
) -> None:
    rows = []
    for baudrate in BAUD_RATES:
        for encrypted in (True, False):
            setup = Setup(dongle, baudrate, False, encrypted, page=PAGE, size=24_000)
            rate, bound = rate_of(setup).total, page(setup.link, setup.block, PAGE)
            blocks = rate_of(replace(setup, acknowledged=True, page=None, size=12_000)).total
            rows.append((*row(setup, rate, bound), f"{rate / blocks:.1f}"))
            assert REACHED <= rate / bound <= NOISE, setup
            assert rate >= 2 * blocks, setup
    figures(f"one device, pages of {PAGE} octets", (*COLUMNS, "times blocks"), rows)


@pytest.mark.benchmark
@pytest.mark.parametrize("devices", [4, 16, 64])
@pytest.mark.parametrize("dongle", DONGLES, ids=str)
def test_devices_together_get_nearly_all_and_end_together(
    dongle: Dongle, devices: int, figures: Figures, request: pytest.FixtureRequest
) -> None:
    long = request.config.getoption("--long-benchmarks")
    if devices == 64 and dongle not in FAMILIES and not long:
        pytest.skip("--long-benchmarks measures 64 devices on it too")
    rows = []
    for baudrate in BAUD_RATES if long else BAUD_RATES[:1]:
        for acknowledged in (True, False):
            size = max(ALL * (4 if long else 1) // devices, 2500)
            setup = Setup(dongle, baudrate, acknowledged, devices=devices, size=size)
            rate = rate_of(setup)
            bound = together(setup.link, setup.block, devices)
            rows.append((str(devices), *row(setup, rate.total, bound), f"{100 * rate.spread:.0f} %"))
            assert REACHED <= rate.total / bound <= NOISE, setup
            assert rate.spread <= SPREAD, setup
    figures("several devices", ("devices", *COLUMNS, "apart"), rows)


@pytest.mark.benchmark
@pytest.mark.parametrize("acknowledged", [True, False], ids=["acknowledged", "unacknowledged"])
@pytest.mark.parametrize("dongle", DONGLES, ids=str)
def test_a_critical_frame_amid_16_transfers_waits_for_one_block_beside_the_one_under_way(
    dongle: Dongle, acknowledged: bool, figures: Figures
) -> None:
    setup = Setup(dongle, acknowledged=acknowledged, devices=16, size=6000)
    rate = rate_of(setup, urgent=10)
    waited = " ".join(str(count) for count in sorted(rate.urgent))
    figures(
        "critical frames amid 16 transfers",
        ("dongle", "APS ack", "blocks before each"),
        [(str(dongle), _yes(acknowledged), waited)],
    )
    assert len(rate.urgent) == 10
    assert max(rate.urgent) <= 2


@pytest.mark.benchmark
@pytest.mark.parametrize("dongle", FAMILIES, ids=str)
def test_a_dongle_with_room_for_one_frame_slows_16_transfers_down_and_fails_none(
    dongle: Dongle, figures: Figures
) -> None:
    setup = Setup(dongle, devices=16, size=2500)
    roomy, narrow = rate_of(setup), rate_of(setup, meddle=lambda ncp: dongle.limit_in_flight(ncp, 1))
    figures(
        "16 devices, a dongle with room for one frame",
        ("dongle", "octets/s", "with room"),
        [(str(dongle), f"{narrow.total:.0f}", f"{roomy.total:.0f}")],
    )
    assert narrow.repeats == roomy.repeats == 0
    assert narrow.total >= NARROW * roomy.total
