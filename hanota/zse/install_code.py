"""Install codes: from the code on a device's label to the link key it joins with.

Source: Smart Energy Profile 07-5356-21, 5.4.8.1 (install code, CRC, key).
"""

from __future__ import annotations

from typing import Final

from hanota.errors import LocalProtocolError, RemoteProtocolError
from hanota.zse.mmo import aes_mmo

CODE_LENGTHS: Final = (6, 8, 12, 16)
"""Octets of an install code without its CRC; GB devices use 16."""
_CRC_OCTETS: Final = 2


def crc16_x25(data: bytes) -> int:
    """Return the CRC-16/X-25 of `data`: polynomial 0x1021 reflected, initial and final value 0xFFFF."""
    crc = 0xFFFF
    for octet in data:
        crc ^= octet
        for _ in range(8):
            crc = crc >> 1 ^ (0x8408 if crc & 1 else 0)
    return crc ^ 0xFFFF


def install_code_key(code: bytes) -> bytes:
    """Return the preconfigured link key of an install code given without its CRC.

    Raises LocalProtocolError unless `code` has one of CODE_LENGTHS octets. The hash covers the code and its
    CRC, least significant octet first.
    """
    if len(code) not in CODE_LENGTHS:
        raise LocalProtocolError(f"an install code has 6, 8, 12 or 16 octets, got {len(code)}")
    return aes_mmo(code + crc16_x25(code).to_bytes(_CRC_OCTETS, "little"))


def parse_install_code(text: str) -> bytes:
    """Read a label: hex digits of a code and its CRC, grouped by spaces, `-` or `:`; return the code.

    Raises RemoteProtocolError if it is not hex, has another length, or its CRC does not match.
    """
    digits = text.translate(dict.fromkeys(map(ord, " -:\t\n")))
    try:
        octets = bytes.fromhex(digits)
    except ValueError:
        raise RemoteProtocolError("an install code is written in hex digits") from None
    code, crc = octets[:-_CRC_OCTETS], octets[-_CRC_OCTETS:]
    if len(code) not in CODE_LENGTHS:
        raise RemoteProtocolError(
            f"an install code with its CRC has 8, 10, 14 or 18 octets, got {len(octets)}",
            hint="write the code as on the label, its last four digits (the CRC) included",
        )
    if crc != crc16_x25(code).to_bytes(_CRC_OCTETS, "little"):
        raise RemoteProtocolError("the install code's CRC does not match", hint="check the digits")
    return code
