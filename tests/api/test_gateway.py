"""What the DUIS gateway takes and refuses, each with its documented answer, and what that costs it."""

from __future__ import annotations

import threading
from base64 import b64decode, b64encode
from typing import Any

import pytest
from lxml import etree

from hanota.api import gateway as gateway_module
from hanota.api import gateway_reading
from hanota.dcc.services import Service
from hanota.duis.build import build_request
from hanota.duis.certificates import SigningCertificates
from hanota.duis.parse_response import parse_response
from hanota.duis.request import ReadFirmwareVersion, RequestId, UpdatePpmidFirmware
from hanota.duis.response import ResponseMessage
from hanota.duis.response_code import ResponseCode
from hanota.duis.signature import sign_document
from hanota.eui64 import Eui64
from hanota.gbcs.certificates import RemotePartyRole
from hanota.gbcs.key_files import read_certificate, read_private_key
from hanota.gbcs.lab_ca import LabCa
from tests.api.gateway_support import answered, gateway
from tests.duis_support import (
    ACTIVATE,
    ATTACKER,
    DCC,
    DEVICE,
    NOW,
    SIGNED,
    SUPPLIER,
    UNSIGNED,
    XML_KEYS,
    altered,
    needs_vectors,
    signed,
)
from tests.hub_support import virtual

LARGE = signed(
    build_request(
        UpdatePpmidFirmware(RequestId(SUPPLIER.eui64, DCC.eui64, 7), bytes(750_000), "1", (DEVICE,))
    )
)
"""A signed 11.4 with an image of the size GBCS allows: a document of a megabyte."""


def changed(old: str, new: str) -> bytes:
    """Return the request changed and then signed by the supplier."""
    document = UNSIGNED.decode()
    assert old in document
    return signed(document.replace(old, new).encode())


# -- what is taken -------------------------------------------------------------------------------------


@pytest.mark.parametrize("service", list(Service))
def test_a_signed_request_reaches_the_dcc_and_its_signed_answer_comes_back(service: Service) -> None:
    @virtual
    async def run() -> None:
        post = gateway()
        response = answered(await post(SIGNED, service))

        assert response.response_code is ResponseCode.I99
        assert response.request_id == ACTIVATE.request_id
        [submission] = post.dcc.submissions
        assert submission.request == ACTIVATE
        assert submission.service is service
        assert submission.signer == SUPPLIER.eui64
        assert submission.options is None
        assert post.audited == [
            (str(SUPPLIER.eui64), "service user", "11.3", str(ACTIVATE.request_id), "I99")
        ]

    run()


@pytest.mark.parametrize(
    "content_type",
    ["application/xml", "text/xml", "Application/XML; charset=utf-8", 'text/xml;charset="UTF-8"'],
)
def test_xml_in_utf_8_is_taken_however_it_is_written(content_type: str) -> None:
    @virtual
    async def run() -> None:
        response = await gateway()(SIGNED, headers={"Content-Type": content_type})
        assert answered(response).response_code is ResponseCode.I99

    run()


@virtual
async def test_the_same_request_signed_again_has_the_same_digest_and_another_request_has_not() -> None:
    post = gateway()
    for document in (SIGNED, signed(), changed(":42<", ":43<")):
        await post(document)

    first, again, other = (submission.digest for submission in post.dcc.submissions)
    assert first == again
    assert first != other


@virtual
async def test_an_image_of_the_largest_size_of_gbcs_is_taken() -> None:
    post = gateway()
    answered(await post(LARGE, "serviceD"))

    [submission] = post.dcc.submissions
    assert isinstance(submission.request, UpdatePpmidFirmware)
    assert submission.request.firmware_image == bytes(750_000)


async def test_a_large_document_is_verified_in_a_thread_and_a_small_one_on_the_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    threads: list[int] = []

    def read_document(*args: Any, **kwargs: Any) -> object:
        threads.append(threading.get_ident())
        return gateway_reading.read_document(*args, **kwargs)

    monkeypatch.setattr(gateway_module, "read_document", read_document)
    post = gateway()
    answered(await post(SIGNED))
    answered(await post(LARGE, "serviceD"))

    assert threads[0] == threading.get_ident()
    assert threads[1] != threading.get_ident()


# -- documents answered with a code --------------------------------------------------------------------


def with_one_bit_of_the_signature_wrong() -> bytes:
    root = etree.fromstring(SIGNED)
    value = root.find(".//{*}SignatureValue")
    assert value is not None
    octets = bytearray(b64decode(value.text or ""))
    octets[40] ^= 1
    value.text = b64encode(octets).decode()
    return etree.tostring(root)


def naming_the_supplier_signed_by_another() -> bytes:
    supplier = SUPPLIER.signing_certificate.certificate.serial_number
    attacker = ATTACKER.signing_certificate.certificate.serial_number
    return signed(by=ATTACKER).replace(str(attacker).encode(), str(supplier).encode())


def wrapped() -> bytes:
    """The signed request inside another one, as signature wrapping has it."""
    root = etree.fromstring(SIGNED)
    inner = etree.fromstring(SIGNED)
    body = root.find("{*}Body")
    assert body is not None
    body.append(inner)
    return etree.tostring(root)


