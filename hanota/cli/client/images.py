"""`hanota client images`: the image library of the daemon."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  # Typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hanota.cli.client.session import JsonOption, YesOption, confirm, end, run
from hanota.cli.client.tables import show_table
from hanota.cli.client.when import headed, shown
from hanota.cli.client.words import SHORT_DIGEST, show_json
from hanota.cli.image_file import read_image_file
from hanota.cli.output import console
from hanota.errors import HanotaError
from hanota.hub.jobs import JobKind  # noqa: TC001  # Typer reads the annotations

if TYPE_CHECKING:
    from collections.abc import Mapping

app = typer.Typer(invoke_without_command=True, help="The image library: list, add, retire.")


@app.callback()
def images(
    context: typer.Context,
    *,
    retired: Annotated[bool, typer.Option("--retired", help="Those that were retired too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the images of the library, oldest first."""
    if context.invoked_subcommand is not None:
        return
    document = run(context, lambda connection: connection.get("/images", {"retired": retired}))
    if as_json:
        show_json(document)
        return
    show_table(
        ("image", "kind", "maker", "type", "version", "octets", headed("added"), "signature", "retired"),
        (_row(image) for image in document["images"]),
        texts=("signature", "retired"),
        nothing="no images: `hanota client images add FILE --kind PPMID` adds one",
    )


@app.command()
def add(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An OTA file.")],
    kind: Annotated[JobKind, typer.Option(help="For which devices.", case_sensitive=False)],
    *,
    as_json: JsonOption = False,
) -> None:
    """Verify an Upgrade Image and add it to the library."""
    try:
        octets = read_image_file(file)
    except HanotaError as error:
        end(error)
    image = run(context, lambda connection: connection.upload("/images", octets, {"kind": str(kind)}))
    if as_json:
        show_json(image)
        return
    console.print(f"{image['digest']}  {kind} version {image['firmware_version']}", markup=False)
    digest = image["digest"][:SHORT_DIGEST]
    console.print(f"next: hanota client update {digest} EUI64 --follow", markup=False)


@app.command()
def retire(
    context: typer.Context,
    digest: Annotated[str, typer.Argument(metavar="DIGEST", help="The image, or how its digest begins.")],
    *,
    force: Annotated[bool, typer.Option("--force", help="Even if open jobs use it: they keep it.")] = False,
    yes: YesOption = False,
) -> None:
    """Give an image to no new job."""
    confirm(f"give image {digest} to no new job?", yes=yes)
    path = f"/images/{_path(digest)}/retire" + ("?force=true" if force else "")
    image = run(context, lambda connection: connection.post(path))
    console.print(f"{image['digest']} retired", markup=False)


def _path(digest: str) -> str:
    """Return a digest that is safe in a path; what is none is for the daemon to say."""
    return "".join(character for character in digest if character.isalnum())


def _row(image: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        image["digest"][:SHORT_DIGEST],
        image["kind"],
        f"{image['manufacturer_code']:04X}",
        f"{image['image_type']:04X}",
        image["firmware_version"],
        f"{image['octets']:,}",
        shown(image["added"]),
        image["signature"],
        "" if image["retired"] is None else shown(image["retired"]),
    )
