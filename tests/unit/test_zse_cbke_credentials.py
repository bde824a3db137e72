"""The credentials file: for its owner alone, refused unless whole and fitting, silent about its keys."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hanota.errors import ConfigError
from hanota.eui64 import Eui64
from hanota.zse.cbke import (
    CbkeCredentials,
    LabCertificateAuthority,
    SiteCredentials,
    Suite,
    lab_authorities,
    lab_credentials,
    read_authorities,
    read_credentials,
    write_authorities,
    write_credentials,
)
from tests.cbke_support import DEVICE, HUB, NOW, entropy_of, flipped

if TYPE_CHECKING:
    from collections.abc import Callable

ENTROPY = entropy_of("credentials")
AUTHORITIES = lab_authorities(ENTROPY)
SITE = lab_credentials(AUTHORITIES, HUB, now=NOW, entropy=ENTROPY)
PARTS = ("certificate", "private_key", "ca_public_key")
SUITES = pytest.mark.parametrize("suite", list(Suite), ids=["suite 1", "suite 2"])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A written credentials file."""
    path = tmp_path / "site.toml"
    write_credentials(path, SITE)
    return path


def refused(path: Path) -> ConfigError:
    """Return the refusal of a file, which has no private key in it."""
    with pytest.raises(ConfigError) as caught:
        read_credentials(path)
    error = caught.value
    told = f"{error} {error.hint} {error.__cause__}"
    assert not any(each.private_key.hex() in told for each in SITE.credentials)
    return error


def test_what_is_written_is_read(file: Path) -> None:
    site = read_credentials(file)
    assert site == SITE
    assert site.subject == HUB
    assert site.production is False
    assert list(site.suites) == [Suite.ONE, Suite.TWO]
    assert {each.issuer for each in site.credentials} == {b"LABTESTC"}


@SUITES
def test_a_file_of_one_suite_is_whole(suite: Suite, tmp_path: Path) -> None:
    write_credentials(tmp_path / "one.toml", SiteCredentials.of(SITE.suites[suite]))
    assert list(read_credentials(tmp_path / "one.toml").suites) == [suite]


def test_a_production_file_is_marked_and_stays_marked(tmp_path: Path) -> None:
    site = SiteCredentials.of(*(replace(each, production=True) for each in SITE.credentials))
    write_credentials(tmp_path / "site.toml", site)
    assert "production = true" in (tmp_path / "site.toml").read_text()
    assert read_credentials(tmp_path / "site.toml").production is True