@pytest.mark.parametrize(
    ("document", "code", "words"),
    [
        (UNSIGNED, "E60", "not signed"),
        (altered("FirmwareHash>00", "FirmwareHash>FF"), "E61", "altered after it was signed"),
        (with_one_bit_of_the_signature_wrong(), "E61", "does not verify"),
        (naming_the_supplier_signed_by_another(), "E61", "does not verify"),
        (altered("ecdsa-sha256", "hmac-sha256"), "E61", "expected http"),
        (wrapped(), "E61", "2 signatures"),
        (signed(by=ATTACKER), "E1", "no certificate of issuer"),
        (changed(">4</", ">1</"), "E12", "CommandVariant: expected 4 or 5"),
        (changed(">4</", ">many</"), "E12", "CommandVariant: expected 4 or 5"),
        (changed(">11.3<", ">7.4<"), "E59", "'7.4' is not served"),
        (changed("FirmwareHash>00", "FirmwareHash>"), "E58", "FirmwareHash: expected 64 hex digits"),
        (changed("FirmwareHash", "FirmwareMash"), "E58", "expected sr:FirmwareHash"),
        (changed('schemaVersion="5.4"', ""), "HTTP 400", "schemaVersion"),
    ],
    ids=[
        *("unsigned", "altered after signing", "signature altered", "signed by another", "weak algorithm"),
        *("wrapped", "unknown signer", "wrong variant", "no variant", "not served", "bad value"),
        *("unknown element", "no version"),
    ],
)
def test_a_document_that_is_refused_gets_its_code_and_reaches_nothing(
    document: bytes, code: str, words: str
) -> None:
    @virtual
    async def run() -> None:
        post = gateway()
        response = await post(document)

        assert post.dcc.submissions == []
        if code == "HTTP 400":
            assert response.status_code == 400
            assert words in response.text
            return
        refusal = answered(response)
        assert refusal.response_code == code
        assert refusal.request_id == ACTIVATE.request_id
        assert isinstance(refusal.body, ResponseMessage)
        assert refusal.body.content is None
        [(_, reason)] = post.dcc.refusals
        assert words in reason

    run()


@virtual
async def test_a_certificate_that_is_not_valid_yet_is_refused_e62() -> None:
    post = gateway(now=NOW - 1)
    response = await post(SIGNED)

    assert parse_response(response.content).response_code is ResponseCode.E62
    assert post.dcc.submissions == []


@needs_vectors
@virtual
async def test_a_certificate_that_is_not_valid_any_more_is_refused_e62() -> None:
    certificate = read_certificate(XML_KEYS / "xml-sign-90B3D51F30010000-ds.pem")
    key = read_private_key(XML_KEYS / "xml-sign-90B3D51F30010000-ds.key")
    document = sign_document(UNSIGNED, key, certificate)
    last = certificate.certificate.not_valid_after_utc.timestamp()

    for now, code in ((last, ResponseCode.I99), (last + 1, ResponseCode.E62)):
        response = await gateway(certificates=SigningCertificates([certificate]), now=now)(document)
        assert parse_response(response.content).response_code is code


@virtual
async def test_a_certificate_with_the_name_of_a_known_one_under_another_authority_is_refused() -> None:
    forger = LabCa(NOW, seed=b"another authority").issue_organisation(
        SUPPLIER.eui64, RemotePartyRole.SUPPLIER, "Supplier"
    )
    post = gateway()
    response = answered(await post(signed(by=forger)))

    assert response.response_code in {ResponseCode.E1, ResponseCode.E61}
    assert post.dcc.submissions == []


@virtual
async def test_the_signer_is_told_whatever_originator_the_request_names() -> None:
    request = ReadFirmwareVersion(RequestId(Eui64(b"somebody"), DEVICE, 1))
    post = gateway()
    await post(signed(build_request(request)), "serviceS")

    [submission] = post.dcc.submissions
    assert submission.signer == SUPPLIER.eui64
    assert submission.request.request_id.originator == Eui64(b"somebody")


@virtual
async def test_nobody_is_known_where_no_certificate_is() -> None:
    post = gateway(certificates=SigningCertificates([]))
    response = await post(SIGNED)

    assert parse_response(response.content).response_code is ResponseCode.E1


# -- the store -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("document", [SIGNED, UNSIGNED], ids=["taken", "refused"])
def test_where_nothing_can_be_stored_the_answer_is_503_and_the_request_may_come_again(
    document: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    @virtual
    async def run() -> None:
        post = gateway()
        post.dcc.failing = True
        response = await post(document)
        assert response.status_code == 503
        assert response.headers["retry-after"] == "1"
        assert "nothing was done" in response.text
        assert "database or disk is full" in caplog.text
        post.dcc.failing = False
        answered(await post(document))

    run()


# -- OpenAPI -------------------------------------------------------------------------------------------


@virtual
async def test_the_three_services_stand_in_the_openapi_document() -> None:
    paths = gateway().app.openapi()["paths"]

    assert set(paths) == {f"/api/v1/{service}" for service in Service}
    for service in Service:
        operation = paths[f"/api/v1/{service}"]["post"]
        assert operation["operationId"] == service
        assert list(operation["requestBody"]["content"]) == ["application/xml"]
        assert set(operation["responses"]) == {"200", "400", "408", "413", "415", "503"}
