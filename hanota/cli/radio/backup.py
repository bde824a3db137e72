"""`hanota radio backup` and `restore`: a coordinator's network, with its keys, in a file and back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.markup import escape

from hanota.cli.output import console, fail, stderr
from hanota.cli.radio.target import RadioArgument, YesOption, confirm, radio_url, run
from hanota.errors import ConfigError, HanotaError
from hanota.files import read_file, write_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from zigpy.backups import NetworkBackup

    from hanota.radio.facts import CoordinatorFacts
    from hanota.radio.url import RadioUrl

MAXIMUM_BACKUP: Final = 4 * 1024 * 1024
"""Octets read of a backup; one of 200 devices has some 60,000."""

_File = Annotated[Path, typer.Argument(metavar="FILE", help="The backup, JSON.")]


def backup(
    file: _File,
    radio: RadioArgument = None,
    *,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a file that is there already.")] = False,
) -> None:
    """Write a coordinator's network to a file: zigpy's backup form, which zigbee2mqtt reads too.

    The file holds the network key and every link key: it gets mode 0600 and belongs where secrets are.
    """
    if file.exists() and not force:
        fail(ConfigError(f"{file} is there already", hint="--force overwrites it"))
    document = run(lambda: _back_up(radio))
    try:
        octets = f"{json.dumps(document, indent=2)}\n".encode()
        write_file(file, octets, private=True, overwrite=force)
    except HanotaError as error:
        fail(error)
    devices = document.get("devices", [])
    console.print(f"{escape(str(file))}: network with the keys of {len(devices)} devices, mode 0600")
    stderr.print("It holds the network's keys: whoever has it can join and listen.")


def restore(
    file: _File,
    radio: RadioArgument = None,
    *,
    burn: Annotated[
        bool,
        typer.Option("--burn", help="Write the EUI-64 even where that can be done once and never again."),
    ] = False,
    yes: YesOption = False,
) -> None:
    """Write a network that was backed up to a coordinator, of either family, with its EUI-64.

    Two coordinators of one EUI-64 must not be on the air together.
    """
    from hanota.radio.maintenance import read_backup  # noqa: PLC0415  # loads the radio libraries

    try:
        network = read_backup(_read(file))
    except HanotaError as error:
        fail(error)
    url, before = run(lambda: _facts(radio))
    if before.network is not None:
        confirm(f"{url} has a network on channel {before.network.channel}; overwrite it?", yes=yes)
    facts = run(lambda: _restore(url, network, burn=burn))
    from hanota.cli.radio.words import show  # noqa: PLC0415  # see above

    show(url, facts, fitness=False)


async def _back_up(radio: str | None) -> Mapping[str, Any]:
    from hanota.radio.maintenance import maintained  # noqa: PLC0415  # see restore

    async with maintained(await radio_url(radio)) as coordinator:
        return await coordinator.back_up()


async def _facts(radio: str | None) -> tuple[RadioUrl, CoordinatorFacts]:
    from hanota.radio.maintenance import maintained  # noqa: PLC0415  # see restore

    url = await radio_url(radio)
    async with maintained(url) as coordinator:
        return url, await coordinator.facts()


async def _restore(url: RadioUrl, network: NetworkBackup, *, burn: bool) -> CoordinatorFacts:
    from hanota.radio.maintenance import maintained  # noqa: PLC0415  # see restore

    async with maintained(url) as coordinator:
        return await coordinator.restore(network, burn=burn)


def _read(file: Path) -> object:
    octets = read_file(file, MAXIMUM_BACKUP)
    try:
        document: object = json.loads(octets)
    except (ValueError, RecursionError) as error:
        raise ConfigError(
            f"{file} is not JSON", hint="give a file that `hanota radio backup` wrote"
        ) from error
    return document
