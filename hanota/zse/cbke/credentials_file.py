"""The files of key establishment: a site's credentials, and a lab CA's keys.

A site's credentials are one TOML file of mode 0600 for one subject, with a table for each suite. Octets are
hex in the order they have on the wire; white space between them does not count:

    production = false                # true: issued by a production CA

    [suite-1]
    certificate = "..."               # 48 octets
    private_key = "..."               # 21 octets
    ca_public_key = "..."             # 22 octets, compressed

    [suite-2]
    certificate = "..."               # 74 octets
    private_key = "..."               # 36 octets
    ca_public_key = "..."             # 37 octets, compressed

A lab CA's file looks alike, with `issuer` (8 octets) and `private_key` in each table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hanota.errors import ConfigError
from hanota.files import read_private_toml, write_file
from hanota.zse.cbke.credentials import CbkeCredentials, SiteCredentials
from hanota.zse.cbke.lab_ca import LabCertificateAuthority
from hanota.zse.cbke.suites import Suite

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

_TABLES: Final = {f"suite-{suite.value}": suite for suite in Suite}
_PRODUCTION: Final = "production"
_CREDENTIALS_FIELDS: Final = ("certificate", "private_key", "ca_public_key")
_AUTHORITY_FIELDS: Final = ("issuer", "private_key")


def read_credentials(path: Path, *, check: bool = True) -> SiteCredentials:
    """Read a site's credentials.

    Raises ConfigError if others may read the file, it is not as above, or its parts do not fit together;
    without `check`, the parts are not compared.
    """
    document = read_private_toml(path)
    production = document.pop(_PRODUCTION, False)
    if not isinstance(production, bool):
        raise ConfigError(f"{path}: {_PRODUCTION} is neither true nor false")
    site = SiteCredentials.of(
        *(
            CbkeCredentials(suite, **fields, production=production)
            for suite, fields in _tables(path, document, _CREDENTIALS_FIELDS)
        )
    )
    if check:
        for credentials in site.credentials:
            credentials.check()
    return site


def write_credentials(path: Path, site: SiteCredentials, *, overwrite: bool = False) -> None:
    """Write a site's credentials, mode 0600; raise ConfigError if that fails or the file is there already."""
    kind = "production" if site.production else "lab"
    tables = {
        credentials.suite: {
            "certificate": credentials.certificate,
            "private_key": credentials.private_key,
            "ca_public_key": credentials.ca_public_key,
        }
        for credentials in site.credentials
    }
    head = f"# Key establishment credentials of {site.subject} ({kind}). Keep secret.\n"
    text = head + f"{_PRODUCTION} = {str(site.production).lower()}\n" + _dump(tables)
    write_file(path, text.encode(), private=True, overwrite=overwrite)


def read_authorities(path: Path) -> tuple[LabCertificateAuthority, ...]:
    """Read a lab CA's file; raise ConfigError if others may read it or it is not as above."""
    document = read_private_toml(path)
    found = tuple(
        LabCertificateAuthority(suite, **fields)
        for suite, fields in _tables(path, document, _AUTHORITY_FIELDS)
    )
    if not found:
        raise ConfigError(f"{path} holds no lab CA", hint="make one with: hanota credentials lab-ca")
    return found


def write_authorities(
    path: Path, authorities: Iterable[LabCertificateAuthority], *, overwrite: bool = False
) -> None:
    """Write a lab CA's file, mode 0600; raise ConfigError if that fails or the file is there already."""
    tables = {each.suite: {"issuer": each.issuer, "private_key": each.private_key} for each in authorities}
    text = "# A lab CA for key establishment. Keep secret.\n" + _dump(tables)
    write_file(path, text.encode(), private=True, overwrite=overwrite)


def _tables(
    path: Path, document: Mapping[str, object], names: tuple[str, ...]
) -> Iterator[tuple[Suite, dict[str, bytes]]]:
    """Yield each suite's table as octets; the errors name fields and never quote a value."""
    for title, table in document.items():
        suite = _TABLES.get(title)
        if suite is None or not isinstance(table, dict):
            raise ConfigError(f"{path}: unknown entry {title!r}", hint=f"the tables are {', '.join(_TABLES)}")
        for name in table.keys() ^ set(names):
            problem = "is missing" if name in names else "is unknown"
            raise ConfigError(f"{path}: {name!r} in [{title}] {problem}", hint=f"give {', '.join(names)}")
        yield suite, {name: _octets(path, title, name, table[name]) for name in names}


def _octets(path: Path, title: str, name: str, value: object) -> bytes:
    try:
        if isinstance(value, str):
            return bytes.fromhex(value)
    except ValueError:
        pass
    raise ConfigError(f"{path}: {name} in [{title}] is not hex", hint="write hex digits between quotes")


def _dump(tables: Mapping[Suite, Mapping[str, bytes]]) -> str:
    blocks = (
        f"\n[suite-{suite.value}]\n"
        + "".join(f'{name} = "{value.hex()}"\n' for name, value in fields.items())
        for suite, fields in tables.items()
    )
    return "".join(blocks)
