"""A certificate authority for tests of TLS, and certificates as servers and clients may show them."""

from __future__ import annotations

import hashlib
import ssl
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID

from hanota.clock import SystemClock
from hanota.timestamps import utc

if TYPE_CHECKING:
    from pathlib import Path

YEARS = 20 * 365.0
"""Days: beyond any time that a bench of the tests lives in."""


@dataclass(frozen=True)
class Issued:
    """A certificate with its key, in one PEM file."""

    name: str
    file: Path
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    @property
    def public_key_sha256(self) -> bytes:
        public = self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return hashlib.sha256(public).digest()


class Authority:
    """A certificate authority; TLS holds its certificates against the machine's clock."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self._folder = name, folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.file = folder / f"{name}.pem"
        certificate = self._sign(name, self._key, (-1, YEARS), self, ca=True)
        self.file.write_bytes(certificate.public_bytes(Encoding.PEM))

    def issue(
        self,
        name: str,
        *,
        days: tuple[float, float] = (-1, YEARS),
        usage: x509.ObjectIdentifier | None = None,
        key: ec.EllipticCurvePrivateKey | None = None,
        address: str = "127.0.0.1",
        label: str = "",
        signed_by: Issued | None = None,
    ) -> Issued:
        """Make a certificate for an IP address, valid from and until `days` from now.

        `label` tells files of one name apart; `signed_by`: not by the authority but by this certificate.
        """
        key = key or ec.generate_private_key(ec.SECP256R1())
        issuer = self if signed_by is None else signed_by
        certificate = self._sign(name, key, days, issuer, usage=usage, address=address)
        chain = certificate.public_bytes(Encoding.PEM)
        if signed_by is not None:
            chain += signed_by.file.read_bytes().split(b"-----BEGIN PRIVATE")[0]
        file = self._folder / f"{self.name} {name}{label}.pem"
        file.write_bytes(chain + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return Issued(name, file, key)

    def _sign(
        self,
        name: str,
        key: ec.EllipticCurvePrivateKey,
        days: tuple[float, float],
        issuer: Authority | Issued,
        *,
        ca: bool = False,
        usage: x509.ObjectIdentifier | None = None,
        address: str = "127.0.0.1",
    ) -> x509.Certificate:
        signing = issuer._key if isinstance(issuer, Authority) else issuer.key
        now = utc(SystemClock().now())
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(name))
            .issuer_name(_name(issuer.name))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + timedelta(days=days[0]))
            .not_valid_after(now + timedelta(days=days[1]))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=0 if ca else None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()), critical=False
            )
        )
        if not ca:
            alternative = x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))])
            builder = builder.add_extension(alternative, critical=False)
        if usage is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        return builder.sign(signing, hashes.SHA256())


def client_context(
    authority: Authority, shown: Issued | None = None, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
) -> ssl.SSLContext:
    """Return the TLS of a client that knows `authority` and shows a certificate."""
    context = ssl.create_default_context(cafile=authority.file)
    context.minimum_version = context.maximum_version = version
    if shown is not None:
        context.load_cert_chain(shown.file)
    return context


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
