"""`hanota duis`: documents of service users and the DCC, signed, verified, shown and held to the schema."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003  # Typer reads the annotations
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from hanota.cli.output import fail
from hanota.errors import HanotaError

app = typer.Typer(no_args_is_help=True, help="DUIS documents: sign, verify, show, validate.")

Document: TypeAlias = Annotated[
    Path, typer.Argument(metavar="FILE", help="A DUIS document, or - for standard input.")
]

# Each command loads what does it when it is asked for: lxml and signxml are for documents alone.


@app.callback()
def duis() -> None:
    """Sign, verify and read DUIS documents."""


@app.command()
def verify(
    file: Document,
    certificates: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Certificates (.pem) of those whose signatures are taken."),
    ] = None,
    at: Annotated[
        datetime | None,
        typer.Option(
            metavar="TIME",
            formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S%z"],
            help="When the certificate must be valid, if not now: 2022-06-16, 2022-06-16T16:34:15Z.",
        ),
    ] = None,
) -> None:
    """Verify the signature on a document. Exit status 1 unless it is valid."""
    from hanota.cli import duis_commands  # noqa: PLC0415

    try:
        duis_commands.verify(file, certificates, at)
    except HanotaError as error:
        fail(error)


@app.command()
def sign(
    file: Document,
    key: Annotated[Path, typer.Option(metavar="FILE", help="Private key, PKCS#8, PEM or DER.")],
    certificate: Annotated[Path, typer.Option(metavar="FILE", help="Its certificate, PEM or DER.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Where to write; standard output if not given."),
    ] = None,
) -> None:
    """Sign a document as DUIS demands; a signature already there is replaced."""
    from hanota.cli import duis_commands  # noqa: PLC0415

    try:
        duis_commands.sign(file, key, certificate, output)
    except HanotaError as error:
        fail(error)


@app.command()
def show(file: Document) -> None:
    """Say in words what a document asks for or answers; its signature is not verified."""
    from hanota.cli import duis_commands  # noqa: PLC0415

    try:
        duis_commands.show(file)
    except HanotaError as error:
        fail(error)


@app.command()
def validate(
    file: Document,
    schema: Annotated[Path, typer.Option(metavar="XSD", help="The published schema, its imports beside it.")],
) -> None:
    """Hold a document to the published schema. Exit status 1 unless it is valid."""
    from hanota.cli import duis_commands  # noqa: PLC0415

    try:
        duis_commands.validate(file, schema)
    except HanotaError as error:
        fail(error)
