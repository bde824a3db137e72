"""Points in time as a user writes them, and as they are shown to him."""

from __future__ import annotations

import re
from datetime import datetime, time, timedelta
from typing import Final

from hanota.cli.output import console
from hanota.errors import ConfigError

_LATER: Final = re.compile(r"\+(\d{1,6})([smhd])")
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_when(text: str, now: float) -> float:
    """Return Unix seconds of `+10m`, `02:30`, `2026-11-22T02:30` or `2026-11-22T02:30:00Z`.

    Without an offset it is local time; a time of day alone is the next one. Raise ConfigError for what is not
    ahead of `now`, and for anything else.
    """
    later = _LATER.fullmatch(text)
    if later is not None:
        return now + int(later[1]) * _UNITS[later[2]]
    at = _time_of_day(text, now) or _point(text)
    if at is None:
        raise ConfigError(
            f"not a time: {text!r}", hint="+10m, 02:30, 2026-11-22T02:30 or 2026-11-22T02:30:00Z"
        )
    if at <= now:
        raise ConfigError(f"{text} is past", hint="name a time that is ahead")
    return at


def shown(at: str) -> str:
    """Return a time of the daemon: on a terminal by the user's own clock, without fractions of a second.

    Elsewhere, where a program may read it, it stays as it came: ISO 8601 in UTC, with milliseconds.
    """
    return _local(at).strftime("%Y-%m-%d %H:%M:%S") if console.file.isatty() else at


def spoken(at: str) -> str:
    """Return a time of the daemon for a sentence, which says whose time it is."""
    return f"{shown(at)} local time" if console.file.isatty() else at


def headed(name: str) -> str:
    """Return the heading of a column of times, which says whose time it is; others end with Z."""
    return f"{name} (local time)" if console.file.isatty() else name


def of_day(at: str) -> tuple[str, str]:
    """Return date and time of day of a time of the daemon, by the user's own clock."""
    local = _local(at)
    return local.strftime("%A, %d %B %Y"), local.strftime("%H:%M:%S")


def _local(at: str) -> datetime:
    return datetime.fromisoformat(at).astimezone()


def _time_of_day(text: str, now: float) -> float | None:
    try:
        of_day = time.fromisoformat(text)
    except ValueError:
        return None
    if of_day.tzinfo is not None:
        return None
    # Naive on purpose: what the user's own clock shows.
    today = datetime.fromtimestamp(now)  # noqa: DTZ006
    at = datetime.combine(today.date(), of_day)
    return (at if at > today else at + timedelta(days=1)).timestamp()


def _point(text: str) -> float | None:
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        return None
