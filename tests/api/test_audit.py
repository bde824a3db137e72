"""The audit trail: who had what done, kept with the effect, and no row altered unseen."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from hanota.api.access import AccessSettings, Role
from hanota.api.settings import ApiSettings
from hanota.dcc.audit import LONGEST_TEXT, AuditTrail
from hanota.errors import StoreError
from hanota.hub.jobs import JobKind
from hanota.store.audit_store import SqliteAuditStore
from hanota.store.store import SqliteStore
from tests.api_support import bench
from tests.hub_parties_support import HCALCS, HCALCS_IMAGE, PPMID, STRANGER
from tests.hub_support import FullDisk, virtual

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hanota.dcc.audit import AuditVerdict


class Now:
    def now(self) -> float:
        return 1_800_000_000.123456


def trail(path: str | Path = ":memory:", rows: int = 5) -> tuple[SqliteStore, AuditTrail]:
    store = SqliteStore(path)
    audit = AuditTrail(SqliteAuditStore(store.database), Now())
    for number in range(rows):
        audit.record("me", "operator", "act", f"target {number}", "done")
    return store, audit


@virtual
async def test_what_is_done_and_what_is_refused_is_noted() -> None:
    async with bench() as api:
        await api.lab.joined(HCALCS, JobKind.HCALCS)
        added = await api.post(
            "/images", role=Role.OPERATOR, params={"kind": "HCALCS"}, content=HCALCS_IMAGE.data
        )
        digest = added["digest"]
        await api.post("/jobs", {"image": digest, "devices": [str(HCALCS.eui64)]}, Role.OPERATOR)
        await api.post("/jobs/1/pause", role=Role.OPERATOR)
        await api.ask("POST", "/jobs/1/approve", Role.ACTIVATOR)
        await api.ask("POST", "/jobs/1/approve", Role.OPERATOR)
        await api.ask("POST", "/jobs", Role.OPERATOR, json={"image": digest, "devices": []})
        await api.ask("POST", "/jobs", Role.OPERATOR, json={"image": digest, "devices": [str(PPMID.eui64)]})
        await api.ask("DELETE", f"/devices/{STRANGER.eui64}")
        await api.ask("POST", "/jobs/1/cancel", None)
        rows = [row for row in api.audited() if row[2] != "begun"]
        assert [row[:2] for row in rows] == [
            ("operator", "add_image"),
            ("operator", "create_jobs"),
            ("operator", "pause_job"),
            ("activator", "approve_job"),
            ("operator", "approve_job"),
            ("operator", "create_jobs"),
            ("operator", "create_jobs"),
            ("activator", "remove_device"),
            ("unknown", "cancel_job"),
        ]
        outcomes = [row[2] for row in rows]
        assert outcomes[0] == f"done: {digest}"
        assert outcomes[1] == "I99: jobs 1"
        assert outcomes[2] == "done"
        assert "waits for approval" in outcomes[3]
        assert "takes activator" in outcomes[4]
        assert "body.devices" in outcomes[5]
        assert outcomes[6].startswith("refused E110103:")
        assert all(outcome.startswith("refused") for outcome in outcomes[3:])
        told = await api.get("/audit")
        assert [row["actor"] for row in told["rows"]] == [row[0] for row in api.audited()]
        assert (await api.get("/audit/verify"))["intact"]


@virtual
async def test_a_service_request_is_noted_before_it_is_made() -> None:
    async with bench() as api:
        device = await api.lab.held()
        await api.post("/jobs/1/activate")
        begun, done = api.audit.rows()
        assert (begun.outcome, done.outcome) == ("begun", "I99")
        assert begun.target == done.target
        assert str(device.eui64) in done.target


@virtual
async def test_looking_leaves_no_trace() -> None:
    async with bench() as api:
        await api.get("/devices")
        await api.get("/jobs")
        await api.ask("GET", "/jobs/7")
        await api.ask("GET", "/jobs", None)
        assert api.audited() == []


@virtual
async def test_strangers_cannot_fill_the_audit_trail() -> None:
    settings = ApiSettings(
        audit_refusals_burst=5, access=AccessSettings(failures=1000), audit_refusals_per_second=0.1
    )
    async with bench(settings=settings) as api:
        for _ in range(50):
            assert (await api.ask("POST", "/jobs/1/cancel", None)).status_code == 401
        assert len(api.audited()) == 5


@pytest.mark.parametrize("failing", ["INSERT INTO audit", "COMMIT"])
def test_nothing_is_done_that_cannot_be_noted(failing: str) -> None:
    @virtual
    async def ask() -> None:
        store = FullDisk()
        async with bench(store=store) as api:
            api.lab.update(JobKind.HCALCS, HCALCS.eui64)
            store.failing = failing
            response = await api.ask("POST", "/jobs/1/cancel")
            assert response.status_code == 503
            assert response.headers["retry-after"]
            store.failing = None
            assert api.lab.state(HCALCS.eui64) == "notified"
            assert api.audited() == []
            assert (await api.post("/jobs/1/cancel"))["state"] == "cancelled"
        store.close()

    ask()


@virtual
async def test_a_refusal_that_failed_its_transaction_is_noted_all_the_same() -> None:
    async with bench() as api:
        entry: dict[str, Any] = {
            "manufacturer_image_hash": "00" * 32,
            "device_type": "HCALCS",
            "firmware_version": "01000001",
        }
        await api.post("/products", entry)
        other = await api.ask("POST", "/products", json={**entry, "manufacturer_image_hash": "11" * 32})
        assert other.status_code == 409
        assert [row[2].split(":")[0] for row in api.audited()] == ["done", "refused"]
        assert len((await api.get("/products"))["products"]) == 1


@virtual
async def test_the_trail_is_read_in_pages() -> None:
    async with bench() as api:
        for number in range(5):
            api.audit.record("me", "operator", "act", str(number), "done")
        page = await api.get("/audit", params={"limit": 3})
        assert ([row["target"] for row in page["rows"]], page["next"]) == (["0", "1", "2"], 3)
        page = await api.get("/audit", params={"limit": 3, "after": page["next"]})
        assert ([row["target"] for row in page["rows"]], page["next"]) == (["3", "4"], None)


# -- the chain ---------------------------------------------------------------------------------------------


def verify(audit: AuditTrail) -> AuditVerdict:
    found: list[AuditVerdict] = []

    @virtual
    async def ask() -> None:
        found.append(await audit.verify())

    ask()
    return found[0]


def test_a_chain_goes_on_over_a_restart(tmp_path: Path) -> None:
    store, audit = trail(tmp_path / "hub.sqlite")
    head = verify(audit).head
    store.close()
    store, audit = trail(tmp_path / "hub.sqlite")
    verdict = verify(audit)
    assert (verdict.rows, verdict.broken) == (10, None)
    assert audit.rows(after=5, limit=1)[0].previous == head
    store.close()


def test_a_chain_longer_than_a_page_is_walked_to_its_end() -> None:
    store, audit = trail(rows=1)
    with store.transaction():
        for _ in range(2000):
            audit.record("me", "operator", "act", "", "done")
    assert verify(audit).rows == 2001
    store.close()


def test_an_empty_chain_is_in_order() -> None:
    store, audit = trail(rows=0)
    assert (verify(audit).rows, verify(audit).broken) == (0, None)
    store.close()


def _alter(column: str, value: object) -> Callable[[sqlite3.Connection], object]:
    return lambda database: database.execute(f"UPDATE audit SET {column} = ? WHERE seq = 3", (value,))


@pytest.mark.parametrize(
    ("tamper", "broken", "words"),
    [
        (_alter("actor", "somebody else"), 3, "altered"),
        (_alter("role", "activator"), 3, "altered"),
        (_alter("action", "other"), 3, "altered"),
        (_alter("target", "other"), 3, "altered"),
        (_alter("outcome", "refused"), 3, "altered"),
        (_alter("at", 0), 3, "altered"),
        (_alter("hash", bytes(32)), 3, "altered"),
        (_alter("previous", bytes(32)), 3, "does not follow"),
        (lambda database: database.execute("DELETE FROM audit WHERE seq = 3"), 4, "missing"),
        (lambda database: database.execute("DELETE FROM audit WHERE seq = 1"), 2, "missing"),
        (
            lambda database: (
                database.execute("UPDATE audit SET seq = 9 WHERE seq = 3"),
                database.execute("UPDATE audit SET seq = 3 WHERE seq = 4"),
                database.execute("UPDATE audit SET seq = 4 WHERE seq = 9"),
            ),
            3,
            "does not follow",
        ),
    ],
)
def test_a_row_altered_behind_hanotas_back_is_named(
    tmp_path: Path, tamper: Callable[[sqlite3.Connection], object], broken: int, words: str
) -> None:
    path = tmp_path / "hub.sqlite"
    store, _ = trail(path)
    store.close()
    database = sqlite3.connect(path)
    database.execute("DROP TRIGGER audit_is_not_altered")
    database.execute("DROP TRIGGER audit_is_not_deleted")
    tamper(database)
    database.commit()
    database.close()
    store = SqliteStore(path)
    verdict = verify(AuditTrail(SqliteAuditStore(store.database), Now()))
    assert verdict.broken == broken
    assert words in verdict.fault
    assert verdict.rows == broken - 1 if words != "missing" else verdict.rows < broken - 1
    store.close()


def test_a_row_recomputed_with_its_own_hash_breaks_the_next(tmp_path: Path) -> None:
    path = tmp_path / "hub.sqlite"
    store, audit = trail(path)
    forged = audit.rows(after=2, limit=1)[0]
    store.close()
    database = sqlite3.connect(path)
    database.execute("DROP TRIGGER audit_is_not_altered")
    object.__setattr__(forged, "outcome", "nothing")
    database.execute(
        "UPDATE audit SET outcome = 'nothing', hash = ? WHERE seq = 3", (forged.computed_hash(),)
    )
    database.commit()
    database.close()
    store = SqliteStore(path)
    verdict = verify(AuditTrail(SqliteAuditStore(store.database), Now()))
    assert (verdict.rows, verdict.broken) == (3, 4)
    store.close()


@pytest.mark.parametrize("statement", ["UPDATE audit SET actor = 'x'", "DELETE FROM audit"])
def test_the_database_itself_refuses_to_alter_it(tmp_path: Path, statement: str) -> None:
    store, _ = trail(tmp_path / "hub.sqlite")
    store.close()
    database = sqlite3.connect(tmp_path / "hub.sqlite")
    with pytest.raises(sqlite3.IntegrityError, match="audit trail"):
        database.execute(statement)
    database.close()


def test_long_and_odd_texts_are_cut_and_kept() -> None:
    store, audit = trail(rows=0)
    audit.record("me", "operator", "act", "x" * 10_000, "\udcff é \x00 \n")
    row = audit.rows()[0]
    assert len(row.target) == LONGEST_TEXT
    assert verify(audit).broken is None
    store.close()


def test_a_row_that_cannot_be_kept_is_an_error() -> None:
    store, audit = trail()
    row = audit.rows()[0]
    with pytest.raises(StoreError):
        SqliteAuditStore(store.database).add_audit(row)
    store.close()


@virtual
async def test_the_newest_rows_are_read_and_the_number_of_the_last_is_told() -> None:
    async with bench() as api:
        empty = await api.get("/audit", params={"newest": 2})
        assert (empty["rows"], empty["next"], empty["last"]) == ([], None, 0)
        for number in range(5):
            api.audit.record("me", "operator", "act", f"target {number}", "done")
        page = await api.get("/audit", params={"newest": 2})
        assert [row["target"] for row in page["rows"]] == ["target 3", "target 4"]
        assert (page["next"], page["last"]) == (None, 5)
        later = await api.get("/audit", params={"newest": 3, "after": 4})
        assert [row["seq"] for row in later["rows"]] == [5]
        assert (await api.ask("GET", "/audit", params={"newest": 0})).status_code == 422
