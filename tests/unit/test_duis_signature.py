"""Signatures on DUIS documents: what is taken, what is refused and how it is told apart, what is signed."""

from __future__ import annotations

from base64 import b64decode, b64encode
from datetime import UTC, datetime
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from lxml import etree

from hanota.duis.build import build_request
from hanota.duis.certificates import SigningCertificates
from hanota.duis.document import XML_SIGNATURE, DuisError
from hanota.duis.parse import parse_request
from hanota.duis.request import RequestId, UpdateFirmware, UpdatePpmidFirmware
from hanota.duis.signature import (
    AlteredError,
    CertificateNotValidError,
    UnknownSignerError,
    WrongSignerError,
    sign_document,
    verify_document,
)
from hanota.duis.signature_form import (
    SignatureAlgorithmError,
    SignatureCoverageError,
    SignatureError,
    UnsignedError,
)
from hanota.errors import LocalProtocolError, UnverifiableError, VerificationError
from hanota.eui64 import Eui64
from hanota.gbcs.key_files import read_certificate, read_private_key
from tests.duis_support import (
    ACTIVATE,
    ATTACKER,
    DCC,
    DEVICE,
    KNOWN,
    NOW,
    SIGNED,
    SUPPLIER,
    TEMPLATES,
    UNSIGNED,
    XML_KEYS,
    altered,
    needs_vectors,
    signed,
)

EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
ENVELOPED = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
DS = f"{{{XML_SIGNATURE}}}"


def signed_by_hand(document: bytes, *transforms: str) -> bytes:
    """Sign as the text of XMLDSig says, sharing nothing with the code under test."""
    root = etree.fromstring(document)
    octets = etree.tostring(root, method="c14n", exclusive=EXCLUSIVE in transforms)
    certificate = SUPPLIER.signing_certificate.certificate
    signature = etree.fromstring(
        f'<ds:Signature xmlns:ds="{XML_SIGNATURE}"><ds:SignedInfo>'
        f'<ds:CanonicalizationMethod Algorithm="{EXCLUSIVE}"/>'
        '<ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"/>'
        '<ds:Reference URI=""><ds:Transforms>'
        + "".join(f'<ds:Transform Algorithm="{transform}"/>' for transform in transforms)
        + '</ds:Transforms><ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/>'
        f"<ds:DigestValue>{b64encode(sha256(octets).digest()).decode()}</ds:DigestValue></ds:Reference>"
        "</ds:SignedInfo><ds:SignatureValue/><ds:KeyInfo><ds:X509Data><ds:X509IssuerSerial>"
        f"<ds:X509IssuerName>{certificate.issuer.rfc4514_string()}</ds:X509IssuerName>"
        f"<ds:X509SerialNumber>{certificate.serial_number}</ds:X509SerialNumber>"
        "</ds:X509IssuerSerial></ds:X509Data></ds:KeyInfo></ds:Signature>"
    )
    signed_info = etree.tostring(signature[0], method="c14n", exclusive=True)
    r, s = decode_dss_signature(SUPPLIER.signing_key.sign(signed_info, ec.ECDSA(hashes.SHA256())))
    signature[1].text = b64encode(r.to_bytes(32, "big") + s.to_bytes(32, "big")).decode()
    root.append(signature)
    return etree.tostring(root)


def test_what_we_sign_verifies_and_reads_as_it_was() -> None:
    document = verify_document(SIGNED, KNOWN, now=NOW)

    assert document.signer == SUPPLIER.signing_certificate
    assert parse_request(document.octets) == ACTIVATE
    assert parse_request(SIGNED) == ACTIVATE


@pytest.mark.parametrize(
    "transforms", [(ENVELOPED,), (ENVELOPED, EXCLUSIVE)], ids=["inclusive digest", "exclusive digest"]
)
def test_a_document_signed_elsewhere_with_white_space_and_unused_namespaces_verifies(
    transforms: tuple[str, ...],
) -> None:
    document = UNSIGNED.replace(b"<sr:Request ", b'<sr:Request xmlns:xsi="urn:xsi" xmlns:ra="urn:ra" ')

    verified = verify_document(signed_by_hand(document, *transforms), KNOWN, now=NOW)

    assert parse_request(verified.octets) == ACTIVATE


