"""What can be wrong with a bench."""

from __future__ import annotations

from hanota.errors import HanotaError


class BenchError(HanotaError):
    """A part of the bench does not work: what is under test has not been tested."""


class ConsoleTimeoutError(HanotaError):
    """A device did not say on its console what was expected of it."""
