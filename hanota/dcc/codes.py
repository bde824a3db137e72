"""Which Response Code is given for what: every choice, in one place.

Of I0 to E30 public lists of the DCC's codes say the meaning (`ResponseCode`), and they are given for just
that. For what no public list has a code the choice is hanota's own, so that an engineer can tell the cases
apart: those under "hanota's own" below. The README has them all in its tables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hanota.duis.header import CommandVariantError, ServiceReferenceError
from hanota.duis.request import ServiceReference
from hanota.duis.response_code import ResponseCode
from hanota.duis.signature import CertificateNotValidError, UnknownSignerError
from hanota.duis.signature_form import SignatureError, UnsignedError

if TYPE_CHECKING:
    from hanota.errors import HanotaError

# Authority and target, in the order in which they are looked at.
NO_SUCH_USER: Final = ResponseCode.E1
"""Also: the signer is unknown, or the RequestID's originator is another one than who signed."""
USER_SUSPENDED: Final = ResponseCode.E3
WRONG_SERVICE: Final = ResponseCode.E13
ROLE_NOT_ELIGIBLE: Final = ResponseCode.E2
UNKNOWN_DEVICE: Final = ResponseCode.E19
WRONG_DEVICE_TYPE: Final = ResponseCode.E11
DEVICE_STATUS: Final = ResponseCode.E5
WRONG_COMMAND_VARIANT: Final = ResponseCode.E12

# What becomes of a command.
UNDELIVERED: Final = ResponseCode.E20
NO_RESPONSE: Final = ResponseCode.E21
FUTURE_DATED_TIMEOUT: Final = ResponseCode.E30

# Hanota's own: requests.
BAD_INSTALL_CODE: Final = ResponseCode.E50
"""An install code of another length than GBCS has."""
REQUEST_ID_USED: Final = ResponseCode.E55
"""A RequestID that was used for something else, or whose counter does not rise."""
NOT_FUTURE_DATED: Final = ResponseCode.E56
"""An ExecutionDateTime in a request that the bench carries out at once."""
SIGNED_PRE_COMMAND_REFUSED: Final = ResponseCode.E57
"""No Pre-Command waits for it, or its signature, counter or parties do not verify."""
NOT_NOW: Final = ResponseCode.E100
"""A limit is reached, or a key is missing; the same document may be sent again later."""

# Hanota's own: documents that do not become a request.
MALFORMED: Final = ResponseCode.E58
"""The document breaks the schema or a limit."""
NOT_SERVED: Final = ResponseCode.E59
"""A Service Request of DUIS that the bench does not serve."""
UNSIGNED: Final = ResponseCode.E60
"""There is no signature."""
SIGNATURE_REFUSED: Final = ResponseCode.E61
"""Altered after signing, signed by another key, or not signed in DUIS's way."""
CERTIFICATE_NOT_VALID: Final = ResponseCode.E62
"""The signer's certificate is not valid yet, or no longer."""

# Firmware. W is what the schema's lists say by their names; the others are hanota's own.
SOME_ELIGIBLE: Final = {
    ServiceReference.UPDATE_FIRMWARE: ResponseCode.W110101,
    ServiceReference.UPDATE_PPMID_FIRMWARE: ResponseCode.W110401,
}
"""Accepted for some devices of the list; the lists name the others."""
BAD_IMAGE: Final = {
    ServiceReference.UPDATE_FIRMWARE: ResponseCode.E110101,
    ServiceReference.UPDATE_PPMID_FIRMWARE: ResponseCode.E110401,
}
"""The Firmware Image cannot be read, or is not of the shape for the devices."""
HASH_MISMATCH: Final = {
    ServiceReference.UPDATE_FIRMWARE: ResponseCode.E110102,
    ServiceReference.UPDATE_PPMID_FIRMWARE: ResponseCode.E110402,
}
"""The Central Products List has this version for the devices with another hash."""
NO_ELIGIBLE_DEVICE: Final = {
    ServiceReference.UPDATE_FIRMWARE: ResponseCode.E110103,
    ServiceReference.UPDATE_PPMID_FIRMWARE: ResponseCode.E110403,
}
"""No device of the list can be updated; the lists say why."""
VERSION_MISMATCH: Final = {
    ServiceReference.UPDATE_FIRMWARE: ResponseCode.E110105,
    ServiceReference.UPDATE_PPMID_FIRMWARE: ResponseCode.E110405,
}
"""The request's FirmwareVersion is not the File Version of the image's OTA Header."""

_OF_DOCUMENTS: Final[tuple[tuple[type[HanotaError], ResponseCode], ...]] = (
    (UnknownSignerError, NO_SUCH_USER),
    (UnsignedError, UNSIGNED),
    (CertificateNotValidError, CERTIFICATE_NOT_VALID),
    (SignatureError, SIGNATURE_REFUSED),
    (CommandVariantError, WRONG_COMMAND_VARIANT),
    (ServiceReferenceError, NOT_SERVED),
)
"""The first that fits; every other fault is MALFORMED."""


def code_of(error: HanotaError) -> ResponseCode:
    """Return the Response Code for what was found wrong with a document."""
    return next((code for kind, code in _OF_DOCUMENTS if isinstance(error, kind)), MALFORMED)