def test_our_signature_has_the_form_of_the_dccs_templates() -> None:
    signature = etree.fromstring(SIGNED)[-1]
    names = [etree.QName(element).localname for element in signature.iter()]

    assert names == [
        *("Signature", "SignedInfo", "CanonicalizationMethod", "SignatureMethod", "Reference"),
        *("Transforms", "Transform", "DigestMethod", "DigestValue", "SignatureValue"),
        *("KeyInfo", "X509Data", "X509IssuerSerial", "X509IssuerName", "X509SerialNumber"),
    ]
    assert signature.prefix == "ds"
    assert [element.get("Algorithm") for element in signature.iter() if element.get("Algorithm")] == [
        EXCLUSIVE,
        "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
        ENVELOPED,
        "http://www.w3.org/2001/04/xmlenc#sha256",
    ]


def test_our_signature_is_verified_by_the_text_of_xmldsig_in_either_canonical_form() -> None:
    root = etree.fromstring(SIGNED)
    signature = root[-1]
    digest = signature.findtext(f".//{DS}DigestValue")
    signed_info = etree.tostring(signature[0], method="c14n", exclusive=True)
    root.remove(signature)

    for exclusive in (True, False):
        octets = etree.tostring(root, method="c14n", exclusive=exclusive)
        assert b64encode(sha256(octets).digest()).decode() == digest
    value = b64decode(signature.findtext(f"{DS}SignatureValue") or "")
    r, s = int.from_bytes(value[:32], "big"), int.from_bytes(value[32:], "big")
    SUPPLIER.signing_certificate.public_key.verify(
        encode_dss_signature(r, s), signed_info, ec.ECDSA(hashes.SHA256())
    )


def test_white_space_between_elements_is_not_signed_and_that_of_values_is_kept() -> None:
    request = UpdateFirmware(RequestId(SUPPLIER.eui64, DCC.eui64, 1), b"image", " \n ", (DEVICE,))
    document = build_request(request)
    assert b">\n  <" in document

    written = signed(document)

    assert b">\n" not in written.partition(b"?>\n")[2].replace(b"FirmwareVersion> \n <", b"")
    assert parse_request(verify_document(written, KNOWN, now=NOW).octets) == request


def test_a_former_signature_gives_way() -> None:
    document = signed(signed(by=ATTACKER))

    assert verify_document(document, KNOWN, now=NOW).signer == SUPPLIER.signing_certificate


def test_a_comment_changes_neither_signature_nor_content() -> None:
    document = altered("FirmwareHash>0001", "FirmwareHash>00<!-- -->01")

    assert parse_request(verify_document(document, KNOWN, now=NOW).octets) == ACTIVATE


def test_the_largest_image_of_the_schema_can_be_signed_and_verified() -> None:
    request = UpdatePpmidFirmware(RequestId(SUPPLIER.eui64, DCC.eui64, 1), bytes(10_240_000), "1", (DEVICE,))

    verified = verify_document(signed(build_request(request)), KNOWN, now=NOW)

    assert parse_request(verified.octets) == request


def test_an_unsigned_document_is_told_as_unsigned() -> None:
    with pytest.raises(UnsignedError, match="the document is not signed"):
        verify_document(UNSIGNED, KNOWN, now=NOW)


def test_an_unknown_signer_leaves_a_document_unverifiable_not_invalid() -> None:
    with pytest.raises(UnknownSignerError, match="no certificate of issuer") as caught:
        verify_document(signed(by=ATTACKER), KNOWN, now=NOW)

    assert isinstance(caught.value, UnverifiableError)
    assert not isinstance(caught.value, VerificationError)


def test_a_document_altered_after_signing_is_told_as_altered() -> None:
    with pytest.raises(AlteredError, match="altered after it was signed"):
        verify_document(altered(":42<", ":43<"), KNOWN, now=NOW)


def test_a_signature_by_another_than_the_document_names_is_told_so() -> None:
    certificate = SUPPLIER.signing_certificate.certificate
    other = ATTACKER.signing_certificate.certificate
    document = signed(by=ATTACKER).replace(
        str(other.serial_number).encode(), str(certificate.serial_number).encode()
    )

    with pytest.raises(WrongSignerError, match=f"does not verify by the certificate of {SUPPLIER.eui64}"):
        verify_document(document, KNOWN, now=NOW)


