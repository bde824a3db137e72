"""`hanota client devices` and `version`: the Device Log, and what a device runs."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.markup import escape

from hanota.cli.client.errors import UpdateFailedError
from hanota.cli.client.session import JsonOption, YesOption, confirm, end, eui64, run
from hanota.cli.client.words import job_words, show_json, show_table
from hanota.cli.number import number
from hanota.cli.output import console
from hanota.errors import HanotaError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hanota.cli.client.connection import Connection

app = typer.Typer(invoke_without_command=True, help="The Device Log: list, add, remove.")

VERSION_WAIT: Final = 25
"""Seconds for a device's answer: below the client's own patience with the daemon."""
HUB_TYPE: Final = "CHF"
"""The Communications Hub Function: the hub itself stands in the inventory."""
_HEADINGS: Final = ("device", "kind", "state", "runs", "model", "job")
_INSTALL_CODE_LIMIT: Final = 200
"""Characters read of standard input; an install code has some 50."""

DeviceArgument = Annotated[str, typer.Argument(metavar="EUI64", help="The device.")]


class DeviceKind(StrEnum):
    """Kinds of devices, as GBCS names them."""

    PPMID = "PPMID"
    HCALCS = "HCALCS"
    ESME = "ESME"
    GSME = "GSME"


@app.callback()
def devices(context: typer.Context, *, as_json: JsonOption = False) -> None:
    """Show the devices of the Device Log and of the inventory."""
    if context.invoked_subcommand is not None:
        return
    document = run(context, lambda connection: connection.get("/devices"))
    if as_json:
        show_json(document)
        return
    show_table(
        _HEADINGS,
        (_row(device) for device in document["devices"]),
        nothing="no devices: `hanota client devices add EUI64 --type PPMID` admits one",
    )


@app.command()
def add(
    context: typer.Context,
    device: DeviceArgument,
    kind: Annotated[DeviceKind, typer.Option("--type", help="What it is.", case_sensitive=False)],
    install_code: Annotated[
        str | None,
        typer.Option(help="As on its label; without it you are asked, or it is read from standard input."),
    ] = None,
    join_seconds: Annotated[int, typer.Option(min=1, max=3600, help="How long it may join.")] = 3600,
    *,
    as_json: JsonOption = False,
) -> None:
    """Put a device into the Device Log and let it join with its install code."""
    try:
        name = eui64(device)
    except HanotaError as error:
        end(error)
    body = {
        "device": name,
        "device_type": str(kind),
        "install_code": install_code or _ask_install_code(name),
        "join_seconds": join_seconds,
    }
    added = run(context, lambda connection: connection.post("/devices", body))
    if as_json:
        show_json(added)
        return
    console.print(f"{added['device']} may join for {join_seconds} s: switch it on", markup=False)
    console.print(f"next: hanota client events --follow --device {added['device']}", markup=False)


@app.command("set")
def set_inventory(
    context: typer.Context,
    device: DeviceArgument,
    *,
    kind: Annotated[
        DeviceKind | None, typer.Option("--type", help="Of a device that is new.", case_sensitive=False)
    ] = None,
    status: Annotated[
        str | None, typer.Option(help="Commissioned, Suspended, ...: updates are for Commissioned devices.")
    ] = None,
    manufacturer: Annotated[
        int | None, typer.Option(metavar="NUMBER", parser=number, help="Manufacturer code, such as 0x121D.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Up to 30 characters.")] = None,
    hardware: Annotated[
        int | None, typer.Option(metavar="NUMBER", parser=number, help="Hardware version.")
    ] = None,
    gbcs: Annotated[str | None, typer.Option(help="GBCS version, such as 4.1.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Say what the inventory holds of a device; what is not named stays as it is."""
    named = {
        "device_type": None if kind is None else str(kind),
        "status": status,
        "manufacturer_code": manufacturer,
        "model": model,
        "hardware_version": hardware,
        "gbcs_version": gbcs,
    }
    try:
        name = eui64(device)
    except HanotaError as error:
        end(error)
    body = {field: value for field, value in named.items() if value is not None}
    known = run(context, lambda connection: connection.put(f"/devices/{name}/inventory", body))
    if as_json:
        show_json(known)
        return
    show_table(_HEADINGS, [_row(known)], nothing="")


@app.command()
def remove(context: typer.Context, device: DeviceArgument, *, yes: YesOption = False) -> None:
    """Take a device out of the Device Log: its job ends, its key is void, and it is told to leave."""
    try:
        name = eui64(device)
    except HanotaError as error:
        end(error)
    confirm(f"{name} must join again with its install code to be served; remove it?", yes=yes)
    run(context, lambda connection: connection.delete(f"/devices/{name}"))
    console.print(f"{name} removed", markup=False)


def version(context: typer.Context, device: DeviceArgument, *, as_json: JsonOption = False) -> None:
    """Ask a device which firmware version it runs (SR 11.2); it answers under its own key."""
    answer = run(context, lambda connection: _read_version(connection, device))
    if as_json:
        show_json(answer)
    elif answer["firmware_version"] is not None:
        console.print(escape(answer["firmware_version"]))
    if answer["firmware_version"] is None:
        waiting = answer["state"] == "pending"
        end(
            UpdateFailedError(
                f"no answer in {VERSION_WAIT} s" if waiting else answer["reason"] or "the device told none",
                hint=f"`hanota client events --follow --device {eui64(device)}` shows it when it comes"
                if waiting
                else "is the device on, and near enough?",
            )
        )


async def _read_version(connection: Connection, device: str) -> Any:
    return await connection.post(f"/devices/{eui64(device)}/read-version?wait={VERSION_WAIT}")


def _ask_install_code(device: str) -> str:
    if sys.stdin.isatty():
        return str(typer.prompt(f"install code of {device}", err=True))
    return sys.stdin.readline(_INSTALL_CODE_LIMIT).strip()


def _row(device: Mapping[str, Any]) -> tuple[str, ...]:
    if device["in_device_log"]:
        state = "ready" if device["ready"] else "not ready"
    else:
        state = "the hub" if device["device_type"] == HUB_TYPE else "not in the Device Log"
    return (
        device["device"],
        device["device_type"],
        state if device["status"] is None else f"{state}, {device['status']}",
        device["firmware_version"] or "unknown",
        device["model"],
        "" if device["job"] is None else f"{device['job']['id']} {job_words(device['job'])}",
    )
