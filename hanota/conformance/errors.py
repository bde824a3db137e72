"""How a case ends before its last line."""

from __future__ import annotations

from hanota.errors import HanotaError


class CaseFailedError(HanotaError):
    """The device did not do what the clause wants: `expected` and `seen` in words."""

    def __init__(self, expected: str, seen: str) -> None:
        super().__init__(f"expected {expected}; seen: {seen}")
        self.expected, self.seen = expected, seen


class NotReachedError(HanotaError):
    """The state that a case begins from was not reached: nothing is said of the device by it."""


class NotApplicableError(HanotaError):
    """The case is not for this device or this bench; the hint says which option would run it."""


class RigTimeoutError(HanotaError):
    """What was waited for did not come."""
