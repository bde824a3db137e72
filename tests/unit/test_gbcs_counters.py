"""Originator Counters: what is accepted, what is not, and what survives a restart."""

from __future__ import annotations

import pytest

from hanota.errors import LocalProtocolError
from hanota.eui64 import Eui64
from hanota.gbcs.counters import (
    MAXIMUM_COUNTER,
    CounterJumpError,
    CounterLimits,
    CounterLog,
    OriginatorCounter,
    ReplayError,
)

ONE, TWO = Eui64(b"originat"), Eui64(b"another1")


def test_a_checked_counter_is_not_yet_accepted() -> None:
    log = CounterLog()
    log.check(ONE, 5)
    log.check(ONE, 5)
    log.accept(ONE, 5)
    with pytest.raises(ReplayError):
        log.check(ONE, 5)


def test_the_first_counter_may_be_zero_and_only_once() -> None:
    log = CounterLog()
    log.accept(ONE, 0)
    with pytest.raises(ReplayError):
        log.accept(ONE, 0)


def test_each_originator_has_a_counter_of_its_own() -> None:
    log = CounterLog()
    log.accept(ONE, 100)
    log.accept(TWO, 1)
    assert log.highest() == {ONE: 100, TWO: 1}


def test_what_was_accepted_stays_accepted_after_a_restart() -> None:
    log = CounterLog()
    log.accept(ONE, 100)
    restarted = CounterLog(log.highest())
    with pytest.raises(ReplayError):
        restarted.accept(ONE, 100)
    restarted.accept(ONE, 101)


def test_changing_the_exported_state_does_not_change_the_log() -> None:
    log = CounterLog()
    log.accept(ONE, 100)
    log.highest()[ONE] = 0
    with pytest.raises(ReplayError):
        log.check(ONE, 50)


def test_a_counter_may_hold_the_time_in_its_upper_half() -> None:
    log = CounterLog()
    log.accept(ONE, 1_795_000_000 << 32)
    log.accept(ONE, (1_795_000_000 + 86_400 * 365) << 32)


def test_a_counter_that_leaves_no_room_is_refused_and_changes_nothing() -> None:
    log = CounterLog()
    with pytest.raises(CounterJumpError):
        log.accept(ONE, MAXIMUM_COUNTER)
    assert log.highest() == {}
    log.accept(ONE, 1)
    with pytest.raises(CounterJumpError, match="too far above 1"):
        log.accept(ONE, 2 + 2**58)
    log.accept(ONE, 2)


def test_the_limits_are_settings() -> None:
    log = CounterLog(limits=CounterLimits(highest_acceptable=10, maximum_advance=3))
    log.accept(ONE, 5)
    with pytest.raises(CounterJumpError):
        log.accept(ONE, 9)
    log.accept(ONE, 8)
    log.accept(ONE, 10)
    with pytest.raises(CounterJumpError):
        log.accept(ONE, 11)


def test_a_sender_never_hands_a_counter_out_twice() -> None:
    counter = OriginatorCounter(41)
    assert [counter.next(), counter.next()] == [42, 43]
    assert OriginatorCounter(counter.last).next() == 44


def test_a_sender_that_has_used_its_counters_up_says_so() -> None:
    counter = OriginatorCounter(MAXIMUM_COUNTER - 1)
    assert counter.next() == MAXIMUM_COUNTER
    with pytest.raises(LocalProtocolError, match="used up"):
        counter.next()
    with pytest.raises(LocalProtocolError):
        OriginatorCounter(-1)
