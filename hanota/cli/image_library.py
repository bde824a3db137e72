"""`hanota image add|list|check|retire`: the image library in a hub's database."""

from __future__ import annotations

import json
from contextlib import closing, contextmanager
from pathlib import Path  # Typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from hanota.cli.image import app
from hanota.cli.image_file import read_image_file
from hanota.cli.output import console, fail
from hanota.clock import SystemClock
from hanota.errors import ConfigError, HanotaError
from hanota.gbcs.key_files import read_public_key
from hanota.hub.image_library import ImageLibrary
from hanota.hub.jobs import JobKind  # noqa: TC001  # Typer reads the annotations
from hanota.hub.journal import Journal
from hanota.store.store import SqliteStore
from hanota.timestamps import iso

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hanota.hub.library_image import LibraryImage

__all__ = ["app"]

_Database = Annotated[Path, typer.Option(metavar="FILE", help="The hub's database.")]
_Digest = Annotated[
    str, typer.Argument(metavar="DIGEST", help="SHA-256 of the file, or enough of its beginning.")
]
_Key = Annotated[
    Path | None,
    typer.Option(metavar="KEY", help="The supplier's Digital Signing certificate or key, PEM or DER."),
]


@app.command()
def add(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An OTA file.")],
    db: _Database,
    kind: Annotated[JobKind, typer.Option(help="PPMID: for SR 11.4; HCALCS: signed, for SR 11.1.")],
    key: _Key = None,
) -> None:
    """Verify an Upgrade Image and add it to the library; with its supplier's key, the signature too."""
    try:
        data = read_image_file(file)
        supplier = None if key is None else read_public_key(key)
        with _library(db, make=True) as library:
            image = library.add(data, kind, supplier)
    except HanotaError as error:
        fail(error)
    console.print(_line(image))


@app.command(name="list")
def list_images(
    db: _Database,
    *,
    retired: Annotated[bool, typer.Option("--retired", help="Show those that were retired too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Show the images of the library, oldest first."""
    try:
        with _library(db) as library:
            images = library.images(retired=retired)
    except HanotaError as error:
        fail(error)
    for image in images:
        if as_json:
            typer.echo(json.dumps(_to_json(image)))
        else:
            console.print(_line(image))


@app.command()
def check(digest: _Digest, db: _Database, key: _Key = None) -> None:
    """Verify a stored image again: its octets, its shape and, with its supplier's key, its signature."""
    try:
        supplier = None if key is None else read_public_key(key)
        with _library(db) as library:
            image = library.verify(_octets(digest), supplier)
    except HanotaError as error:
        fail(error)
    console.print(_line(image))


@app.command()
def retire(
    digest: _Digest,
    db: _Database,
    *,
    force: Annotated[
        bool, typer.Option("--force", help="Even if open jobs use it: they keep it until they end.")
    ] = False,
) -> None:
    """Give an image to no new job, and free its octets once no open job needs them."""
    try:
        with _library(db) as library:
            image = library.retire(_octets(digest), force=force)
    except HanotaError as error:
        fail(error)
    console.print(_line(image))


@contextmanager
def _library(path: Path, *, make: bool = False) -> Iterator[ImageLibrary]:
    if not make and not path.exists():
        raise ConfigError(f"no database {path}", hint="`hanota image add` makes one")
    with closing(SqliteStore(path)) as store:
        clock = SystemClock()
        yield ImageLibrary(store, Journal(store, clock), clock)


def _octets(digest: str) -> bytes:
    try:
        return bytes.fromhex(digest)
    except ValueError:
        raise ConfigError(
            f"{digest!r} is no digest",
            hint="pairs of hexadecimal digits, as `hanota image list` shows",
        ) from None


def _line(image: LibraryImage) -> str:
    words = [
        image.digest.hex()[:16],
        f"{image.kind:<6}",
        str(image.image_id),
        f"{image.octets:>9} octets",
        f"signature {image.signature}",
        f"added {iso(image.added)}",
    ]
    if image.hardware_versions is not None:
        hardware = image.hardware_versions
        words.insert(4, f"hardware {hardware.minimum:04X} to {hardware.maximum:04X}")
    if image.retired is not None:
        words.append(f"retired {iso(image.retired)}")
    return "  ".join(words)


def _to_json(image: LibraryImage) -> dict[str, str | int | None]:
    hardware = image.hardware_versions
    return {
        "digest": image.digest.hex(),
        "kind": str(image.kind),
        "manufacturer_code": image.image_id.manufacturer_code,
        "image_type": image.image_id.image_type,
        "file_version": image.image_id.file_version,
        "minimum_hardware_version": None if hardware is None else hardware.minimum,
        "maximum_hardware_version": None if hardware is None else hardware.maximum,
        "manufacturer_image_hash": image.manufacturer_image_hash.hex(),
        "octets": image.octets,
        "signature": str(image.signature),
        "added": iso(image.added),
        "retired": None if image.retired is None else iso(image.retired),
    }
