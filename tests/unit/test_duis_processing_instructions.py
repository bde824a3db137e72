"""Processing instructions in DUIS documents: the digest covers them, so none may be passed over."""

from __future__ import annotations

import pytest

from hanota.duis.build import build_request
from hanota.duis.document import DocumentLimits, DuisError, parse_document
from hanota.duis.request import ReadFirmwareVersion, RequestId
from hanota.duis.signature import verify_document
from tests.duis_support import DEVICE, KNOWN, NOW, SIGNED, SUPPLIER

PLACES = {
    "in an element": (b"<sr:Body>", b"<sr:Body><?note added?>"),
    "in a value": (b"<sr:ServiceReference>11", b"<sr:ServiceReference><?note added?>11"),
    "before the root": (b"<sr:Request ", b"<?note added?><sr:Request "),
    "after the root": (b"</sr:Request>", b"</sr:Request><?note added?>"),
}


@pytest.mark.parametrize(("old", "new"), PLACES.values(), ids=PLACES)
def test_attack_a_processing_instruction_added_after_signing_is_refused(old: bytes, new: bytes) -> None:
    assert SIGNED.count(old) == 1
    with pytest.raises(DuisError, match="a processing instruction is not allowed"):
        verify_document(SIGNED.replace(old, new), KNOWN, now=NOW)


def test_the_xml_declaration_is_no_processing_instruction() -> None:
    document = build_request(ReadFirmwareVersion(RequestId(SUPPLIER.eui64, DEVICE, 1)))
    assert document.startswith(b"<?xml")
    parse_document(document, DocumentLimits())
