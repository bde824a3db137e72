"""The hub's store on SQLite; synchronous, so that row, effect and event keep their order."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from hanota.errors import HanotaError, StoreError
from hanota.eui64 import Eui64
from hanota.hub.events import Event, EventKind, Party
from hanota.hub.jobs import Job, JobKind, JobState
from hanota.hub.ports import DeviceLogEntry, DeviceType
from hanota.store.database import Database, StoreSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from hanota.hub.events import Json

_T = TypeVar("_T")
_Row: TypeAlias = "tuple[Any, ...]"


class SqliteStore:
    """`hanota.hub.ports.Store` in one file, or in memory with the path `:memory:`.

    A file holds install codes in the clear and is made with mode 0600. Never await inside `transaction`:
    another task's statements would join it.
    """

    def __init__(self, path: str | Path, settings: StoreSettings | None = None) -> None:
        """Open, create or migrate the database; raise StoreError."""
        self._database = Database(path, settings or StoreSettings())

    def transaction(self) -> AbstractContextManager[None]:
        """Make everything inside commit together or not at all; nested transactions join the outer one.

        A failed statement or inner transaction fails the outer one, even where its error is caught inside.
        """
        return self._database.transaction()

    def append_event(
        self,
        at: float,
        kind: EventKind,
        source: Party,
        target: Party,
        *,
        device: Eui64 | None,
        job: int | None,
        detail: Mapping[str, Json],
    ) -> Event:
        """Append to the journal and return the event with its `seq`, which only ever rises.

        Tell others of it only after the commit: a rolled back `seq` is given again.
        """
        try:
            stored = json.dumps(dict(detail), allow_nan=False)
        except (TypeError, ValueError) as error:
            raise StoreError(f"the detail of {kind} is not JSON: {error}") from error
        [(seq,)] = self._database.rows(
            "append_event",
            at=at,
            kind=kind,
            source=source,
            target=target,
            device=device,
            job=job,
            detail=stored,
        )
        return Event(seq, at, kind, source, target, device, job, json.loads(stored))

    def events(self, *, after: int = 0, limit: int = 1000) -> Sequence[Event]:
        """Return at most `limit` events with `seq` above `after`, in order."""
        # SQLite takes a negative LIMIT for none at all.
        return self._read(_event, "events", after=after, limit=max(limit, 0))

    def put_device(self, entry: DeviceLogEntry) -> None:
        """Add or replace a Device Log entry."""
        self._database.rows(
            "put_device",
            device=entry.device,
            device_type=int(entry.device_type),
            install_code=entry.install_code,
        )

    def remove_device(self, device: Eui64) -> None:
        """Remove a Device Log entry, if there."""
        self._database.rows("remove_device", device=device)

    def devices(self) -> Sequence[DeviceLogEntry]:
        """Return the Device Log, by EUI-64."""
        return self._read(_device_log_entry, "devices")

    def put_image(self, data: bytes) -> bytes:
        """Store an Upgrade Image once by content and return its SHA-256."""
        digest = sha256(data).digest()
        self._database.rows("put_image", digest=digest, data=data)
        return digest

    def image(self, digest: bytes) -> bytes:
        """Return the image with that SHA-256; raise StoreError where there is none or it was altered."""
        for (data,) in self._database.rows("image", digest=digest):
            if sha256(data).digest() != digest:
                raise StoreError(f"image {digest.hex()} was altered in the database")
            return bytes(data)
        raise StoreError(f"no image {digest.hex()}")

    def add_job(
        self,
        *,
        request_id: str,
        kind: JobKind,
        device: Eui64,
        image: bytes,
        firmware_version: bytes,
        manufacturer_image_hash: bytes,
        at: float,
    ) -> Job:
        """Add a job in state `accepted` and return it with its id; raise StoreError without its image."""
        state = JobState.ACCEPTED
        [(number,)] = self._database.rows(
            "add_job",
            request_id=request_id,
            kind=kind,
            device=device,
            image=image,
            firmware_version=firmware_version,
            manufacturer_image_hash=manufacturer_image_hash,
            state=state,
            at=at,
        )
        return Job(
            number, request_id, kind, device, image, firmware_version, manufacturer_image_hash, state, at, at
        )

    def update_job(self, job: Job) -> None:
        """Write the job's state, reason and update time; raise StoreError where there is no such job."""
        if not self._database.rows(
            "update_job", id=job.id, state=job.state, reason=job.reason, updated=job.updated
        ):
            raise StoreError(f"no job {job.id}")

    def jobs(self, *, device: Eui64 | None = None) -> Sequence[Job]:
        """Return the jobs, oldest first."""
        if device is None:
            return self._read(_job, "jobs")
        return self._read(_job, "jobs_of_device", device=device)

    def counter(self, name: str, party: Eui64) -> int:
        """Return a counter's value, 0 where it was never raised. `name` is its use, such as `sent`."""
        rows = self._database.rows("counter", name=name, party=party)
        return int(rows[0][0]) if rows else 0

    def raise_counter(self, name: str, party: Eui64, value: int) -> None:
        """Set a counter higher; raise StoreError where `value` is not higher than what is stored."""
        if not self._database.rows("raise_counter", name=name, party=party, value=value):
            held = self.counter(name, party)
            raise StoreError(f"counter {name} of {party} is at {held} and cannot go to {value}")

    def add_service_request(self, request_id: str, service_reference: str, at: float) -> bool:
        """Note a Service Request; return False where that RequestID and Service Reference are known."""
        return bool(
            self._database.rows(
                "add_service_request", request_id=request_id, service_reference=service_reference, at=at
            )
        )

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def _read(self, convert: Callable[[_Row], _T], query: str, **values: object) -> Sequence[_T]:
        rows = self._database.rows(query, **values)
        try:
            return [convert(row) for row in rows]
        except (ValueError, HanotaError) as error:
            raise StoreError(f"a row of {query} cannot be read: {error}") from error


def _event(row: _Row) -> Event:
    seq, at, kind, source, target, device, job, detail = row
    return Event(
        seq,
        at,
        EventKind(kind),
        Party(source),
        Party(target),
        None if device is None else Eui64(device),
        job,
        json.loads(detail),
    )


def _device_log_entry(row: _Row) -> DeviceLogEntry:
    device, device_type, install_code = row
    return DeviceLogEntry(Eui64(device), DeviceType(device_type), install_code)


def _job(row: _Row) -> Job:
    number, request_id, kind, device, image, version, image_hash, state, created, updated, reason = row
    return Job(
        number,
        request_id,
        JobKind(kind),
        Eui64(device),
        image,
        version,
        image_hash,
        JobState(state),
        created,
        updated,
        reason,
    )
