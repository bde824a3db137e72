"""The commands of `hanota radio`, each of which loads the radio libraries only when it runs."""

from __future__ import annotations

import typer

from hanota.cli.radio.backup import backup, restore
from hanota.cli.radio.inspection import info, probe
from hanota.cli.radio.listing import list_ports
from hanota.cli.radio.network import form, write_eui64

app = typer.Typer(
    no_args_is_help=True, help="Dongles: list, probe, info, backup, restore, form, write-eui64."
)
app.command(name="list")(list_ports)
app.command()(probe)
app.command()(info)
app.command()(backup)
app.command()(restore)
app.command()(form)
app.command(name="write-eui64")(write_eui64)


@app.callback()
def radio() -> None:
    """Find ZigBee dongles, see what they are, and make one ready for a hub."""
