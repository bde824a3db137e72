"""Files of certificates and keys, PEM or DER, on P-256."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from hanota.errors import ConfigError, RemoteProtocolError
from hanota.files import read_file
from hanota.gbcs.certificates import PartyCertificate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hanota.gbcs.crypto import PrivateKey, PublicKey

MAXIMUM_FILE_SIZE: Final = 64 * 1024
"""Octets of one file; a certificate or a key of GB smart metering has less than 1 kB."""

_PRIVATE: Final[tuple[Callable[[bytes], object], ...]] = (
    lambda data: serialization.load_pem_private_key(data, None),
    lambda data: serialization.load_der_private_key(data, None),
)
_PUBLIC: Final[tuple[Callable[[bytes], object], ...]] = (
    serialization.load_pem_public_key,
    serialization.load_der_public_key,
)
_CERTIFICATE: Final[tuple[Callable[[bytes], object], ...]] = (
    lambda data: x509.load_pem_x509_certificate(data).public_key(),
    lambda data: x509.load_der_x509_certificate(data).public_key(),
)


def read_private_key(path: Path) -> PrivateKey:
    """Read a private key (PKCS#8, not encrypted); raise ConfigError if the file holds none on P-256."""
    key = _first(path, _PRIVATE)
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    raise ConfigError(
        f"no private key on P-256 in {path}", hint="give a PKCS#8 file, PEM or DER, not encrypted"
    )


def read_public_key(path: Path) -> PublicKey:
    """Read a certificate's, a public or a private key's public key; raise ConfigError if none is on P-256."""
    key = _first(path, (*_CERTIFICATE, *_PUBLIC, *_PRIVATE))
    if isinstance(key, ec.EllipticCurvePrivateKey):
        key = key.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    raise ConfigError(f"no key on P-256 in {path}", hint="give a certificate or a key, PEM or DER")


def read_certificate(path: Path) -> PartyCertificate:
    """Read a certificate of GB smart metering; raise ConfigError if the file holds none."""
    try:
        return PartyCertificate.decode(read_file(path, MAXIMUM_FILE_SIZE))
    except RemoteProtocolError as error:
        raise ConfigError(f"{path}: {error}") from None


def _first(path: Path, readers: tuple[Callable[[bytes], object], ...]) -> object:
    """Return what the first reader that can read the file makes of it, or None."""
    data = read_file(path, MAXIMUM_FILE_SIZE)
    for reader in readers:
        try:
            return reader(data)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            continue
    return None
