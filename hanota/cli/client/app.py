"""The commands of `hanota client`, and the options that say which daemon."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  # Typer reads the annotations
from typing import Annotated

import typer

from hanota.cli.client import audit, devices, events, images, jobs, products, status, update
from hanota.cli.client.session import Session
from hanota.cli.client.settings import DEFAULT_URL, ClientSettings, read_settings

app = typer.Typer(
    no_args_is_help=True,
    help="A running daemon: status, devices, images, products, updates, events, audit trail.",
)
app.add_typer(devices.app, name="devices")
app.add_typer(images.app, name="images")
app.add_typer(products.app, name="products")
app.add_typer(audit.app, name="audit")
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
            help="The file with `token`, or with `certificate`, `key` and `ca`; without it HANOTA_TOKEN, then"
            " hanota.sqlite.token.",
        ),
    ] = None,
    ca: Annotated[
        Path | None,
        typer.Option(
            "--ca", envvar="HANOTA_CA", metavar="FILE", help="Who signed the daemon's certificate, PEM."
        ),
    ] = None,
    certificate: Annotated[
        Path | None,
        typer.Option(
            "--cert",
            envvar="HANOTA_CERT",
            metavar="FILE",
            help="The client's own certificate, PEM: one that names an actor needs no token.",
        ),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(
            "--key",
            envvar="HANOTA_KEY",
            metavar="FILE",
            help="Its private key, PEM; without it, it is in the certificate's file.",
        ),
    ] = None,
) -> None:
    """Ask a running daemon, and have it update devices.

    Exit status: 0 done, 1 an update failed, 2 what was asked for cannot be, 3 not reached or refused.
    """

    def settings() -> ClientSettings:
        return read_settings(url, token_file, ca=ca, certificate=certificate, key=key)

    if context.obj is None:
        context.obj = Session(settings)
