"""Non-volatile memories, which are dataclasses, as JSON and back.

A memory is made of integers, octets (hex), Eui64, other dataclasses, and dictionaries whose keys are integers
or tuples of them ("4.17").
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, TypeAlias, TypeVar, get_args, get_origin, get_type_hints

from hanota.errors import ConfigError, RemoteProtocolError
from hanota.eui64 import Eui64

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
"""A value of a JSON document."""
T = TypeVar("T")


def to_json(memory: object) -> Json:
    """Return a memory as a JSON value; raise TypeError for what no memory is made of."""
    match memory:
        case None:
            return None
        case bool() | str():
            return memory
        case int():
            return int(memory)
        case bytes():
            return memory.hex()
        case dict():
            return {_key_text(key): to_json(value) for key, value in memory.items()}
        case _ if is_dataclass(memory):
            return {field.name: to_json(getattr(memory, field.name)) for field in fields(memory)}
        case _:
            raise TypeError(f"{type(memory).__name__} is in no memory")


def from_json(kind: type[T], value: object, place: str) -> T:
    """Return the memory of a dataclass `kind` that `to_json` wrote; raise ConfigError naming `place`."""
    read: T = _read(kind, value, place)
    return read


def _read(kind: Any, value: object, place: str) -> Any:
    """Return a value of the annotated type `kind`."""
    if isinstance(kind, UnionType):
        (inner,) = (choice for choice in get_args(kind) if choice is not NoneType)
        return None if value is None else _read(inner, value, place)
    if get_origin(kind) is dict and isinstance(value, dict):
        of_key, of_value = get_args(kind)
        return {
            _read_key(of_key, key, place): _read(of_value, item, f"{place} {key}")
            for key, item in value.items()
        }
    if is_dataclass(kind) and isinstance(value, dict):
        return _read_dataclass(kind, value, place)
    if kind is int and isinstance(value, int) and not isinstance(value, bool):
        return value
    if kind in (bytes, Eui64) and isinstance(value, str):
        try:
            return kind(bytes.fromhex(value))
        except (ValueError, RemoteProtocolError):
            raise _damaged(place, value) from None
    raise _damaged(place, value)


def _read_dataclass(kind: Any, value: dict[str, object], place: str) -> Any:
    hints = get_type_hints(kind)
    if unknown := value.keys() - hints.keys():
        raise _damaged(f"{place} {min(unknown)}", value[min(unknown)])
    try:
        return kind(**{name: _read(hints[name], item, f"{place} {name}") for name, item in value.items()})
    except TypeError:
        raise _damaged(place, value) from None


def _key_text(key: int | tuple[int, ...]) -> str:
    return ".".join(str(int(number)) for number in (key if isinstance(key, tuple) else (key,)))


def _read_key(kind: Any, text: str, place: str) -> int | tuple[int, ...]:
    try:
        numbers = tuple(int(number) for number in text.split("."))
    except ValueError:
        raise _damaged(place, text) from None
    if kind is int and len(numbers) == 1:
        return numbers[0]
    if get_origin(kind) is tuple and len(numbers) == len(get_args(kind)):
        return numbers
    raise _damaged(place, text)


def _damaged(place: str, value: object) -> ConfigError:
    return ConfigError(f"{place} is damaged: {str(value)[:60]!r}", hint="start anew without it")
