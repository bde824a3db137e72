"""Which dongle a user means: a radio URL, a port, a serial number, or the only one there is."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias, TypeVar

import typer

from hanota.cli.output import fail, stderr
from hanota.errors import HanotaError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from hanota.radio.dongles import KnownDongle
    from hanota.radio.url import RadioUrl

T = TypeVar("T")

RadioArgument: TypeAlias = Annotated[
    str | None,
    typer.Argument(
        metavar="[RADIO]",
        help="A radio URL, a port, a serial number or a part of it; nothing: the only dongle there is.",
    ),
]
JsonOption: TypeAlias = Annotated[bool, typer.Option("--json", help="As JSON, for scripts.")]
YesOption: TypeAlias = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]

_TCP: Final = "tcp://"
"""As people write it; serialx opens it as `socket://`."""


async def radio_url(text: str | None) -> RadioUrl:
    """Return the radio URL of the dongle a user means, asking the port itself for its family.

    Raise ConfigError where it is not clear which is meant or the URL names another family than is there,
    RadioError where none answers.
    """
    # The radio libraries take a second to load, and only these commands need them.
    from hanota.radio.probe import confirm_family, probe  # noqa: PLC0415
    from hanota.radio.url import FAMILIES, RadioUrl  # noqa: PLC0415

    if text is not None and text.partition("://")[0].partition("+")[0] in FAMILIES:
        url = RadioUrl.parse(text)
        await confirm_family(url)
        return url
    path, known = _port(text)
    stderr.print(f"asking {path} ({known.name}) ..." if known else f"asking {path} ...", markup=False)
    return await probe(path, known)


def run(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run one command's work; tell its errors and end with exit status 1."""
    try:
        return asyncio.run(work())
    except HanotaError as error:
        fail(error)


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something is lost; end with exit status 1 where the answer is no."""
    if not yes:
        typer.confirm(question, abort=True, err=True)


def _port(text: str | None) -> tuple[str, KnownDongle | None]:
    from hanota.radio.dongles import identify  # noqa: PLC0415  # see radio_url
    from hanota.radio.port_choice import find_port, only_dongle  # noqa: PLC0415
    from hanota.radio.serial_ports import serial_ports  # noqa: PLC0415

    if text is not None and "://" in text:
        return text.replace(_TCP, "socket://", 1), None
    ports = serial_ports()
    if text is None:
        port = only_dongle(ports)
        return port.path, identify(port)
    if "/" in text:
        real = str(Path(text).resolve())
        there = next((port for port in ports if real in (port.device, str(Path(port.path).resolve()))), None)
        return str(Path(text).absolute()), None if there is None else identify(there)
    port = find_port(text, ports)
    return port.path, identify(port)
