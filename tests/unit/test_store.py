"""The store keeps what it is given, in order, whole, and over a restart."""

from __future__ import annotations

from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from hanota.errors import StoreError
from hanota.eui64 import Eui64
from hanota.hub.events import Event, EventKind, Party
from hanota.hub.jobs import Job, JobKind, JobOptions, JobPriority, JobState
from hanota.hub.library_image import LibraryImage, SignatureState
from hanota.hub.ports import DeviceLogEntry, DeviceType, EstablishedKey, JoinWindow
from hanota.ota.block_size import DeviceModel
from hanota.ota.fields import ImageId
from hanota.ota.header import HardwareVersions
from hanota.store.store import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hanota.hub.events import Json
    from hanota.hub.ports import Store

PPMID = Eui64.parse("00-0D-6F-00-00-00-00-01")
HCALCS = Eui64.parse("00-0D-6F-00-00-00-00-02")
REQUEST = "90-B3-D5-1F-30-01-00-00:90-B3-D5-1F-30-00-00-02:1000"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "hub.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with closing(SqliteStore(path)) as opened:
        yield opened


@contextmanager
def restarted(path: Path) -> Iterator[Store]:
    """A second connection sees only what a restarted hub would: what is committed."""
    with closing(SqliteStore(path)) as opened:
        yield opened


def record(store: Store, note: Json = None, *, job: int | None = None) -> Event:
    return store.append_event(
        1_800_000_000.125,
        EventKind.TRANSFER_PROGRESS,
        Party.DEVICE,
        Party.HUB,
        device=PPMID,
        job=job,
        detail={"note": note},
    )


def add_job(store: Store, device: Eui64 = PPMID) -> Job:
    return store.add_job(
        request_id=REQUEST,
        kind=JobKind.PPMID,
        device=device,
        image=store.put_image(b"an Upgrade Image"),
        firmware_version=bytes.fromhex("01020304"),
        manufacturer_image_hash=bytes(32),
        at=1_800_000_000.5,
    )


def test_events_come_back_equal_and_in_order_after_a_restart(store: Store, path: Path) -> None:
    job = add_job(store)
    written = [record(store, n, job=job.id) for n in range(5)]
    written.append(
        store.append_event(
            2.0, EventKind.RADIO_STATE, Party.RADIO, Party.HUB, device=None, job=None, detail={}
        )
    )

    with restarted(path) as again:
        assert list(again.events()) == written
        assert [event.seq for event in again.events()] == [1, 2, 3, 4, 5, 6]
        assert record(again).seq == 7


def test_events_are_read_on_from_a_sequence_number(store: Store) -> None:
    for _ in range(6):
        record(store)

    assert [event.seq for event in store.events(after=2)] == [3, 4, 5, 6]
    assert [event.seq for event in store.events(after=2, limit=2)] == [3, 4]
    assert store.events(after=6) == []


@pytest.mark.parametrize("limit", [0, -1])
def test_no_limit_means_no_event_and_not_all_of_them(store: Store, limit: int) -> None:
    record(store)

    assert store.events(limit=limit) == []


def test_a_sequence_number_is_never_given_twice(store: SqliteStore) -> None:
    record(store)
    last = record(store).seq
    store._database._connection.execute("DELETE FROM event")

    assert record(store).seq == last + 1


def test_the_detail_of_an_event_is_any_json_and_its_own_copy(store: Store) -> None:
    detail: dict[str, Json] = {
        "text": "é \0 ☃",
        "number": -1.5,
        "big": 2**63,
        "list": [True, None, {"a": []}],
    }

    event = store.append_event(
        1.0, EventKind.GBCS_SENT, Party.HUB, Party.DCC, device=None, job=None, detail=detail
    )
    expected = dict(detail)
    detail["text"] = "changed"

    assert event.detail == expected
    assert store.events()[0].detail == expected


@pytest.mark.parametrize("value", [float("nan"), float("inf"), b"octets"])
def test_a_detail_that_is_not_json_is_refused_and_not_stored(store: Store, value: Json) -> None:
    with pytest.raises(StoreError, match=r"detail of ota\.progress is not JSON"):
        record(store, value)

    assert store.events() == []


def test_an_event_of_no_known_job_is_refused(store: Store) -> None:
    with pytest.raises(StoreError, match="FOREIGN KEY"):
        record(store, job=1)


