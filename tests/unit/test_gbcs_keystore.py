"""The key store's folder, and certificates of the lab's own authority."""

from __future__ import annotations

import stat
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

from hanota.errors import ConfigError, RemoteProtocolError
from hanota.eui64 import Eui64
from hanota.gbcs.certificates import KeyUsage, PartyCertificate, RemotePartyRole
from hanota.gbcs.crypto import sign, verify_signature
from hanota.gbcs.keystore import KeyStore
from hanota.gbcs.lab_ca import LabCa
from hanota.gbcs.message import Cra, Message

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

NOW = 1_800_000_000.0
DEVICE = Eui64(bytes.fromhex("00db12345678aaaa"))
OTHER = Eui64(bytes.fromhex("00db12345678bbbb"))
SUPPLIER = Eui64(bytes.fromhex("90b3d51f3001cccc"))
BROKER = Eui64(bytes.fromhex("90b3d51f3000dddd"))


@pytest.fixture(scope="module")
def ca() -> LabCa:
    return LabCa(NOW, seed=b"key store")


def test_credentials_survive_the_folder(tmp_path: Path, ca: LabCa) -> None:
    device = ca.issue_device(DEVICE)
    broker = ca.issue_organisation(BROKER, RemotePartyRole.ACCESS_CONTROL_BROKER, "DCC")
    device.save(tmp_path / "keys")
    broker.save(tmp_path / "keys")
    keys = KeyStore.from_folder(tmp_path / "keys")
    assert keys.access_control_brokers() == (BROKER,)
    assert keys.in_role(RemotePartyRole.SUPPLIER) == ()
    assert keys.is_device(DEVICE)
    assert not keys.is_device(BROKER)
    assert keys.roles(DEVICE) == frozenset()
    message = Message(
        cra=Cra.ALERT, originator_counter=1, originator=DEVICE, recipient=BROKER, message_code=1, payload=b""
    )
    (public_key,) = keys.signing_public_keys(DEVICE)
    verify_signature(sign(message, keys.signing_private_key(DEVICE)), public_key)
    for eui64 in (DEVICE, BROKER):
        own, peer = keys.agreement_private_key(eui64), keys.agreement_public_key(eui64)
        assert own.public_key() == peer


def test_private_keys_are_for_their_owner_alone(tmp_path: Path, ca: LabCa) -> None:
    left_open = tmp_path / f"{DEVICE.hex()}-ds.key"
    left_open.touch(mode=0o644)
    ca.issue_device(DEVICE).save(tmp_path)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.glob("*.key")}
    assert modes == {f"{DEVICE.hex()}-ds.key": 0o600, f"{DEVICE.hex()}-ka.key": 0o600}


def test_a_party_nobody_knows_has_no_keys(ca: LabCa) -> None:
    keys = KeyStore()
    keys.add_public(ca.issue_device(OTHER))
    assert keys.signing_public_keys(DEVICE) == ()
    assert keys.agreement_private_keys(OTHER) == ()
    for lookup in (keys.signing_private_key, keys.agreement_private_key, keys.agreement_public_key):
        with pytest.raises(ConfigError, match=str(DEVICE)):
            lookup(DEVICE)


def test_files_that_are_neither_certificates_nor_keys_are_left_alone(tmp_path: Path, ca: LabCa) -> None:
    ca.issue_device(DEVICE).save(tmp_path)
    (tmp_path / "README.md").write_text("keys")
    (tmp_path / "xml-sign-90B3D51F30010000-ds.key").write_bytes(b"not for GBCS")
    (tmp_path / "xml").mkdir()
    assert len(KeyStore.from_folder(tmp_path).certificates(DEVICE)) == 2


