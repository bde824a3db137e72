"""Key files a user may name: PEM or DER, private key, public key or certificate, on P-256."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from hanota.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MAXIMUM_KEY_FILE: Final = 64 * 1024
"""Octets read of a key file; a P-256 key or certificate has a few hundred."""


def read_private_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """Read a private key (PKCS#8, PEM or DER); raise ConfigError if the file holds none on P-256."""
    key = _first(path, _PRIVATE)
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    raise ConfigError(
        f"no private key on P-256 in {path}", hint="give a PKCS#8 file, PEM or DER, not encrypted"
    )


def read_public_key(path: Path) -> ec.EllipticCurvePublicKey:
    """Read a certificate's, a public or a private key's public key; raise ConfigError if none is on P-256."""
    key = _first(path, (*_CERTIFICATE, *_PUBLIC, *_PRIVATE))
    if isinstance(key, ec.EllipticCurvePrivateKey):
        key = key.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    raise ConfigError(f"no key on P-256 in {path}", hint="give a certificate or a key, PEM or DER")


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


def _first(path: Path, readers: tuple[Callable[[bytes], object], ...]) -> object:
    """Return what the first reader that can read the file makes of it, or None."""
    try:
        with path.open("rb") as stream:
            data = stream.read(MAXIMUM_KEY_FILE)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}", hint="check the file's name") from error
    for reader in readers:
        try:
            return reader(data)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            continue
    return None
