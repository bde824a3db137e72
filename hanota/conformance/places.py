"""Where a rig keeps what is looked at afterwards: database, capture, the radio's log."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from hanota.conformance.radio_log import radio_log
from hanota.errors import ConfigError
from hanota.radio.capture import Capture
from hanota.store.store import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from hanota.clock import Clock
    from hanota.conformance.rig_options import RigOptions

DATABASE: Final = "hub.sqlite"
CAPTURE: Final = "han.pcapng"
RADIO_LOG: Final = "radio.log"


def database_of(options: RigOptions) -> Path | None:
    """Return where the hub's database is, None for one in memory."""
    if options.database is None and options.artifacts is not None:
        return options.artifacts / DATABASE
    return options.database


@contextmanager
def store_of(options: RigOptions) -> Iterator[SqliteStore]:
    """Open the hub's database; raise StoreError, or ConfigError for a folder that cannot be."""
    path = database_of(options)
    if options.artifacts is not None:
        make_folder(options.artifacts)
    store = SqliteStore(":memory:" if path is None else path)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def capture_of(
    options: RigOptions, clock: Clock, secrets: Iterable[bytes] = ()
) -> Iterator[tuple[Capture | None, int]]:
    """Begin the capture and the radio's log, where artefacts are kept; raise ConfigError.

    The number is that of the capture's octets before its first frame. `secrets` are kept out of the log also
    before the coordinator knows them.
    """
    if options.artifacts is None:
        yield None, 0
        return
    make_folder(options.artifacts)
    path = options.artifacts / CAPTURE
    capture = Capture(path, clock)
    try:
        with radio_log(options.artifacts / RADIO_LOG, clock, secrets):
            yield capture, path.stat().st_size
    finally:
        capture.close()


def make_folder(folder: Path) -> None:
    """Make a folder for artefacts; raise ConfigError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"cannot make the folder {folder}: {error.strerror or error}", hint="name one of your own"
        ) from error
