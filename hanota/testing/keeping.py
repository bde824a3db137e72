"""What tests leave: a folder for each that fails, and words in its report on how to repeat it."""

from __future__ import annotations

import re
import shutil
from hashlib import sha256
from typing import TYPE_CHECKING, Final

import pytest

from hanota.errors import ConfigError
from hanota.testing.selection import radio_of

if TYPE_CHECKING:
    from pathlib import Path

    from hanota.testing.radios import Radio
    from hanota.testing.session import Session

_LONGEST_NAME: Final = 120
"""Characters of a folder's name before its digest; file systems take 255 octets."""
_ODD: Final = re.compile(r"[^A-Za-z0-9_.\[\]-]+")
"""What does not go into a folder's name."""
_LEFT: Final = pytest.StashKey["Path"]()
_FAILED: Final = pytest.StashKey[bool]()


def make_folder(session: Session, item: pytest.Item) -> Path | None:
    """Make the folder of a test's artefacts; None where none are wanted. Raise ConfigError."""
    if session.options.artifacts is None:
        return None
    folder = session.options.artifacts / _folder_name(item.nodeid)
    try:
        if folder.exists():
            shutil.rmtree(folder)  # of an earlier run of the same test
        folder.mkdir(mode=0o700, parents=True)
    except OSError as error:
        raise ConfigError(f"cannot write to {folder}: {error.strerror or error}") from error
    item.stash[_LEFT] = folder
    return folder


def reported(
    session: Session, item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport
) -> None:
    """Take the report of one phase of a test."""
    radio = radio_of(item)
    folder = item.stash.get(_LEFT, None)
    failed = item.stash[_FAILED] = item.stash.get(_FAILED, False) or report.failed
    if radio is not None and report.failed:
        _look_for_broken_bench(session, radio, call)
        report.sections.append(("hanota", _again(session, radio, folder)))
    if folder is not None and report.when == "teardown" and not (failed or session.options.artifacts_all):
        shutil.rmtree(folder, ignore_errors=True)


def _look_for_broken_bench(session: Session, radio: Radio, call: pytest.CallInfo[None]) -> None:
    if radio.emulated or call.excinfo is None:
        return
    from hanota.bench.errors import BenchError  # noqa: PLC0415  # loaded already where it was raised

    error = call.excinfo.value
    if isinstance(error, BenchError):
        session.found_broken(radio, str(error))


def _again(session: Session, radio: Radio, folder: Path | None) -> str:
    words = [f"radio {radio.url}"]
    if radio.emulated:
        words.append(f"seed {session.options.seed}: it fails again with --seed {session.options.seed}")
    if folder is not None:
        words.append(f"artifacts in {folder}")
    else:
        words.append("--artifacts DIR keeps capture, log, events and database")
    return "; ".join(words)


def _folder_name(nodeid: str) -> str:
    """Return a name of its own for a test's folder, whatever stands in the test's parameters."""
    name = _ODD.sub("-", nodeid)
    test = nodeid.rsplit("::", 1)[-1].partition("[")[2]
    if len(name) <= _LONGEST_NAME and not _ODD.search(test):
        return name
    return f"{name[:_LONGEST_NAME]}-{sha256(nodeid.encode()).hexdigest()[:8]}"
