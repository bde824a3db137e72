"""Octets as they are written in text: hex, lists of integers, bytes literals."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEX_PAIR: Final = r"(?:0[xX]|\\+x)?[0-9A-Fa-f]{2}"
_NIBBLE: Final = re.compile(r"0[xX](?=[0-9A-Fa-f]{2})|\\+x|([0-9A-Fa-f])")
_INTEGER: Final = r"(?:0[xX][0-9A-Fa-f]{1,2}|\d{1,3})"
_NUMBER: Final = re.compile(_INTEGER)

_ESCAPE: Final = re.compile(r"""\\(?:x([0-9A-Fa-f]{2})|([\\'"])|([tnr]))|(.)""", re.DOTALL)
_CONTROL: Final = {"t": "\t", "n": "\n", "r": "\r"}
_LEVELS: Final = 3
"""A bytes literal in an error, that error in another's repr, and one to spare."""

_LITERAL: Final = re.compile(r"""\bb(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|(\\+['"])(.*)\3)""", re.DOTALL)
"""A bytes literal; in another literal its end is not known, so that the last possible one is taken."""


@dataclass(frozen=True, slots=True)
class OctetText:
    """Octets found in a text; each character is one octet, or a hex digit where `nibbles`."""

    characters: str
    starts: list[int]
    """Where in the text each character's writing starts."""
    ends: list[int]
    nibbles: bool = False

    @property
    def count(self) -> int:
        """How many octets they are."""
        return len(self.characters) // 2 if self.nibbles else len(self.characters)

    def span(self, first: int = 0, last: int | None = None) -> tuple[int, int]:
        """Return from where to where in the text the characters from `first` to before `last` are written."""
        return self.starts[first], self.ends[len(self.ends) - 1 if last is None else last - 1]


def literals(text: str) -> Iterator[OctetText]:
    """Give `text` as it stands, and as often unescaped as it has escapes in escapes."""
    places = list(range(len(text)))
    octets = OctetText(text, places, [place + 1 for place in places])
    yield octets
    for _ in range(_LEVELS):
        if "\\" not in octets.characters:
            return
        octets = _unescaped(octets)
        yield octets


def octet_lists(text: str, *, at_least: int) -> Iterator[OctetText]:
    """Give each row of `at_least` octets in hex or in integers; one that reads as both is given as both."""
    for match in _hex(at_least).finditer(text):
        yield _nibbles(match)
    for match in _integers(at_least).finditer(text):
        yield _numbers(match)


def long_literals(text: str, *, longer_than: int) -> Iterator[tuple[int, int, int]]:
    """Give start, end and octets of each bytes literal of more than `longer_than` octets."""
    for match in _LITERAL.finditer(text):
        content = match[1] or match[2] or match[4] or ""
        octets = sum(1 for _ in _ESCAPE.finditer(content))
        if octets > longer_than:
            yield (*match.span(), octets)


@cache
def _hex(at_least: int) -> re.Pattern[str]:
    return re.compile(rf"{_HEX_PAIR}(?:(?:[ :\-]|, ?)?{_HEX_PAIR}){{{at_least - 1},}}[0-9A-Fa-f]?")


@cache
def _integers(at_least: int) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w.]){_INTEGER}(?:, ?{_INTEGER}){{{at_least - 1},}}(?![\w.])")


def _nibbles(row: re.Match[str]) -> OctetText:
    digits = [match for match in _NIBBLE.finditer(row[0]) if match[1]]
    starts = [row.start() + match.start() for match in digits]
    return OctetText(
        "".join(match[1] for match in digits).lower(), starts, [start + 1 for start in starts], nibbles=True
    )


def _numbers(row: re.Match[str]) -> OctetText:
    numbers = list(_NUMBER.finditer(row[0]))
    return OctetText(
        "".join(
            chr(int(match[0], 0) if match[0][:2] in ("0x", "0X") else int(match[0])) for match in numbers
        ),
        [row.start() + match.start() for match in numbers],
        [row.start() + match.end() for match in numbers],
    )


def _unescaped(octets: OctetText) -> OctetText:
    """Read one level of escapes; each character stands where its escape stands in the text."""
    characters, starts, ends = [], [], []
    for match in _ESCAPE.finditer(octets.characters):
        hexed, itself, control, plain = match.groups()
        characters.append(chr(int(hexed, 16)) if hexed else itself or plain or _CONTROL[control])
        starts.append(octets.starts[match.start()])
        ends.append(octets.ends[match.end() - 1])
    return OctetText("".join(characters), starts, ends)
