"""Originator Counters: a sender's own, and those a receiver has seen, against replay (GBCS 4.3.1.5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hanota.errors import LocalProtocolError, VerificationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hanota.eui64 import Eui64

MAXIMUM_COUNTER: Final = 2**63 - 1
"""The largest Originator Counter of a critical command (`originatorCounter INTEGER (0..2^63-1)`)."""


class ReplayError(VerificationError):
    """The Originator Counter is not higher than the last one accepted of this originator."""


class CounterJumpError(VerificationError):
    """The Originator Counter would leave its originator too little room above it."""


@dataclass(frozen=True, slots=True)
class CounterLimits:
    """How far a counter may rise: one that is accepted shuts out every lower one, for ever."""

    highest_acceptable: int = MAXIMUM_COUNTER - 2**56
    """A counter above this is refused. Originators may put seconds of Unix time in the upper 32 bits of 63
    (the UTRN counter of GBCS 14), which this admits until 2037."""
    maximum_advance: int = 2**58
    """Largest rise over the last counter accepted: about two years of such seconds."""


class CounterLog:
    """The receiver's side: the highest counter accepted of each originator."""

    def __init__(
        self, highest: Mapping[Eui64, int] | None = None, limits: CounterLimits | None = None
    ) -> None:
        self._highest = dict(highest or {})
        self._limits = limits or CounterLimits()

    def highest(self) -> dict[Eui64, int]:
        """Return a copy of the state, to keep it over a restart."""
        return dict(self._highest)

    def check(self, originator: Eui64, counter: int) -> None:
        """Raise ReplayError or CounterJumpError unless `counter` may be accepted; changes nothing."""
        last = self._highest.get(originator)
        if last is not None and counter <= last:
            raise ReplayError(f"counter {counter} of {originator} is not higher than {last}")
        if counter > self._limits.highest_acceptable:
            raise CounterJumpError(f"counter {counter} of {originator} would leave no higher one")
        if last is not None and counter - last > self._limits.maximum_advance:
            raise CounterJumpError(
                f"counter {counter} of {originator} is too far above {last}",
                hint="raise CounterLimits.maximum_advance if the originator changed its scheme of counting",
            )

    def accept(self, originator: Eui64, counter: int) -> None:
        """Record a counter whose message was verified; raise as `check` does."""
        self.check(originator, counter)
        self._highest[originator] = counter


class OriginatorCounter:
    """The sender's side: each counter handed out once, and higher than the one before."""

    def __init__(self, last: int = 0) -> None:
        if not 0 <= last <= MAXIMUM_COUNTER:
            raise LocalProtocolError(f"{last} is not an Originator Counter")
        self._last = last

    @property
    def last(self) -> int:
        """The last counter handed out, to keep it over a restart."""
        return self._last

    def next(self) -> int:
        """Return the next counter; raise LocalProtocolError when there is none left."""
        if self._last >= MAXIMUM_COUNTER:
            raise LocalProtocolError("the Originator Counter is used up")
        self._last += 1
        return self._last
