"""`hanota`: one command, its sub-commands loaded only when they are asked for."""

from __future__ import annotations

from typing import Annotated

import typer

from hanota import __version__
from hanota.cli import client, credentials, database, demo, duis, emulate, gbcs, image_library, radio, run
from hanota.cli.output import console

app = typer.Typer(
    name="hanota",
    help="A GB smart-metering Communications Hub for the lab bench.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(image_library.app, name="image")
app.add_typer(gbcs.app, name="gbcs")
app.add_typer(duis.app, name="duis")
app.add_typer(credentials.app, name="credentials")
app.add_typer(database.app, name="database")
app.add_typer(radio.app, name="radio")
app.add_typer(client.app, name="client")
app.command(name="demo")(demo.demo)
app.command(name="emulate")(emulate.emulate)
app.command(name="run")(run.run)


def _version(value: bool) -> None:  # noqa: FBT001  # Typer hands a callback its option's value
    if value:
        console.print(f"hanota {__version__}")
        raise typer.Exit


@app.callback()
def main(
    *,
    _version_: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Update the firmware of GB smart-metering devices over the air, from a lab bench."""
