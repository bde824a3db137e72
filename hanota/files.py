"""Files that users name: read within a bound, written whole or not at all; secrets for their owner alone."""

from __future__ import annotations

import contextlib
import os
import shlex
import stat
import tomllib
from typing import TYPE_CHECKING, Final

from hanota.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

OWNER_ONLY: Final = 0o600
"""The mode of a file that holds a secret."""
MAXIMUM_PRIVATE_FILE: Final = 64 * 1024
"""Octets of a file of secrets; credentials of both suites have about one thousand."""
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def read_file(path: Path, limit: int) -> bytes:
    """Return the octets of a file; raise ConfigError where it cannot be read or has more than `limit`."""
    return _bounded(path, read_start(path, limit + 1), limit)


def read_start(path: Path, size: int) -> bytes:
    """Return a file's first `size` octets, for a parser that refuses what is too large.

    Raise ConfigError where it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return stream.read(size)
    except OSError as error:
        raise _unreadable(path, error) from error


def read_private_file(path: Path, limit: int = MAXIMUM_PRIVATE_FILE) -> bytes:
    """Return the octets of a file that holds a secret.

    Raise ConfigError as `read_file` does, and where it is no plain file or lets others at it.
    """
    try:
        # Not blocking: a named pipe in the file's place must not stop the hub.
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as stream:
            mode = os.fstat(stream.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise ConfigError(f"{path} is not a file")
            if mode & _OTHERS:
                raise ConfigError(
                    f"{path} holds a secret and others may use it (mode {stat.S_IMODE(mode):04o})",
                    hint=f"chmod 600 {shlex.quote(str(path))}",
                )
            data = stream.read(limit + 1)
    except OSError as error:
        raise _unreadable(path, error) from error
    return _bounded(path, data, limit)


def read_private_toml(path: Path) -> dict[str, object]:
    """Return the TOML tables of a file that holds a secret; raise ConfigError."""
    try:
        return tomllib.loads(read_private_file(path).decode())
    except (ValueError, RecursionError):
        # Without the parser's words, which quote the text: it may be the key.
        raise ConfigError(f"{path} is not a TOML file") from None


def write_file(path: Path, data: bytes, *, private: bool = False, overwrite: bool = True) -> None:
    """Write a file whole or not at all; a `private` one is for its owner alone.

    Raise ConfigError where it cannot be written, or is there already and not to be overwritten.
    """
    if not path.name:
        raise ConfigError(f"{path} is a folder", hint="name a file in it")
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    mode = OWNER_ONLY if private else 0o666
    try:
        try:
            part.unlink(missing_ok=True)
            with open(part, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            if overwrite:
                part.replace(path)
            else:
                path.hardlink_to(part)  # unlike a rename, it never replaces a file that came meanwhile
        finally:
            with contextlib.suppress(OSError):
                part.unlink()
    except FileExistsError:
        raise ConfigError(f"{path} is there already", hint="choose another name, or add --force") from None
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}", hint="check the folder") from error


def _bounded(path: Path, data: bytes, limit: int) -> bytes:
    if len(data) > limit:
        raise ConfigError(f"cannot read {path}: more than {limit} octets")
    return data


def _unreadable(path: Path, error: OSError) -> ConfigError:
    return ConfigError(f"cannot read {path}: {error.strerror}", hint="check the file's name")