def test_a_certificate_not_valid_yet_is_told_so() -> None:
    with pytest.raises(
        CertificateNotValidError, match=f"certificate of {SUPPLIER.eui64} is valid from 2023-11-14T22:13:20"
    ):
        verify_document(SIGNED, KNOWN, now=NOW - 1000)


def test_each_refusal_but_an_unknown_signer_is_a_verification_error() -> None:
    for error in (
        UnsignedError,
        SignatureAlgorithmError,
        SignatureCoverageError,
        AlteredError,
        WrongSignerError,
    ):
        assert issubclass(error, VerificationError)


def test_nothing_is_signed_with_a_key_that_is_not_the_certificates() -> None:
    with pytest.raises(LocalProtocolError, match="not that of the certificate"):
        sign_document(UNSIGNED, ATTACKER.signing_key, SUPPLIER.signing_certificate)


def test_nothing_but_a_duis_document_is_signed() -> None:
    with pytest.raises(DuisError, match="expected sr:Request or sr:Response"):
        signed(b"<Request/>")


def test_a_document_whose_digest_depends_on_the_canonical_form_is_not_signed() -> None:
    one = UNSIGNED.replace(b"</sr:Body>", b'<a:b xmlns:a="urn:a"><a:c/></a:b></sr:Body>')
    ambiguous = UNSIGNED.replace(b"</sr:Body>", b'<sr:b xmlns:a="urn:a"><a:c/></sr:b></sr:Body>')

    verify_document(signed(one), KNOWN, now=NOW)
    with pytest.raises(LocalProtocolError, match="several namespaces"):
        signed(ambiguous)


def test_a_signature_inside_the_document_is_not_signed_over() -> None:
    with pytest.raises(LocalProtocolError, match="has a signature inside"):
        signed(UNSIGNED.replace(b"</sr:Body>", f'<Signature xmlns="{XML_SIGNATURE}"/></sr:Body>'.encode()))


def test_an_update_for_many_devices_is_signed_and_verified_whole() -> None:
    devices = tuple(Eui64(number.to_bytes(8, "big")) for number in range(1, 50_001))
    request = UpdateFirmware(RequestId(SUPPLIER.eui64, DCC.eui64, 1), b"image", "1", devices)

    assert parse_request(verify_document(signed(build_request(request)), KNOWN, now=NOW).octets) == request


@needs_vectors
@pytest.mark.parametrize("party", ["xml-sign-90B3D51F30010000-ds", "dsp-xml-sign-90B3D51F30000002-ds"])
def test_a_template_signed_with_a_published_key_verifies_by_the_published_certificate(party: str) -> None:
    known = SigningCertificates.from_folder(XML_KEYS)
    key = read_private_key(XML_KEYS / f"{party}.key")
    certificate = read_certificate(XML_KEYS / f"{party}.pem")
    templates = sorted(TEMPLATES.glob("*.XML"))
    assert len(templates) == 6

    for template in templates:
        document = sign_document(template.read_bytes(), key, certificate)
        assert verify_document(document, known, now=NOW).signer == certificate


@needs_vectors
def test_an_expired_certificate_is_told_so() -> None:
    party = XML_KEYS / "xml-sign-90B3D51F30010000-ds"
    certificate = read_certificate(party.with_suffix(".pem"))
    document = sign_document(UNSIGNED, read_private_key(party.with_suffix(".key")), certificate)
    year_2119 = datetime(2119, 1, 1, tzinfo=UTC).timestamp()

    with pytest.raises(CertificateNotValidError, match=r"valid from 2018-01-01T00:00:00.*not at 2119"):
        verify_document(document, SigningCertificates([certificate]), now=year_2119)


@needs_vectors
def test_the_templates_themselves_have_no_signature_that_could_be_verified() -> None:
    known = SigningCertificates.from_folder(XML_KEYS)

    for template in TEMPLATES.glob("*.XML"):
        with pytest.raises(SignatureError, match="DigestValue: expected 32 octets"):
            verify_document(template.read_bytes(), known, now=NOW)
