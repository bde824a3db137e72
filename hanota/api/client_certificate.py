"""The certificate that a client has shown: known by its public key, which no authority can give to another.

A Subject is what some authority has written, and the next one may write it too. The certificate as a whole
changes when it is renewed. The public key is what the client proves to hold with each handshake.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_REMEMBERED: Final = 256
"""Certificates that are not read again with each request: as many as there are connections."""
_LONGEST_SUBJECT: Final = 100
"""Characters of a Subject that are told."""


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """A certificate of an authority that the daemon knows, whose key its client holds."""

    public_key_sha256: bytes
    """SHA-256 of the SubjectPublicKeyInfo, DER (RFC 5280, 4.1.2.7)."""
    subject: str
    """RFC 4514, for people; cut where it is long."""
    valid_until: float
    """Unix seconds."""


def client_certificate(scope: Mapping[str, Any]) -> ClientCertificate | None:
    """Return what the client of a request has shown (ASGI TLS Extension), None where it is nothing."""
    extension = scope.get("extensions", {}).get("tls", {})
    chain = tuple(extension.get("client_cert_chain", ()))
    return _read(chain[0]) if chain else None


@lru_cache(maxsize=_REMEMBERED)
def _read(pem: str) -> ClientCertificate | None:
    """Return a certificate; None where OpenSSL can read it and `cryptography` cannot: it names nobody."""
    try:
        certificate = x509.load_pem_x509_certificate(pem.encode())
        key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        subject = certificate.subject.rfc4514_string()
    except (ValueError, UnsupportedAlgorithm):
        return None
    return ClientCertificate(
        hashlib.sha256(key).digest(),
        subject if len(subject) <= _LONGEST_SUBJECT else f"{subject[: _LONGEST_SUBJECT - 1]}…",
        certificate.not_valid_after_utc.timestamp(),
    )
