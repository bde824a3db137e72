"""Which Response Code a document is answered with that does not become a Service Request.

E1 and E12 are what users' lists of the DCC's codes say. For the others no public list has a code, and the
choice is hanota's own: an engineer can tell the cases apart by them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hanota.duis.header import CommandVariantError, ServiceReferenceError
from hanota.duis.response_code import ResponseCode
from hanota.duis.signature import CertificateNotValidError, UnknownSignerError
from hanota.duis.signature_form import SignatureError, UnsignedError

if TYPE_CHECKING:
    from hanota.errors import HanotaError

MALFORMED: Final = ResponseCode.E58
"""Hanota's own: the document breaks the schema or a limit."""
NOT_SERVED: Final = ResponseCode.E59
"""Hanota's own: a Service Request of DUIS that the bench does not serve."""
UNSIGNED: Final = ResponseCode.E60
"""Hanota's own: there is no signature."""
SIGNATURE_REFUSED: Final = ResponseCode.E61
"""Hanota's own: altered after signing, signed by another key, or not signed in DUIS's way."""
CERTIFICATE_NOT_VALID: Final = ResponseCode.E62
"""Hanota's own: the signer's certificate is not valid yet, or no longer."""

_CODES: Final[tuple[tuple[type[HanotaError], ResponseCode], ...]] = (
    (UnknownSignerError, ResponseCode.E1),
    (UnsignedError, UNSIGNED),
    (CertificateNotValidError, CERTIFICATE_NOT_VALID),
    (SignatureError, SIGNATURE_REFUSED),
    (CommandVariantError, ResponseCode.E12),
    (ServiceReferenceError, NOT_SERVED),
)
"""The first that fits; every other fault is MALFORMED."""


def code_of(error: HanotaError) -> ResponseCode:
    """Return the Response Code for what was found wrong with a document."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), MALFORMED)