def test_a_transaction_is_seen_by_others_only_when_it_is_whole(store: Store, path: Path) -> None:
    with restarted(path) as other:
        with store.transaction():
            record(store)
            store.raise_counter("sent", PPMID, 1)
            assert len(store.events()) == 1
            assert other.events() == []
            assert other.counter("sent", PPMID) == 0

        assert len(other.events()) == 1
        assert other.counter("sent", PPMID) == 1


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, StoreError])
def test_an_error_inside_a_transaction_leaves_nothing_of_it(store: Store, error: type[BaseException]) -> None:
    record(store, "before")

    def fail_late() -> None:
        with store.transaction():
            record(store, "inside")
            store.put_device(DeviceLogEntry(PPMID, DeviceType.PPMID, bytes(16)))
            raise error("fault")

    with pytest.raises(error):
        fail_late()

    assert [event.detail for event in store.events()] == [{"note": "before"}]
    assert store.devices() == []
    record(store, "after")
    assert len(store.events()) == 2


def test_nested_transactions_join_the_outer_one(store: Store) -> None:
    def fail_after_the_inner_one() -> None:
        with store.transaction():
            with store.transaction():
                record(store)
            raise ValueError("late")

    with pytest.raises(ValueError, match="late"):
        fail_after_the_inner_one()

    assert store.events() == []


def test_an_inner_transaction_that_failed_cannot_be_committed_in_part(store: Store) -> None:
    def swallow_the_inner_fault() -> None:
        with store.transaction():
            record(store, "outer")
            with suppress(ValueError), store.transaction():
                record(store, "inner")
                raise ValueError

    with pytest.raises(StoreError, match="this transaction has failed"):
        swallow_the_inner_fault()

    assert store.events() == []


def test_a_refused_counter_that_is_caught_does_not_fail_the_transaction(store: Store) -> None:
    store.raise_counter("received", PPMID, 5)

    with store.transaction():
        with pytest.raises(StoreError):
            store.raise_counter("received", PPMID, 5)
        record(store, "replay refused")

    assert len(store.events()) == 1


def test_the_device_log_is_kept_replaced_and_emptied(store: Store, path: Path) -> None:
    ppmid = DeviceLogEntry(PPMID, DeviceType.PPMID, bytes(range(16)))
    hcalcs = DeviceLogEntry(HCALCS, DeviceType.HCALCS, bytes(16))
    store.put_device(hcalcs)
    store.put_device(replace(ppmid, install_code=bytes(16)))
    store.put_device(ppmid)

    with restarted(path) as again:
        assert list(again.devices()) == [ppmid, hcalcs]

    store.remove_device(HCALCS)
    store.remove_device(HCALCS)
    assert list(store.devices()) == [ppmid]


KEY = EstablishedKey(Eui64(b"coordina"), 2, bytes(range(16)), 1_800_000_000.25)


def test_link_keys_are_kept_replaced_and_removed(store: Store, path: Path) -> None:
    for device, device_type in ((PPMID, DeviceType.PPMID), (HCALCS, DeviceType.HCALCS)):
        store.put_device(DeviceLogEntry(device, device_type, bytes(16)))
        store.put_link_key(device, replace(KEY, suite=1))
    store.put_link_key(PPMID, KEY)
    store.remove_link_key(HCALCS)
    store.remove_link_key(HCALCS)

    with restarted(path) as again:
        assert dict(again.link_keys()) == {PPMID: KEY}


def test_a_link_key_belongs_to_a_device_of_the_device_log_and_goes_with_it(store: Store) -> None:
    with pytest.raises(StoreError, match="FOREIGN KEY"):
        store.put_link_key(PPMID, KEY)
    store.put_device(DeviceLogEntry(PPMID, DeviceType.PPMID, bytes(16)))
    store.put_link_key(PPMID, KEY)

    store.put_device(DeviceLogEntry(PPMID, DeviceType.PPMID, bytes(range(16))))
    assert dict(store.link_keys()) == {PPMID: KEY}, "its entry was replaced, not removed"
    store.remove_device(PPMID)
    assert dict(store.link_keys()) == {}


@pytest.mark.parametrize("changes", [{"suite": 3}, {"fingerprint": bytes(32)}])
def test_a_link_key_that_means_nothing_is_refused(store: Store, changes: dict[str, object]) -> None:
    store.put_device(DeviceLogEntry(PPMID, DeviceType.PPMID, bytes(16)))
    with pytest.raises(StoreError, match="CHECK"):
        store.put_link_key(PPMID, replace(KEY, **changes))  # type: ignore[arg-type]


