"""A certification authority for the bench: credentials of emulated devices and of lab organisations.

No private key of a device is published with the reference test data, so an emulated one gets its own.
"""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha1, sha256
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID, ObjectIdentifier

from hanota.gbcs import der
from hanota.gbcs.certificates import (
    HARDWARE_MODULE_NAME,
    Credentials,
    HardwareModuleName,
    KeyUsage,
    PartyCertificate,
    RemotePartyRole,
)
from hanota.timestamps import utc

if TYPE_CHECKING:
    from hanota.eui64 import Eui64
    from hanota.gbcs.crypto import PrivateKey, PublicKey

_NO_EXPIRY: Final = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
"""RFC 5280 4.1.2.5: no well-defined expiration; what device certificates carry."""

_HARDWARE_TYPE: Final = ObjectIdentifier("2.999.1")
"""hwType of a lab device, under the arc kept for examples (ITU-T X.660)."""

_P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


class LabCa:
    """Issues credentials; with a `seed` the same calls give the same keys and certificates every time."""

    def __init__(self, now: float, *, seed: bytes | None = None, name: str = "hanota lab CA") -> None:
        self._now = utc(now).replace(microsecond=0)
        self._seed = seed
        self._key = self._new_key("CA")
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate: Final = self._self_signed()

    def issue_device(self, eui64: Eui64) -> Credentials:
        """Return new credentials of a device."""
        module_name = HardwareModuleName(hw_type=_HARDWARE_TYPE, hw_serial_num=bytes(eui64))
        other_name = x509.OtherName(HARDWARE_MODULE_NAME, der.encode(module_name))
        return self._issue(eui64, x509.Name([]), x509.SubjectAlternativeName([other_name]))

    def issue_organisation(self, eui64: Eui64, role: RemotePartyRole, name: str) -> Credentials:
        """Return new credentials of a remote party."""
        return self._issue(eui64, _organisation(eui64, role, name), None)

    def certify_organisation(
        self, eui64: Eui64, role: RemotePartyRole, name: str, usage: KeyUsage, public_key: PublicKey
    ) -> PartyCertificate:
        """Return a certificate for a remote party whose private key is elsewhere."""
        return PartyCertificate.of(self._sign(public_key, _organisation(eui64, role, name), None, usage))

    def _issue(
        self, eui64: Eui64, subject: x509.Name, alternative_name: x509.SubjectAlternativeName | None
    ) -> Credentials:
        signing_key = self._new_key(f"{eui64} {KeyUsage.DIGITAL_SIGNATURE}")
        agreement_key = self._new_key(f"{eui64} {KeyUsage.KEY_AGREEMENT}")
        signing, agreement = (
            PartyCertificate.of(self._sign(key.public_key(), subject, alternative_name, usage))
            for key, usage in (
                (signing_key, KeyUsage.DIGITAL_SIGNATURE),
                (agreement_key, KeyUsage.KEY_AGREEMENT),
            )
        )
        return Credentials(eui64, signing_key, signing, agreement_key, agreement)

    def _sign(
        self,
        key: PublicKey,
        subject: x509.Name,
        alternative_name: x509.SubjectAlternativeName | None,
        usage: KeyUsage,
    ) -> x509.Certificate:
        builder = self._builder(key, subject).add_extension(_key_usage(usage), critical=True)
        if alternative_name is not None:
            builder = builder.add_extension(alternative_name, critical=True)
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier(_key_identifier(self._key.public_key()), None, None), critical=False
        )
        return builder.sign(self._key, SHA256(), ecdsa_deterministic=True)

    def _self_signed(self) -> x509.Certificate:
        builder = self._builder(self._key.public_key(), self._name)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(_key_usage(None), critical=True)
        return builder.sign(self._key, SHA256(), ecdsa_deterministic=True)

    def _builder(self, key: PublicKey, subject: x509.Name) -> x509.CertificateBuilder:
        identifier = _key_identifier(key)
        serial_number = (
            x509.random_serial_number()
            if self._seed is None
            else int.from_bytes(sha256(self._seed + identifier).digest()[:15], "big") + 1
        )
        return (
            x509.CertificateBuilder()
            .issuer_name(self._name)
            .subject_name(subject)
            .public_key(key)
            .serial_number(serial_number)
            .not_valid_before(self._now)
            .not_valid_after(_NO_EXPIRY)
            .add_extension(x509.SubjectKeyIdentifier(identifier), critical=False)
        )

    def _new_key(self, label: str) -> PrivateKey:
        if self._seed is None:
            return ec.generate_private_key(ec.SECP256R1())
        digest = int.from_bytes(sha256(self._seed + b"\x00" + label.encode()).digest(), "big")
        return ec.derive_private_key(digest % (_P256_ORDER - 1) + 1, ec.SECP256R1())


def _key_usage(usage: KeyUsage | None) -> x509.KeyUsage:
    """Return the extension for one use of an end entity's key; None for the authority's own."""
    return x509.KeyUsage(
        digital_signature=usage is KeyUsage.DIGITAL_SIGNATURE,
        key_agreement=usage is KeyUsage.KEY_AGREEMENT,
        key_cert_sign=usage is None,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _organisation(eui64: Eui64, role: RemotePartyRole, name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, name),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, f"{role:02X}"),
            x509.NameAttribute(
                NameOID.X500_UNIQUE_IDENTIFIER, b"\x00" + eui64, _ASN1Type.BitString, _validate=False
            ),
        ]
    )


def _key_identifier(key: PublicKey) -> bytes:
    """Return RFC 5280 4.2.1.2 method (2), as SMKI certificates have it: 0100 and 60 bits of a SHA-1."""
    point = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    tail = sha1(point, usedforsecurity=False).digest()[-8:]
    return bytes([0x40 | tail[0] & 0x0F]) + tail[1:]
