"""Alert Codes of GBCS that concern firmware and its plumbing, in words: as the DCC's tools name them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

ALERT_CODES: Final[Mapping[int, str]] = {
    0x8154: "immediate HAN command received and actioned",
    0x8155: "immediate HAN command received, not actioned",
    0x8183: "device joined the SMHAN",
    0x81A4: "Close Tunnel command rejected",
    0x81AD: "metrology firmware verification failed",
    0x81BA: "Request Tunnel command rejected",
    0x8F12: "CHF Device Log changed",
    0x8F1B: "firmware verification failed at power on",
    0x8F1C: "firmware verification failed",
    0x8F1E: "integrity check of content or format of a command failed",
    0x8F30: "source has no authority for the command",
    0x8F3D: "trusted source authentication failed",
    0x8F3E: "unauthorised communication access attempted",
    0x8F43: "executing firmware version changed",
    0x8F53: "authentication or authorisation failed, not covered by other codes",
    0x8F60: "unusual numbers of malformed, out-of-order or unexpected commands",
    0x8F66: "future dated HAN command actioned",
    0x8F67: "future dated HAN command not actioned",
    0x8F72: "firmware verification successful",
    0x8F84: "remote party message not delivered to the ESME",
    0x8F85: "command not supported",
    0x8F89: "firmware transfer failed",
    0x8F8A: "firmware transfer succeeded",
    0x8F8B: "PPMID firmware activation",
}


def alert_words(code: int) -> str:
    """Return an Alert Code in hex, and what it says where hanota knows it."""
    said = ALERT_CODES.get(code)
    return f"{code:04X}" if said is None else f"{code:04X} ({said})"