def test_a_file_is_made_for_its_owner_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write_credentials(tmp_path / "site.toml", SITE)
        write_authorities(tmp_path / "ca.toml", AUTHORITIES)
    finally:
        os.umask(before)
    assert {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {
        "site.toml": 0o600,
        "ca.toml": 0o600,
    }


@pytest.mark.parametrize("mode", [0o640, 0o620, 0o610, 0o604, 0o602, 0o601, 0o666, 0o777])
def test_a_file_others_may_use_is_refused_with_the_command_that_helps(file: Path, mode: int) -> None:
    file.chmod(mode)
    error = refused(file)
    assert f"{mode:04o}" in str(error)
    assert error.hint == f"chmod 600 {file}"
    with pytest.raises(ConfigError, match="others may use it"):
        read_authorities(file)


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_file_of_its_owner_is_taken(file: Path, mode: int) -> None:
    file.chmod(mode)
    assert read_credentials(file) == SITE


def test_a_file_that_is_there_is_overwritten_only_on_purpose(file: Path) -> None:
    before = file.read_bytes()
    other = lab_credentials(AUTHORITIES, DEVICE, now=NOW, entropy=ENTROPY)
    with pytest.raises(ConfigError, match="there already") as caught:
        write_credentials(file, other)
    assert caught.value.hint
    assert file.read_bytes() == before
    file.chmod(0o644)
    write_credentials(file, other, overwrite=True)
    assert read_credentials(file) == other
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for path, overwrite in (
        (tmp_path / "none" / "site.toml", False),
        (tmp_path / "folder", False),
        (tmp_path / "folder", True),
        (Path("/"), True),
    ):
        with pytest.raises(ConfigError):
            write_credentials(path, SITE, overwrite=overwrite)
    assert [path.name for path in tmp_path.rglob("*")] == ["folder"]


def test_a_missing_file_a_folder_and_a_pipe_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    for path in (tmp_path / "none.toml", tmp_path, tmp_path / "pipe"):
        with pytest.raises(ConfigError):
            read_credentials(path)


def test_a_file_without_end_is_refused(file: Path) -> None:
    file.write_text(file.read_text() + "#" * 70_000)
    assert "more than 65536 octets" in str(refused(file))


def without(name: str) -> Callable[[str], str]:
    return lambda text: re.sub(rf"^{name} = .*\n", "", text, flags=re.MULTILINE)


def with_value(name: str, value: str) -> Callable[[str], str]:
    return lambda text: re.sub(rf"^{name} = .*$", f"{name} = {value}", text, count=1, flags=re.MULTILINE)


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (lambda text: text.replace('"', ""), "not a TOML file"),
        (lambda text: text + "\x00", "not a TOML file"),
        (lambda text: text + "x = " + "[" * 20_000, "not a TOML file"),
        (lambda text: text + "x = " + "9" * 20_000, "not a TOML file"),
        (lambda text: text[: text.index("[suite-1]")], "no credentials for any suite"),
        (lambda _: "", "no credentials for any suite"),
        (lambda text: text.replace("suite-2", "suite-3"), "unknown entry 'suite-3'"),
        (lambda text: "suite-1 = 5\n" + text[: text.index("[suite-1]")], "unknown entry 'suite-1'"),
        (lambda text: text + 'password = "x"\n', "'password' in \\[suite-2\\] is unknown"),
        (without("private_key"), "'private_key' in \\[suite-1\\] is missing"),
        (without("certificate"), "'certificate' in \\[suite-1\\] is missing"),
        (with_value("production", '"yes"'), "production is neither true nor false"),
        (with_value("production", "1"), "production is neither true nor false"),
        (with_value("private_key", '"0g"'), "private_key in \\[suite-1\\] is not hex"),
        (with_value("private_key", "15"), "private_key in \\[suite-1\\] is not hex"),
        (with_value("private_key", '""'), "private key has 0 octets, not 21"),
        (with_value("private_key", f'"{bytes(21).hex()}"'), "not between 1 and the order"),
        (
            with_value("private_key", f'"{Suite.ONE.parameters.curve.order:042x}"'),
            "not between 1 and the order",
        ),
        (with_value("private_key", f'"{1:042x}"'), "do not fit together"),
        (with_value("certificate", '"00"'), "certificate has 48 octets, got 1"),
        (with_value("ca_public_key", '"00"'), "a point on sect163k1 has 22 octets"),
        (with_value("ca_public_key", f'"02{1:042x}"'), "not on sect163k1"),
        (
            with_value("ca_public_key", f'"{SITE.credentials[0].decoded.point.hex()}"'),
            "do not fit together",
        ),
    ],
)
def test_a_mangled_file_is_refused_and_the_place_named(
    edit: Callable[[str], str], told: str, file: Path
) -> None:
    file.write_text(edit(file.read_text()))
    error = refused(file)
    assert re.search(told, str(error)), str(error)


def test_octets_that_are_no_text_are_refused(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"\xff\xfe")
    assert "not a TOML file" in str(refused(file))


def test_a_file_cut_anywhere_is_refused_or_holds_one_whole_suite(file: Path) -> None:
    whole = file.read_text()
    for end in range(0, len(whole), 7):
        file.write_text(whole[:end])
        try:
            site = read_credentials(file)
        except ConfigError:
            continue
        assert site.credentials == SITE.credentials[:1]


def test_white_space_between_digits_does_not_count(file: Path) -> None:
    spaced = SITE.credentials[0].certificate.hex(" ")
    file.write_text(with_value("certificate", f'"{spaced}"')(file.read_text()))
    assert read_credentials(file) == SITE


@SUITES
@pytest.mark.parametrize("name", PARTS)
def test_one_bit_flipped_in_every_octet_of_credentials_is_refused(suite: Suite, name: str) -> None:
    credentials = SITE.suites[suite]
    octets = getattr(credentials, name)
    for octet in range(len(octets)):
        wrong = flipped(octets, 8 * octet + (octet * 5) % 8)
        parts: dict[str, Any] = {part: getattr(credentials, part) for part in PARTS} | {name: wrong}
        with pytest.raises(ConfigError):
            CbkeCredentials(suite, **parts).check()


