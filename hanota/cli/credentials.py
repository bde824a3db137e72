"""`hanota credentials`: key establishment credentials made by a lab CA, and any credentials inspected."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path  # noqa: TC003  # Typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.markup import escape

from hanota.cli.output import console, fail
from hanota.clock import SystemClock
from hanota.errors import ConfigError, HanotaError
from hanota.eui64 import Eui64
from hanota.zse.cbke import (
    KeyUsage,
    Suite,
    lab_authorities,
    lab_credentials,
    read_authorities,
    read_credentials,
    write_authorities,
    write_credentials,
)
from hanota.zse.cbke.lab_ca import LAB_ISSUER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hanota.zse.cbke import CbkeCredentials, ImplicitCertificate, SiteCredentials

app = typer.Typer(no_args_is_help=True, help="Key establishment credentials: lab CA, issue, inspect.")

LAB_CA_FILE: Final = "lab-ca.toml"
"""Name of a lab CA's file where a folder is given."""

_Force = Annotated[bool, typer.Option("--force", help="Overwrite a file that is there already.")]


class SuiteChoice(StrEnum):
    """`--suite`."""

    ONE = "1"
    TWO = "2"
    BOTH = "both"

    @property
    def suites(self) -> tuple[Suite, ...]:
        """The suites chosen."""
        return tuple(Suite) if self is SuiteChoice.BOTH else (Suite(int(self)),)


@app.callback()
def credentials() -> None:
    """Make and inspect key establishment credentials."""


@app.command(name="lab-ca")
def lab_ca(
    target: Annotated[
        Path, typer.Argument(metavar="DIR|FILE", help=f"The file, or a folder for {LAB_CA_FILE}.")
    ],
    suite: Annotated[
        SuiteChoice, typer.Option(help="Cryptographic suites it issues for.")
    ] = SuiteChoice.BOTH,
    issuer: Annotated[
        str, typer.Option(metavar="HEX", help="Issuer its certificates name, 8 octets.")
    ] = LAB_ISSUER.hex(),
    *,
    force: _Force = False,
) -> None:
    """Make a lab CA: keys that issue certificates for a bench of one's own."""
    file = target / LAB_CA_FILE if target.is_dir() else target
    try:
        authorities = lab_authorities(secrets.token_bytes, suite.suites, issuer=_issuer(issuer))
        write_authorities(file, authorities, overwrite=force)
    except HanotaError as error:
        fail(error)
    for authority in authorities:
        console.print(f"suite {authority.suite.value}  CA public key {authority.public_key.hex()}")
    console.print(f"{escape(str(file))}: lab CA, issuer {_issuer_text(authorities[0].issuer)}")


@app.command()
def issue(
    ca: Annotated[Path, typer.Option("--ca", metavar="FILE", help="A lab CA made by `lab-ca`.")],
    subject: Annotated[str, typer.Option(metavar="EUI64", help="Of the dongle or the device.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Default: credentials-EUI64.toml beside the lab CA."
        ),
    ] = None,
    *,
    force: _Force = False,
) -> None:
    """Issue a site's credentials for every suite of the lab CA."""
    try:
        eui64 = Eui64.parse(subject)
        authorities = read_authorities(ca)
        site = lab_credentials(authorities, eui64, now=SystemClock().now(), entropy=secrets.token_bytes)
        file = output or ca.with_name(f"credentials-{eui64.hex().upper()}.toml")
        write_credentials(file, site, overwrite=force)
    except HanotaError as error:
        fail(error)
    suites = ", ".join(str(suite.value) for suite in site.suites)
    console.print(f"{escape(str(file))}: subject {site.subject}, suites {suites}")


@app.command()
def inspect(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A site's credentials.")],
) -> None:
    """Show what a site's credentials say and whether they fit together, and never the private keys.

    Exit status 1 if they do not.
    """
    try:
        site = read_credentials(file, check=False)
    except HanotaError as error:
        fail(error)
    rows = [("file", str(file)), *_site_rows(site)]
    misfits: list[ConfigError] = []
    for each in site.credentials:
        rows.extend(_rows(each))
        try:
            each.check()
        except ConfigError as error:
            misfits.append(error)
        else:
            rows.append(("fits together", "yes: the private key is that of the certificate under this CA"))
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        console.print(f"[bold]{name:<{width}}[/]  {escape(value)}")
    if misfits:
        fail(misfits[0])


def _site_rows(site: SiteCredentials) -> Iterator[tuple[str, str]]:
    yield "subject", str(site.subject)
    yield "kind", "production" if site.production else "lab"
    yield "suites", ", ".join(str(suite.value) for suite in site.suites)


def _rows(each: CbkeCredentials) -> Iterator[tuple[str, str]]:
    certificate = each.decoded
    yield f"suite {each.suite.value}", each.suite.parameters.curve.name
    yield "issuer", _issuer_text(certificate.issuer)
    yield "validity", _validity(certificate)
    yield "key usage", _key_usage(certificate)
    if certificate.serial_number is not None:
        yield "serial number", certificate.serial_number.hex()
    if certificate.attributes is not None:
        yield "attributes", certificate.attributes.hex()
    yield "CA public key", each.ca_public_key.hex()


def _issuer(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise ConfigError(f"the issuer is not hex: {text!r}", hint="write 16 hex digits") from None


def _issuer_text(issuer: bytes) -> str:
    """Give an issuer as hex, and as characters where it is made of them (TESTSECA)."""
    readable = issuer.isascii() and issuer.decode("ascii").isprintable()
    return f"{issuer.hex()} ({issuer.decode('ascii')})" if readable else issuer.hex()


def _validity(certificate: ImplicitCertificate) -> str:
    if certificate.valid_from is None:
        return "not limited (suite 1 has no dates)"
    expires = certificate.expires
    end = "without end" if expires is None else f"to {_time(expires)}"
    return f"from {_time(certificate.valid_from)} {end}"


def _time(unix: int) -> str:
    try:
        return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError):
        return f"second {unix} of Unix time"


def _key_usage(certificate: ImplicitCertificate) -> str:
    if certificate.key_usage is None:
        return "not limited (suite 1 has none)"
    return ", ".join(
        usage.name.lower().replace("_", " ")
        for usage in KeyUsage
        if usage in certificate.key_usage and usage.name
    )
