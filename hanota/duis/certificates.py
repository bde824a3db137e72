"""The certificates whose signatures on DUIS documents are taken, found by issuer and serial number.

A document names its signer by X509IssuerSerial (XMLDSig 4.5.4.1): the issuer as a string of RFC 4514, most
specific part first, and the serial number in decimal.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from cryptography.x509 import Name

from hanota.errors import ConfigError
from hanota.gbcs.certificates import KeyUsage, PartyCertificate
from hanota.gbcs.key_files import read_certificate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

MAXIMUM_CERTIFICATES: Final = 10_000
"""Certificate files read of one folder: a bench knows a few parties."""

_SPACE_AFTER_COMMA: Final = re.compile(r"(?<!\\),[ \t\r\n]+")


class SigningCertificates:
    """Certificates for digital signatures; those for key agreement are left out."""

    def __init__(self, certificates: Iterable[PartyCertificate]) -> None:
        """Raise ConfigError where two certificates have one issuer and serial number."""
        self._certificates: dict[tuple[Name, int], PartyCertificate] = {}
        for certificate in certificates:
            if certificate.key_usage is not KeyUsage.DIGITAL_SIGNATURE:
                continue
            key = (certificate.certificate.issuer, certificate.certificate.serial_number)
            if self._certificates.setdefault(key, certificate) != certificate:
                raise ConfigError(f"two certificates are {issuer_name(certificate)}, serial number {key[1]}")

    @classmethod
    def from_folder(
        cls, folder: Path, unusable: Callable[[ConfigError], None] | None = None
    ) -> SigningCertificates:
        """Read every .pem file of `folder`, PEM or DER; raise ConfigError naming the file at fault.

        With `unusable` a file that holds no certificate is told to it and left out.
        """
        try:
            paths = sorted(path for path in folder.iterdir() if path.suffix.lower() == ".pem")
        except OSError as error:
            raise ConfigError(
                f"certificates {folder}: {error.strerror}", hint="name a folder of .pem files"
            ) from None
        if len(paths) > MAXIMUM_CERTIFICATES:
            raise ConfigError(f"certificates {folder}: more than {MAXIMUM_CERTIFICATES} .pem files")
        certificates: list[PartyCertificate] = []
        for path in paths:
            try:
                certificates.append(read_certificate(path))
            except ConfigError as error:
                if unusable is None:
                    raise
                unusable(error)
        return cls(certificates)

    def __len__(self) -> int:
        return len(self._certificates)

    def find(self, issuer: str, serial_number: int) -> PartyCertificate | None:
        """Return the certificate with this issuer, a string of RFC 4514, and serial number."""
        try:
            # RFC 2253, which XMLDSig named first, has white space after a comma mean nothing; DUIS has it so.
            name = Name.from_rfc4514_string(_SPACE_AFTER_COMMA.sub(",", issuer.strip()))
        except ValueError:
            return None
        return self._certificates.get((name, serial_number))


def issuer_name(certificate: PartyCertificate) -> str:
    """Return the issuer as X509IssuerName has it."""
    return certificate.certificate.issuer.rfc4514_string()
