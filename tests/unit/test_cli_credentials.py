"""`hanota credentials`: from a lab CA to credentials a hub takes, without a private key on the screen."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from hanota.cli.credentials import app
from hanota.eui64 import Eui64
from hanota.zse.cbke import (
    KeyUsage,
    LabCertificateAuthority,
    SiteCredentials,
    Suite,
    read_authorities,
    read_credentials,
    write_credentials,
)
from tests.cbke_support import NOW, entropy_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from typer.testing import Result

SUBJECT = "00-DB-12-34-56-78-90-A2"
FILE = "credentials-00DB1234567890A2.toml"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments)])


def private_keys(site: SiteCredentials, authorities: Iterable[LabCertificateAuthority]) -> list[str]:
    return [
        *(each.private_key.hex() for each in site.credentials),
        *(each.private_key.hex() for each in authorities),
    ]


@pytest.fixture
def ca(tmp_path: Path) -> Path:
    """A lab CA for both suites."""
    assert run("lab-ca", tmp_path).exit_code == 0
    return tmp_path / "lab-ca.toml"


def test_credentials_issued_by_a_lab_ca_are_taken(ca: Path) -> None:
    result = run("issue", "--ca", ca, "--subject", SUBJECT)
    assert result.exit_code == 0, result.output
    site = read_credentials(ca.with_name(FILE))
    assert site.subject == Eui64.parse(SUBJECT)
    assert site.production is False
    assert list(site.suites) == list(Suite)
    authorities = read_authorities(ca)
    assert [each.ca_public_key for each in site.credentials] == [each.public_key for each in authorities]


@pytest.mark.parametrize(
    ("choice", "suites"), [("1", [Suite.ONE]), ("2", [Suite.TWO]), ("both", [Suite.ONE, Suite.TWO])]
)
def test_a_lab_ca_is_for_the_suites_asked_for(choice: str, suites: list[Suite], tmp_path: Path) -> None:
    file, output = tmp_path / "my-ca.toml", tmp_path / "hub.toml"
    assert run("lab-ca", file, "--suite", choice).exit_code == 0
    assert run("issue", "--ca", file, "--subject", SUBJECT, "--output", output).exit_code == 0
    assert list(read_credentials(output).suites) == suites


def test_a_lab_ca_names_the_issuer_it_is_told(tmp_path: Path) -> None:
    file = tmp_path / "ca.toml"
    assert run("lab-ca", file, "--issuer", "54 45 53 54 53 45 43 41").exit_code == 0
    assert {each.issuer for each in read_authorities(file)} == {b"TESTSECA"}
    for wrong in ("TESTSECA", "0102"):
        result = run("lab-ca", tmp_path / "other.toml", "--issuer", wrong)
        assert result.exit_code == 1
        assert "error:" in result.stderr
    assert not (tmp_path / "other.toml").exists()


def test_files_are_for_their_owner_alone_and_overwritten_only_with_force(ca: Path) -> None:
    issue = ("issue", "--ca", ca, "--subject", SUBJECT)
    assert run(*issue).exit_code == 0
    file = ca.with_name(FILE)
    assert {path.stat().st_mode & 0o777 for path in (ca, file)} == {0o600}
    before = ca.read_bytes(), file.read_bytes()
    for again in (("lab-ca", ca), issue):
        refused = run(*again)
        assert refused.exit_code == 1
        assert "is there already" in refused.stderr
        assert "--force" in refused.stderr
    assert (ca.read_bytes(), file.read_bytes()) == before
    assert run("lab-ca", ca, "--force").exit_code == 0
    assert run(*issue, "--force").exit_code == 0
    assert ca.read_bytes() != before[0]
    assert read_credentials(file).subject == Eui64.parse(SUBJECT)


def test_inspect_shows_everything_but_the_private_keys(ca: Path) -> None:
    run("issue", "--ca", ca, "--subject", SUBJECT)
    result = run("inspect", ca.with_name(FILE))
    assert result.exit_code == 0
    rows = [line.split(maxsplit=1) for line in result.stdout.splitlines()]
    text = result.stdout
    assert ["subject", SUBJECT] in rows
    assert ["kind", "lab"] in rows
    assert ["suites", "1, 2"] in rows
    assert text.count("4c41425445535443 (LABTESTC)") == 2
    assert "validity       not limited (suite 1 has no dates)" in text
    assert "without end" in text
    assert "key agreement, digital signature" in text
    assert text.count("fits together  yes") == 2
    site, authorities = read_credentials(ca.with_name(FILE)), read_authorities(ca)
    for each in site.credentials:
        assert each.ca_public_key.hex() in text
    for key in private_keys(site, authorities):
        assert key not in text


def test_no_command_prints_a_private_key(ca: Path) -> None:
    outputs = [run("lab-ca", ca, "--force").output, run("issue", "--ca", ca, "--subject", SUBJECT).output]
    keys = private_keys(read_credentials(ca.with_name(FILE)), read_authorities(ca))
    assert len(keys) == 4
    assert not any(key in output for key in keys for output in outputs)


def test_inspect_shows_a_limited_production_certificate(tmp_path: Path) -> None:
    entropy = entropy_of("production")
    authority = LabCertificateAuthority.create(Suite.TWO, entropy, issuer=bytes.fromhex("0022080000000002"))
    issued = authority.issue(
        Eui64.parse(SUBJECT), now=NOW, entropy=entropy, key_usage=KeyUsage.KEY_AGREEMENT, lifetime=86_400
    )
    write_credentials(tmp_path / "site.toml", SiteCredentials.of(replace(issued, production=True)))
    text = run("inspect", tmp_path / "site.toml").stdout
    assert "kind           production" in text
    assert "issuer         0022080000000002\n" in text
    assert "validity       from 2027-01-15 08:00:00 UTC to 2027-01-16 08:00:00 UTC" in text
    assert "key usage      key agreement\n" in text


def test_inspect_says_when_the_parts_do_not_fit_together(ca: Path) -> None:
    run("issue", "--ca", ca, "--subject", SUBJECT)
    file = ca.with_name(FILE)
    text = file.read_text()
    key = read_credentials(file).suites[Suite.TWO].private_key.hex()
    file.write_text(text.replace(key, "00" * 35 + "07"))
    result = run("inspect", file)
    assert result.exit_code == 1
    assert result.stdout.count("fits together  yes") == 1
    assert "suite 2 certificate, private key and CA public key do not fit together" in result.stderr
    assert key not in result.output


def test_a_file_others_may_read_is_refused_by_every_command(ca: Path) -> None:
    run("issue", "--ca", ca, "--subject", SUBJECT)
    file = ca.with_name(FILE)
    for path in (ca, file):
        path.chmod(0o644)
    for refused in (run("inspect", file), run("issue", "--ca", ca, "--subject", SUBJECT, "--force")):
        assert refused.exit_code == 1
        assert "chmod 600" in refused.stderr


def test_a_certificate_valid_beyond_the_calendar_is_shown_in_seconds(tmp_path: Path) -> None:
    entropy = entropy_of("far")
    authority = LabCertificateAuthority.create(Suite.TWO, entropy)
    issued = authority.issue(Eui64.parse(SUBJECT), now=2.0**40 - 1, entropy=entropy)
    write_credentials(tmp_path / "site.toml", SiteCredentials.of(issued))
    result = run("inspect", tmp_path / "site.toml")
    assert result.exit_code == 0
    assert "from second 1099511627775 of Unix time" in result.stdout


@pytest.mark.parametrize("subject", ["", "00-DB", "hub"])
def test_a_subject_that_is_no_eui64_is_refused(subject: str, ca: Path) -> None:
    refused = run("issue", "--ca", ca, "--subject", subject)
    assert refused.exit_code == 1
    assert "not an EUI-64" in refused.stderr
    assert not list(ca.parent.glob("credentials*"))


def test_a_lab_ca_that_is_missing_is_refused(tmp_path: Path) -> None:
    refused = run("issue", "--ca", tmp_path / "none.toml", "--subject", SUBJECT)
    assert refused.exit_code == 1
    assert "cannot read" in refused.stderr


def test_the_commands_are_hanotas() -> None:
    from hanota.cli.main import app as main

    result = CliRunner().invoke(main, ["credentials", "--help"])
    assert result.exit_code == 0
    assert all(command in result.output for command in ("lab-ca", "issue", "inspect"))