def test_a_prepayment_key_is_a_further_key_of_the_same_party(tmp_path: Path, ca: LabCa) -> None:
    ca.issue_organisation(SUPPLIER, RemotePartyRole.SUPPLIER, "Supplier").save(tmp_path)
    prepayment = LabCa(NOW).issue_organisation(SUPPLIER, RemotePartyRole.SUPPLIER, "Supplier")
    stem = f"{SUPPLIER.hex().upper()}-pp-ka"
    (tmp_path / f"{stem}.pem").write_bytes(
        prepayment.agreement_certificate.certificate.public_bytes(Encoding.DER)
    )
    (tmp_path / f"{stem}.key").write_bytes(
        prepayment.agreement_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    )
    keys = KeyStore.from_folder(tmp_path)
    assert len(keys.agreement_public_keys(SUPPLIER)) == 2
    assert len(keys.agreement_private_keys(SUPPLIER)) == 2


def test_stores_are_joined_without_doubling(ca: LabCa) -> None:
    one, two = KeyStore(), KeyStore()
    one.add(ca.issue_device(DEVICE))
    two.add_public(ca.issue_device(DEVICE))
    two.add(ca.issue_device(OTHER))
    both = one | two
    assert len(both.certificates(DEVICE)) == 2
    assert both.signing_private_key(DEVICE) == one.signing_private_key(DEVICE)
    assert both.signing_private_key(OTHER) == two.signing_private_key(OTHER)
    assert one.certificates(OTHER) == ()


def test_only_the_parties_named_are_given_out_and_private_keys_on_demand(ca: LabCa) -> None:
    keys = KeyStore()
    keys.add(ca.issue_device(DEVICE))
    keys.add(ca.issue_device(OTHER))
    public, private = keys.of(DEVICE, private=False), keys.of(DEVICE, private=True)
    for part in (public, private):
        assert part.certificates(DEVICE) == keys.certificates(DEVICE)
        assert part.certificates(OTHER) == ()
    assert public.agreement_private_keys(DEVICE) == ()
    assert private.agreement_private_keys(DEVICE) == keys.agreement_private_keys(DEVICE)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere"):
        KeyStore.from_folder(tmp_path / "nowhere")


def encrypted_key(ca: LabCa) -> bytes:
    key = ca.issue_device(DEVICE).signing_key
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"password"))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"garbage",
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        ed25519.Ed25519PrivateKey.generate().private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
        ec.generate_private_key(ec.SECP384R1()).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        ),
        encrypted_key(LabCa(NOW)),
        bytes(100_000),
    ],
    ids=["empty", "garbage", "broken PEM", "Ed25519", "P-384", "encrypted", "oversized"],
)
def test_a_broken_key_file_is_named(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / f"{DEVICE.hex()}-ds.key"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=file.name):
        KeyStore.from_folder(tmp_path)


def test_a_broken_certificate_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / f"{DEVICE.hex()}-ds.pem"
    file.write_bytes(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    with pytest.raises(ConfigError, match=file.name):
        KeyStore.from_folder(tmp_path)


def test_a_certificate_under_another_partys_name_is_refused(tmp_path: Path, ca: LabCa) -> None:
    ca.issue_device(OTHER).save(tmp_path)
    (tmp_path / f"{OTHER.hex()}-ds.pem").rename(tmp_path / f"{DEVICE.hex()}-ds.pem")
    with pytest.raises(ConfigError, match=f"{OTHER}.*{DEVICE}"):
        KeyStore.from_folder(tmp_path)


def test_a_certificate_for_another_use_is_refused(tmp_path: Path, ca: LabCa) -> None:
    ca.issue_device(DEVICE).save(tmp_path)
    (tmp_path / f"{DEVICE.hex()}-ka.pem").rename(tmp_path / f"{DEVICE.hex()}-ds.pem")
    with pytest.raises(ConfigError, match=r"KEY_AGREEMENT.*DIGITAL_SIGNATURE"):
        KeyStore.from_folder(tmp_path)


def test_a_key_that_is_not_its_certificates_is_refused(tmp_path: Path, ca: LabCa) -> None:
    ca.issue_device(DEVICE).save(tmp_path)
    (tmp_path / f"{DEVICE.hex()}-ka.key").rename(tmp_path / f"{DEVICE.hex()}-ds.key")
    with pytest.raises(ConfigError, match="pair"):
        KeyStore.from_folder(tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        "{eui64}-pp-ka.pem",
        "{eui64}-Z1_b-pp-ka.pem",
        "{eui64}-ka.crt",
        "{eui64}-KA.CER",
        "{eui64}-pp-ka.der",
        "{written}-ka.pem",
    ],
)
def test_a_certificate_is_found_under_every_usual_name(tmp_path: Path, ca: LabCa, name: str) -> None:
    certificate = ca.issue_device(DEVICE).agreement_certificate
    pem = certificate.certificate.public_bytes(Encoding.PEM)
    (tmp_path / name.format(eui64=DEVICE.hex(), written=DEVICE)).write_bytes(pem)
    assert KeyStore.from_folder(tmp_path).certificates(DEVICE) == (certificate,)


