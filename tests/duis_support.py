"""Parties, certificates and a signed Service Request, for tests of signatures on DUIS documents."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hanota.duis.build import build_request
from hanota.duis.certificates import SigningCertificates
from hanota.duis.request import ActivateFirmware, RequestId
from hanota.duis.signature import sign_document
from hanota.eui64 import Eui64
from hanota.gbcs.certificates import RemotePartyRole
from hanota.gbcs.lab_ca import LabCa

if TYPE_CHECKING:
    from hanota.gbcs.certificates import Credentials

TEMPLATES = Path(__file__).parents[2] / "shared" / "vectors" / "duis"
XML_KEYS = Path(__file__).parents[2] / "shared" / "vectors" / "keystore" / "xml"
needs_vectors = pytest.mark.skipif(not XML_KEYS.is_dir(), reason="../shared/vectors is not there")

NOW = 1_700_000_000.0
CA = LabCa(NOW, seed=b"DUIS signatures")
SUPPLIER = CA.issue_organisation(Eui64.parse("90B3D51F30010000"), RemotePartyRole.SUPPLIER, "Supplier")
DCC = CA.issue_organisation(Eui64.parse("90B3D51F30000002"), RemotePartyRole.ACCESS_CONTROL_BROKER, "DCC")
ATTACKER = CA.issue_organisation(Eui64.parse("90B3D51F30990000"), RemotePartyRole.SUPPLIER, "Attacker")
KNOWN = SigningCertificates([SUPPLIER.signing_certificate, DCC.signing_certificate])

DEVICE = Eui64.parse("00-0D-6F-00-00-00-00-01")
ACTIVATE = ActivateFirmware(
    RequestId(SUPPLIER.eui64, DEVICE, 42), bytes(range(32)), datetime(2030, 1, 15, 9, tzinfo=UTC)
)
UNSIGNED = build_request(ACTIVATE)


def signed(document: bytes = UNSIGNED, by: Credentials = SUPPLIER) -> bytes:
    return sign_document(document, by.signing_key, by.signing_certificate)


SIGNED = signed()


def altered(old: str, new: str) -> bytes:
    document = SIGNED.decode()
    assert old in document
    return document.replace(old, new).encode()
