"""`hanota`: one command, its sub-commands loaded only when they are asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from typer.core import TyperGroup
from typer.main import get_group

from hanota import __version__
from hanota.cli.output import console, fit_output

if TYPE_CHECKING:
    from collections.abc import Sequence

_COMMANDS: Final = {
    "demo": "demo:demo",
    "emulate": "emulate:emulate",
    "run": "run:run",
    "conformance": "conformance:conformance",
    "image": "image_library:app",
    "gbcs": "gbcs:app",
    "duis": "duis:app",
    "credentials": "credentials:app",
    "database": "database:app",
    "radio": "radio:app",
    "client": "client:app",
}
"""Where each sub-command is: module of `hanota.cli`, and its Typer application or function."""


class LazyCommands(TyperGroup):
    """The sub-commands, each imported when it is called; `--help` and a misspelt one import them all."""

    # Contexts are Click's own in some releases of Typer, and those of its copy of Click in others.
    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        """Return the names, in the order of the help."""
        return list(_COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the command of that name, None where there is none."""
        wanted: Sequence[str] = (cmd_name,) if cmd_name in _COMMANDS else tuple(_COMMANDS)
        for name in wanted:
            if name not in self.commands:
                self.commands.update(_load(name).commands)
        return super().get_command(ctx, cmd_name)


def _load(name: str) -> TyperGroup:
    """Return a group that has the one sub-command."""
    module, attribute = _COMMANDS[name].split(":")
    command = getattr(import_module(f"hanota.cli.{module}"), attribute)
    group = typer.Typer()
    if isinstance(command, typer.Typer):
        group.add_typer(command, name=name)
    else:
        group.command(name=name)(command)
    return get_group(group)


app = typer.Typer(
    name="hanota",
    cls=LazyCommands,
    help="A GB smart-metering Communications Hub for the lab bench.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _version(value: bool) -> None:  # noqa: FBT001  # Typer hands a callback its option's value
    if value:
        console.print(f"hanota {__version__}")
        raise typer.Exit


@app.callback()
def main(
    *,
    _version_: Annotated[  # noqa: ARG001  # its callback has acted
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Update the firmware of GB smart-metering devices over the air, from a lab bench."""
    fit_output()
