"""A document read: to a submission whose signature was verified, or to a refusal that names the fault."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from hanota.dcc.codes import code_of
from hanota.dcc.submission import Submission
from hanota.duis.document import DuisError
from hanota.duis.header import parse_header
from hanota.duis.parse import parse_request
from hanota.duis.signature import verify_document
from hanota.errors import UnverifiableError

if TYPE_CHECKING:
    from hanota.dcc.services import Service
    from hanota.duis.certificates import SigningCertificates
    from hanota.duis.document import DocumentLimits
    from hanota.duis.header import RequestHeader
    from hanota.duis.response_code import ResponseCode


@dataclass(frozen=True, slots=True)
class RefusedDocument:
    """A document that is no Service Request of a known service user."""

    code: ResponseCode
    words: str
    header: RequestHeader | None
    """What the document says it is, believed for nothing but the address of the answer; None for no DUIS."""


def read_document(
    document: bytes,
    service: Service,
    certificates: SigningCertificates,
    *,
    now: float,
    limits: DocumentLimits,
) -> Submission | RefusedDocument:
    """Return what a document asks, read from the octets that its signature covers and from no others."""
    try:
        signed = verify_document(document, certificates, now=now, limits=limits)
        request = parse_request(signed.octets, limits)
    except (DuisError, UnverifiableError) as error:
        words = f"{error}; {error.hint}" if error.hint else str(error)
        return RefusedDocument(code_of(error), words, _header(document, limits))
    return Submission(request, service, signed.signer.eui64, sha256(signed.octets).digest())


def _header(document: bytes, limits: DocumentLimits) -> RequestHeader | None:
    try:
        return parse_header(document, limits)
    except DuisError:
        return None
