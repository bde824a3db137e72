"""The hub's store on SQLite; synchronous, so that row, effect and event keep their order."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from hanota.errors import StoreError
from hanota.eui64 import Eui64
from hanota.hub.events import Event, EventKind, Party
from hanota.hub.jobs import Job, JobKind, JobOptions, JobPriority, JobState
from hanota.hub.library_image import LibraryImage, SignatureState
from hanota.hub.ports import DeviceLogEntry, DeviceType, EstablishedKey, JoinWindow
from hanota.ota.block_size import DeviceModel
from hanota.ota.fields import ImageId
from hanota.ota.header import HardwareVersions
from hanota.store.database import Database, StoreSettings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from hanota.hub.events import Json
    from hanota.store.database import Row

_NO_VERSION: Final = -1
"""The hardware version of a model that tells none: a part of a primary key, so not NULL."""


class SqliteStore:
    """`hanota.hub.ports.Store` in one file, or in memory with the path `:memory:`.

    A file holds install codes in the clear and is made with mode 0600. Never await inside `transaction`:
    another task's statements would join it.
    """

    def __init__(self, path: str | Path, settings: StoreSettings | None = None) -> None:
        """Open, create or migrate the database; raise StoreError."""
        self._database = Database(path, settings or StoreSettings())

    @property
    def database(self) -> Database:
        """The connection, for other parts' rows in the same transactions."""
        return self._database

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
        return self._database.read(_event, "events", after=after, limit=max(limit, 0))

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
        return self._database.read(_device_log_entry, "devices")

    def put_link_key(self, device: Eui64, key: EstablishedKey) -> None:
        """Add or replace what is remembered of the link key of a device in the Device Log.

        It goes with the device's entry there; raise StoreError for a device that has none.
        """
        self._database.rows(
            "put_link_key",
            device=device,
            coordinator=key.coordinator,
            suite=key.suite,
            fingerprint=key.fingerprint,
            at=key.at,
        )

    def remove_link_key(self, device: Eui64) -> None:
        """Remove what is remembered of a device's link key, if there."""
        self._database.rows("remove_link_key", device=device)

    def link_keys(self) -> Mapping[Eui64, EstablishedKey]:
        """Return what is remembered of each device's link key."""
        return dict(self._database.read(_link_key, "link_keys"))

    def put_join_window(self, device: Eui64, window: JoinWindow) -> None:
        """Remember how long a device of the Device Log may join; it goes with its entry."""
        self._database.rows("put_join_window", device=device, until=window.until, seconds=window.seconds)

    def remove_join_window(self, device: Eui64) -> None:
        """Remove what is remembered of a device's join window, if there."""
        self._database.rows("remove_join_window", device=device)

    def join_windows(self) -> Mapping[Eui64, JoinWindow]:
        """Return how long each device that is expected may join."""
        return dict(self._database.read(_join_window, "join_windows"))

    def put_leaving(self, device: Eui64, at: float) -> None:
        """Remember that a device was removed at `at` (Unix seconds) and has not been heard to leave."""
        self._database.rows("put_leaving", device=device, at=at)

    def remove_leaving(self, device: Eui64) -> None:
        """Forget that a device is to leave, if there."""
        self._database.rows("remove_leaving", device=device)

    def leaving(self) -> Mapping[Eui64, float]:
        """Return the devices that are to leave, and when each was removed."""
        return dict(self._database.read(_leaving, "leaving"))

    def put_device_file(self, device: Eui64, image: ImageId, data: bytes) -> None:
        """Add or replace a device specific file of a device in the Device Log, with whose entry it goes.

        Raise StoreError for a device that has none.
        """
        self._database.rows(
            "put_device_file",
            device=device,
            manufacturer_code=image.manufacturer_code,
            image_type=image.image_type,
            file_version=image.file_version,
            data=data,
        )

    def remove_device_files(self, device: Eui64) -> None:
        """Remove the device specific files of a device, if there."""
        self._database.rows("remove_device_files", device=device)

    def device_files(self) -> Sequence[tuple[Eui64, bytes]]:
        """Return every device specific file and whose it is."""
        return self._database.read(_device_file, "device_files")

    def put_image(self, data: bytes) -> bytes:
        """Store an Upgrade Image once by content and return its SHA-256."""
        digest = sha256(data).digest()
        self._database.rows("put_image", digest=digest, data=data)
        return digest

    def image(self, digest: bytes) -> bytes:
        """Return the image with that SHA-256; raise StoreError where there is none or it was altered."""
        for (data,) in self._database.rows("image", digest=digest):
            if not data:
                raise StoreError(f"image {digest.hex()} was retired, and its octets were freed")
            if sha256(data).digest() != digest:
                raise StoreError(f"image {digest.hex()} was altered in the database")
            return bytes(data)
        raise StoreError(f"no image {digest.hex()}")

    def free_image(self, digest: bytes) -> None:
        """Free the octets of an image; its digest stays known, and `put_image` brings them back."""
        self._database.rows("free_image", digest=digest)

    def put_library_image(self, image: LibraryImage) -> None:
        """Add an image to the library, or write how it is signed and whether it is retired."""
        hardware = image.hardware_versions
        self._database.rows(
            "put_library_image",
            digest=image.digest,
            kind=image.kind,
            manufacturer_code=image.image_id.manufacturer_code,
            image_type=image.image_id.image_type,
            file_version=image.image_id.file_version,
            minimum_hardware_version=None if hardware is None else hardware.minimum,
            maximum_hardware_version=None if hardware is None else hardware.maximum,
            manufacturer_image_hash=image.manufacturer_image_hash,
            octets=image.octets,
            signature=image.signature,
            added=image.added,
            retired=image.retired,
        )

    def library_images(self) -> Sequence[LibraryImage]:
        """Return every image that is or was in the library, oldest first."""
        return self._database.read(_library_image, "library_images")

    def put_block_size(self, model: DeviceModel, octets: int, at: float) -> None:
        """Remember how long a block devices of this model take."""
        self._database.rows(
            "put_block_size",
            manufacturer_code=model.manufacturer_code,
            image_type=model.image_type,
            hardware_version=_NO_VERSION if model.hardware_version is None else model.hardware_version,
            octets=octets,
            at=at,
        )

    def block_sizes(self) -> Sequence[tuple[DeviceModel, int]]:
        """Return how long a block each model takes, the longest unchanged first."""
        return self._database.read(_block_size, "block_sizes")

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
        options: JobOptions | None = None,
    ) -> Job:
        """Add a job in state `accepted` and return it with its id; raise StoreError without its image."""
        state, options = JobState.ACCEPTED, options or JobOptions()
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
            priority=int(options.priority),
            upgrade_at=options.upgrade_at,
            needs_approval=options.needs_approval,
            allow_downgrade=options.allow_downgrade,
            expires_at=options.expires_at,
        )
        return Job(
            number,
            request_id,
            kind,
            device,
            image,
            firmware_version,
            manufacturer_image_hash,
            state,
            at,
            at,
            options=options,
        )

    def update_job(self, job: Job) -> None:
        """Write whatever of the job may change; raise StoreError where there is no such job."""
        if not self._database.rows(
            "update_job",
            id=job.id,
            state=job.state,
            reason=job.reason,
            updated=job.updated,
            approved_at=job.approved_at,
            paused=job.paused,
            failures=job.failures,
            retry_at=job.retry_at,
            abort_told=job.abort_told,
            execution_at=job.execution_at,
        ):
            raise StoreError(f"no job {job.id}")

    def jobs(self, *, device: Eui64 | None = None) -> Sequence[Job]:
        """Return the jobs, oldest first."""
        if device is None:
            return self._database.read(_job, "jobs")
        return self._database.read(_job, "jobs_of_device", device=device)

    def counter(self, name: str, party: Eui64) -> int:
        """Return a counter's value, 0 where it was never raised. `name` is its use, such as `sent`."""
        rows = self._database.rows("counter", name=name, party=party)
        return int(rows[0][0]) if rows else 0

    def raise_counter(self, name: str, party: Eui64, value: int) -> None:
        """Set a counter higher; raise StoreError where `value` is not higher than what is stored."""
        if not self._database.rows("raise_counter", name=name, party=party, value=value):
            held = self.counter(name, party)
            raise StoreError(f"counter {name} of {party} is at {held} and cannot go to {value}")

    def close(self) -> None:
        """Close the database."""
        self._database.close()


