"""What a case saw."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Evidence:
    """One thing that was seen; `at` is Unix seconds."""

    at: float
    text: str
    events: tuple[int, ...] = ()
    """Numbers of the events that show it."""