@pytest.mark.parametrize(
    "name", ["{eui64}-kas.pem", "{eui64}.pem", "{eui64}.key", "xml-sign-{eui64}-ds.pem", "{eui64}-ka.pem.bak"]
)
def test_a_file_of_another_name_is_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name.format(eui64=DEVICE.hex())).write_bytes(b"garbage")
    assert KeyStore.from_folder(tmp_path).certificates(DEVICE) == ()


def test_files_that_cannot_be_used_are_told_and_the_others_are_held(tmp_path: Path, ca: LabCa) -> None:
    ca.issue_device(DEVICE).save(tmp_path)
    ca.issue_device(OTHER).save(tmp_path)
    (tmp_path / f"{OTHER.hex()}-ds.pem").write_bytes(b"garbage")
    (tmp_path / f"{OTHER.hex()}-ka.pem").write_bytes((tmp_path / f"{DEVICE.hex()}-ka.pem").read_bytes())
    told: list[ConfigError] = []

    keys = KeyStore.from_folder(tmp_path, told.append)

    assert len(keys.certificates(DEVICE)) == 2
    assert keys.credentials(DEVICE).eui64 == DEVICE
    assert keys.certificates(OTHER) == ()
    assert [str(error).split(":", 1)[0] for error in told] == [
        str(tmp_path / f"{OTHER.hex()}-{usage}.pem") for usage in ("ds", "ka")
    ]
    with pytest.raises(ConfigError, match="nowhere"):
        KeyStore.from_folder(tmp_path / "nowhere", told.append)


# -- certificates -------------------------------------------------------------------------------------------


def test_a_device_certificate_is_of_the_device_profile(ca: LabCa) -> None:
    credentials = ca.issue_device(DEVICE)
    for certificate in (credentials.signing_certificate, credentials.agreement_certificate):
        raw = certificate.certificate
        assert raw.subject == x509.Name([])
        names = raw.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        assert names.critical
        assert names.value.get_values_for_type(x509.OtherName)[0].value.endswith(DEVICE)
        assert raw.not_valid_after_utc.year == 9999
        raw.verify_directly_issued_by(ca.certificate)
        again = PartyCertificate.decode(raw.public_bytes(Encoding.DER))
        assert (again.eui64, again.role) == (DEVICE, None)
    assert credentials.signing_certificate.key_usage is KeyUsage.DIGITAL_SIGNATURE
    assert credentials.agreement_certificate.key_usage is KeyUsage.KEY_AGREEMENT


@pytest.mark.parametrize("role", RemotePartyRole)
def test_an_organisations_certificate_gives_its_role(ca: LabCa, role: RemotePartyRole) -> None:
    certificate = ca.issue_organisation(SUPPLIER, role, "Organisation").signing_certificate
    again = PartyCertificate.decode(certificate.certificate.public_bytes(Encoding.PEM))
    assert (again.eui64, again.role) == (SUPPLIER, role)


def test_a_key_that_is_held_elsewhere_can_be_certified(ca: LabCa) -> None:
    public_key = ec.generate_private_key(ec.SECP256R1()).public_key()
    certificate = ca.certify_organisation(
        SUPPLIER, RemotePartyRole.SUPPLIER, "Supplier", KeyUsage.DIGITAL_SIGNATURE, public_key
    )
    keys = KeyStore()
    keys.add_certificate(certificate)
    assert keys.signing_public_keys(SUPPLIER) == (public_key,)
    assert keys.roles(SUPPLIER) == {RemotePartyRole.SUPPLIER}
    certificate.certificate.verify_directly_issued_by(ca.certificate)