def _event(row: Row) -> Event:
    seq, at, kind, source, target, eui64, job, detail = row
    device = None if eui64 is None else Eui64(eui64)
    return Event(seq, at, EventKind(kind), Party(source), Party(target), device, job, json.loads(detail))


def _device_log_entry(row: Row) -> DeviceLogEntry:
    device, device_type, install_code = row
    return DeviceLogEntry(Eui64(device), DeviceType(device_type), install_code)


def _link_key(row: Row) -> tuple[Eui64, EstablishedKey]:
    device, coordinator, suite, fingerprint, at = row
    return Eui64(device), EstablishedKey(Eui64(coordinator), suite, fingerprint, at)


def _join_window(row: Row) -> tuple[Eui64, JoinWindow]:
    device, until, seconds = row
    return Eui64(device), JoinWindow(until, seconds)


def _leaving(row: Row) -> tuple[Eui64, float]:
    device, at = row
    return Eui64(device), at


def _device_file(row: Row) -> tuple[Eui64, bytes]:
    device, data = row
    return Eui64(device), data


def _job(row: Row) -> Job:
    number, request_id, kind, device, image, version, image_hash, state, created, updated, reason = row[:11]
    priority, upgrade_at, needs_approval, allow_downgrade, expires_at = row[11:16]
    approved_at, paused, failures, retry_at, abort_told, execution_at = row[16:]
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
        JobOptions(
            JobPriority(priority), upgrade_at, bool(needs_approval), bool(allow_downgrade), expires_at
        ),
        approved_at,
        bool(paused),
        failures,
        retry_at,
        bool(abort_told),
        execution_at,
    )


def _library_image(row: Row) -> LibraryImage:
    digest, kind, manufacturer, image_type, version, minimum, maximum, *rest = row
    image_hash, octets, signature, added, retired = rest
    return LibraryImage(
        digest,
        JobKind(kind),
        ImageId(manufacturer, image_type, version),
        None if minimum is None else HardwareVersions(minimum, maximum),
        image_hash,
        octets,
        SignatureState(signature),
        added,
        retired,
    )


def _block_size(row: Row) -> tuple[DeviceModel, int]:
    manufacturer, image_type, hardware, octets = row
    return DeviceModel(manufacturer, image_type, None if hardware == _NO_VERSION else hardware), octets
