"""The file that lists a bench: its dongle and its devices, with what switches and hears each.

features = ["mains-hcalcs"]
[radio]
url = "ezsp:///dev/serial/by-id/usb-Nabu_Casa_SkyConnect_v1.0_...-if00-port0"
[device.ppmid]
type = "ppmid"
eui64 = "00-DB-12-34-56-78-90-A4"
install_code = "env:PPMID_INSTALL_CODE"
power = { driver = "relay", port = "/dev/serial/by-id/usb-1a86_...", channel = 1 }
console = { port = "/dev/serial/by-id/usb-FTDI_...", baudrate = 115200 }
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from hanota.errors import ConfigError, RemoteProtocolError
from hanota.eui64 import Eui64
from hanota.files import read_file
from hanota.zse.install_code import parse_install_code

MAXIMUM_FILE: Final = 256 * 1024
"""Octets read of a bench file; one of ten devices has some thousand."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


def _eui64(value: object) -> object:
    try:
        return Eui64.parse(value) if isinstance(value, str) else value
    except RemoteProtocolError as error:
        raise ValueError(str(error)) from None


def _install_code(value: object) -> object:
    if not isinstance(value, str):
        return value
    name = value.removeprefix("env:")
    if name != value:
        value = os.environ.get(name)
        if value is None:
            raise ValueError(f"the environment has no {name}")
    try:
        return parse_install_code(value)
    except RemoteProtocolError as error:
        raise ValueError(str(error)) from None


class RelayEntry(_Model):
    """A relay of an LCUS board."""

    driver: Literal["relay"]
    port: str
    channel: Annotated[int, Field(ge=1, le=8)] = 1
    baudrate: int = 9600
    normally_closed: bool = False


class UsbHubEntry(_Model):
    """A port of a USB hub, as uhubctl names it."""

    driver: Literal["usb-hub"]
    location: str
    port: Annotated[int, Field(ge=1)]


class ManualEntry(_Model):
    """A person."""

    driver: Literal["manual"]


PowerEntry: TypeAlias = Annotated[RelayEntry | UsbHubEntry | ManualEntry, Field(discriminator="driver")]


class ConsoleEntry(_Model):
    """A debug console."""

    port: str
    baudrate: Annotated[int, Field(gt=0)] = 115200
    newline: str = "\r\n"


class DeviceEntry(_Model):
    """One device of the bench."""

    type: Literal["ppmid", "hcalcs"]
    eui64: Annotated[Eui64, BeforeValidator(_eui64)]
    install_code: Annotated[bytes, BeforeValidator(_install_code)] = Field(repr=False)
    power: PowerEntry | None = None
    console: ConsoleEntry | None = None
    keystore: Path | None = None
    """Folder with the device's own certificates; without them what it says in GBCS cannot be verified."""


class RadioEntry(_Model):
    """The dongle."""

    url: str
    credentials: Path | None = None
    """The hub's credentials for key establishment."""
    link_security: Literal["key-establishment", "install-code", "none"] = "key-establishment"
    channel: Annotated[int, Field(ge=11, le=26)] | None = None


class Bench(_Model):
    """A bench, as its file lists it."""

    radio: RadioEntry | None = None
    """None: the command line says which dongle."""
    device: dict[str, DeviceEntry] = Field(default_factory=dict)
    features: frozenset[str] = frozenset()
    """Words that tests may ask for."""
    keystore: Path | None = None
    """Folder with the certificates and keys of supplier and access control broker."""

    def of_type(self, kind: str) -> DeviceEntry | None:
        """Return the first device of a type, None where there is none."""
        return next((entry for entry in self.device.values() if entry.type == kind), None)


def read_bench(path: Path) -> Bench:
    """Read a bench file, its paths relative to it; raise ConfigError, which names file, key and fault."""
    octets = read_file(path, MAXIMUM_FILE)
    try:
        return Bench.model_validate(_resolved(tomllib.loads(octets.decode()), path.parent))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"bench {path}: {error}") from None
    except ValidationError as error:
        faults = "; ".join(
            f"{_key(each['loc'])}: {each['msg']}" for each in error.errors(include_input=False)
        )
        raise ConfigError(f"bench {path}: {faults}", hint="hardware/README.md has a bench file") from None


def _key(location: tuple[int | str, ...]) -> str:
    return ".".join(map(str, location))


def _resolved(value: Any, folder: Path) -> Any:
    """Return the file's tables with its paths made absolute; what is no table or path stays for pydantic."""
    if not isinstance(value, dict):
        return value
    return {
        key: str(folder / each)
        if key in {"keystore", "credentials"} and isinstance(each, str)
        else _resolved(each, folder)
        for key, each in value.items()
    }
