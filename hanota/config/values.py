"""How one value is written in a file or in the environment, and what is said of one that is wrong."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import time
from enum import Enum, StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from pydantic_core import PydanticCustomError, core_schema

from hanota.errors import ConfigError, HanotaError
from hanota.eui64 import Eui64
from hanota.files import read_private_file
from hanota.radio.url import RadioUrl

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue

folder: ContextVar[Path] = ContextVar("folder", default=Path())
"""What relative paths start from while settings are read: the folder of their file."""

FAULT: Final = "setting"
"""The type of the errors made here, among those of pydantic."""
MAXIMUM_SECRET: Final = 4096
"""Octets read of a file that holds one secret."""
_FROM_ENVIRONMENT: Final = "env:"
_FROM_FILE: Final = "file:"

Reader: TypeAlias = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Value:
    """Reads one kind of value; `read` raises ValueError or HanotaError, `expected` tells what it takes."""

    read: Reader
    expected: str
    json_type: str = "string"
    secret: bool = False
    """Whether it may stand elsewhere (`env:NAME`, `file:PATH`), and is never quoted."""

    def __call__(self, value: object) -> object:
        """Return the value; raise PydanticCustomError."""
        if self.secret and isinstance(value, str):
            try:
                value = _fetched(value)
            except ConfigError as error:
                raise fault("; ".join(filter(None, (str(error), error.hint)))) from None
        try:
            return self.read(value)
        except ConfigError as error:
            raise fault(str(error), expected=self.expected) from None
        except (HanotaError, ValueError, TypeError):
            raise fault("", found=None if self.secret else value, expected=self.expected) from None

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """Have pydantic call this."""
        return core_schema.no_info_plain_validator_function(self)

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Describe the value for an editor."""
        return {"type": self.json_type, "description": self.expected}


def value_of(kind: type, *, secret: bool, least: float | None) -> Value | None:
    """Return what reads a `kind`, None where no single value can be one; numbers are at least `least`."""
    if issubclass(kind, Enum):
        return _choice(kind)
    if kind is int:
        return Value(_integer(least), _range("an integer", least), "integer")
    if kind is float:
        return Value(_number(least), _range("a number", least), "number")
    known = _KINDS.get(kind)
    if known is None:
        return None
    return Value(known.read, known.expected, known.json_type, secret) if secret else known


def listed(value: object) -> object:
    """Return what stands for an array in the environment: JSON, or words parted by commas."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        try:
            return json.loads(value)
        except ValueError:
            raise fault("", found=value, expected="an array") from None
    return [word.strip() for word in value.split(",") if word.strip()]


def fault(said: str, *, found: object = None, expected: str = "") -> PydanticCustomError:
    """Return an error for `faults` to put into words: what is wrong, what was found, what is expected."""
    return PydanticCustomError(
        FAULT,
        "{said}",
        {"said": said, "found": "" if found is None else _shown(found), "expected": expected},
    )


def _shown(value: object) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _fetched(text: str) -> str:
    """Return a secret from where it stands; raise ConfigError."""
    if text.startswith(_FROM_ENVIRONMENT):
        name = text.removeprefix(_FROM_ENVIRONMENT)
        if name not in os.environ:
            raise ConfigError(f"{name} is not in the environment")
        return os.environ[name]
    if text.startswith(_FROM_FILE):
        return _read_secret(folder.get() / Path(text.removeprefix(_FROM_FILE)).expanduser())
    return text


def _read_secret(path: Path) -> str:
    try:
        return read_private_file(path, MAXIMUM_SECRET).decode().strip()
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not text") from None


def _range(what: str, least: float | None) -> str:
    return what if least is None else f"{what}, {least:g} or more"


def _integer(least: float | None) -> Reader:
    def read(value: object) -> int:
        if isinstance(value, str):
            value = int(value, 0)
        if isinstance(value, bool) or not isinstance(value, int) or (least is not None and value < least):
            raise ValueError
        return value

    return read


def _number(least: float | None) -> Reader:
    def read(value: object) -> float:
        if isinstance(value, str):
            value = float(value)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError
        if least is not None and value < least:
            raise ValueError
        return value

    return read


def _boolean(value: object) -> bool:
    if isinstance(value, str):
        value = {"true": True, "false": False}.get(value.lower(), value)
    if not isinstance(value, bool):
        raise TypeError
    return value


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError
    return value


def _octets(value: object) -> bytes:
    return bytes.fromhex(_text(value))


def _path(value: object) -> Path:
    return folder.get() / Path(_text(value)).expanduser()


def _time(value: object) -> time:
    return value if isinstance(value, time) else time.fromisoformat(_text(value))


def _span(value: object) -> range:
    match value:
        case range():
            return value
        case [int(first), int(last)]:
            return range(first, last + 1)
        case _:
            raise TypeError


def _choice(kind: type[Enum]) -> Value:
    """StrEnums are written as their values, others by their names."""
    written: dict[str, Enum] = {
        str(member.value) if issubclass(kind, StrEnum) else member.name: member for member in kind
    }
    folded = {name.lower(): member for name, member in written.items()}

    def read(value: object) -> Enum:
        if isinstance(value, kind):
            return value
        member = folded.get(_text(value).lower())
        if member is None:
            raise ValueError
        return member

    return Value(read, f"one of {', '.join(written)}")


_KINDS: Final[dict[type, Value]] = {
    bool: Value(_boolean, "true or false", "boolean"),
    str: Value(_string, "a string"),
    bytes: Value(_octets, "octets in hex"),
    Path: Value(_path, "a path, relative to the folder of the settings file"),
    time: Value(_time, 'a time of day, UTC, such as "23:30"'),
    range: Value(_span, "the first and the last one, such as [0, 3]", "array"),
    Eui64: Value(lambda value: Eui64.parse(_text(value)), '16 hex digits, such as "00-DB-12-34-56-78-90-A4"'),
    RadioUrl: Value(
        lambda value: RadioUrl.parse(_text(value)),
        'a radio URL, such as "znp:///dev/ttyUSB0" or "ezsp+socket://HOST:PORT"',
    ),
}
