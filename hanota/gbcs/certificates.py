"""Certificates of GB smart metering: whose they are, in what role, and for which use of the key.

A device's certificate has an empty subject and its EUI-64 as hardwareModuleName in the subject alternative
name; an organisation's has its EUI-64 as x500UniqueIdentifier and its role, two hex digits, as
organizationalUnitName (SMKI device and organisation certificate profiles, as RTDS 4.5.0 shows them).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Annotated, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID, ObjectIdentifier

from hanota.errors import ConfigError, RemoteProtocolError
from hanota.eui64 import Eui64
from hanota.files import write_file
from hanota.gbcs import der

if TYPE_CHECKING:
    from pathlib import Path

HARDWARE_MODULE_NAME: Final = ObjectIdentifier("1.3.6.1.5.5.7.8.4")
"""id-on-hardwareModuleName (RFC 4108)."""

_ROLE: Final = re.compile(r"[0-9A-Fa-f]{2}|[0-9]{3}")
"""Two hex digits; older certificates of DCC Boxed that sign documents have their role, 137, in decimal."""

_UNREADABLE: Final = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
)
"""What cryptography raises for broken certificates, some of it only when a field is first looked at."""


class RemotePartyRole(IntEnum):
    """RemotePartyRole of GBCS's credential use cases, and an organisation's organizationalUnitName."""

    ROOT = 0
    RECOVERY = 1
    SUPPLIER = 2
    NETWORK_OPERATOR = 3
    ACCESS_CONTROL_BROKER = 4
    TRANSITIONAL_COS = 5
    WAN_PROVIDER = 6
    ISSUING_AUTHORITY = 7
    OTHER = 127


class KeyUsage(StrEnum):
    """What a key pair is for; the value is how file names of the reference test data say it."""

    DIGITAL_SIGNATURE = "ds"
    KEY_AGREEMENT = "ka"


@der.sequence
class HardwareModuleName:
    """HardwareModuleName (RFC 4108 clause 5)."""

    hw_type: x509.ObjectIdentifier
    hw_serial_num: Annotated[bytes, asn1.Size.exact(8)]
    """The device's EUI-64."""


@dataclass(frozen=True, slots=True)
class PartyCertificate:
    """A certificate and what GBCS needs of it."""

    eui64: Eui64
    role: RemotePartyRole | None
    """None for a device."""
    key_usage: KeyUsage
    public_key: ec.EllipticCurvePublicKey
    certificate: x509.Certificate

    @classmethod
    def decode(cls, data: bytes) -> PartyCertificate:
        """Read PEM or DER; raise RemoteProtocolError for anything but a certificate of the two profiles."""
        try:
            if data.lstrip().startswith(b"-----BEGIN"):
                certificate = x509.load_pem_x509_certificate(data)
            else:
                certificate = x509.load_der_x509_certificate(data)
            return cls.of(certificate)
        except _UNREADABLE as error:
            raise RemoteProtocolError(f"not a certificate that can be read: {error}") from None

    @classmethod
    def of(cls, certificate: x509.Certificate) -> PartyCertificate:
        """Take a certificate; raise RemoteProtocolError unless it is of one of the two profiles."""
        public_key = certificate.public_key()
        if not isinstance(public_key, ec.EllipticCurvePublicKey) or not isinstance(
            public_key.curve, ec.SECP256R1
        ):
            raise RemoteProtocolError("the certificate's key is not on the curve P-256")
        eui64, role = _identity(certificate)
        return cls(eui64, role, _key_usage(certificate), public_key, certificate)


@dataclass(frozen=True, slots=True)
class Credentials:
    """The two key pairs of a device or an organisation and their certificates."""

    eui64: Eui64
    signing_key: ec.EllipticCurvePrivateKey
    signing_certificate: PartyCertificate
    agreement_key: ec.EllipticCurvePrivateKey
    agreement_certificate: PartyCertificate

    def save(self, folder: Path) -> None:
        """Write four files as KeyStore.from_folder reads them; private keys only their owner may read.

        Raise ConfigError where that fails.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"cannot make the folder {folder}: {error.strerror}") from error
        for usage, key, certificate in (
            (KeyUsage.DIGITAL_SIGNATURE, self.signing_key, self.signing_certificate),
            (KeyUsage.KEY_AGREEMENT, self.agreement_key, self.agreement_certificate),
        ):
            stem = f"{self.eui64.hex()}-{usage}"
            write_file(folder / f"{stem}.pem", certificate.certificate.public_bytes(Encoding.PEM))
            pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            write_file(folder / f"{stem}.key", pem, private=True)


def _identity(certificate: x509.Certificate) -> tuple[Eui64, RemotePartyRole | None]:
    unique_identifiers = certificate.subject.get_attributes_for_oid(NameOID.X500_UNIQUE_IDENTIFIER)
    if not unique_identifiers:
        return _device(certificate), None
    value = unique_identifiers[0].value
    # A BIT STRING: its first octet counts the unused bits, none here.
    if len(unique_identifiers) > 1 or not isinstance(value, bytes) or value[:1] != b"\x00":
        raise RemoteProtocolError("the certificate's x500UniqueIdentifier is not an EUI-64")
    return Eui64(value[1:]), _role(certificate)


def _role(certificate: x509.Certificate) -> RemotePartyRole:
    units = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
    text = ", ".join(str(unit.value) for unit in units)
    if not _ROLE.fullmatch(text):
        raise RemoteProtocolError(f"the certificate's organizationalUnitName {text!r} is not a role")
    try:
        return RemotePartyRole(int(text, 16)) if len(text) == 2 else RemotePartyRole.OTHER
    except ValueError:
        # Later versions of GBCS add roles; to hanota a party in one of them is just not one of the above.
        return RemotePartyRole.OTHER


def _device(certificate: x509.Certificate) -> Eui64:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        raise RemoteProtocolError(
            "the certificate names neither a device nor an organisation by its EUI-64"
        ) from None
    values = [name.value for name in names.get_values_for_type(x509.OtherName)]
    if len(values) != 1:
        raise RemoteProtocolError("the certificate has no hardwareModuleName, or more than one")
    return Eui64(der.decode(HardwareModuleName, values[0]).hw_serial_num)


def _key_usage(certificate: x509.Certificate) -> KeyUsage:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        raise RemoteProtocolError("the certificate has no key usage") from None
    match usage.digital_signature, usage.key_agreement:
        case True, False:
            return KeyUsage.DIGITAL_SIGNATURE
        case False, True:
            return KeyUsage.KEY_AGREEMENT
        case _:
            raise RemoteProtocolError(
                "the certificate's key usage is not one of digitalSignature, keyAgreement"
            )
