"""How fast updates go on the modelled link, beside what its line and air allow at most.

Rates are in virtual time, and therefore the same on every machine. `link_bounds` computes the bounds.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING

import pytest

from tests.benchmarks.link_bounds import one_by_one, page, together
from tests.benchmarks.rate_support import PAGE, PLAIN_BLOCK, Setup, rate_of
from tests.radio_dongles import DONGLES, FAMILIES

if TYPE_CHECKING:
    from tests.benchmarks.conftest import Figures
    from tests.radio_dongles import Dongle

BAUD_RATES = (115_200, 460_800)
REACHED = 0.95
"""Of the bound."""
NOISE = 1.02
"""More than this of a bound means that the bound is wrong; a run has some hundred random back-offs."""
SPREAD = 0.1
"""Of the time that several devices take: so far apart may they end."""
NARROW = 0.8
"""Of its rate that a dongle keeps with room for one frame at a time, as its line and its air take turns."""
ALL = 96_000
"""Octets that devices get between them."""
URGENT = 10
"""Critical frames sent amid transfers."""


def reached(setup: Setup, rate: float, bound: float) -> str:
    """Return a cell: octets a second, and how much of the bound that is; assert that it is enough."""
    assert REACHED <= rate / bound <= NOISE, setup
    return f"{rate:.0f} ({100 * rate / bound:.0f} % of {bound:.0f})"


@pytest.mark.benchmark
@pytest.mark.parametrize("dongle", DONGLES, ids=str)
def test_one_device_gets_nearly_all_that_line_and_air_allow_and_by_pages_twice_as_much(
    dongle: Dongle, figures: Figures
) -> None:
    rows = []
    for baudrate, encrypted in product(BAUD_RATES, (True, False)):
        blocks = Setup(dongle, baudrate, encrypted=encrypted)
        loose = replace(blocks, acknowledged=False)
        pages = replace(loose, page=PAGE, size=24_000)
        rates = [rate_of(setup).total for setup in (blocks, loose, pages)]
        rows.append(
            (
                str(dongle),
                str(baudrate),
                _yes(encrypted),
                str(blocks.block),
                reached(blocks, rates[0], one_by_one(blocks.link, blocks.block)),
                reached(loose, rates[1], one_by_one(loose.link, loose.block)),
                reached(pages, rates[2], page(pages.link, pages.block, PAGE)),
                f"{rates[2] / rates[0]:.1f}",
            )
        )
        assert rates[2] >= 2 * rates[0], pages
    figures(
        "one device, octets a second",
        (
            "dongle",
            "baud rate",
            "APS encryption",
            "block",
            "blocks with APS ack",
            "blocks without",
            f"pages of {PAGE}, without",
            "times blocks",
        ),
        rows,
    )


@pytest.mark.benchmark
@pytest.mark.parametrize("devices", [4, 16, 64])
@pytest.mark.parametrize("dongle", DONGLES, ids=str)
def test_devices_together_get_nearly_all_and_end_together(
    dongle: Dongle, devices: int, figures: Figures, request: pytest.FixtureRequest
) -> None:
    long = request.config.getoption("--long-benchmarks")
    if devices == 64 and dongle not in FAMILIES and not long:
        pytest.skip("--long-benchmarks measures 64 devices on it too")
    for baudrate in BAUD_RATES if long else BAUD_RATES[:1]:
        cells, apart = [], 0.0
        for acknowledged in (True, False):
            size = max(ALL * (4 if long else 1) // devices, 2500)
            setup = Setup(dongle, baudrate, acknowledged, devices=devices, size=size)
            rate = rate_of(setup)
            cells.append(reached(setup, rate.total, together(setup.link, setup.block, devices)))
            apart = max(apart, rate.spread)
            assert rate.spread <= SPREAD, setup
        figures(
            f"several devices in the clear, blocks of {PLAIN_BLOCK}, octets a second of all",
            ("dongle", "baud rate", "devices", "blocks with APS ack", "blocks without", "ends apart"),
            [(str(dongle), str(baudrate), str(devices), *cells, f"{100 * apart:.0f} %")],
        )


@pytest.mark.benchmark
@pytest.mark.parametrize("acknowledged", [True, False], ids=["acknowledged", "unacknowledged"])
@pytest.mark.parametrize("dongle", DONGLES, ids=str)
def test_a_critical_frame_amid_16_transfers_waits_for_one_block_beside_the_one_under_way(
    dongle: Dongle, acknowledged: bool, figures: Figures
) -> None:
    """With `blocks_in_flight` 1 it waits for the one under way alone, which costs rate on a slow line."""
    for in_flight in (2, 1):
        setup = Setup(dongle, acknowledged=acknowledged, devices=16, size=6000, blocks_in_flight=in_flight)
        rate = rate_of(setup, urgent=URGENT)
        bound = together(setup.link, setup.block, 16)
        figures(
            "critical frames amid 16 transfers, 115200 baud",
            ("dongle", "APS ack", "blocks in flight", "blocks before each", "rate"),
            [
                (
                    str(dongle),
                    _yes(acknowledged),
                    str(in_flight),
                    " ".join(map(str, sorted(rate.urgent))),
                    f"{100 * rate.total / bound:.0f} %",
                )
            ],
        )
        assert len(rate.urgent) == URGENT
        assert max(rate.urgent) <= in_flight


@pytest.mark.benchmark
@pytest.mark.parametrize("dongle", FAMILIES, ids=str)
def test_a_dongle_with_room_for_one_frame_slows_16_transfers_down_and_fails_none(
    dongle: Dongle, figures: Figures
) -> None:
    setup = Setup(dongle, devices=16, size=2500)
    roomy, narrow = rate_of(setup), rate_of(setup, meddle=lambda ncp: dongle.limit_in_flight(ncp, 1))
    figures(
        "16 devices, a dongle with room for one frame",
        ("dongle", "octets/s", "with room", "blocks again"),
        [(str(dongle), f"{narrow.total:.0f}", f"{roomy.total:.0f}", str(narrow.repeats))],
    )
    assert narrow.repeats == roomy.repeats == 0
    assert narrow.total >= NARROW * roomy.total


def _yes(true: bool) -> str:
    return "yes" if true else "no"
