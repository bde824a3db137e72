"""`hanota radio list`: the serial ports, and what is on them as far as USB tells."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from hanota.cli.output import console, stderr
from hanota.cli.radio.target import JsonOption  # noqa: TC001  # Typer reads the annotations

if TYPE_CHECKING:
    from hanota.radio.dongles import KnownDongle
    from hanota.radio.serial_ports import SerialPort


def list_ports(
    *,
    as_json: JsonOption = False,
    toml: Annotated[bool, typer.Option("--toml", help="As lines of a bench file.")] = False,
) -> None:
    """Show the serial ports of this machine and the dongles on them; opens none."""
    from hanota.radio.dongles import identify  # noqa: PLC0415  # loads serialx
    from hanota.radio.port_choice import likeliest_first  # noqa: PLC0415  # the same
    from hanota.radio.serial_ports import serial_ports  # noqa: PLC0415  # the same

    found = [(port, identify(port)) for port in likeliest_first(serial_ports())]
    if as_json:
        typer.echo(json.dumps([_to_json(port, dongle) for port, dongle in found]))
    elif toml:
        for port, dongle in found:
            if dongle is not None:
                typer.echo(_to_toml(port, dongle))
    elif found:
        console.print(_table(found))
    known = [(port, dongle) for port, dongle in found if dongle is not None]
    if as_json or (toml and known):
        return
    if known:
        port, _ = known[0]
        name = port.serial_number if port.unmistakable else port.path
        stderr.print(f"next: hanota radio info {name}", markup=False)
    elif found:
        stderr.print("no dongle known by name; `hanota radio probe PORT` asks a port", markup=False)
    else:
        stderr.print(
            "no serial port: plug a dongle in, or `hanota emulate --pty ./ttyHAN` emulates one", markup=False
        )


def _table(found: list[tuple[SerialPort, KnownDongle | None]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("dongle", "family", "serial number", "USB", "port"):
        table.add_column(title, overflow="fold")
    for port, dongle in found:
        name = port.product or "(not USB)" if dongle is None else dongle.name
        usb = "" if port.vid is None else f"{port.vid:04X}:{port.pid or 0:04X}"
        number = port.serial_number if port.unmistakable or not port.serial_number else "(not its own)"
        family = _family(port, dongle)
        table.add_row(*map(escape, (name, family, number, usb, port.path)))
    return table


def _family(port: SerialPort, dongle: KnownDongle | None) -> str:
    from hanota.radio.dongles import unsuitable  # noqa: PLC0415  # see list_ports

    if dongle is None:
        return unsuitable(port) or ""
    return f"{dongle.family}; {dongle.note}" if dongle.note else dongle.family


def _url(port: SerialPort, dongle: KnownDongle) -> str:
    from hanota.radio.families import FAMILIES  # noqa: PLC0415  # see list_ports
    from hanota.radio.url import RadioUrl  # noqa: PLC0415

    usual = FAMILIES[dongle.family]
    return str(
        RadioUrl(
            dongle.family,
            port.path,
            None if dongle.baudrate == usual.baudrate else dongle.baudrate,
            None if dongle.flow_control == usual.flow_control else dongle.flow_control,
        )
    )


def _to_json(port: SerialPort, dongle: KnownDongle | None) -> dict[str, object]:
    return {
        "path": port.path,
        "device": port.device,
        "vid": port.vid,
        "pid": port.pid,
        "serial_number": port.serial_number,
        "manufacturer": port.manufacturer,
        "product": port.product,
        "dongle": None if dongle is None else dongle.name,
        "url": None if dongle is None else _url(port, dongle),
    }


def _to_toml(port: SerialPort, dongle: KnownDongle) -> str:
    # A JSON string is a TOML basic string.
    number = port.serial_number or "none"
    return f"[radio]  # {dongle.name}, serial number {number}\nurl = {json.dumps(_url(port, dongle))}"
