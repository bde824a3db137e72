"""Radio URLs: which radio library speaks to the coordinator, and over which serial line.

znp:///dev/ttyUSB0?baudrate=460800     Z-Stack on a serial port
znp+socket://host:port                 the same behind a serial-to-TCP bridge
znp+emulator://NAME                    an emulated coordinator in this process
ezsp:///dev/serial/by-id/usb-...       EmberZNet
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import parse_qs, urlsplit

from hanota.errors import ConfigError

FAMILIES: Final = ("znp", "ezsp")
"""Names of the radio libraries, as zigpy uses them."""

_TRANSPORTS: Final = ("emulator", "socket", "tcp", "rfc2217")
_HINT: Final = "write a radio URL such as znp:///dev/ttyUSB0 or znp+emulator://NAME"


@dataclass(frozen=True, slots=True)
class RadioUrl:
    """A parsed radio URL; `path` is what serialx opens, `baudrate` None means the family's default."""

    family: str
    path: str
    baudrate: int | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a radio URL; raise ConfigError for anything else."""
        try:
            parts = urlsplit(text)
            port = parts.port if parts.hostname else None
        except ValueError as error:
            raise ConfigError(f"not a radio URL: {text!r} ({error})", hint=_HINT) from error
        family, _, transport = parts.scheme.partition("+")
        if family not in FAMILIES:
            raise ConfigError(f"not a radio URL: {text!r}", hint=_HINT)
        if not transport:
            if parts.netloc or len(parts.path) < 2:
                raise ConfigError(
                    f"{text!r} names no serial port", hint=f"write three slashes: {family}:///dev/ttyUSB0"
                )
            path = parts.path
        elif transport not in _TRANSPORTS:
            raise ConfigError(
                f"{text!r}: unknown transport {transport!r}", hint=f"use one of {', '.join(_TRANSPORTS)}"
            )
        elif not parts.hostname:
            raise ConfigError(f"{text!r} names no {transport}", hint=_HINT)
        elif transport != "emulator" and port is None:
            raise ConfigError(f"{text!r} has no port", hint=f"write {family}+{transport}://HOST:PORT")
        else:
            path = f"{transport}://{parts.netloc}"
        return cls(family, path, _baudrate(text, parts.query))

    def __str__(self) -> str:
        scheme = f"{self.family}+" if "://" in self.path else f"{self.family}://"
        return f"{scheme}{self.path}" + (f"?baudrate={self.baudrate}" if self.baudrate else "")


def _baudrate(text: str, query: str) -> int | None:
    options = parse_qs(query, keep_blank_values=True)
    unknown = options.keys() - {"baudrate"}
    if unknown:
        raise ConfigError(f"{text!r}: unknown option {min(unknown)!r}", hint="the one option is baudrate")
    if not options:
        return None
    value = options["baudrate"][-1]
    if not (value.isascii() and value.isdigit() and int(value) > 0):
        raise ConfigError(
            f"{text!r}: not a baud rate: {value!r}", hint="write digits, such as baudrate=115200"
        )
    return int(value)
