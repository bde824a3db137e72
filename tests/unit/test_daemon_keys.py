"""Whose keys the daemon has: those of a lab, those a site was issued; what is said where some are missing."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hanota.config.load import load_settings
from hanota.daemon.keys import Keys, load_keys
from hanota.daemon.lab import FILE, Lab
from hanota.dcc.signing import DccSigner
from hanota.errors import ConfigError
from hanota.eui64 import Eui64
from hanota.gbcs.certificates import RemotePartyRole
from hanota.gbcs.reference_test_data import BROKER, SUPPLIER
from hanota.hub.events import Event, EventKind, Party
from hanota.timestamps import ZIGBEE_EPOCH
from hanota.zse.cbke import Suite, write_credentials
from hanota.zse.cbke.certificate import ImplicitCertificate

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = 1.8e9
HUB = Eui64.parse("00-DB-12-34-56-78-90-A2")
PPMID = Eui64.parse("00-DB-12-34-56-78-90-A4")
VECTORS = Path(__file__).parents[3] / "shared" / "vectors" / "keystore"


OTHERS_CERTIFICATE = (
    f'folder = "keys"\ncredentials = "cbke.toml"\nduis_key = "keys/{SUPPLIER.hex()}-ds.key"\n'
    f'duis_certificate = "keys/{BROKER.hex()}-ds.pem"\n'
)


@pytest.fixture
def keys_of(tmp_path: Path) -> Callable[..., Keys]:
    def load(text: str, hub: Eui64 | None = None) -> Keys:
        file = tmp_path / "hub.toml"
        file.write_text(f'radio = {{ url = "znp:///dev/null" }}\n[keys]\n{text}')
        return load_keys(load_settings(file), emulated_hub=hub)

    return load


# -- a lab ---------------------------------------------------------------------------------------------------


def test_two_programs_with_one_folder_agree_on_every_key(tmp_path: Path) -> None:
    first, second = Lab.at(tmp_path / "lab"), Lab.at(tmp_path / "lab")
    assert first.device(PPMID).signing_certificate == second.device(PPMID).signing_certificate
    for suite in Suite:
        ours, theirs = first.key_establishment(PPMID, suite), second.key_establishment(PPMID, suite)
        assert ours == theirs
        assert ours.ca_public_key == first.site(HUB).suites[suite].ca_public_key
    for party in (SUPPLIER, BROKER):
        assert first.remote.certificates(party) == second.remote.certificates(party)
    assert first.remote.in_role(RemotePartyRole.SUPPLIER) == (SUPPLIER,)


def test_what_a_lab_issues_is_valid_whatever_the_machines_clock_was_when_it_was_made(tmp_path: Path) -> None:
    lab = Lab.at(tmp_path / "lab")
    issued = (lab.device(PPMID), *(lab.remote.credentials(party) for party in (SUPPLIER, BROKER)))
    begins = {
        certificate.certificate.not_valid_before_utc
        for each in issued
        for certificate in (each.signing_certificate, each.agreement_certificate)
    }
    assert begins == {dt.datetime(2000, 1, 1, tzinfo=dt.UTC)}
    for established in (lab.site(HUB).suites[Suite.TWO], lab.key_establishment(PPMID, Suite.TWO)):
        certificate = ImplicitCertificate.decode(Suite.TWO, established.certificate)
        assert (certificate.valid_from, certificate.expires) == (ZIGBEE_EPOCH, None)


def test_a_lab_that_is_there_keeps_what_it_has_issued(tmp_path: Path) -> None:
    (tmp_path / FILE).touch(mode=0o600)
    (tmp_path / FILE).write_text(f'secret = "{"5a" * 32}"\nmade = {int(NOW)}\n')
    begins = Lab.at(tmp_path).device(PPMID).signing_certificate.certificate.not_valid_before_utc
    assert begins.timestamp() == NOW


def test_another_lab_has_other_keys(tmp_path: Path) -> None:
    one, other = Lab.at(tmp_path / "one"), Lab.at(tmp_path / "other")
    assert one.device(PPMID).signing_certificate != other.device(PPMID).signing_certificate
    assert one.site(HUB).suites[Suite.TWO].ca_public_key != other.site(HUB).suites[Suite.TWO].ca_public_key


def test_what_a_lab_makes_is_its_owners_alone(tmp_path: Path) -> None:
    Lab.at(tmp_path / "lab")
    assert (tmp_path / "lab").stat().st_mode & 0o777 == 0o700
    secret = [path for path in (tmp_path / "lab").iterdir() if path.suffix in {".key", ".toml"}]
    assert len(secret) == 5
    assert {path.stat().st_mode & 0o777 for path in secret} == {0o600}


def test_a_secret_of_a_lab_that_others_may_read_is_refused(tmp_path: Path) -> None:
    Lab.at(tmp_path / "lab")
    (tmp_path / "lab" / FILE).chmod(0o640)
    with pytest.raises(ConfigError, match="others may use it"):
        Lab.at(tmp_path / "lab")


@pytest.mark.parametrize("text", ["", 'secret = "00"\nmade = 1\n', "secret = 3\nmade = 1\n", "made = 'x'\n"])
def test_a_file_that_is_no_secret_of_a_lab_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / FILE).touch(mode=0o600)
    (tmp_path / FILE).write_text(text)
    with pytest.raises(ConfigError, match="is not the secret of a lab"):
        Lab.at(tmp_path)


def test_a_lab_is_all_that_an_emulated_bench_needs(keys_of: Callable[..., Keys], tmp_path: Path) -> None:
    keys = keys_of('lab = "lab"\n', HUB)
    assert (keys.hub.eui64, keys.supplier, keys.broker) == (HUB, SUPPLIER, BROKER)
    assert keys.site is not None
    assert keys.site.subject == HUB
    assert keys.dcc.signing_public_keys(HUB) == (keys.hub.signing_key.public_key(),)
    assert keys.trust.access_control_brokers() == (BROKER,)
    assert keys.trust.agreement_private_keys(BROKER) == ()
    # The certificates of a device come when it is put into the Device Log, and go beside the keys.
    assert keys.dcc.certificates(PPMID) == ()
    keys.follow(Event(1, NOW, EventKind.DEVICE_ADDED, Party.HUB, Party.HUB, PPMID))
    assert len(keys.dcc.certificates(PPMID)) == 2
    assert (tmp_path / "lab" / f"{PPMID.hex()}-ds.pem").exists()


def test_remote_parties_put_into_the_folder_before_are_the_labs(tmp_path: Path) -> None:
    if not VECTORS.is_dir():
        pytest.skip(f"no test vectors in {VECTORS}")
    (tmp_path / "lab").mkdir()
    for path in VECTORS.glob("90b3d51f*-ds.*"):
        shutil.copy(path, tmp_path / "lab")
    for path in VECTORS.glob("90b3d51f*-ka.*"):
        shutil.copy(path, tmp_path / "lab")
    lab = Lab.at(tmp_path / "lab")
    published = (VECTORS / "90b3d51f30010000-ds.pem").read_bytes()
    assert (tmp_path / "lab" / "90b3d51f30010000-ds.pem").read_bytes() == published
    assert lab.remote.in_role(RemotePartyRole.SUPPLIER) == (SUPPLIER,)
    assert lab.remote.signing_private_key(SUPPLIER).public_key() in lab.trust.signing_public_keys(SUPPLIER)


# -- a site --------------------------------------------------------------------------------------------------


@pytest.fixture
def issued(tmp_path: Path) -> Path:
    """What a site was issued: keys of everybody in one folder, credentials for key establishment."""
    lab, folder = Lab.at(tmp_path / "authority"), tmp_path / "keys"
    for party in (SUPPLIER, BROKER):
        lab.remote.credentials(party).save(folder)
    lab.device(HUB).save(folder)
    write_credentials(tmp_path / "cbke.toml", lab.site(HUB))
    return folder


def test_a_site_names_the_folder_of_its_keys(
    keys_of: Callable[..., Keys], issued: Path, tmp_path: Path
) -> None:
    keys = keys_of('folder = "keys"\ncredentials = "cbke.toml"\n')
    assert (keys.hub.eui64, keys.supplier, keys.broker) == (HUB, SUPPLIER, BROKER)
    assert len(keys.certificates) == 2
    # A device that is added later may have its certificates put there later.
    Lab.at(tmp_path / "authority").device(PPMID).save(issued)
    keys.follow(Event(1, NOW, EventKind.DEVICE_ADDED, Party.HUB, Party.HUB, PPMID))
    assert len(keys.dcc.certificates(PPMID)) == 2


def test_links_that_need_no_established_key_need_no_credentials(
    keys_of: Callable[..., Keys], issued: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HANOTA_RADIO__LINK_SECURITY", "install-code")
    keys = keys_of(f'folder = "{issued}"\nhub = "{HUB}"\n')
    assert keys.site is None


def test_the_dcc_signs_with_a_key_of_its_own_where_one_is_given(
    keys_of: Callable[..., Keys], issued: Path
) -> None:
    keys = keys_of(
        'folder = "keys"\ncredentials = "cbke.toml"\n'
        f'duis_key = "keys/{SUPPLIER.hex()}-ds.key"\nduis_certificate = "keys/{SUPPLIER.hex()}-ds.pem"\n'
    )
    assert DccSigner(keys.signing_key, keys.signing_certificate).certificate.eui64 == SUPPLIER


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "there are no keys"),
        ('folder = "keys"\nlab = "lab"\n', "exclude each other"),
        ('folder = "keys"\n', "it is not known who the hub is"),
        (f'folder = "keys"\nhub = "{HUB}"\n', "no credentials for key establishment"),
        (
            'folder = "keys"\ncredentials = "cbke.toml"\nhub = "00-00-00-00-00-00-00-01"\n',
            "no private key of 00-00",
        ),
        (
            f'folder = "keys"\ncredentials = "cbke.toml"\nsupplier = "{BROKER}"\n',
            "keys.supplier: .* no supplier 90",
        ),
        (
            'folder = "keys"\ncredentials = "cbke.toml"\nduis_key = "none.key"\nduis_certificate = "x"\n',
            "cannot read .*none.key",
        ),
        (OTHERS_CERTIFICATE, "is not the key of"),
        ('folder = "keys"\ncredentials = "cbke.toml"\nservice_users = "nowhere"\n', "certificates .*nowhere"),
        ('folder = "nowhere"\n', "key store .*nowhere"),
    ],
)
@pytest.mark.usefixtures("issued")
def test_what_is_missing_is_told(text: str, message: str, keys_of: Callable[..., Keys]) -> None:
    with pytest.raises(ConfigError, match=message):
        keys_of(text)


def test_two_suppliers_want_one_to_be_chosen(
    keys_of: Callable[..., Keys], issued: Path, tmp_path: Path
) -> None:
    other = Eui64.parse("90-B3-D5-1F-30-02-00-00")
    lab = Lab.at(tmp_path / "authority")
    lab._ca.issue_organisation(other, RemotePartyRole.SUPPLIER, "Other supplier").save(issued)
    with pytest.raises(ConfigError, match="more or less than one supplier") as caught:
        keys_of('folder = "keys"\ncredentials = "cbke.toml"\n')
    assert caught.value.hint == "set keys.supplier"
    assert keys_of(f'folder = "keys"\ncredentials = "cbke.toml"\nsupplier = "{other}"\n').supplier == other
