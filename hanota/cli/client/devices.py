"""`hanota client devices` and `version`: the Device Log, and what a device runs."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.markup import escape

from hanota.cli.client.errors import UpdateFailedError
from hanota.cli.client.session import JsonOption, YesOption, confirm, end, eui64, run
from hanota.cli.client.tables import show_record, show_table
from hanota.cli.client.words import job_words, show_json
from hanota.cli.number import number
from hanota.cli.output import console
from hanota.errors import HanotaError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hanota.cli.client.connection import Connection

app = typer.Typer(
    invoke_without_command=True,
    help="The Device Log and the inventory: list, show, add, set, remove, forget.",
)

VERSION_WAIT: Final = 25
"""Seconds for a device's answer: below the client's own patience with the daemon."""
LOOK_INTERVAL: Final = 1.0
"""Seconds between two looks whether a device has joined."""
HUB_TYPE: Final = "CHF"
"""The Communications Hub Function: the hub itself stands in the inventory."""
_HEADINGS: Final = ("device", "kind", "runs", "state", "model", "job")
_TEXTS: Final = ("state", "model", "job")
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
        texts=_TEXTS,
        nothing="no devices: `hanota client devices add EUI64 --type PPMID` admits one",
    )


@app.command()
def show(context: typer.Context, device: DeviceArgument, *, as_json: JsonOption = False) -> None:
    """Show all that hub and inventory know of a device."""
    name = _name(device)
    known = run(context, lambda connection: connection.get(f"/devices/{name}"))
    if as_json:
        show_json(known)
    else:
        show_record(_facts(known))


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
    wait: Annotated[
        bool, typer.Option("--wait", help="Until it has joined, and can be asked and updated.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Put a device into the Device Log and let it join with its install code."""
    name = _name(device)
    body = {
        "device": name,
        "device_type": str(kind),
        "install_code": install_code or _ask_install_code(name),
        "join_seconds": join_seconds,
    }
    added = run(context, lambda connection: connection.post("/devices", body))
    if not as_json:
        console.print(f"{name} may join for {join_seconds} s: switch it on", markup=False)
    if wait:
        added = run(context, lambda connection: until_ready(connection, name, join_seconds))
    if as_json:
        show_json(added)
    elif wait:
        console.print(f"{name} has joined and is ready", markup=False)
    else:
        console.print(f"next: hanota client events --follow --device {name}", markup=False)


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
    name = _name(device)
    body = {field: value for field, value in named.items() if value is not None}
    known = run(context, lambda connection: connection.put(f"/devices/{name}/inventory", body))
    if as_json:
        show_json(known)
        return
    show_record(_facts(known))


@app.command()
def remove(context: typer.Context, device: DeviceArgument, *, yes: YesOption = False) -> None:
    """Take a device out of the Device Log: its job ends, its key is void, and it is told to leave."""
    name = _name(device)
    confirm(f"{name} must join again with its install code to be served; remove it?", yes=yes)
    run(context, lambda connection: connection.delete(f"/devices/{name}"))
    console.print(f"{name} removed", markup=False)


@app.command()
def forget(context: typer.Context, device: DeviceArgument, *, yes: YesOption = False) -> None:
    """Have the inventory forget a device; where it is in the Device Log it stays there."""
    name = _name(device)
    confirm(f"forget what the inventory holds of {name}?", yes=yes)
    run(context, lambda connection: connection.delete(f"/devices/{name}/inventory"))
    console.print(f"{name} forgotten", markup=False)


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


async def until_ready(connection: Connection, device: str, seconds: float) -> Any:
    """Return the device once it can be asked and updated; raise UpdateFailedError after `seconds`."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while not (known := await connection.get(f"/devices/{device}"))["ready"]:  # noqa: ASYNC110  # asks
                await asyncio.sleep(LOOK_INTERVAL)
            return known
    raise UpdateFailedError(
        f"{device} did not join in {seconds:g} s",
        hint="is it on, near enough, and is this its install code? "
        f"`hanota client events --device {device}` has what was seen of it",
    )


def _ask_install_code(device: str) -> str:
    if sys.stdin.isatty():
        return str(typer.prompt(f"install code of {device}", err=True))
    return sys.stdin.readline(_INSTALL_CODE_LIMIT).strip()


def _name(device: str) -> str:
    """Return an EUI-64 as the daemon writes it, or end the command."""
    try:
        return eui64(device)
    except HanotaError as error:
        end(error)


def _state(device: Mapping[str, Any]) -> str:
    if device["in_device_log"]:
        return "ready" if device["ready"] else "not ready"
    return "the hub" if device["device_type"] == HUB_TYPE else "not in the Device Log"


def _job(device: Mapping[str, Any]) -> str:
    return "" if device["job"] is None else f"{device['job']['id']} {job_words(device['job'])}"


def _row(device: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        device["device"],
        device["device_type"],
        device["firmware_version"] or "unknown",
        ", ".join(filter(None, (_state(device), device["status"]))),
        device["model"],
        _job(device),
    )


def _facts(device: Mapping[str, Any]) -> list[tuple[str, str]]:
    def said(name: str, form: str = "{}") -> str:
        return "" if device[name] is None else form.format(device[name])

    return [
        ("device", device["device"]),
        ("kind", device["device_type"]),
        ("state", _state(device)),
        ("link key", said("link_key_suite", "suite {}")),
        ("signal", ", ".join(filter(None, (said("lqi", "LQI {}"), said("rssi", "{} dBm"))))),
        ("inventory", device["status"] or "not in the inventory"),
        ("runs", device["firmware_version"] or "unknown"),
        ("maker", said("manufacturer_code", "0x{:04X}")),
        ("model", device["model"]),
        ("hardware", said("hardware_version", "0x{:04X}")),
        ("GBCS", said("gbcs_version")),
        ("job", _job(device)),
    ]