@SUITES
def test_parts_of_different_issues_do_not_fit_together(suite: Suite) -> None:
    right = SITE.suites[suite]
    again = lab_credentials(AUTHORITIES, HUB, now=NOW, entropy=ENTROPY).suites[suite]
    stranger = LabCertificateAuthority.create(suite, ENTROPY)
    for parts in (
        (right.certificate, again.private_key, right.ca_public_key),
        (again.certificate, right.private_key, right.ca_public_key),
        (right.certificate, right.private_key, stranger.public_key),
    ):
        with pytest.raises(ConfigError, match="do not fit together") as caught:
            CbkeCredentials(suite, *parts).check()
        assert caught.value.hint
    CbkeCredentials(suite, again.certificate, again.private_key, right.ca_public_key).check()


def test_a_site_is_of_one_subject_one_kind_and_one_certificate_a_suite() -> None:
    one, two = SITE.credentials
    other = lab_credentials(AUTHORITIES, DEVICE, now=NOW, entropy=ENTROPY).suites[Suite.TWO]
    assert SiteCredentials.of(two, one) == SITE
    with pytest.raises(ConfigError, match="no credentials"):
        SiteCredentials.of()
    with pytest.raises(ConfigError, match="same suite"):
        SiteCredentials.of(one, one)
    with pytest.raises(ConfigError, match=f"{HUB}, {DEVICE}"):
        SiteCredentials.of(one, other)
    with pytest.raises(ConfigError, match="production and lab"):
        SiteCredentials.of(one, replace(two, production=True))
    with pytest.raises(ConfigError, match="48 octets"):
        SiteCredentials.of(replace(one, certificate=b""))


def test_a_lab_ca_is_read_back_and_issues_for_the_same_public_key(tmp_path: Path) -> None:
    path = tmp_path / "ca.toml"
    write_authorities(path, AUTHORITIES)
    assert read_authorities(path) == AUTHORITIES
    later = lab_credentials(read_authorities(path), DEVICE, now=NOW, entropy=ENTROPY)
    for hub, device in zip(SITE.credentials, later.credentials, strict=True):
        assert (hub.ca_public_key, hub.issuer) == (device.ca_public_key, device.issuer)
        device.check()


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (lambda _: "", "holds no lab CA"),
        (with_value("issuer", '"00"'), "an issuer has 8 octets"),
        (with_value("private_key", '"00"'), "not a suite 1 private key"),
        (with_value("private_key", f'"{bytes(21).hex()}"'), "not a suite 1 private key"),
        (with_value("private_key", f'"{"ff" * 21}"'), "not a suite 1 private key"),
        (without("issuer"), "'issuer' in .* is missing"),
    ],
)
def test_a_mangled_lab_ca_is_refused(edit: Callable[[str], str], told: str, tmp_path: Path) -> None:
    path = tmp_path / "ca.toml"
    write_authorities(path, AUTHORITIES)
    path.write_text(edit(path.read_text()))
    with pytest.raises(ConfigError, match=told):
        read_authorities(path)


def test_a_site_file_is_no_lab_ca_and_a_lab_ca_no_site_file(file: Path, tmp_path: Path) -> None:
    write_authorities(tmp_path / "ca.toml", AUTHORITIES)
    with pytest.raises(ConfigError):
        read_authorities(file)
    with pytest.raises(ConfigError):
        read_credentials(tmp_path / "ca.toml")


def test_the_private_key_is_in_no_text_of_the_credentials() -> None:
    for shown in (SITE, *SITE.credentials):
        for text in (repr(shown), str(shown), f"{shown}"):
            for each in SITE.credentials:
                assert each.private_key.hex() not in text
                assert repr(each.private_key)[2:-1] not in text


def test_an_issuer_of_another_length_is_refused() -> None:
    with pytest.raises(ConfigError, match="8 octets"):
        LabCertificateAuthority.create(Suite.ONE, ENTROPY, issuer=b"SHORT")


def test_the_same_entropy_gives_the_same_credentials() -> None:
    def issued(seed: str) -> SiteCredentials:
        entropy = entropy_of(seed)
        subject = Eui64.parse("0011223344556677")
        return lab_credentials(lab_authorities(entropy), subject, now=NOW, entropy=entropy)

    assert issued("a") == issued("a")
    assert issued("a") != issued("b")
