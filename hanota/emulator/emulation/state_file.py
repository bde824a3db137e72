"""The file that keeps an emulated HAN's non-volatile memories over a restart."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from hanota.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from hanota.emulator.memory import Json

MAXIMUM_STATE: Final = 16 * 1024 * 1024
"""Octets read of a state file; a dongle and 64 devices take less than 100 kB."""
_OWNER_ONLY: Final = 0o600
"""It holds network and link keys."""


def read_state(path: Path) -> dict[str, Json] | None:
    """Return what was written last, None if there is no file yet; raise ConfigError."""
    try:
        with path.open("rb") as file:
            data = file.read(MAXIMUM_STATE + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        content = None
    if len(data) > MAXIMUM_STATE or not isinstance(content, dict):
        raise ConfigError(f"{path} is no state file", hint="name another one, or remove it to start anew")
    return content


def write_state(path: Path, content: dict[str, Json]) -> None:
    """Replace the file, whole or not at all; raise ConfigError where that is not possible."""
    new = path.with_name(path.name + ".new")
    try:
        new.unlink(missing_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
        with os.fdopen(descriptor, "w") as file:
            json.dump(content, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError as error:
        with suppress(OSError):
            new.unlink(missing_ok=True)
        raise ConfigError(f"cannot write {path}: {error.strerror}") from error
