"""The file that says as whom a client comes: a token, or a certificate with its key."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path

from hanota.errors import ConfigError
from hanota.files import read_private_toml


@dataclass(frozen=True, slots=True)
class AccessFile:
    """What such a file says; its paths start from its folder."""

    token: str | None = field(default=None, repr=False)
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


def read_access_file(file: Path) -> AccessFile:
    """Return what a file says; raise ConfigError where others may read it, or it names nobody."""
    document = read_private_toml(file)
    known = [each.name for each in fields(AccessFile)]
    for name, value in document.items():
        if name not in known:
            raise ConfigError(
                f"{file} has {name!r}, which is nothing known here", hint=f"there are {', '.join(known)}"
            )
        if not isinstance(value, str) or not value:
            raise ConfigError(f"{file}: {name} is no text", hint="write it between quotation marks")
    said = {name: str(value) for name, value in document.items()}
    if "token" not in said and "certificate" not in said:
        raise ConfigError(f"{file} holds no token and no certificate", hint="give one of them, or both")
    if "key" in said and "certificate" not in said:
        raise ConfigError(f"{file} has a key and no certificate", hint="give its certificate too")
    paths = {name: file.parent / Path(text).expanduser() for name, text in said.items() if name != "token"}
    return AccessFile(said.get("token"), **paths)
