"""What a case is, and what can come of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from hanota.hub.jobs import JobKind

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from hanota.conformance.evidence import Evidence
    from hanota.conformance.trial import Trial

PPMID: Final = frozenset({JobKind.PPMID})
HCALCS: Final = frozenset({JobKind.HCALCS})
BOTH: Final = PPMID | HCALCS


class Need(StrEnum):
    """What a case cannot do without."""

    POWER = "power"
    """A way to cut the device's power."""
    HOURS = "hours"
    """Hours of the device's time: virtual, or `--long`."""
    ENCRYPTION = "encryption"
    """A bench whose devices have link keys."""


@dataclass(frozen=True, slots=True)
class Case:
    """One thing that a device must do; `run` raises CaseFailedError where it does not."""

    name: str
    title: str
    kinds: frozenset[JobKind]
    clause: str
    """Where it stands: ZCL (07-5123), GBCS, ZSE, or the change that brought it."""
    run: Callable[[Trial], Awaitable[None]]
    needs: frozenset[Need] = frozenset()


class Verdict(StrEnum):
    """What came of a case."""

    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"
    """The bench, the radio or what leads to the case failed: nothing is said of the clause."""
    NOT_APPLICABLE = "not applicable"
    NOT_RUN = "not run"
    """The run had ended before, of a broken bench."""


@dataclass(frozen=True, slots=True)
class CaseResult:
    """What came of one case, and why."""

    case: Case
    verdict: Verdict
    reason: str = ""
    """In one sentence; empty for a case that passed."""
    hint: str = ""
    """Which option would run it, or what to look at."""
    expected: str = ""
    seen: str = ""
    evidence: Sequence[Evidence] = ()
    started: float = 0.0
    """Unix seconds, of the device's time."""
    seconds: float = 0.0
    artifacts: Path | None = None
    of_bench: bool = False
    """Whether it was the bench or the radio that failed."""
