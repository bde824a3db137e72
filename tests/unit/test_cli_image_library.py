"""`hanota image add|list|check|retire`: what a hub's database holds, and why something is refused."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import serialization
from typer.testing import CliRunner

from hanota.cli.main import app
from hanota.hub.jobs import JobKind
from hanota.store.store import SqliteStore
from tests.hub_parties_support import EPOCH, HCALCS_IMAGE, OTHER_SUPPLIER, PPMID_IMAGE, SUPPLIER
from tests.hub_parties_support import PPMID as DEVICE

if TYPE_CHECKING:
    from pathlib import Path

    from hanota.gbcs.certificates import Credentials


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["image", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "hub.db"


@pytest.fixture
def ppmid(tmp_path: Path) -> Path:
    path = tmp_path / "ppmid.ota"
    path.write_bytes(PPMID_IMAGE.data)
    return path


@pytest.fixture
def hcalcs(tmp_path: Path) -> Path:
    path = tmp_path / "hcalcs.ota"
    path.write_bytes(HCALCS_IMAGE.data)
    return path


def key_file(path: Path, credentials: Credentials) -> Path:
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    key = credentials.signing_key.public_key()
    path.write_bytes(key.public_bytes(serialization.Encoding.PEM, spki))
    return path


def listed(db: Path, *options: str) -> list[dict[str, object]]:
    status, out, _ = run("list", "--db", db, "--json", *options)
    assert status == 0
    return [json.loads(line) for line in out.splitlines()]


def test_images_are_added_listed_and_retired(db: Path, ppmid: Path, hcalcs: Path) -> None:
    assert run("add", ppmid, "--kind", "PPMID", "--db", db)[0] == 0
    assert run("add", hcalcs, "--kind", "HCALCS", "--db", db)[0] == 0
    images = listed(db)
    assert [image["kind"] for image in images] == ["PPMID", "HCALCS"]
    assert [image["signature"] for image in images] == ["none", "not checked"]
    assert images[0]["manufacturer_image_hash"] == PPMID_IMAGE.manufacturer_image_hash.hex()
    assert (images[0]["minimum_hardware_version"], images[0]["maximum_hardware_version"]) == (1, 5)

    digest = str(images[0]["digest"])
    status, out, _ = run("retire", digest[:16], "--db", db)
    assert status == 0
    assert "retired" in out
    assert [image["kind"] for image in listed(db)] == ["HCALCS"]
    assert len(listed(db, "--retired")) == 2


def test_an_image_is_stored_once_however_often_it_is_added(db: Path, ppmid: Path) -> None:
    for _ in range(3):
        assert run("add", ppmid, "--kind", "PPMID", "--db", db)[0] == 0
    assert len(listed(db)) == 1


def test_the_list_for_people_names_the_image_its_size_and_its_hardware(db: Path, ppmid: Path) -> None:
    run("add", ppmid, "--kind", "PPMID", "--db", db)
    _, out, _ = run("list", "--db", db)
    assert f"{PPMID_IMAGE.header.image_id}" in out
    assert f"{len(PPMID_IMAGE.data)} octets" in out
    assert "hardware 0001 to 0005" in out


def test_a_signature_is_verified_with_the_suppliers_key(db: Path, hcalcs: Path, tmp_path: Path) -> None:
    key = key_file(tmp_path / "supplier.pem", SUPPLIER)
    assert run("add", hcalcs, "--kind", "HCALCS", "--db", db, "--key", key)[0] == 0
    (image,) = listed(db)
    assert image["signature"] == "verified"


def test_a_signature_of_another_supplier_is_refused_and_nothing_is_stored(
    db: Path, hcalcs: Path, tmp_path: Path
) -> None:
    key = key_file(tmp_path / "other.pem", OTHER_SUPPLIER)
    status, _, error = run("add", hcalcs, "--kind", "HCALCS", "--db", db, "--key", key)
    assert status == 1
    assert "signature" in error
    assert listed(db, "--retired") == []


def test_a_stored_image_is_verified_again_and_its_signature_noted(
    db: Path, hcalcs: Path, tmp_path: Path
) -> None:
    run("add", hcalcs, "--kind", "HCALCS", "--db", db)
    (image,) = listed(db)
    key = key_file(tmp_path / "supplier.pem", SUPPLIER)
    status, out, _ = run("check", image["digest"], "--db", db, "--key", key)
    assert status == 0
    assert "signature verified" in out
    assert listed(db)[0]["signature"] == "verified"


def test_an_image_altered_in_the_database_is_found_out(db: Path, ppmid: Path) -> None:
    run("add", ppmid, "--kind", "PPMID", "--db", db)
    with closing(SqliteStore(db)) as store:
        store._database._connection.execute("UPDATE image SET data = zeroblob(length(data))")
    status, _, error = run("check", listed(db)[0]["digest"], "--db", db)
    assert status == 1
    assert "was altered in the database" in error


def test_an_image_in_use_is_retired_only_by_force(db: Path, ppmid: Path) -> None:
    run("add", ppmid, "--kind", "PPMID", "--db", db)
    digest = str(listed(db)[0]["digest"])
    with closing(SqliteStore(db)) as store:
        store.add_job(
            request_id="1",
            kind=JobKind.PPMID,
            device=DEVICE.eui64,
            image=bytes.fromhex(digest),
            firmware_version=bytes(4),
            manufacturer_image_hash=bytes(32),
            at=EPOCH,
        )
    status, _, error = run("retire", digest, "--db", db)
    assert status == 1
    assert "is used by 1 open jobs" in error
    assert run("retire", digest, "--db", db, "--force")[0] == 0
    with closing(SqliteStore(db)) as store:
        assert store.image(bytes.fromhex(digest)) == PPMID_IMAGE.data


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("list",), "no database"),
        (("retire", "00"), "no database"),
        (("check", "00"), "no database"),
    ],
)
def test_a_database_that_is_not_there_is_told_and_not_made(
    db: Path, arguments: tuple[str, ...], said: str
) -> None:
    status, _, error = run(*arguments, "--db", db)
    assert status == 1
    assert said in error
    assert not db.exists()


@pytest.mark.parametrize(
    ("digest", "said"), [("xyz", "is no digest"), ("00", "0 images in the library"), ("", "2 images")]
)
def test_a_digest_that_names_no_one_image_is_refused(
    db: Path, ppmid: Path, hcalcs: Path, digest: str, said: str
) -> None:
    run("add", ppmid, "--kind", "PPMID", "--db", db)
    run("add", hcalcs, "--kind", "HCALCS", "--db", db)
    status, _, error = run("retire", digest, "--db", db)
    assert status == 1
    assert said in error


def test_a_file_of_another_shape_is_refused(db: Path, ppmid: Path) -> None:
    status, _, error = run("add", ppmid, "--kind", "HCALCS", "--db", db)
    assert status == 1
    assert "bad signature block" in error
