"""`hanota run`: the daemon for a bench."""

from __future__ import annotations

import sys
from pathlib import Path  # noqa: TC003  # Typer reads the annotations
from typing import Annotated, Final

import typer
from rich.markup import escape

from hanota.cli.output import console, fail, stderr
from hanota.errors import HanotaError

USAGE: Final = 2
"""Exit status for settings that cannot be."""


def run(
    *,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="The settings, a TOML file.", show_default=False)
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Validate the settings and end.")] = False,
    print_config: Annotated[
        bool, typer.Option("--print-config", help="Print the settings in force, secrets withheld, and end.")
    ] = False,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON schema of the settings, for editors, and end.")
    ] = False,
) -> None:
    """Run the hub, its DCC and their HTTP interfaces until SIGTERM or Ctrl-C; a second one ends at once.

    Each setting may also stand in the environment: HANOTA_API__PORT=8080 is [api] port.
    """
    # The daemon is loaded by this command alone, and only when it runs.
    from hanota.config.faults import SettingsError  # noqa: PLC0415
    from hanota.config.load import load_settings  # noqa: PLC0415
    from hanota.config.show import effective_settings, settings_schema  # noqa: PLC0415

    if schema:
        console.print(settings_schema(), markup=False)
        return
    if config is None:
        raise typer.BadParameter("name a settings file, such as configs/demo.toml", param_hint="-c")
    try:
        settings = load_settings(config)
    except SettingsError as error:
        for line in error.faults:
            stderr.print(escape(line))
        raise typer.Exit(USAGE) from None
    if print_config:
        sys.stdout.write(effective_settings(settings))
    elif check:
        console.print(f"{config} is valid", markup=False)
    else:
        from hanota.daemon.run import run_daemon  # noqa: PLC0415  # see above

        try:
            run_daemon(settings)
        except HanotaError as error:
            fail(error)
