"""A table of settings, read key by key; every error names its place, the key and what is expected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NoReturn, TypeVar

from hanota.errors import ConfigError, RemoteProtocolError
from hanota.eui64 import Eui64

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

T = TypeVar("T")
D = TypeVar("D")
P = TypeVar("P")

UINT8: Final = 0xFF
UINT16: Final = 0xFFFF
UINT32: Final = 0xFFFF_FFFF
"""Largest values of the ZCL types."""


class Table:
    """A TOML table or a JSON object. Take every key it may have, then call `done`: any other is an error.

    `place` says where it stands, such as `han.toml [dongle]`. Every method raises ConfigError.
    """

    def __init__(self, content: Mapping[str, object], place: str) -> None:
        self.place = place
        self._content = dict(content)
        self._known: list[str] = []

    def fail(self, key: str, expected: str, found: object) -> NoReturn:
        """Raise ConfigError for a value."""
        shown = "is missing" if found is None else f"= {_shown(found)}"
        raise ConfigError(f"{self.place}: {key} {shown}", hint=f"{key}: {expected}")

    def names(self) -> tuple[str, ...]:
        """Return the keys not taken yet."""
        return tuple(self._content)

    def take(self, key: str) -> object | None:
        """Return a value as it stands, None where there is none."""
        self._known.append(key)
        return self._content.pop(key, None)

    def done(self) -> None:
        """Refuse the keys nobody took."""
        if self._content:
            key = next(iter(self._content))
            raise ConfigError(
                f"{self.place}: unknown key {key}", hint=f"the keys are {', '.join(sorted(self._known))}"
            )

    def text(self, key: str, default: T, *, longest: int) -> str | T:
        """Return a string of 1 to `longest` octets."""
        value = self.take(key)
        if value is None:
            return default
        if not isinstance(value, str) or not 0 < len(value.encode()) <= longest:
            self.fail(key, f"a string of 1 to {longest} octets", value)
        return value

    def choice(self, key: str, choices: Iterable[str], default: T) -> str | T:
        """Return one of `choices`."""
        value = self.take(key)
        if value is None:
            return default
        if value not in (known := tuple(choices)):
            self.fail(key, f"one of {', '.join(known)}", value)
        return str(value)

    def choices(self, key: str, choices: Iterable[str]) -> tuple[str, ...]:
        """Return any of `choices`: one string, or an array of them."""
        value = self.take(key)
        known = tuple(choices)
        names = value if isinstance(value, list) else [] if value is None else [value]
        for name in names:
            if name not in known:
                self.fail(key, f"any of {', '.join(known)}", value)
        return tuple(str(name) for name in names)

    def integer(self, key: str, default: T, *, least: int = 0, most: int) -> int | T:
        """Return an integer between `least` and `most`."""
        value = self.take(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            self.fail(key, f"an integer from {least} to {most:#x}", value)
        return value

    def integers(self, key: str, default: tuple[int, ...], *, most: int) -> tuple[int, ...]:
        """Return an array of integers from 0 to `most`."""
        value = self.take(key)
        if value is None:
            return default
        if not isinstance(value, list):
            self.fail(key, f"an array of integers up to {most:#x}", value)
        for number in value:
            if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= most:
                self.fail(key, f"an array of integers up to {most:#x}", number)
        return tuple(value)

    def number(self, key: str, default: T, *, most: float, least: float = 0) -> float | T:
        """Return a number between `least` and `most`."""
        value = self.take(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            self.fail(key, f"a number from {least:g} to {most:g}", value)
        return float(value)

    def seconds(self, key: str, default: float | None, *, least: float, most: float) -> float | None:
        """Return seconds, or None for `false`."""
        value = self._content.get(key)
        if value is False:
            self.take(key)
            return None
        if isinstance(value, bool):
            self.fail(key, f"seconds from {least:g} to {most:g}, or false", value)
        return self.number(key, default, least=least, most=most)

    def boolean(self, key: str, default: T) -> bool | T:
        """Return true or false."""
        value = self.take(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            self.fail(key, "true or false", value)
        return value

    def eui64(self, key: str, default: T) -> Eui64 | T:
        """Return an EUI-64."""
        return self.parsed(key, default, Eui64.parse, '16 hex digits, such as "00-DB-12-34-56-78-90-A4"')

    def octets(self, key: str, default: T) -> bytes | T:
        """Return octets written in hex."""
        return self.parsed(key, default, bytes.fromhex, "octets in hex")

    def path(self, key: str, folder: Path) -> Path | None:
        """Return a path, relative to `folder`; None where there is none."""
        return self.parsed(key, None, lambda text: folder / text, "a path")

    def parsed(self, key: str, default: D, parse: Callable[[str], P], expected: str) -> P | D:
        """Return what `parse` makes of a string."""
        value = self.take(key)
        if value is None:
            return default
        if not isinstance(value, str):
            self.fail(key, expected, value)
        try:
            return parse(value)
        except (ConfigError, RemoteProtocolError, ValueError) as error:
            raise ConfigError(f"{self.place}: {key}: {error}", hint=f"{key}: {expected}") from None

    def table(self, key: str, name: str) -> Table:
        """Return a table inside this one, empty where there is none; `name` is its name in the file."""
        value = self.take(key)
        if value is None:
            value = {}
        place = f"{self.place} {name}"
        if not isinstance(value, dict):
            raise ConfigError(f"{self.place}: {key} = {_shown(value)}", hint=f"write a table {name}")
        return Table(value, place)

    def tables(self, key: str) -> list[Table]:
        """Return an array of tables, empty where there is none."""
        value = self.take(key)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(table, dict) for table in value):
            raise ConfigError(f"{self.place}: {key} = {_shown(value)}", hint=f"write tables [[{key}]]")
        return [Table(table, f"{self.place} [[{key}]] {n}") for n, table in enumerate(value, 1)]


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
