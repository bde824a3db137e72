"""Radio URLs: which radio library speaks to the coordinator, and over which serial line.

znp:///dev/ttyUSB0?baudrate=460800     Z-Stack on a serial port
znp+socket://host:port                 the same behind a serial-to-TCP bridge
znp+emulator://NAME                    an emulated coordinator in this process
ezsp:///dev/serial/by-id/usb-...       EmberZNet with hardware flow control
ezsp:///dev/ttyACM0?baudrate=460800&flow_control=software
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import parse_qs, urlencode, urlsplit

from hanota.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

FAMILIES: Final = ("znp", "ezsp")
"""Names of the radio libraries, as zigpy uses them."""

EMULATED: Final = "emulator://"
"""What the path of a dongle in this process begins with: it is no port that another program could open."""
_FLOW_CONTROLS: Final = {"znp": ("hardware",), "ezsp": ("hardware", "software")}
"""Software flow control swallows octets of ZNP frames; ASH escapes them."""
_TRANSPORTS: Final = ("emulator", "socket", "tcp", "rfc2217")
_HINT: Final = "write a radio URL such as znp:///dev/ttyUSB0 or znp+emulator://NAME"


@dataclass(frozen=True, slots=True)
class RadioUrl:
    """A parsed radio URL; `path` is what serialx opens, None means the family's default."""

    family: str
    path: str
    baudrate: int | None = None
    flow_control: str | None = None

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
        options = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        unknown = options.keys() - {"baudrate", "flow_control"}
        if unknown:
            raise ConfigError(
                f"{text!r}: unknown option {min(unknown)!r}", hint="the options are baudrate and flow_control"
            )
        return cls(family, path, _baudrate(text, options), _flow_control(text, family, options))

    def __str__(self) -> str:
        scheme = f"{self.family}+" if "://" in self.path else f"{self.family}://"
        options = {"baudrate": self.baudrate, "flow_control": self.flow_control}
        query = urlencode({name: value for name, value in options.items() if value is not None})
        return f"{scheme}{self.path}" + (f"?{query}" if query else "")


def _baudrate(text: str, options: Mapping[str, str]) -> int | None:
    value = options.get("baudrate")
    if value is None:
        return None
    if not (value.isascii() and value.isdigit() and int(value) > 0):
        raise ConfigError(
            f"{text!r}: not a baud rate: {value!r}", hint="write digits, such as baudrate=115200"
        )
    return int(value)


def _flow_control(text: str, family: str, options: Mapping[str, str]) -> str | None:
    value = options.get("flow_control")
    allowed = _FLOW_CONTROLS[family]
    if value is not None and value not in allowed:
        raise ConfigError(
            f"{text!r}: not a flow control of {family}: {value!r}", hint=f"use {' or '.join(allowed)}"
        )
    return value
