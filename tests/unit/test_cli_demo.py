"""`hanota demo`: what it prints, what it keeps, and an exit status that can be trusted."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from typer.testing import CliRunner

from hanota.cli.main import app
from hanota.demo.plan import default_plan
from hanota.demo.run import DemoOptions, run_demo
from hanota.duis.build import build_request
from hanota.emulator.loop import run_virtual
from hanota.gbcs.certificates import RemotePartyRole
from hanota.gbcs.lab_ca import LabCa
from hanota.gbcs.reference_test_data import BROKER, HCALCS, PPMID, SUPPLIER

if TYPE_CHECKING:
    from typer.testing import Result

    from hanota.gbcs.certificates import Credentials
    from hanota.hub.events import Event

VECTORS = Path(__file__).parents[3] / "shared" / "vectors"
DUIS = VECTORS / "duis"
SR_11_1 = "11.1_UPDATE_FIRMWARE_REQUEST_DUIS.XML"
SR_11_4 = "11.4_UPDATE_PPMID_FIRMWARE_REQUEST_DUIS.XML"
IMAGE_BEARING = (SR_11_4, SR_11_1)
VERDICT = "Every device runs its new version; every signature and MAC was verified."

needs_vectors = pytest.mark.skipif(
    not DUIS.is_dir(), reason="the published DUIS documents (../shared/vectors/duis) are not here"
)


def demo(*arguments: str | Path) -> Result:
    """Run `hanota demo` on a small image unless documents bring theirs."""
    size = [] if "--request" in arguments else ["--image-size", "2000"]
    return CliRunner().invoke(app, ["demo", *size, *map(str, arguments)])


def fails_clearly(result: Result, *words: str, hint: bool = True) -> None:
    """Exit status 1, one line that names the fault, a hint, no traceback."""
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    lines = result.stderr.splitlines()
    assert lines[0].startswith("error: ")
    for word in words:
        assert word in lines[0]
    assert [line.startswith("hint: ") for line in lines[1:]] == [True] * hint
    assert "Traceback" not in result.output


def request_options(folder: Path, *names: str) -> list[str | Path]:
    return given([folder / name for name in names])


# -- what it shows -----------------------------------------------------------------------------------------


def test_it_updates_both_devices_and_tells_who_sent_what_and_how_it_was_verified() -> None:
    result = demo("--seed", "1")
    assert result.exit_code == 0
    assert result.stderr == ""
    text = " ".join(result.stdout.split())
    assert text.endswith(VERDICT)
    told = [
        "Service Request 11.4 Update PPMID Firmware",
        "Query Next Image Request",
        "Upgrade End Response: activate now",
        "CS09 alert, 132 octets; verified: signature",
        "Service Request 11.1 Update Firmware",
        "(0xFFFFFFFF)",
        "Service Request 11.3 Activate Firmware",
        "CS06 response, 122 octets; verified: signature",
        "CS08 response, 87 octets; verified: MAC",
        f"{PPMID} PPMID 01000000 01000001 activated",
        f"{HCALCS} HCALCS 01000000 01000001 activated",
    ]
    places = [text.find(part) for part in told]
    assert -1 not in places, told[places.index(-1)]
    assert places == sorted(places)


def test_json_prints_the_events_one_object_a_line_in_the_order_of_seq() -> None:
    result = demo("--seed", "1", "--json")
    assert result.exit_code == 0
    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert {"seq", "at", "kind", "from", "to", "device", "job"} <= set.intersection(*map(set, events))
    jobs = {event["device"]: event["state"] for event in events if event["kind"] == "job.state"}
    assert jobs == {str(PPMID): "activated", str(HCALCS): "activated"}
    assert result.stderr.strip() == VERDICT


def test_the_image_size_is_that_of_the_manufacturer_image() -> None:
    result = demo("--image-size", "5000", "--json")
    sizes = [json.loads(line).get("octets") for line in result.stdout.splitlines() if '"11.4"' in line]
    assert sizes[0] == 5060, "60 octets of OTA Header before it"


@pytest.mark.parametrize("size", ["0", "-1", "10000001", "many"])
def test_an_image_size_that_makes_no_image_is_a_usage_error(size: str) -> None:
    result = demo("--image-size", size)
    assert result.exit_code == 2
    assert "--image-size" in result.stderr


def test_a_speed_runs_in_real_time_made_faster() -> None:
    result = demo("--speed", "50", "--image-size", "500", "--json")
    assert result.exit_code == 0
    assert result.stderr.strip() == VERDICT


@pytest.mark.parametrize("speed", ["0", "-1", "nan", "inf", "quick", ""])
def test_a_speed_that_is_none_is_refused(speed: str) -> None:
    fails_clearly(demo("--speed", speed), "--speed", "neither `fast` nor a number above 0")


# -- what keeps it secure ----------------------------------------------------------------------------------


@pytest.mark.parametrize("suite", ["1", "2"])
@pytest.mark.parametrize("radio", ["znp+emulator://", "ezsp+emulator://"])
def test_devices_establish_link_keys_with_the_suite_asked_for(radio: str, suite: str) -> None:
    result = demo("--radio", radio, "--suite", suite, "--json")
    assert result.exit_code == 0, result.output
    events = [json.loads(line) for line in result.stdout.splitlines()]
    established = [event for event in events if event["kind"] == "key_establishment.established"]
    assert [(event["device"], event["suite"]) for event in established] == [
        (str(PPMID), int(suite)),
        (str(HCALCS), int(suite)),
    ]


@pytest.mark.parametrize("radio", ["znp+emulator://", "ezsp+emulator://"])
@pytest.mark.parametrize("security", ["install-code", "none"])
def test_a_bench_without_key_establishment_is_updated_as_well(radio: str, security: str) -> None:
    result = demo("--radio", radio, "--security", security, "--json")
    assert result.exit_code == 0, result.output
    assert result.stderr.strip() == VERDICT
    assert "key_establishment" not in result.stdout


def test_a_link_security_that_is_none_of_them_is_refused() -> None:
    fails_clearly(demo("--security", "wep"), "--security", "wep")


@pytest.mark.parametrize("suite", ["0", "3", "both"])
def test_a_suite_there_is_not_is_a_usage_error(suite: str) -> None:
    result = demo("--suite", suite)
    assert result.exit_code == 2
    assert "--suite" in result.stderr


def test_keys_are_exported_for_wireshark_when_asked_and_for_the_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "zigbee_pc_keys"
    assert demo("--export-keys", path).exit_code == 0
    assert path.stat().st_mode & 0o777 == 0o600
    rows = [line.split(",") for line in path.read_text().splitlines()]
    keys = {label.strip('"'): key.strip('"') for key, _, label in rows}
    labels = ["network key"]
    for device in (PPMID, HCALCS):
        labels += [f"{device} install code", f"{device} CBKE suite 2"]
    assert set(labels) <= set(keys)
    assert len({keys[label] for label in labels}) == len(labels), "every one another key"
    assert all(len(bytes.fromhex(key)) == 16 for key in keys.values())


def test_keys_are_exported_into_no_file_that_others_may_read(tmp_path: Path) -> None:
    path = tmp_path / "zigbee_pc_keys"
    path.touch(mode=0o644)
    fails_clearly(demo("--export-keys", path), str(path))
    assert path.read_bytes() == b""


# -- what it keeps -----------------------------------------------------------------------------------------


def test_db_keeps_the_journal_and_a_second_run_goes_on_in_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "demo.db"
    first = demo("--db", path, "--json")
    second = demo("--db", path, "--json")
    assert (first.exit_code, second.exit_code) == (0, 0)
    printed = [json.loads(line) for line in (first.stdout + second.stdout).splitlines()]
    with sqlite3.connect(path) as connection:
        kept = connection.execute("SELECT seq, kind FROM event ORDER BY seq").fetchall()
    connection.close()
    assert kept == [(event["seq"], event["kind"]) for event in printed]
    assert path.stat().st_mode & 0o777 == 0o600, "it holds install codes"


@pytest.mark.parametrize("seconds", [0.5, 1.15, 3, 9, 14])
def test_a_run_that_was_killed_at_any_point_is_followed_by_one_that_succeeds(
    tmp_path: Path, seconds: float
) -> None:
    events: list[Event] = []

    async def run(epoch: float, limit: float | None) -> bool:
        options = DemoOptions(image_size=4000, database=tmp_path / "demo.db", epoch=epoch)
        async with asyncio.timeout(limit):
            report = await run_demo(
                options, on_event=events.append, on_progress=lambda _: None, on_notice=lambda *_: None
            )
        return report.succeeded

    with pytest.raises(TimeoutError):
        run_virtual(run(1_800_000_000.0, seconds))
    assert run_virtual(run(1_800_003_600.0, None))
    assert [event.seq for event in events] == list(range(1, len(events) + 1))


def test_a_file_that_is_no_database_is_named_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear Sir or Madam, " * 100)
    before = path.read_bytes()
    fails_clearly(demo("--db", path), str(path), "not a database")
    assert path.read_bytes() == before


def test_a_database_of_another_program_is_named_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "zigbee.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE devices (ieee TEXT)")
    connection.close()
    before = path.read_bytes()
    fails_clearly(demo("--db", path), str(path), "another program")
    assert path.read_bytes() == before


def test_a_database_in_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    fails_clearly(demo("--db", tmp_path / "nowhere" / "demo.db"), "nowhere")


# -- documents ---------------------------------------------------------------------------------------------


@needs_vectors
def test_the_published_documents_run_unchanged_beside_their_key_store() -> None:
    result = demo(*request_options(DUIS, *IMAGE_BEARING))
    assert result.exit_code == 0, result.output
    assert " ".join(result.stdout.split()).endswith(VERDICT)


@needs_vectors
@pytest.mark.parametrize("names", [IMAGE_BEARING, (SR_11_1,), (SR_11_4,), IMAGE_BEARING[::-1]])
def test_the_published_documents_run_unchanged_without_any_key_store(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    for name in names:
        shutil.copy(DUIS / name, tmp_path)
    result = demo(*request_options(tmp_path, *names), "--json")
    assert result.exit_code == 0, result.output
    events = [json.loads(line) for line in result.stdout.splitlines()]
    updated = [e["device"] for e in events if e["kind"] == "job.state" and e["state"] == "activated"]
    received = [event for event in events if event["kind"] == "service_request.received"]
    wanted = [device for event in received for device in event.get("devices", [])]
    assert sorted(updated) == sorted(wanted)
    assert len(updated) == len(names)


@needs_vectors
def test_a_published_11_3_for_another_image_ends_with_1_and_says_hash_mismatch() -> None:
    """The hash in the published 11.3 is of no published image."""
    result = demo(*request_options(DUIS, SR_11_1, "CS06_11.3_IMMEDIATE_SUCCESS_REQUEST_DUIS.XML"), "--json")
    assert result.exit_code == 1
    assert "was to run ACDCACDC, its job is held" in result.stderr
    assert "hashMismatch" in result.stderr


@needs_vectors
def test_a_published_11_3_far_in_the_future_is_not_waited_for() -> None:
    name = "CS06_11.3_FUTURE_DATED_SUCCESS_REQUEST_DUIS.XML"
    result = demo(*request_options(DUIS, SR_11_1, name), "--json")
    fails_clearly(result, "2030-01-15", "days ahead")


@needs_vectors
def test_published_documents_that_bring_no_image_make_no_demonstration() -> None:
    name = "CCS01_8.11_SUCCESS_REQUEST_DUIS.XML"
    fails_clearly(demo(*request_options(DUIS, name)), "none of the documents brings an image")


@pytest.fixture
def documents(tmp_path: Path) -> list[Path]:
    """11.4, 11.1 and 11.3 of a lab supplier, with its keys in a key store beside them."""
    ca = LabCa(1_800_000_000.0, seed=b"documents")
    keys = tmp_path / "keystore"
    keys.mkdir()
    supplier = ca.issue_organisation(SUPPLIER, RemotePartyRole.SUPPLIER, "Lab supplier")
    write_credentials(keys, supplier)
    write_credentials(keys, ca.issue_organisation(BROKER, RemotePartyRole.ACCESS_CONTROL_BROKER, "Lab ACB"))
    paths = []
    for request in default_plan(3000, supplier.signing_key, 1, 0).requests:
        paths.append(tmp_path / f"{request.service_reference}.xml")
        paths[-1].write_bytes(build_request(request))
    return paths


def write_credentials(folder: Path, credentials: Credentials) -> None:
    for usage, key, certificate in (
        ("ds", credentials.signing_key, credentials.signing_certificate),
        ("ka", credentials.agreement_key, credentials.agreement_certificate),
    ):
        stem = folder / f"{credentials.eui64.hex()}-{usage}"
        octets = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        stem.with_suffix(".key").write_bytes(octets)
        stem.with_suffix(".pem").write_bytes(certificate.certificate.public_bytes(Encoding.PEM))


def given(paths: list[Path]) -> list[str | Path]:
    return [option for path in paths for option in ("--request", path)]


def rewritten(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert re.search(old, text)
    path.write_text(re.sub(old, new, text))


def test_documents_with_their_own_11_3_run_with_the_key_store_beside_them(documents: list[Path]) -> None:
    result = demo(*given(documents))
    assert result.exit_code == 0, result.output
    assert " ".join(result.stdout.split()).endswith(VERDICT)


def test_an_11_3_with_a_wrong_hash_ends_with_1_and_the_transcript_says_why(documents: list[Path]) -> None:
    rewritten(documents[-1], "[0-9A-F]{64}", "0" * 64)
    result = demo(*given(documents))
    text = " ".join(result.stdout.split())
    assert result.exit_code == 1
    assert "response to 11.3: hash_mismatch" in text
    assert f"{HCALCS} was to run 01000001, its job is held" in text
    assert f"{PPMID} PPMID 01000000 01000001 activated" in text
    assert "Traceback" not in result.output


def test_documents_and_no_keys_of_their_supplier_end_at_the_hcalcs_that_refuses_the_image(
    documents: list[Path],
) -> None:
    """Without the key store the demonstration makes a supplier of its own, which did not sign this image."""
    shutil.rmtree(documents[0].parent / "keystore")
    result = demo(*given(documents[:2]))
    assert result.exit_code == 1
    assert "its job is invalid_image" in " ".join(result.stdout.split())


BROKEN_DOCUMENTS = {
    "empty": (b"", "document"),
    "no XML": (b"Dear Sir or Madam", "XML"),
    "cut off": (b"<?xml version='1.0'?><Request", "XML"),
    "another root": (b"<Order/>", "expected sr:Request"),
}


@pytest.mark.parametrize("fault", BROKEN_DOCUMENTS)
def test_a_broken_document_is_named(tmp_path: Path, fault: str) -> None:
    content, word = BROKEN_DOCUMENTS[fault]
    path = tmp_path / "request.xml"
    path.write_bytes(content)
    fails_clearly(demo("--request", path), str(path), word, hint=False)


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("(?<=<sr:FirmwareImage>)....", "AAAA", "not an OTA upgrade image"),
        ("(?<=<sr:FirmwareImage>)[^<]*", "", "truncated"),
        ("(?<=<sr:FirmwareImage>)[^<]*", "?", "base64"),
        ("[^<>]*(?=</sr:DeviceIDList>)", "00-DB", "EUI"),
    ],
)
def test_a_document_with_a_broken_field_is_refused_by_name(
    documents: list[Path], old: str, new: str, word: str
) -> None:
    rewritten(documents[0], old, new)
    result = demo(*given(documents))
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")
    assert word in result.stderr
    assert "Traceback" not in result.output


def test_a_document_that_is_not_there_or_no_file_is_named(tmp_path: Path) -> None:
    fails_clearly(demo("--request", tmp_path / "missing.xml"), "missing.xml", "No such file")
    fails_clearly(demo("--request", tmp_path), str(tmp_path), "Is a directory")


def test_documents_without_an_image_make_no_demonstration(documents: list[Path]) -> None:
    fails_clearly(demo("--request", documents[-1]), "none of the documents brings an image")


def test_documents_of_two_service_users_are_not_mixed(documents: list[Path]) -> None:
    rewritten(documents[1], "(?<=RequestID>)90-B3-D5-1F-30-01-00-00", "90-B3-D5-1F-30-01-00-01")
    fails_clearly(demo(*given(documents)), "several service users", hint=False)


def test_one_request_given_twice_is_done_once_and_refused_the_second_time(documents: list[Path]) -> None:
    result = demo(*given([documents[0], documents[0]]))
    assert result.exit_code == 1
    assert "was handled already" in result.stderr


def test_a_key_store_without_private_keys_is_refused(documents: list[Path]) -> None:
    for key in (documents[0].parent / "keystore").glob("*.key"):
        key.unlink()
    fails_clearly(demo(*given(documents)), "cannot play the supplier")


def test_a_key_store_that_is_not_there_is_named(tmp_path: Path) -> None:
    fails_clearly(demo("--keystore", tmp_path / "nowhere"), "nowhere")
