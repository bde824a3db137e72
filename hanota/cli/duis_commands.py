"""What the commands of `hanota duis` do; each raises HanotaError where it cannot."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer
from rich.markup import escape

from hanota.cli.duis_words import rows
from hanota.cli.output import console, left_out, stderr
from hanota.clock import SystemClock
from hanota.duis.certificates import SigningCertificates, issuer_name
from hanota.duis.document import DocumentLimits, document_name, parse_document
from hanota.duis.header import CommandVariantError, RequestHeader, ServiceReferenceError, parse_header
from hanota.duis.parse import parse_request
from hanota.duis.parse_response import parse_response
from hanota.duis.schema import Schema
from hanota.duis.signature import (
    CertificateNotValidError,
    UnknownSignerError,
    sign_document,
    verify_document,
)
from hanota.errors import ConfigError
from hanota.files import read_start, write_file
from hanota.gbcs.key_files import read_certificate, read_private_key

if TYPE_CHECKING:
    from datetime import datetime

    from hanota.duis.request import ServiceRequest
    from hanota.duis.response import Response

_STANDARD_INPUT: Final = Path("-")


def verify(file: Path, certificates: Path | None, at: datetime | None) -> None:
    """Say whose signature a document has; raise where it has none that is valid.

    `at`, in UTC where it has no time zone, is when the certificate must be valid; None is now.
    """
    known = (
        SigningCertificates.from_folder(certificates, left_out) if certificates else SigningCertificates(())
    )
    now = SystemClock().now() if at is None else _unix_seconds(at)
    try:
        signer = verify_document(_read(file), known, now=now).signer
    except CertificateNotValidError as error:
        if at is None:
            error.hint = "to judge a document of another time say when: --at 2022-06-16"
        raise
    except UnknownSignerError as error:
        if certificates is None:
            error.hint = "name a folder with the signer's certificate: --certificates DIR"
        raise
    console.print(
        f"{escape(str(file))}: [green]signature valid[/], by {signer.eui64}, certificate "
        f"{signer.certificate.serial_number} of {escape(issuer_name(signer))}"
    )


def sign(file: Path, key: Path, certificate: Path, output: Path | None) -> None:
    """Write a document signed, to a file or to standard output."""
    signed = sign_document(_read(file), read_private_key(key), read_certificate(certificate))
    if output is None:
        typer.get_binary_stream("stdout").write(signed)
        return
    write_file(output, signed)
    console.print(f"{escape(str(output))}: {len(signed)} octets, signed")


def show(file: Path) -> None:
    """Say what a document asks for or answers."""
    octets = _read(file)
    root = parse_document(octets, DocumentLimits())
    document: ServiceRequest | RequestHeader | Response
    try:
        document = parse_request(octets) if document_name(root) == "Request" else parse_response(octets)
    except (ServiceReferenceError, CommandVariantError):
        document = parse_header(octets)
    told = list(rows(document, root))
    width = max(len(name) for name, _ in told)
    for name, value in told:
        console.print(f"{name:{width}}  {escape(value)}")


def validate(file: Path, schema: Path) -> None:
    """Say that a document is valid by a schema; raise where it is not."""
    rules = Schema(schema)
    rules.check(_read(file))
    for name in rules.missing:
        stderr.print(f"{escape(name)} is not beside the schema: what it defines was not checked")
    console.print(f"{escape(str(file))}: [green]valid[/] by {escape(schema.name)}")


def _unix_seconds(at: datetime) -> float:
    try:
        return at.replace(tzinfo=at.tzinfo or UTC).astimezone(UTC).timestamp()
    except OverflowError:
        raise ConfigError(f"{at.isoformat()} is before the year 1 or after the year 9999 in UTC") from None


def _read(path: Path) -> bytes:
    """Read a document, or so much of one that is too large that the parser refuses it."""
    size = DocumentLimits().document_size + 1
    if path == _STANDARD_INPUT:
        return typer.get_binary_stream("stdin").read(size)
    return read_start(path, size)
