"""What is kept of a case that did not pass: its events, its frames, the radio's log, the database."""

from __future__ import annotations

import json
import logging
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from hanota.conformance.case import Verdict
from hanota.conformance.places import CAPTURE, DATABASE, RADIO_LOG, make_folder
from hanota.errors import HanotaError
from hanota.store.backup import backup

if TYPE_CHECKING:
    from pathlib import Path

    from hanota.conformance.case import CaseResult
    from hanota.conformance.rig import Rig

logger = logging.getLogger(__name__)

EVENTS: Final = "events.jsonl"
FILE_MODE: Final = 0o600
_KEPT: Final = frozenset({Verdict.FAILED, Verdict.INCONCLUSIVE})


@dataclass(frozen=True, slots=True)
class CaseArtifacts:
    """Where the files of the whole run stood when the case began."""

    rig: Rig
    name: str
    event: int
    capture: int
    log: int

    @classmethod
    def begin(cls, rig: Rig, name: str) -> Self:
        """Note where the case begins."""
        folder = rig.artifacts
        if folder is None:
            return cls(rig, name, 0, 0, 0)
        return cls(rig, name, rig.last_event, _size(folder / CAPTURE), _size(folder / RADIO_LOG))

    def keep(self, result: CaseResult) -> Path | None:
        """Write the case's folder where it did not pass; a fault in that is logged and ends nothing."""
        if self.rig.artifacts is None or result.verdict not in _KEPT:
            return None
        folder = self.rig.artifacts / self.name
        try:
            make_folder(folder)
            self._write(self.rig.artifacts, folder)
        except (OSError, HanotaError) as error:
            logger.warning("the artefacts of %s are not complete: %s", self.name, error)
        return folder

    def _write(self, run: Path, folder: Path) -> None:
        with os.fdopen(_private(folder / EVENTS), "w", encoding="utf-8") as file:
            for event in self.rig.events:
                if event.seq > self.event:
                    file.write(json.dumps(event.to_json()) + "\n")
        # A capture is blocks one after another, each written whole: a slice behind the head is a capture too.
        _slice(run / CAPTURE, folder / CAPTURE, self.capture, head=self.rig.capture_head)
        _slice(run / RADIO_LOG, folder / RADIO_LOG, self.log)
        database = folder / DATABASE
        database.unlink(missing_ok=True)
        if self.rig.database is not None:
            backup(self.rig.database, database)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _private(path: Path) -> int:
    """Create a file that nobody else may read, or empty it: it tells what devices of a home said."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, FILE_MODE)


def _slice(source: Path, destination: Path, start: int, *, head: int = 0) -> None:
    """Copy the first `head` octets and those from `start` on."""
    with source.open("rb") as file, os.fdopen(_private(destination), "wb") as copy:
        copy.write(file.read(head))
        file.seek(max(start, head))
        while piece := file.read(1 << 20):
            copy.write(piece)
