"""Attacks on the signatures of DUIS documents: algorithms, wrapping, keys sent along, single bits."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING

import pytest
from lxml import etree

from hanota.duis.build import build_request
from hanota.duis.certificates import issuer_name
from hanota.duis.document import XML_SIGNATURE, DuisError
from hanota.duis.request import ActivateFirmware, ReadFirmwareVersion, RequestId
from hanota.duis.signature import AlteredError, UnknownSignerError, WrongSignerError, verify_document
from hanota.duis.signature_form import (
    SignatureAlgorithmError,
    SignatureCoverageError,
    SignatureError,
)
from tests.duis_support import DEVICE, KNOWN, NOW, SIGNED, SUPPLIER, altered, signed

if TYPE_CHECKING:
    from collections.abc import Callable

EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
ENVELOPED = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
DS = f"{{{XML_SIGNATURE}}}"
RFC9231 = "http://www.w3.org/2001/04/xmldsig-more"
ALGORITHMS = {
    "signature by RSA": (f"{RFC9231}#ecdsa-sha256", f"{RFC9231}#rsa-sha256"),
    "signature with SHA-1": (f"{RFC9231}#ecdsa-sha256", f"{RFC9231}#ecdsa-sha1"),
    "signature with SHA-384": (f"{RFC9231}#ecdsa-sha256", f"{RFC9231}#ecdsa-sha384"),
    "HMAC keyed with what is public": (f"{RFC9231}#ecdsa-sha256", f"{RFC9231}#hmac-sha256"),
    "digest by SHA-1": ("http://www.w3.org/2001/04/xmlenc#sha256", "http://www.w3.org/2000/09/xmldsig#sha1"),
    "digest by MD5": ("http://www.w3.org/2001/04/xmlenc#sha256", f"{RFC9231}#md5"),
    "canonical form with comments": (f'"{EXCLUSIVE}"', f'"{EXCLUSIVE}WithComments"'),
    "inclusive canonical form": (EXCLUSIVE, "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"),
    "transform by XPath": (ENVELOPED, "http://www.w3.org/TR/1999/REC-xpath-19991116"),
    "transform by XSLT": (ENVELOPED, "http://www.w3.org/TR/1999/REC-xslt-19991116"),
    "transform of base64": (ENVELOPED, "http://www.w3.org/2000/09/xmldsig#base64"),
    "second transform by XPath": (
        "</ds:Transforms>",
        '<ds:Transform Algorithm="http://www.w3.org/2002/06/xmldsig-filter2"/></ds:Transforms>',
    ),
    "filter inside a transform": (
        f'<ds:Transform Algorithm="{ENVELOPED}"/>',
        f'<ds:Transform Algorithm="{ENVELOPED}"><ds:XPath>false()</ds:XPath></ds:Transform>',
    ),
    "prefixes for the canonical form": (
        f'{EXCLUSIVE}"/>',
        f'{EXCLUSIVE}"><Prefixes xmlns="{EXCLUSIVE}" PrefixList="sr"/></ds:CanonicalizationMethod>',
    ),
    "no algorithm": (f' Algorithm="{ENVELOPED}"', ""),
}


@pytest.mark.parametrize(("old", "new"), ALGORITHMS.values(), ids=ALGORITHMS)
def test_attack_another_algorithm_is_refused_by_name(old: str, new: str) -> None:
    with pytest.raises(SignatureAlgorithmError):
        verify_document(altered(old, new), KNOWN, now=NOW)


def test_a_refused_algorithm_is_named_with_the_one_expected() -> None:
    with pytest.raises(
        SignatureAlgorithmError, match=r"SignatureMethod: expected \S+#ecdsa-sha256, got \S+#rsa-sha256"
    ):
        verify_document(altered("#ecdsa-sha256", "#rsa-sha256"), KNOWN, now=NOW)


# Signature wrapping: a good signature, kept where it convinces, over something else than what is acted on.


FORGED = build_request(ActivateFirmware(RequestId(SUPPLIER.eui64, DEVICE, 43), bytes(32)))


def the_signature(root: etree._Element) -> etree._Element:
    signature = root.find(f"{DS}Signature")
    assert signature is not None
    return signature


def _signed_request_inside_a_forged_one() -> etree._Element:
    forged = etree.fromstring(FORGED)
    forged.append(etree.fromstring(SIGNED))
    return forged


def _signed_request_inside_the_signature_of_a_forged_one() -> etree._Element:
    forged, original = etree.fromstring(FORGED), etree.fromstring(SIGNED)
    signature = the_signature(original)
    original.remove(signature)
    etree.SubElement(signature, f"{DS}Object").append(original)
    forged.append(signature)
    return forged


def _signature_of_another_document() -> etree._Element:
    forged = etree.fromstring(FORGED)
    forged.append(the_signature(etree.fromstring(SIGNED)))
    return forged


def _reference_to_an_element_by_its_id() -> etree._Element:
    forged, original = etree.fromstring(FORGED), etree.fromstring(SIGNED)
    signature = the_signature(original)
    reference = signature.find(f".//{DS}Reference")
    assert reference is not None
    reference.set("URI", "#original")
    original.remove(signature)
    original.set("Id", "original")
    forged.append(original)
    forged.append(signature)
    return forged


def _signature_with_two_references() -> etree._Element:
    root = etree.fromstring(SIGNED)
    reference = root.find(f".//{DS}Reference")
    assert reference is not None
    reference.addnext(etree.fromstring(etree.tostring(reference)))
    return root


def _two_signatures() -> etree._Element:
    root = etree.fromstring(SIGNED)
    root.append(etree.fromstring(etree.tostring(the_signature(root))))
    return root


def _signature_before_the_body() -> etree._Element:
    root = etree.fromstring(SIGNED)
    root.insert(1, the_signature(root))
    return root


def _signature_inside_the_body() -> etree._Element:
    root = etree.fromstring(SIGNED)
    root[1].append(the_signature(root))
    return root


def _signature_with_nothing_named() -> etree._Element:
    root = etree.fromstring(SIGNED)
    reference = root.find(f".//{DS}Reference")
    assert reference is not None
    del reference.attrib["URI"]
    return root


@pytest.mark.parametrize(
    ("wrap", "error"),
    [
        (_signed_request_inside_a_forged_one, SignatureCoverageError),
        (_signed_request_inside_the_signature_of_a_forged_one, SignatureError),
        (_signature_of_another_document, AlteredError),
        (_reference_to_an_element_by_its_id, SignatureCoverageError),
        (_signature_with_two_references, SignatureCoverageError),
        (_two_signatures, SignatureCoverageError),
        (_signature_before_the_body, SignatureCoverageError),
        (_signature_inside_the_body, SignatureCoverageError),
        (_signature_with_nothing_named, SignatureCoverageError),
    ],
)
def test_attack_signature_wrapping_is_refused(
    wrap: Callable[[], etree._Element], error: type[SignatureError]
) -> None:
    with pytest.raises(error):
        verify_document(etree.tostring(wrap()), KNOWN, now=NOW)


def test_two_signatures_are_counted_whatever_they_sign() -> None:
    with pytest.raises(SignatureCoverageError, match="the document has 2 signatures, expected one"):
        verify_document(etree.tostring(_two_signatures()), KNOWN, now=NOW)


def test_attack_signed_document_inside_a_foreign_root_is_no_duis_document() -> None:
    inside = SIGNED.partition(b"?>")[2]

    with pytest.raises(DuisError, match="expected sr:Request or sr:Response"):
        verify_document(b"<Request>" + inside + b"</Request>", KNOWN, now=NOW)


@pytest.mark.parametrize(
    "smuggled",
    [
        "<ds:KeyValue/>",
        "<ds:X509Data><ds:X509Certificate>{}</ds:X509Certificate></ds:X509Data>",
        '<ds:RetrievalMethod URI="http://attacker.example/key"/>',
    ],
)
def test_attack_key_sent_along_is_refused_not_trusted(smuggled: str) -> None:
    key = b64encode(b"a key of the attacker's").decode()

    with pytest.raises(SignatureError, match="KeyInfo"):
        verify_document(altered("</ds:KeyInfo>", smuggled.format(key) + "</ds:KeyInfo>"), KNOWN, now=NOW)


@pytest.mark.parametrize(
    "value", ["", "AAAA", b64encode(bytes(63)).decode(), b64encode(bytes(65)).decode(), "?" * 88]
)
def test_a_signature_value_of_another_size_or_form_is_refused(value: str) -> None:
    old = the_signature(etree.fromstring(SIGNED)).findtext(f"{DS}SignatureValue")
    assert old is not None

    with pytest.raises(SignatureError, match="SignatureValue"):
        verify_document(altered(old, value), KNOWN, now=NOW)


@pytest.mark.parametrize("r_and_s", [bytes(64), b"\xff" * 64], ids=["zero", "above the order"])
def test_attack_signature_of_degenerate_numbers_is_refused(r_and_s: bytes) -> None:
    old = the_signature(etree.fromstring(SIGNED)).findtext(f"{DS}SignatureValue")
    assert old is not None

    with pytest.raises(WrongSignerError):
        verify_document(altered(old, b64encode(r_and_s).decode()), KNOWN, now=NOW)


@pytest.mark.parametrize("serial_number", ["", "-1", "0x1", "1.0", "1" * 60, "٣"])
def test_a_serial_number_in_another_form_is_refused(serial_number: str) -> None:
    old = str(SUPPLIER.signing_certificate.certificate.serial_number)

    with pytest.raises(SignatureError, match="X509SerialNumber: expected a number"):
        verify_document(altered(f">{old}<", f">{serial_number}<"), KNOWN, now=NOW)


@pytest.mark.parametrize("issuer", ["", "CN", "=", "CN=\\", "CN=a+", "1.2.3=#zz", "CN=Nobody"])
def test_an_issuer_that_is_none_is_an_unknown_signer(issuer: str) -> None:
    name = issuer_name(SUPPLIER.signing_certificate)

    with pytest.raises(UnknownSignerError):
        verify_document(altered(f">{name}<", f">{issuer}<"), KNOWN, now=NOW)


def test_a_bit_altered_anywhere_is_refused_or_leaves_what_was_signed_untouched() -> None:
    document = signed(build_request(ReadFirmwareVersion(RequestId(SUPPLIER.eui64, DEVICE, 7))))
    whole = verify_document(document, KNOWN, now=NOW)
    altered_in_vain = set()
    for position in range(len(document)):
        for bit in range(8):
            varied = bytearray(document)
            varied[position] ^= 1 << bit
            try:
                verified = verify_document(bytes(varied), KNOWN, now=NOW)
            except (DuisError, UnknownSignerError):
                continue
            assert verified == whole
            altered_in_vain.add(position)
    # Only the XML declaration, which is no part of the document, can be written otherwise.
    assert max(altered_in_vain) < document.index(b"<sr:Request")
