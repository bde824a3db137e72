"""Settings written out: as TOML with secrets withheld, and as a JSON schema for editors."""

from __future__ import annotations

import json
from dataclasses import is_dataclass
from enum import Enum, StrEnum
from typing import TYPE_CHECKING, Any, Final, get_args

from hanota.config.sections import settings_of
from hanota.config.settings import Settings
from hanota.eui64 import Eui64

if TYPE_CHECKING:
    from collections.abc import Iterator

WITHHELD: Final = "(withheld)"
"""What is printed for a secret."""


def effective_settings(settings: Settings) -> str:
    """Return the settings in force as TOML; where something is not set there is a comment."""
    return "\n".join(_lines(settings)).lstrip("\n") + "\n"


def settings_schema() -> str:
    """Return the JSON schema of a settings file."""
    return json.dumps(Settings.model_json_schema(), indent=2)


def _lines(settings: Settings) -> Iterator[str]:
    for name in type(settings).model_fields:
        yield from _table(name, getattr(settings, name))


def _table(name: str, value: Any) -> Iterator[str]:
    """Give a table, or an array of tables, with those inside it after its own keys."""
    if isinstance(value, tuple):
        for each in value:
            yield from ("", f"[[{name}]]", *_keys(each))
        return
    yield from ("", f"[{name}]", *_keys(value))
    kind: type = type(value)
    for each in settings_of(kind):
        inner = getattr(value, each.name)
        if is_dataclass(inner) and not _is_value(inner):
            yield from _table(f"{name}.{each.name}", inner)


def _keys(table: Any) -> Iterator[str]:
    kind: type = type(table)
    for each in settings_of(kind):
        value = getattr(table, each.name)
        if value is None:
            yield f"# {each.name} is not set"
        elif each.secret:
            yield f'{each.name} = "{WITHHELD}"'
        elif not is_dataclass(value) or _is_value(value):
            yield f"{each.name} = {_toml(value, each.hint)}"


def _is_value(value: object) -> bool:
    """Tell a dataclass that is written as one string, such as a radio URL."""
    return type(value).__str__ is not object.__str__


def _toml(value: Any, hint: Any) -> str:
    """Write a value as it is read by its hint: an enumeration's as its name, where it is one by the hint."""
    kinds = {hint, *get_args(hint)}
    match value:
        case Enum() if type(value) in kinds:
            return json.dumps(value.value if isinstance(value, StrEnum) else value.name)
        case bool():
            return str(value).lower()
        case int() | float():
            return repr(value + 0)
        case Eui64():
            return json.dumps(str(value))
        case bytes():
            return json.dumps(value.hex())
        case range():
            return f"[{value.start}, {value.stop - 1}]"
        case tuple() | frozenset():
            [inner, *_] = get_args(hint)
            return f"[{', '.join(_toml(each, inner) for each in value)}]"
        case _ if is_dataclass(value) and not _is_value(value):
            return f"{{{', '.join(line for line in _keys(value) if not line.startswith('#'))}}}"
        case _:
            return json.dumps(str(value))
