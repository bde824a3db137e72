"""Certificates whose signatures on DUIS documents are taken: found by issuer and serial number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from hanota.duis import certificates
from hanota.duis.certificates import SigningCertificates
from hanota.duis.signature import UnknownSignerError, verify_document
from hanota.errors import ConfigError
from hanota.gbcs.certificates import PartyCertificate
from hanota.gbcs.key_files import read_certificate
from tests.duis_support import ATTACKER, NOW, SIGNED, SUPPLIER, XML_KEYS, needs_vectors

if TYPE_CHECKING:
    from pathlib import Path

UNIT, NAME = NameOID.ORGANIZATIONAL_UNIT_NAME, NameOID.COMMON_NAME


def issued_by(*issuer: tuple[x509.ObjectIdentifier, str]) -> PartyCertificate:
    """Return a certificate like the supplier's of another issuer, named least specific first."""
    model = SUPPLIER.signing_certificate.certificate
    builder = x509.CertificateBuilder(
        x509.Name([x509.NameAttribute(oid, value) for oid, value in issuer]),
        model.subject,
        model.public_key(),
        model.serial_number,
        model.not_valid_before_utc,
        model.not_valid_after_utc,
        list(model.extensions),
    )
    return PartyCertificate.of(builder.sign(ATTACKER.signing_key, hashes.SHA256()))


@pytest.mark.parametrize("written", ["CN=Z1,OU=07", "CN=Z1, OU=07", " CN=Z1,\n  OU=07 ", "2.5.4.3=Z1,OU=07"])
def test_an_issuer_is_found_however_its_name_is_written(written: str) -> None:
    certificate = issued_by((UNIT, "07"), (NAME, "Z1"))

    known = SigningCertificates([certificate, issued_by((UNIT, "07"), (NAME, "Z2"))])

    assert known.find(written, certificate.certificate.serial_number) == certificate


@pytest.mark.parametrize("written", ["OU=07,CN=Z1", "CN=Z1", "CN=z1,OU=07", "CN=Z1+OU=07", "CN=Z1\\, OU=07"])
def test_another_name_is_another_issuer(written: str) -> None:
    certificate = issued_by((UNIT, "07"), (NAME, "Z1"))

    assert SigningCertificates([certificate]).find(written, certificate.certificate.serial_number) is None


def test_two_certificates_of_one_issuer_and_number_cannot_be_told_apart() -> None:
    twin = issued_by((NAME, "Z1"))
    other = issued_by((NAME, "Z1"))

    assert len(SigningCertificates([twin, twin])) == 1
    with pytest.raises(ConfigError, match="two certificates are CN=Z1, serial number"):
        SigningCertificates([twin, other])


def test_a_certificate_for_key_agreement_signs_nothing() -> None:
    known = SigningCertificates([SUPPLIER.agreement_certificate])

    assert len(known) == 0
    with pytest.raises(UnknownSignerError):
        verify_document(SIGNED, known, now=NOW)


def test_a_folder_of_certificates_is_read_and_its_faults_are_named(tmp_path: Path) -> None:
    SUPPLIER.save(tmp_path)

    known = SigningCertificates.from_folder(tmp_path)
    assert verify_document(SIGNED, known, now=NOW).signer == SUPPLIER.signing_certificate
    (tmp_path / "broken.pem").write_text("no certificate")
    with pytest.raises(ConfigError, match=r"broken\.pem"):
        SigningCertificates.from_folder(tmp_path)
    with pytest.raises(ConfigError, match="No such file"):
        SigningCertificates.from_folder(tmp_path / "absent")


def test_a_file_too_large_for_a_certificate_is_not_read_whole(tmp_path: Path) -> None:
    large = tmp_path / "large.pem"
    large.write_bytes(bytes(64 * 1024 + 1))

    with pytest.raises(ConfigError, match=r"large\.pem: more than 65536 octets"):
        read_certificate(large)
    with pytest.raises(ConfigError, match=r"absent\.pem: No such file"):
        read_certificate(tmp_path / "absent.pem")


def test_a_folder_of_more_certificates_than_the_limit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(certificates, "MAXIMUM_CERTIFICATES", 1)
    SUPPLIER.save(tmp_path)

    with pytest.raises(ConfigError, match=r"more than 1 \.pem files"):
        SigningCertificates.from_folder(tmp_path)


@needs_vectors
def test_a_published_issuer_is_found_as_the_templates_write_it() -> None:
    certificate = read_certificate(XML_KEYS / "xml-sign-90B3D51F30010000-ds.pem")
    known = SigningCertificates.from_folder(XML_KEYS)

    for issuer in ("CN=Z1,OU=07", "CN=Z1, OU=07"):
        assert known.find(issuer, certificate.certificate.serial_number) == certificate
    assert known.find("CN=U1, OU=07", certificate.certificate.serial_number) is None
    assert known.find("CN=Z1,OU=07", 1_234_567_890) is None
