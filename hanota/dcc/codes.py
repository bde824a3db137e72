"""Which Response Code is given for what; where no public list names one, the choice is hanota's own."""

from __future__ import annotations

from typing import Final

from hanota.duis.request import ServiceReference
from hanota.duis.response_code import ResponseCode

WRONG_SERVICE: Final = ResponseCode.E13
UNKNOWN_DEVICE: Final = ResponseCode.E19
WRONG_DEVICE_TYPE: Final = ResponseCode.E11
UNDELIVERED: Final = ResponseCode.E20
NO_RESPONSE: Final = ResponseCode.E21
FUTURE_DATED_TIMEOUT: Final = ResponseCode.E30
REQUEST_ID_USED: Final = ResponseCode.E55
"""Hanota's own: a RequestID that was used for something else, or whose counter does not rise."""
SIGNED_PRE_COMMAND_REFUSED: Final = ResponseCode.E57
"""Hanota's own: no Pre-Command waits for it, or its signature, counter or parties do not verify."""
NOT_NOW: Final = ResponseCode.E100
"""Hanota's own: a limit is reached, or a key is missing; the same document may be sent again later."""

BAD_IMAGE: Final = {
    ServiceReference.UPDATE_FIRMWARE: ResponseCode.E110101,
    ServiceReference.UPDATE_PPMID_FIRMWARE: ResponseCode.E110401,
}
"""Hanota's own: the Firmware Image cannot be read, or is not of the shape for the devices."""
NO_ELIGIBLE_DEVICE: Final = {
    ServiceReference.UPDATE_FIRMWARE: ResponseCode.E110103,
    ServiceReference.UPDATE_PPMID_FIRMWARE: ResponseCode.E110403,
}
"""Hanota's own: no device of the list can be updated; the lists say why."""
SOME_ELIGIBLE: Final = {
    ServiceReference.UPDATE_FIRMWARE: ResponseCode.W110101,
    ServiceReference.UPDATE_PPMID_FIRMWARE: ResponseCode.W110401,
}

NOT_FUTURE_DATED: Final = ResponseCode.E56
"""Hanota's own: an ExecutionDateTime in a request that the bench carries out at once."""
BAD_INSTALL_CODE: Final = ResponseCode.E50
"""Hanota's own: an install code of another length than GBCS has."""
NO_SUCH_USER: Final = ResponseCode.E1
"""Also: the RequestID's originator is another one than who signed."""
ROLE_NOT_ELIGIBLE: Final = ResponseCode.E2
USER_SUSPENDED: Final = ResponseCode.E3
DEVICE_STATUS: Final = ResponseCode.E5

HASH_MISMATCH: Final = {
    ServiceReference.UPDATE_FIRMWARE: ResponseCode.E110102,
    ServiceReference.UPDATE_PPMID_FIRMWARE: ResponseCode.E110402,
}
"""Hanota's own: the Central Products List has this version for the devices with another hash."""
VERSION_MISMATCH: Final = {
    ServiceReference.UPDATE_FIRMWARE: ResponseCode.E110105,
    ServiceReference.UPDATE_PPMID_FIRMWARE: ResponseCode.E110405,
}
"""Hanota's own: the request's FirmwareVersion is not the File Version of the image's OTA Header."""