def test_a_seed_gives_the_same_credentials_and_no_seed_others() -> None:
    def issue(ca: LabCa) -> list[bytes]:
        credentials = ca.issue_device(DEVICE)
        certificates = (credentials.signing_certificate, credentials.agreement_certificate)
        return [certificate.certificate.public_bytes(Encoding.DER) for certificate in certificates]

    assert issue(LabCa(NOW, seed=b"1")) == issue(LabCa(NOW, seed=b"1"))
    assert len({*issue(LabCa(NOW, seed=b"1")), *issue(LabCa(NOW, seed=b"2")), *issue(LabCa(NOW))}) == 6


def certificate(
    subject: Sequence[x509.NameAttribute[str | bytes]],
    *extensions: x509.ExtensionType,
    curve: ec.EllipticCurve | None = None,
) -> bytes:
    key = ec.generate_private_key(curve or ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "issuer")])
    builder = x509.CertificateBuilder().issuer_name(name).subject_name(x509.Name(subject))
    builder = builder.public_key(key.public_key()).serial_number(1)
    builder = builder.not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
    builder = builder.not_valid_after(datetime(2040, 1, 1, tzinfo=UTC))
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(key, SHA256()).public_bytes(Encoding.DER)


def usage(*, digital_signature: bool = True, key_agreement: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_agreement=key_agreement,
        content_commitment=not digital_signature and not key_agreement,
        key_encipherment=False,
        data_encipherment=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def device_name(hardware_module_name: str) -> x509.SubjectAlternativeName:
    value = bytes.fromhex(hardware_module_name)
    return x509.SubjectAlternativeName([x509.OtherName(x509.ObjectIdentifier("1.3.6.1.5.5.7.8.4"), value)])


DEVICE_NAME = device_name("300d 0601 2a 0408" + DEVICE.hex())


def test_the_well_formed_certificate_these_faults_are_made_from_is_read() -> None:
    assert PartyCertificate.decode(certificate([], DEVICE_NAME, usage())).eui64 == DEVICE


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\x30\x00", "can be read"),
        (certificate([], usage()), "names neither"),
        (certificate([], x509.SubjectAlternativeName([x509.DNSName("a.example")])), "hardwareModuleName"),
        (certificate([], device_name("0500"), usage()), "HardwareModuleName"),
        (certificate([], device_name("300c 0601 2a 0407 00000000000000"), usage()), "size 7"),
        (certificate([], DEVICE_NAME), "no key usage"),
        (certificate([], DEVICE_NAME, usage(key_agreement=True)), "key usage"),
        (certificate([], DEVICE_NAME, usage(digital_signature=False)), "key usage"),
        (certificate([], DEVICE_NAME, usage(), curve=ec.SECP384R1()), "P-256"),
    ],
)
def test_a_certificate_of_another_profile_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(RemoteProtocolError, match=reason):
        PartyCertificate.decode(content)


def organisation_certificate(unit: str | None) -> bytes:
    supplier = LabCa(NOW).issue_organisation(SUPPLIER, RemotePartyRole.SUPPLIER, "Supplier")
    (identifier,) = supplier.signing_certificate.certificate.subject.get_attributes_for_oid(
        NameOID.X500_UNIQUE_IDENTIFIER
    )
    subject: list[x509.NameAttribute[str | bytes]] = [identifier]
    if unit is not None:
        subject.append(x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit))
    return certificate(subject, usage())


@pytest.mark.parametrize("unit", [None, "supplier", "2", "-1", "0x2"])
def test_an_organisation_without_a_role_is_refused(unit: str | None) -> None:
    with pytest.raises(RemoteProtocolError, match="role"):
        PartyCertificate.decode(organisation_certificate(unit))


@pytest.mark.parametrize("unit", ["08", "87", "137", "002"])
def test_a_role_hanota_does_not_know_is_another_one(unit: str) -> None:
    """Published certificates have roles 08 and 137; they must not make a whole folder unreadable."""
    assert PartyCertificate.decode(organisation_certificate(unit)).role is RemotePartyRole.OTHER
