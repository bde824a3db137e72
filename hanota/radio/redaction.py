"""Keys stay out of logs, at whatever level they are written.

The radio libraries write their commands and the octets of the serial line at DEBUG, keys and all; each writes
octets in its own way. A record is made harmless before any filter or handler sees it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from hanota.radio.octet_text import literals, long_literals, octet_lists

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hanota.radio.octet_text import OctetText

REDACTED: Final = "[redacted]"
KEY_OCTETS: Final = 16

_LIBRARIES: Final = ("bellows", "zigpy", "zigpy_znp", "serialx", "asyncio", "hanota.radio")
"""Loggers that tell what a library said or raised; asyncio's name the arguments of callbacks."""
_LINE: Final = (
    "bellows.ash",
    "bellows.uart",
    "zigpy_znp.uart",
    "zigpy_znp.frames",
    "zigpy.serial",
    "serialx",
)
"""Loggers of the serial line: octets come in any portions, escaped and framed."""
_OTHERS: Final = ("hanota",)

_MESSAGES: Final = ("zigpy.zcl", "zigpy.zdo", "zigpy.device", "zigpy.endpoint")
_MESSAGE: Final = re.compile(
    r"\bAF\.Data(?:Request|Confirm)|\bAF\.IncomingMsg|\bZDO\.MsgCbIncoming|\bsend(?:Unicast|Broadcast|Multicast)\b"
    r"|\b(?:incomingMessage|messageSent)Handler\b|\bZigbeePacket\("
)
"""Records of messages on the air, which are what somebody looks for; no key is in them in the clear."""
_KEY_DATA: Final = re.compile(
    rf"(?<![\w:])(?:[0-9A-Fa-f]{{2}}:){{{KEY_OCTETS - 1}}}[0-9A-Fa-f]{{2}}(?![\w:])"
)
"""How zigpy writes a key."""
_Span: TypeAlias = tuple[int, int, str]
"""From where to where, and what to write instead."""
_HEX: Final = re.compile(r"(?:[0-9A-Fa-f]{2}[ :]?)+")


@dataclass(frozen=True, slots=True)
class RedactionSettings:
    """What is known of secrets, and what is taken for one."""

    secrets: int = 1024
    """Secrets known at once, the newest; four for each of 256 devices, more than any key table holds."""
    shortest_secret: int = 6
    """Octets of the shortest install code; less would be found in anything."""
    longest_literal: int = KEY_OCTETS // 2
    """Octets of a bytes literal in a library's record that is left alone: at most half a key."""


