"""What is wrong with settings, one line for each fault: where, what, and what is allowed."""

from __future__ import annotations

import difflib
import os
from typing import TYPE_CHECKING

from hanota.config import values
from hanota.config.sections import fields_at
from hanota.config.settings import ENVIRONMENT, SEPARATOR, Settings
from hanota.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails


class SettingsError(ConfigError):
    """Settings that cannot be; `faults` has a line for each."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


def settings_error(file: Path, error: ValidationError) -> SettingsError:
    """Return what pydantic found, in words."""
    details = error.errors(include_url=False, include_context=True, include_input=False)
    return SettingsError([_line(file, each) for each in details])


def environment_name(place: Sequence[object]) -> str:
    """Return the environment variable of a setting."""
    return ENVIRONMENT + SEPARATOR.join(map(str, place)).upper()


def _line(file: Path, fault: ErrorDetails) -> str:
    place = fault["loc"]
    return f"{_source(file, place)}: {_written(place)}: {_words(fault)}"


def _source(file: Path, place: Sequence[int | str]) -> str:
    """Return the environment variable that gave the value, or a table of it; else the file."""
    names = {name.upper() for name in os.environ}
    for length in range(len(place), 0, -1):
        name = environment_name(place[:length])
        if name in names:
            return name
    return str(file)


def _written(place: Sequence[int | str]) -> str:
    """Return a key as in `hub.scheduler.transfers`, the second of an array as in `devices[2].eui64`."""
    text = ""
    for part in place:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _words(fault: ErrorDetails) -> str:
    context = fault.get("ctx", {})
    match fault["type"]:
        case values.FAULT:
            found, said, expected = context["found"], context["said"], context["expected"]
            what = said or (f"{found} will not do" if found else "will not do")
            return f"{what}; give {expected}" if expected else what
        case "extra_forbidden":
            return _unknown(fault["loc"])
        case "missing":
            return "is missing"
        case "model_type" | "model_attributes_type" | "dict_type":
            return "is to be a table"
        case "tuple_type" | "list_type" | "frozen_set_type":
            return "is to be an array"
        case _:
            return fault["msg"]


def _unknown(place: Sequence[int | str]) -> str:
    known = fields_at(Settings, place[:-1])
    close = difflib.get_close_matches(str(place[-1]), known, n=1)
    if close:
        return f"there is no such setting; did you mean {close[0]}?"
    return f"there is no such setting; there are {', '.join(known)}"
