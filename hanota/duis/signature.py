"""DUIS documents signed and verified: XMLDSig in the one form of `signature_form`, computed by signxml."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from lxml import etree
from signxml.algorithms import CanonicalizationMethod, DigestAlgorithm, SignatureMethod
from signxml.exceptions import InvalidDigest, SignXMLException
from signxml.signer import XMLSigner
from signxml.verifier import SignatureConfiguration, XMLVerifier

from hanota.duis.certificates import issuer_name
from hanota.duis.document import (
    XML_SIGNATURE,
    DocumentLimits,
    document_name,
    hardened_parser,
    parse_document,
    qname,
)
from hanota.duis.signature_form import SignatureError, signature_form
from hanota.duis.writing import to_octets
from hanota.errors import LocalProtocolError, UnverifiableError
from hanota.timestamps import utc

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from lxml.etree import _Element
    from signxml.verifier import VerifyResult

    from hanota.duis.certificates import SigningCertificates
    from hanota.gbcs.certificates import PartyCertificate

_PREFIX: Final = "ds"


class AlteredError(SignatureError):
    """The document is not what the signer signed."""


class WrongSignerError(SignatureError):
    """The signature does not verify by the certificate the document names: another's, or itself altered."""


class CertificateNotValidError(SignatureError):
    """The signer's certificate is not valid yet, or no longer."""


class UnknownSignerError(UnverifiableError):
    """The signer's certificate is not among those known: the signature is neither valid nor invalid."""


@dataclass(frozen=True, slots=True)
class SignedDocument:
    """What a verified signature covers, and whose it is."""

    octets: bytes
    """The canonical form whose digest was signed, without the signature: parse this, never what arrived."""
    signer: PartyCertificate


def verify_document(
    document: bytes, certificates: SigningCertificates, *, now: float, limits: DocumentLimits | None = None
) -> SignedDocument:
    """Verify the signature on a document (`now`: Unix seconds, for the certificate's validity).

    Raises DuisError where it is no document; UnsignedError, SignatureAlgorithmError, SignatureCoverageError,
    AlteredError, WrongSignerError, CertificateNotValidError, or else SignatureError for its signature; and
    UnknownSignerError. Whether the signer may ask what the document asks is not decided here.
    """
    root = parse_document(document, limits or DocumentLimits())
    document_name(root)
    form = signature_form(root)
    signer = certificates.find(form.issuer, form.serial_number)
    if signer is None:
        raise UnknownSignerError(
            f"no certificate of issuer {form.issuer[:80]!r} with serial number {form.serial_number}",
            hint="add the signer's certificate to those known",
        )
    moment = utc(now)
    _check_validity(signer, moment)
    try:
        result = XMLVerifier().verify(
            root,
            x509_cert=signer.certificate,
            # The form was checked above, more strictly than the schema of XMLDSig does.
            validate_schema=False,
            parser=hardened_parser(),
            expect_config=SignatureConfiguration(
                location="./",
                signature_methods=frozenset({SignatureMethod.ECDSA_SHA256}),
                digest_algorithms=frozenset({DigestAlgorithm.SHA256}),
                default_reference_c14n_method=CanonicalizationMethod.CANONICAL_XML_1_0,
                verification_time=moment,
            ),
        )
    except InvalidDigest as error:
        raise AlteredError("the document was altered after it was signed: its digest differs") from error
    except SignXMLException as error:
        raise WrongSignerError(
            f"the signature does not verify by the certificate of {signer.eui64}, which the document names"
        ) from error
    # A list only where several references are expected.
    return SignedDocument(cast("VerifyResult", result).signed_data, signer)


def sign_document(
    document: bytes,
    key: EllipticCurvePrivateKey,
    certificate: PartyCertificate,
    limits: DocumentLimits | None = None,
) -> bytes:
    """Return the document signed; a signature already there gives way, for there is room for one.

    White space between elements and unused namespaces are left out: a verifier that drops the first, as DCC
    Boxed's does, or takes either canonical form, computes the same digest. Raises DuisError where it is no
    document, LocalProtocolError where key and certificate are no pair or more than one namespace is used.
    """
    if key.public_key() != certificate.public_key:
        raise LocalProtocolError("the private key is not that of the certificate")
    root = parse_document(document, limits or DocumentLimits())
    document_name(root)
    _drop_signature(root)
    _drop_white_space(root)
    etree.cleanup_namespaces(root)
    if _canonical(root, exclusive=True) != _canonical(root, exclusive=False):
        raise LocalProtocolError(
            "the document uses several namespaces, and its digest would depend on where they are declared"
        )
    signer = _Signer(
        signature_algorithm=SignatureMethod.ECDSA_SHA256,
        digest_algorithm=DigestAlgorithm.SHA256,
        c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
    )
    # Without a transform that names it, the canonical form of the digest is the inclusive one, here the same.
    signed = signer.sign(root, key=key, key_info=_key_info(certificate), exclude_c14n_transform_element=True)
    return to_octets(signed)


class _Signer(XMLSigner):
    """A signer that takes a Firmware Image as large as the schema allows."""

    @property
    def parser(self) -> etree.XMLParser:
        return hardened_parser()


def _check_validity(signer: PartyCertificate, moment: datetime) -> None:
    first, last = signer.certificate.not_valid_before_utc, signer.certificate.not_valid_after_utc
    if not first <= moment <= last:
        raise CertificateNotValidError(
            f"the certificate of {signer.eui64} is valid from {first.isoformat()} to {last.isoformat()}, "
            f"not at {moment.isoformat()}"
        )


def _drop_signature(root: _Element) -> None:
    for signature in list(root.iterchildren(qname(XML_SIGNATURE, "Signature"))):
        root.remove(signature)
    if next(root.iter(qname(XML_SIGNATURE, "Signature")), None) is not None:
        raise LocalProtocolError("the document has a signature inside, where DUIS has none")


def _drop_white_space(root: _Element) -> None:
    for parent in root.iter():
        if not len(parent):
            continue
        if not (parent.text or "").strip():
            parent.text = None
        for child in parent:
            if not (child.tail or "").strip():
                child.tail = None


def _canonical(root: _Element, *, exclusive: bool) -> bytes:
    return etree.tostring(root, method="c14n", exclusive=exclusive, with_comments=False)


def _key_info(certificate: PartyCertificate) -> _Element:
    key_info = etree.Element(qname(XML_SIGNATURE, "KeyInfo"), nsmap={_PREFIX: XML_SIGNATURE})
    data = etree.SubElement(key_info, qname(XML_SIGNATURE, "X509Data"))
    issuer_serial = etree.SubElement(data, qname(XML_SIGNATURE, "X509IssuerSerial"))
    for name, value in (
        ("X509IssuerName", issuer_name(certificate)),
        ("X509SerialNumber", str(certificate.certificate.serial_number)),
    ):
        etree.SubElement(issuer_serial, qname(XML_SIGNATURE, name)).text = value
    return key_info