class Redaction:
    """Removes secrets from text, and from log records while it is installed.

    It knows secrets two ways: those it was told are removed in every formatting; and a library's record or
    error, unless it is about a message on the air, keeps no octets in such number that they could be a key,
    as keys are also made by the libraries and read from the coordinator.
    """

    def __init__(self, settings: RedactionSettings | None = None) -> None:
        self._settings = settings or RedactionSettings()
        self._secrets: dict[bytes, None] = {}
        # Replaced as a whole, because records are made in other threads too.
        self._needles: tuple[tuple[str, str], ...] = ()
        self._make: Callable[..., logging.LogRecord] | None = None
        self._factory: Callable[..., logging.LogRecord] | None = None

    def add(self, *secrets: bytes) -> None:
        """Know secrets; one octet repeated is none (zigpy's unknown key), nor is what is too short."""
        for secret in map(bytes, secrets):
            if len(secret) >= self._settings.shortest_secret and len(set(secret)) > 1:
                self._secrets.pop(secret, None)
                self._secrets[secret] = None
        while len(self._secrets) > self._settings.secrets:
            del self._secrets[next(iter(self._secrets))]
        self._needles = tuple(
            (octets.decode("latin-1"), octets.hex())
            for secret in self._secrets
            for octets in (secret, secret[::-1])
        )

    def mask(self, text: str) -> str:
        """Return `text` without the secrets that were told."""
        needles = self._needles
        if not needles:
            return text
        spans: list[_Span] = []
        for octets in literals(text):
            spans += _found(octets, [raw for raw, _ in needles])
        for octets in octet_lists(text, at_least=self._settings.shortest_secret):
            spans += _found(octets, [hexed if octets.nibbles else raw for raw, hexed in needles])
        return _cut(text, spans)

    def text(self, text: str) -> str:
        """Return what a library said without the secrets, and without what could be a key."""
        return self._withhold(self.mask(text))

    def install(self) -> None:
        """Have every log record of hanota and of the radio libraries pass here, from now on."""
        if self._factory is not None:
            return
        make = self._make = logging.getLogRecordFactory()

        def harmless(*args: Any, **kwargs: Any) -> logging.LogRecord:
            record = make(*args, **kwargs)
            if self._factory is harmless:
                self._redact(record)
            return record

        self._factory = harmless
        logging.setLogRecordFactory(harmless)

    def remove(self) -> None:
        """Leave log records alone and forget the secrets."""
        # Where another factory was put around this one it stays where it is and does nothing.
        if self._make is not None and logging.getLogRecordFactory() is self._factory:
            logging.setLogRecordFactory(self._make)
        self._make = self._factory = None
        self._secrets.clear()
        self._needles = ()

    # -- records -----------------------------------------------------------------------------------------

    def _redact(self, record: logging.LogRecord) -> None:
        if not record.name:
            return  # an empty one, into which logging.makeLogRecord copies a record that passed here before
        library = _below(record.name, _LIBRARIES)
        if not library and not _below(record.name, _OTHERS):
            return
        said = self._message(record)
        text = self.mask(said)
        if library:
            text = self._withhold(
                text,
                message=_below(record.name, _MESSAGES) or _MESSAGE.search(text) is not None,
                line=_below(record.name, _LINE),
            )
        if text != record.msg or record.args:
            record.msg, record.args = text, ()
        # The text alone is left where another coordinator's redaction was here before.
        told = record.exc_text
        if record.exc_info and record.exc_info[1] is not None:
            told = logging.Formatter().formatException(record.exc_info)
        if told:
            harmless = self.text(told) if library else self.mask(told)
            if harmless != told:
                # A handler may format the exception anew, or read it.
                record.exc_info, record.exc_text = None, harmless

    def _message(self, record: logging.LogRecord) -> str:
        """Return what a record says; of one that cannot be formatted, which logging would print whole."""
        if _below(record.name, _LINE) and isinstance(record.args, tuple):
            record.args = tuple(map(_counted, record.args))
        try:
            return record.getMessage()
        except Exception:  # noqa: BLE001  # a library's own __repr__ may raise anything
            record.args = ()
            return f"{record.msg} (its arguments could not be formatted)"

    # -- text --------------------------------------------------------------------------------------------

    def _withhold(self, text: str, *, message: bool = False, line: bool = False) -> str:
        """Return `text` with the length alone of what could be a key."""
        if message and not line:
            return _KEY_DATA.sub(REDACTED, text)
        longest = 0 if line else self._settings.longest_literal
        spans = [
            (start, end, f"[{octets} octets]")
            for start, end, octets in long_literals(text, longer_than=longest)
        ]
        spans += [
            (*octets.span(), f"[{octets.count} octets]") for octets in octet_lists(text, at_least=KEY_OCTETS)
        ]
        return _cut(text, spans)


def known_keys(network_info: Any) -> list[bytes]:
    """Return every key of zigpy's NetworkInfo, and the seeds that the radio libraries keep with it."""
    keys = [network_info.network_key.key, network_info.tc_link_key.key]
    keys += [entry.key for entry in network_info.key_table]
    return [bytes(key.serialize()) for key in keys] + list(_seeds(network_info.stack_specific))


def _seeds(value: object) -> Iterator[bytes]:
    """Give each octet string in the libraries' own part of a network's state."""
    match value:
        case Mapping():
            for inner in value.values():
                yield from _seeds(inner)
        case bytes():
            yield value
        case str() if _HEX.fullmatch(value) and len(value) >= 2 * KEY_OCTETS:
            yield bytes.fromhex(value.replace(":", ""))
        case _:
            pass


def _below(name: str, loggers: tuple[str, ...]) -> bool:
    return any(name == logger or name.startswith(logger + ".") for logger in loggers)


def _counted(value: object) -> object:
    """Return the length in place of octets, and of octets in hex."""
    match value:
        case bytes() | bytearray() | memoryview():
            return f"[{len(value)} octets]"
        case str() if _HEX.fullmatch(value):
            return f"[{len(value.replace(' ', '').replace(':', '')) // 2} octets]"
        case _:
            return value


def _found(octets: OctetText, needles: list[str]) -> Iterator[_Span]:
    """Give where in the text each needle is written."""
    for needle in needles:
        at = octets.characters.find(needle)
        while at >= 0:
            yield (*octets.span(at, at + len(needle)), REDACTED)
            at = octets.characters.find(needle, at + 1)


def _cut(text: str, spans: list[_Span]) -> str:
    """Return `text` with its mark in place of each span; of spans that overlap the first marks them all."""
    if not spans:
        return text
    parts, at = [], 0
    for start, end, mark in sorted(spans, key=lambda span: (span[0], -span[1])):
        if start >= at:
            parts += [text[at:start], mark]
        at = max(at, end)
    return "".join((*parts, text[at:]))
