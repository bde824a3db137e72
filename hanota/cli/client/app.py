"""The commands of `hanota client`, and the options that say which daemon."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  # Typer reads the annotations
from typing import Annotated

import typer

from hanota.cli.client import devices, events, images, jobs, status, update
from hanota.cli.client.session import Session
from hanota.cli.client.settings import DEFAULT_URL, ClientSettings, read_settings

app = typer.Typer(no_args_is_help=True, help="A running daemon: status, devices, images, updates, events.")
app.add_typer(devices.app, name="devices")
app.add_typer(images.app, name="images")
app.command()(status.status)
app.command()(update.update)
app.command()(update.activate)
app.command()(devices.version)
app.command(name="jobs")(jobs.jobs)
app.command()(jobs.approve)
app.command()(jobs.pause)
app.command()(jobs.resume)
app.command()(jobs.cancel)
app.command(name="events")(events.events)


@app.callback()
def client(
    context: typer.Context,
    url: Annotated[str, typer.Option(envvar="HANOTA_URL", help="Where the daemon is.")] = DEFAULT_URL,
    token_file: Annotated[
        Path | None,
        typer.Option(
            envvar="HANOTA_TOKEN_FILE",
            metavar="FILE",
            help="The file with the token; without it HANOTA_TOKEN, then hanota.sqlite.token.",
        ),
    ] = None,
    ca: Annotated[
        Path | None, typer.Option("--ca", metavar="FILE", help="Who signed the daemon's certificate, PEM.")
    ] = None,
    certificate: Annotated[
        Path | None, typer.Option("--cert", metavar="FILE", help="The client's own certificate, PEM.")
    ] = None,
    key: Annotated[Path | None, typer.Option("--key", metavar="FILE", help="Its private key, PEM.")] = None,
) -> None:
    """Ask a running daemon, and have it update devices.

    Exit status: 0 done, 1 an update failed, 2 what was asked for cannot be, 3 not reached or refused.
    """

    def settings() -> ClientSettings:
        return read_settings(url, token_file, ca=ca, certificate=certificate, key=key)

    if context.obj is None:
        context.obj = Session(settings)
