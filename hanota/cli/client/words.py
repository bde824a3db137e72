"""What the daemon answers, in words."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

import typer

from hanota.cli.client.when import spoken

if TYPE_CHECKING:
    from collections.abc import Mapping

SHORT_DIGEST: Final = 16
"""Hex digits of a digest that tell images apart."""
_LARGEST_BLOCK: Final = 128
"""Octets: more than any frame of the air has room for."""
_GOOD: Final = frozenset({"activated", "held"})
_BAD: Final = frozenset({"rejected", "invalid_image", "aborted", "expired", "cancelled", "failed"})


def commands_in(hint: str) -> str:
    """Return a hint of the daemon with the client's commands for the operations that it names."""
    hint = re.sub(r"GET /api/v1/(\w+)", r"`hanota client \1`", hint)
    return re.sub(r"POST /api/v1/(\w+)", r"`hanota client \1 add`", hint)


def show_json(document: Any) -> None:
    """Print one JSON document on one line."""
    typer.echo(json.dumps(document))


def job_words(job: Mapping[str, Any]) -> str:
    """Return how a job stands, in one line."""
    state = str(job["state"])
    words = [state if not job.get("reason") else f"{state}: {job['reason']}"]
    if job.get("paused"):
        words.append("paused")
    if job.get("waits_for_approval"):
        words.append("waits for approval")
    # A PPMID is told by the hub when to activate, an HCALCS by the supplier's command: a job has one of both.
    activates = job.get("upgrade_at") or job.get("execution_at")
    if activates and not job.get("ended"):
        words.append(f"activates at {spoken(activates)}")
    if job.get("failures"):
        words.append(f"{job['failures']} failed downloads")
    progress = job.get("progress")
    if lacks_last_block(job):
        words.append("all but its last block")
    elif progress and job.get("paused"):
        words.append(f"{progress['percentage']:.0f} %")  # a rate would only fall, and a time left rise
    elif progress:
        words.append(figures(progress))
    return ", ".join(filter(None, words))


def lacks_last_block(job: Mapping[str, Any]) -> bool:
    """Tell whether a device has its image but for the last block, which it asks for every few minutes."""
    progress = job.get("progress")
    if not progress:
        return False
    return bool(0 < progress["total"] - progress["octets"] <= _LARGEST_BLOCK)


def figures(progress: Mapping[str, Any]) -> str:
    """Return percentage, rate and time left of a transfer."""
    words = [f"{progress['percentage']:.0f} %"]
    if progress.get("rate"):
        words.append(f"{progress['rate']:,.0f} octets/s")
    if progress.get("seconds_left") is not None:
        words.append(f"{duration(progress['seconds_left'])} left")
    return ", ".join(words)


def duration(seconds: float) -> str:
    """Return a length of time in the two largest units that say something."""
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def colour(state: str) -> str:
    """Return the colour of a job's state."""
    return "green" if state in _GOOD else "red" if state in _BAD else "cyan"
