"""What a signature must look like before any cryptography is done: one form, everything else refused by name.

XMLDSig lets a document say how it wants to be verified. DUIS has one way (its templates): an enveloped
signature over the whole document, last in the root; SignedInfo in exclusive canonical form; ECDSA with
SHA-256; a SHA-256 digest; the signer named by X509IssuerSerial. The digest is over the document in canonical
form, exclusive where a second transform says so, inclusive where none does (XMLDSig 4.4.3.2), as in the
templates.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hanota.duis.document import (
    XML_SIGNATURE,
    DuisError,
    ElementSequence,
    describe,
    path,
    qname,
    text,
    token,
)
from hanota.errors import VerificationError

if TYPE_CHECKING:
    from lxml.etree import _Element

EXCLUSIVE_CANONICAL_XML: Final = "http://www.w3.org/2001/10/xml-exc-c14n#"
ECDSA_SHA256: Final = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
SHA256: Final = "http://www.w3.org/2001/04/xmlenc#sha256"
ENVELOPED_SIGNATURE: Final = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
SIGNATURE_SIZE: Final = 64
"""Octets of an ECDSA signature on P-256: r and s (RFC 4050)."""
DIGEST_SIZE: Final = 32
"""Octets of a SHA-256 digest."""

_TRANSFORMS: Final = ([ENVELOPED_SIGNATURE], [ENVELOPED_SIGNATURE, EXCLUSIVE_CANONICAL_XML])
_SERIAL_NUMBER: Final = re.compile(r"[0-9]{1,49}")
"""An X.509 serial number has at most 20 octets (RFC 5280 clause 4.1.2.2)."""


class SignatureError(VerificationError, DuisError):
    """A document's signature is missing, not of the one form, or does not verify."""


class UnsignedError(SignatureError):
    """The document has no signature."""


class SignatureAlgorithmError(SignatureError):
    """The signature asks for an algorithm that DUIS does not use."""


class SignatureCoverageError(SignatureError):
    """The signature is not one over the whole document: what signature wrapping attacks need."""


@dataclass(frozen=True, slots=True)
class SignatureForm:
    """What a well-formed signature says of its signer."""

    element: _Element
    issuer: str
    serial_number: int


def signature_form(root: _Element) -> SignatureForm:
    """Return the one signature of a document; raise SignatureError or one that tells the case apart."""
    element = _only_signature(root)
    parts = ElementSequence(element)
    try:
        _check_signed_info(parts.required("SignedInfo", XML_SIGNATURE))
        _base64(parts.required("SignatureValue", XML_SIGNATURE), SIGNATURE_SIZE)
        issuer, serial_number = _issuer_serial(parts.required("KeyInfo", XML_SIGNATURE))
        parts.end()
    except SignatureError:
        raise
    except DuisError as error:
        raise SignatureError(str(error)) from None
    return SignatureForm(element, issuer, serial_number)


def _only_signature(root: _Element) -> _Element:
    signatures = list(root.iter(qname(XML_SIGNATURE, "Signature")))
    if not signatures:
        raise UnsignedError("the document is not signed")
    if len(signatures) > 1:
        raise SignatureCoverageError(f"the document has {len(signatures)} signatures, expected one")
    if list(root)[-1:] != signatures:
        raise SignatureCoverageError(
            f"the signature stands at {path(signatures[0])}, expected it last in {describe(root)}"
        )
    return signatures[0]


def _check_signed_info(signed_info: _Element) -> None:
    parts = ElementSequence(signed_info)
    _check_algorithm(parts.required("CanonicalizationMethod", XML_SIGNATURE), EXCLUSIVE_CANONICAL_XML)
    _check_algorithm(parts.required("SignatureMethod", XML_SIGNATURE), ECDSA_SHA256)
    reference = parts.required("Reference", XML_SIGNATURE)
    if reference.get("URI") != "":
        raise SignatureCoverageError(
            f"the signature covers {reference.get('URI', 'nothing named')[:80]!r}, not the whole document"
        )
    if parts.optional("Reference", XML_SIGNATURE) is not None:
        raise SignatureCoverageError("the signature has several references, expected one")
    parts.end()
    parts = ElementSequence(reference)
    _check_transforms(parts.required("Transforms", XML_SIGNATURE))
    _check_algorithm(parts.required("DigestMethod", XML_SIGNATURE), SHA256)
    _base64(parts.required("DigestValue", XML_SIGNATURE), DIGEST_SIZE)
    parts.end()


def _check_transforms(transforms: _Element) -> None:
    parts = ElementSequence(transforms)
    algorithms = []
    while (transform := parts.optional("Transform", XML_SIGNATURE)) is not None:
        _check_no_parameters(transform)
        algorithms.append(transform.get("Algorithm"))
    parts.end()
    if algorithms not in _TRANSFORMS:
        raise SignatureAlgorithmError(
            f"{path(transforms)}: expected {' then '.join(_TRANSFORMS[0])}, alone or then "
            f"{EXCLUSIVE_CANONICAL_XML}, got {algorithms}"
        )


def _check_algorithm(method: _Element, expected: str) -> None:
    _check_no_parameters(method)
    if method.get("Algorithm") != expected:
        raise SignatureAlgorithmError(
            f"{path(method)}: expected {expected}, got {method.get('Algorithm', 'none')[:80]}"
        )


def _check_no_parameters(method: _Element) -> None:
    """Refuse what would change an algorithm: a filter in a transform, prefixes of a canonical form."""
    if len(method):
        raise SignatureAlgorithmError(f"{path(method)}: expected no parameters, got {describe(method[0])}")


def _base64(element: _Element, size: int) -> None:
    """Refuse all but the one way to write a value, so that a signed document cannot be varied."""
    written = "".join(text(element).split())
    try:
        octets = binascii.a2b_base64(written, strict_mode=True)
    except ValueError as error:
        raise SignatureError(f"{path(element)}: expected base64: {error}") from None
    if len(octets) != size or b64encode(octets).decode("ascii") != written:
        raise SignatureError(f"{path(element)}: expected {size} octets in base64")


def _issuer_serial(key_info: _Element) -> tuple[str, int]:
    """Return issuer and serial number; a key or a certificate sent along would be trusted by nobody."""
    parts = ElementSequence(key_info)
    data = ElementSequence(parts.required("X509Data", XML_SIGNATURE))
    parts.end()
    issuer_serial = ElementSequence(data.required("X509IssuerSerial", XML_SIGNATURE))
    data.end()
    issuer = token(issuer_serial.required("X509IssuerName", XML_SIGNATURE))
    serial_number = issuer_serial.required("X509SerialNumber", XML_SIGNATURE)
    issuer_serial.end()
    if not _SERIAL_NUMBER.fullmatch(token(serial_number)):
        raise SignatureError(f"{path(serial_number)}: expected a number, got {token(serial_number)[:80]!r}")
    return issuer, int(token(serial_number))
