"""`hanota client` as a user types it, before the daemon's own HTTP side on a real port."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization as form
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID
from typer.testing import CliRunner

from hanota.api.access import Role
from hanota.cli.main import app
from hanota.clock import SystemClock
from hanota.hub.jobs import JobKind
from hanota.timestamps import utc
from tests.api.client_support import obedient, served
from tests.hub_parties_support import HCALCS, HCALCS_IMAGE, PPMID, PPMID_IMAGE, STRANGER, SUPPLIER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.api.client_support import Served


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hanota.cli.client.following.LOOK_INTERVAL", 0.02)


@pytest.fixture
def daemon() -> Iterator[Served]:
    """A daemon whose devices do what they are told."""
    with served() as daemon:

        async def begin() -> asyncio.Task[None]:
            await daemon.api.lab.joined(PPMID, JobKind.PPMID)
            await daemon.api.lab.joined(HCALCS, JobKind.HCALCS)
            return asyncio.create_task(obedient(daemon.api))

        obeying = daemon.do(begin())
        yield daemon
        daemon.loop.call_soon_threadsafe(obeying.cancel)


@pytest.fixture
def ppmid_file(tmp_path: Path) -> Path:
    file = tmp_path / "ppmid.ota"
    file.write_bytes(PPMID_IMAGE.data)
    return file


@pytest.fixture
def hcalcs_file(tmp_path: Path) -> Path:
    file = tmp_path / "hcalcs.ota"
    file.write_bytes(HCALCS_IMAGE.data)
    return file


def test_a_ppmid_is_updated_by_one_command_and_tells_its_new_version(
    daemon: Served, ppmid_file: Path
) -> None:
    updated = daemon.client("update", str(ppmid_file), str(PPMID.eui64), "--follow")
    assert updated.exit_code == 0, updated.output
    assert "I99" in updated.stdout
    assert f"job 1 of {PPMID.eui64}: activated" in updated.stderr
    version = daemon.client("version", str(PPMID.eui64))
    assert (version.exit_code, version.stdout) == (0, "01000001\n")


def test_an_hcalcs_is_updated_then_activated_and_each_step_names_the_next(
    daemon: Served, hcalcs_file: Path
) -> None:
    updated = daemon.client("update", str(hcalcs_file), str(HCALCS.eui64), "--follow")
    assert updated.exit_code == 0, updated.output
    assert "`hanota client activate 1` activates its image" in updated.stderr
    activated = daemon.client("activate", str(HCALCS.eui64), "--follow", answer="y\n")
    assert activated.exit_code == 0, activated.output
    assert f"activate version 01000001 on HCALCS {HCALCS.eui64} (job 1)?" in activated.stderr
    assert "activated" in activated.stderr


def test_nothing_is_activated_where_the_answer_is_no(daemon: Served, hcalcs_file: Path) -> None:
    assert daemon.client("update", str(hcalcs_file), str(HCALCS.eui64), "-f").exit_code == 0
    refused = daemon.client("activate", "1", answer="n\n")
    assert refused.exit_code == 1
    assert daemon.state(HCALCS.eui64) == "held"


def test_a_supplier_signs_on_the_client_s_side_where_the_daemon_has_no_key(
    hcalcs_file: Path, tmp_path: Path
) -> None:
    keys = tmp_path / "keys"
    keys.mkdir()
    stem = f"{SUPPLIER.eui64.hex()}-ds"
    pem = SUPPLIER.signing_key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
    (keys / f"{stem}.key").write_bytes(pem)
    with served(supplier_keys=False) as daemon:
        daemon.do(daemon.api.lab.held())
        by_daemon = daemon.client("activate", "1", "--yes")
        assert by_daemon.exit_code == 3
        assert "no supplier's key is configured" in by_daemon.stderr
        by_client = daemon.client("activate", "1", "--yes", "--keystore", str(keys))
        assert by_client.exit_code == 0, by_client.output
        assert daemon.state(HCALCS.eui64) == "activating"
        empty = tmp_path / "empty"
        empty.mkdir()
        without = daemon.client("activate", "1", "--yes", "--keystore", str(empty))
        assert without.exit_code == 2
        assert str(SUPPLIER.eui64) in without.stderr


def test_an_activation_is_dated_ahead_and_cancelled() -> None:
    with served() as daemon:
        daemon.do(daemon.api.lab.held())
        both = daemon.client("activate", "1", "--at", "+10m", "--cancel")
        assert both.exit_code == 2
        dated = daemon.client("activate", "1", "--at", "2030-01-15T09:00:00Z", "--yes", "--json")
        assert dated.exit_code == 0, dated.output
        assert json.loads(dated.stdout)["response_code"] == "I99"
        told = daemon.client("activate", "1", "--at", "2030-01-16T09:00:00Z", "--yes")
        assert "job 1: activating, activates at 2030-01-16T09:00:00.000Z\n" in told.stdout
        (job,) = json.loads(daemon.client("jobs", "--json").stdout)["jobs"]
        assert (job["state"], job["execution_at"]) == ("activating", "2030-01-16T09:00:00.000Z")
        assert "activates at 2030-01-16T09:00:00.000Z" in " ".join(daemon.client("jobs").stdout.split())
        cancelled = daemon.client("activate", "1", "--cancel", answer="y\n")
        assert cancelled.exit_code == 0, cancelled.output
        assert "cancel the activation of version 01000001" in cancelled.stderr


def test_a_failed_update_ends_with_1_and_says_why(daemon: Served, ppmid_file: Path) -> None:
    daemon.api.lab.radio.devices[PPMID.eui64].status = 0x96  # INVALID_IMAGE
    updated = daemon.client("update", str(ppmid_file), str(PPMID.eui64), "--follow")
    assert updated.exit_code == 1
    assert "invalid_image" in updated.stderr
    assert f"hanota client events --device {PPMID.eui64}" in updated.stderr


def test_devices_that_are_left_out_are_named_and_end_the_command_with_1(
    daemon: Served, ppmid_file: Path
) -> None:
    updated = daemon.client("update", str(ppmid_file), str(PPMID.eui64), str(STRANGER.eui64))
    assert updated.exit_code == 1
    assert f"{STRANGER.eui64} (invalid)" in updated.stderr
    assert "accepted" in updated.stdout


def test_an_update_that_the_dcc_rejects_ends_with_3_and_its_response_code(
    daemon: Served, hcalcs_file: Path
) -> None:
    added = daemon.client("images", "add", str(hcalcs_file), "--kind", "HCALCS", "--json")
    digest = json.loads(added.stdout)["digest"]
    updated = daemon.client("update", digest[:12], str(PPMID.eui64))
    assert updated.exit_code == 3
    assert "E1101" in updated.stderr


def test_an_update_that_waits_for_approval_is_approved(daemon: Served, ppmid_file: Path) -> None:
    options = ("--approve", "--priority", "high", "--expires", "2030-01-15T09:00Z", "--json")
    updated = daemon.client("update", str(ppmid_file), str(PPMID.eui64), *options, role=Role.OPERATOR)
    assert updated.exit_code == 0, updated.output
    job = json.loads(updated.stdout)["devices"][0]["job"]
    assert (job["waits_for_approval"], job["priority"]) == (True, "high")
    assert job["expires_at"].startswith("2030-01-15T09:00:00")
    refused = daemon.client("approve", "1", "--yes", role=Role.OPERATOR)
    assert refused.exit_code == 3
    assert "activator" in refused.stderr
    assert daemon.client("approve", "1", answer="y\n").exit_code == 0
    followed = daemon.client("jobs", "--follow")
    assert followed.exit_code == 0, followed.output
    assert daemon.state(PPMID.eui64) == "activated"


def test_jobs_are_paused_resumed_cancelled_and_listed(daemon: Served, ppmid_file: Path) -> None:
    daemon.client("update", str(ppmid_file), str(PPMID.eui64), "--approve")
    assert "paused" in daemon.client("pause", "1").stdout
    assert "paused" in daemon.client("jobs").stdout
    assert "paused" not in daemon.client("resume", "1").stdout
    assert "cancelled" in daemon.client("cancel", "1", "--yes").stdout
    assert "no open jobs" in daemon.client("jobs").stdout
    assert "cancelled" in daemon.client("jobs", "--all").stdout
    (job,) = json.loads(daemon.client("jobs", "--all", "--json").stdout)["jobs"]
    assert (job["id"], job["state"]) == (1, "cancelled")
    again = daemon.client("cancel", "1", "--yes")
    assert again.exit_code == 3
    assert "has ended" in again.stderr
    assert "no open jobs" in daemon.client("jobs", "--follow").stdout


def test_images_are_added_listed_and_retired(daemon: Served, ppmid_file: Path) -> None:
    assert "no images" in daemon.client("images").stdout
    added = daemon.client("images", "add", str(ppmid_file), "--kind", "ppmid")
    assert added.exit_code == 0, added.output
    digest = added.stdout.split()[0]
    assert f"next: hanota client update {digest[:16]}" in added.stdout
    assert digest[:16] in daemon.client("images").stdout
    assert daemon.client("images", "retire", digest[:16], answer="n\n").exit_code == 1
    assert daemon.client("images", "retire", digest[:16], "--yes").exit_code == 0
    assert "no images" in daemon.client("images").stdout
    assert "retired" in daemon.client("images", "--retired").stdout


def test_what_is_no_image_is_refused_by_the_daemon_and_a_missing_file_by_the_client(
    daemon: Served, tmp_path: Path
) -> None:
    file = tmp_path / "not.ota"
    file.write_bytes(b"not an image")
    refused = daemon.client("images", "add", str(file), "--kind", "PPMID")
    assert refused.exit_code == 3
    missing = daemon.client("images", "add", str(tmp_path / "missing.ota"), "--kind", "PPMID")
    assert missing.exit_code == 2
    assert daemon.client("update", "no/such/file.ota", str(PPMID.eui64)).exit_code == 2


def test_a_device_is_admitted_listed_and_removed(daemon: Served) -> None:
    new = "00-DB-12-34-56-78-90-A9"
    code = "83FE D340 7A93 9723 A5C6 39B2 6916 D505 C3B5"
    added = daemon.client(
        "devices", "add", new, "--type", "ppmid", "--join-seconds", "60", answer=f"{code}\n"
    )
    assert added.exit_code == 0, added.output
    assert code.replace(" ", "") not in added.output.replace(" ", "")
    daemon.until(lambda: daemon.api.lab.radio.permitted)
    ((device, install_code, seconds),) = daemon.api.lab.radio.permitted
    assert (str(device), install_code.hex().upper()[:4], seconds) == (new, "83FE", 60)
    assert new in daemon.client("devices").stdout
    kept = daemon.client("devices", "remove", new, answer="n\n")
    assert kept.exit_code == 1
    removed = daemon.client("devices", "remove", new, "--yes")
    assert removed.exit_code == 0, removed.output
    listed = json.loads(daemon.client("devices", "--json").stdout)["devices"]
    assert new not in {each["device"] for each in listed if each["in_device_log"]}


def test_a_wrong_install_code_is_refused_and_not_repeated(daemon: Served) -> None:
    result = daemon.client(
        "devices", "add", "00DB1234567890A9", "--type", "HCALCS", "--install-code", "83FED3407A93FFFF"
    )
    assert result.exit_code == 3
    assert "83FED3407A93FFFF" not in result.output


@pytest.mark.parametrize(
    "command",
    [
        ("devices", "remove", "not an EUI-64", "--yes"),
        ("version", "12"),
        ("events", "--device", "x"),
        ("update", "0123456789abcdef", "no-device"),
        ("update", "0123456789abcdef", str(PPMID.eui64), "--at", "yesterday"),
        ("activate", str(PPMID.eui64), "--yes"),
        ("activate", "1", "--keystore", "/no/such/folder"),
    ],
)
def test_what_cannot_be_ends_with_2(daemon: Served, command: tuple[str, ...]) -> None:
    result = daemon.client(*command)
    assert result.exit_code == 2, result.output
    assert "error:" in result.stderr


def test_what_the_inventory_holds_of_a_device_is_set(daemon: Served) -> None:
    named = ("--manufacturer", "0x121D", "--model", "X", "--hardware", "2", "--gbcs", "4.1")
    result = daemon.client("devices", "set", str(STRANGER.eui64), "--type", "ppmid", *named, "--json")
    known = json.loads(result.stdout)
    assert (known["status"], known["manufacturer_code"], known["hardware_version"]) == ("Pending", 0x121D, 2)
    shown = daemon.client("devices", "set", str(STRANGER.eui64), "--status", "Commissioned")
    assert all(word in shown.stdout for word in (str(STRANGER.eui64), "PPMID", "Commissioned", "X"))
    assert daemon.client("devices", "set", str(STRANGER.eui64), "--status", "Broken").exit_code == 3
    assert daemon.client("devices", "set", str(STRANGER.eui64), "--hardware", "two").exit_code == 2


def test_status_tells_the_hub_the_caller_and_the_jobs(daemon: Served, ppmid_file: Path) -> None:
    daemon.client("update", str(ppmid_file), str(PPMID.eui64), "--approve")
    result = daemon.client("status", role=Role.OBSERVER)
    assert result.exit_code == 0, result.output
    assert "ready" in result.stdout
    assert "you are observer (observer)" in result.stdout
    assert "waits for approval" in result.stdout
    daemon.api.faults.append("the coordinator is lost")
    assert "not ready: the coordinator is lost" in daemon.client("status").stdout
    assert json.loads(daemon.client("status", "--json").stdout)["hub"]["faults"]


def test_events_are_shown_in_words_and_filtered(daemon: Served, ppmid_file: Path) -> None:
    daemon.client("update", str(ppmid_file), str(PPMID.eui64), "--follow")
    shown = daemon.client("events", "--kind", "job", "--device", str(PPMID.eui64))
    assert shown.exit_code == 0
    assert "job 1 is activated: activation reported successful" in shown.stdout
    assert "Query Next Image Request" not in shown.stdout
    lines = daemon.client("events", "--after", "0", "--json").stdout.splitlines()
    numbers = [json.loads(line)["seq"] for line in lines]
    assert numbers == list(range(1, daemon.api.lab.events[-1].seq + 1))
    rest = daemon.client("events", "--after", str(numbers[-3]), "--json").stdout.splitlines()
    # The daemon goes on meanwhile: there may be more.
    assert [json.loads(line)["seq"] for line in rest][:2] == numbers[-2:]


def test_a_device_that_does_not_answer_has_no_version(
    daemon: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hanota.cli.client.devices.VERSION_WAIT", 2)
    daemon.api.lab.radio.devices[HCALCS.eui64].silent = True
    result = daemon.client("version", str(HCALCS.eui64))
    assert result.exit_code == 1
    assert "no answer in 2 s" in result.stderr
    told = json.loads(daemon.client("version", str(HCALCS.eui64), "--json").stdout)
    assert (told["state"], told["firmware_version"]) == ("pending", None)


@pytest.mark.parametrize("role", [None, Role.OBSERVER])
def test_a_caller_who_may_not_is_refused_with_what_to_do(daemon: Served, role: Role | None) -> None:
    result = daemon.client("cancel", "1", "--yes", role=role)
    assert result.exit_code == 3
    assert ("--token-file" if role is None else "operator") in result.stderr


def test_a_daemon_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["client", "--url", "http://127.0.0.1:1", "status"])
    assert result.exit_code == 3
    assert "hanota run -c FILE" in result.stderr


def certificate_of_this_machine(folder: Path) -> Path:
    """Return a file with a certificate for 127.0.0.1, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bench")])
    now = utc(SystemClock().now())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, SHA256())
    )
    file = folder / "bench.pem"
    file.write_bytes(
        certificate.public_bytes(form.Encoding.PEM)
        + key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
    )
    return file


def test_a_daemon_behind_tls_is_spoken_to_by_its_certificate_alone(tmp_path: Path) -> None:
    file = certificate_of_this_machine(tmp_path)
    with served(tls=file) as daemon:
        stranger = daemon.client("status")
        assert stranger.exit_code == 3
        assert "signed by itself, and not known" in stranger.stderr
        assert "--ca" in stranger.stderr
        known = daemon.client("--ca", str(file), "status")
        assert known.exit_code == 0, known.output


def test_a_token_is_not_given_to_a_proxy_of_the_environment(
    daemon: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert daemon.client("status").exit_code == 0
