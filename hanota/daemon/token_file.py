"""The token of a bench where none is configured: made at the first start, for whoever owns the database."""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hanota.api.access import Role, TokenSettings
from hanota.errors import ConfigError
from hanota.files import read_private_toml, write_file

if TYPE_CHECKING:
    from collections.abc import Mapping

SUFFIX: Final = ".token"
NAME: Final = "owner"
"""The actor of this token in the audit trail."""
_OCTETS: Final = 32


def token_file(database: Path) -> Path:
    """Return where the token of the daemon on this database is, if no other token is configured."""
    return Path(f"{database}{SUFFIX}")


def own_token(database: Path) -> TokenSettings:
    """Return the token's settings, made with its file (mode 0600) where there is none; raise ConfigError."""
    file = token_file(database)
    if not file.exists():
        text = f'# Whoever has this may do everything by REST.\ntoken = "{secrets.token_urlsafe(_OCTETS)}"\n'
        write_file(file, text.encode(), private=True, overwrite=False)
    token = read_token(file)
    return TokenSettings(NAME, Role.ACTIVATOR, hashlib.sha256(token.encode()).digest())


def read_token(file: Path) -> str:
    """Return the token in a file; raise ConfigError where others may read it or there is none in it."""
    document: Mapping[str, object] = read_private_toml(file)
    token = document.get("token")
    if not isinstance(token, str) or not token:
        raise ConfigError(f"{file} holds no token", hint="remove it: the daemon makes another")
    return token