def test_what_is_left_to_do_after_a_commit_is_kept_replaced_and_removed(store: Store, path: Path) -> None:
    for device in (PPMID, HCALCS):
        store.put_device(DeviceLogEntry(device, DeviceType.PPMID, bytes(16)))
        store.put_join_window(device, JoinWindow(1.5, 90))
        store.put_leaving(device, 1.5)
        store.put_device_file(device, ImageId(1, 2, 3), b"older")
    store.put_join_window(PPMID, JoinWindow(2.5, 60))
    store.put_leaving(PPMID, 2.5)
    store.put_device_file(PPMID, ImageId(1, 2, 3), b"newer")
    store.put_device_file(PPMID, ImageId(1, 2, 4), b"another")
    for _ in range(2):
        store.remove_join_window(HCALCS)
        store.remove_leaving(HCALCS)
        store.remove_device_files(HCALCS)

    with restarted(path) as again:
        assert again.join_windows() == {PPMID: JoinWindow(2.5, 60)}
        assert again.leaving() == {PPMID: 2.5}
        assert list(again.device_files()) == [(PPMID, b"newer"), (PPMID, b"another")]


def test_windows_and_files_belong_to_a_device_of_the_device_log_and_go_with_it(store: Store) -> None:
    with pytest.raises(StoreError, match="FOREIGN KEY"):
        store.put_join_window(PPMID, JoinWindow(1.5, 90))
    with pytest.raises(StoreError, match="FOREIGN KEY"):
        store.put_device_file(PPMID, ImageId(1, 2, 3), b"")
    store.put_device(DeviceLogEntry(PPMID, DeviceType.PPMID, bytes(16)))
    store.put_join_window(PPMID, JoinWindow(1.5, 90))
    store.put_device_file(PPMID, ImageId(1, 2, 3), b"")

    store.remove_device(PPMID)

    assert (store.join_windows(), list(store.device_files())) == ({}, [])


def test_an_image_is_stored_once_by_its_content(store: SqliteStore, path: Path) -> None:
    first, other = store.put_image(b"image"), store.put_image(b"another")
    assert store.put_image(b"image") == first

    assert first.hex() == "6105d6cc76af400325e94d588ce511be5bfdbb73b437dc51eca43917d7a43e3d"
    assert store._database._connection.execute("SELECT count(*) FROM image").fetchone() == (2,)
    with restarted(path) as again:
        assert (again.image(first), again.image(other)) == (b"image", b"another")


def test_an_unknown_image_is_a_store_error(store: Store) -> None:
    with pytest.raises(StoreError, match="no image 0000"):
        store.image(bytes(32))


def test_attack_image_altered_between_check_and_use_is_not_handed_out(store: SqliteStore) -> None:
    digest = store.put_image(b"an Upgrade Image")
    store._database._connection.execute("UPDATE image SET data = CAST('another image' AS BLOB)")

    with pytest.raises(StoreError, match="was altered in the database"):
        store.image(digest)


def test_a_job_begins_accepted_and_keeps_its_state_over_a_restart(store: Store, path: Path) -> None:
    job = add_job(store)
    assert (job.state, job.created, job.updated, job.reason) == (
        JobState.ACCEPTED,
        1_800_000_000.5,
        1_800_000_000.5,
        "",
    )
    ended = replace(job, state=JobState.ABORTED, reason="device gave up", updated=1_800_000_100.0)

    store.update_job(ended)

    with restarted(path) as again:
        assert list(again.jobs()) == [ended]


def test_jobs_are_listed_oldest_first_for_all_or_one_device(store: Store) -> None:
    jobs = [add_job(store, device) for device in (HCALCS, PPMID, HCALCS)]

    assert list(store.jobs()) == jobs
    assert list(store.jobs(device=HCALCS)) == [jobs[0], jobs[2]]
    assert store.jobs(device=Eui64(bytes(8))) == []


def test_a_job_needs_its_image_and_an_update_its_job(store: Store) -> None:
    with pytest.raises(StoreError, match="FOREIGN KEY"):
        store.add_job(
            request_id=REQUEST,
            kind=JobKind.HCALCS,
            device=HCALCS,
            image=bytes(32),
            firmware_version=bytes(4),
            manufacturer_image_hash=bytes(32),
            at=1.0,
        )
    job = add_job(store)
    with pytest.raises(StoreError, match=f"no job {job.id + 1}"):
        store.update_job(replace(job, id=job.id + 1))


