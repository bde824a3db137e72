"""TOML files that hold private keys: nobody but their owner may read them."""

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

MAXIMUM_FILE: Final = 64 * 1024
"""Octets read of a file; credentials of both suites have about one thousand."""
OWNER_ONLY: Final = 0o600
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def read_private_file(path: Path) -> dict[str, object]:
    """Return a private file's TOML tables.

    Raises ConfigError if it cannot be read, is no plain file, lets others at it, or is no TOML.
    """
    try:
        # Not blocking: a named pipe in the file's place must not stop the hub.
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as stream:
            status = os.fstat(stream.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise ConfigError(f"{path} is not a file")
            if status.st_mode & _OTHERS:
                raise ConfigError(
                    f"{path} holds a private key and others may use it "
                    f"(mode {stat.S_IMODE(status.st_mode):04o})",
                    hint=f"chmod 600 {shlex.quote(str(path))}",
                )
            data = stream.read(MAXIMUM_FILE + 1)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}", hint="check the file's name") from None
    if len(data) > MAXIMUM_FILE:
        raise ConfigError(f"{path} has more than {MAXIMUM_FILE} octets")
    try:
        return tomllib.loads(data.decode())
    except (ValueError, RecursionError):
        # Without the parser's words, which quote the text: it may be the key.
        raise ConfigError(f"{path} is not a TOML file") from None


def write_private_file(path: Path, text: str, *, overwrite: bool) -> None:
    """Write a file whole or not at all, for its owner alone.

    Raises ConfigError if it cannot be written, or is there already and not to be overwritten.
    """
    if not path.name:
        raise ConfigError(f"{path} is a folder", hint="name a file in it")
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        try:
            with open(part, "x", opener=lambda name, flags: os.open(name, flags, OWNER_ONLY)) as stream:
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
            if overwrite:
                part.replace(path)
            else:
                path.hardlink_to(part)  # unlike a rename, it never replaces a file that came meanwhile
        finally:
            with contextlib.suppress(FileNotFoundError):
                part.unlink()
    except FileExistsError:
        raise ConfigError(f"{path} is there already", hint="choose another name, or add --force") from None
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}", hint="check the folder") from None