def test_counters_are_kept_apart_by_name_and_party(store: Store, path: Path) -> None:
    assert store.counter("sent", PPMID) == 0
    store.raise_counter("sent", PPMID, 1000)
    store.raise_counter("sent", PPMID, 1001)
    store.raise_counter("received", PPMID, 7)
    store.raise_counter("sent", HCALCS, 2**63 - 1)

    with restarted(path) as again:
        assert again.counter("sent", PPMID) == 1001
        assert again.counter("received", PPMID) == 7
        assert again.counter("sent", HCALCS) == 2**63 - 1
        assert again.counter("received", HCALCS) == 0


@pytest.mark.parametrize("value", [-1, 0, 41, 42, 2**63])
def test_attack_counter_rollback_is_refused_after_a_restart_too(store: Store, path: Path, value: int) -> None:
    store.raise_counter("received", PPMID, 42)

    with restarted(path) as again:
        with pytest.raises(StoreError):
            again.raise_counter("received", PPMID, value)
        assert again.counter("received", PPMID) == 42


@pytest.mark.parametrize("value", [-1, 0])
def test_a_counter_never_raised_is_at_zero_and_must_go_higher(store: Store, value: int) -> None:
    with pytest.raises(StoreError, match=f"is at 0 and cannot go to {value}"):
        store.raise_counter("sent", PPMID, value)


def test_a_store_in_memory_holds_until_it_is_closed() -> None:
    with closing(SqliteStore(":memory:")) as one, closing(SqliteStore(":memory:")) as other:
        record(one)

        assert len(one.events()) == 1
        assert other.events() == []


def test_what_a_job_waits_for_comes_back_after_a_restart(store: Store, path: Path) -> None:
    options = JobOptions(JobPriority.LOW, 1_800_000_000.5, True, True, 1_900_000_000.25)
    job = store.add_job(
        request_id=REQUEST,
        kind=JobKind.PPMID,
        device=PPMID,
        image=store.put_image(b"an Upgrade Image"),
        firmware_version=bytes(4),
        manufacturer_image_hash=bytes(32),
        at=1_800_000_000.5,
        options=options,
    )
    changed = replace(
        job, approved_at=2.5, paused=True, failures=3, retry_at=4.5, abort_told=True, execution_at=5.5
    )
    store.update_job(changed)

    with restarted(path) as again:
        assert list(again.jobs()) == [changed]
        assert list(again.jobs(device=PPMID)) == [changed]


def library_image(store: Store, data: bytes = b"an Upgrade Image") -> LibraryImage:
    hardware = HardwareVersions(1, 2)
    return LibraryImage(
        store.put_image(data),
        JobKind.HCALCS,
        ImageId(0x121D, 0x000D, 1),
        hardware,
        bytes(32),
        len(data),
        SignatureState.NOT_CHECKED,
        1_800_000_000.5,
    )


def test_a_library_image_comes_back_as_it_was_and_as_it_was_changed(store: Store, path: Path) -> None:
    image = library_image(store)
    without = replace(library_image(store, b"another"), hardware_versions=None, kind=JobKind.PPMID, added=2e9)
    store.put_library_image(image)
    store.put_library_image(without)
    changed = replace(image, signature=SignatureState.VERIFIED, retired=1_800_000_001.5)
    store.put_library_image(changed)

    with restarted(path) as again:
        assert list(again.library_images()) == [changed, without]


def test_a_freed_image_is_gone_until_it_is_stored_again(store: Store) -> None:
    digest = store.put_image(b"an Upgrade Image")
    job = add_job(store)
    store.free_image(digest)

    with pytest.raises(StoreError, match="was retired"):
        store.image(digest)
    assert store.jobs() == [job]
    assert store.put_image(b"an Upgrade Image") == digest
    assert store.image(digest) == b"an Upgrade Image"


def test_block_sizes_are_kept_by_model_the_longest_unchanged_first(store: Store, path: Path) -> None:
    silent, first = DeviceModel(0x121D, 0x84, None), DeviceModel(0x121D, 0x84, 0)
    store.put_block_size(silent, 48, 1.0)
    store.put_block_size(first, 40, 2.0)
    store.put_block_size(silent, 32, 3.0)

    with restarted(path) as again:
        assert list(again.block_sizes()) == [(first, 40), (silent, 32)]
