"""Install codes: from the code on a device's label to the link key it joins with.

Sources: Smart Energy Profile 07-5356-21, 5.4.8.1 (install code, CRC, key); ZigBee specification 05-3474-21,
B.6 (the Matyas-Meyer-Oseas hash over AES-128).
"""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

from hanota.errors import LocalProtocolError, RemoteProtocolError

CODE_LENGTHS: Final = (6, 8, 12, 16)
"""Octets of an install code without its CRC; GB devices use 16."""
_CRC_OCTETS: Final = 2
_BLOCK: Final = 16
_SHORT_LENGTH_LIMIT: Final = 0x1_0000
"""Message bits from which B.6 gives the length 32 bits instead of 16."""


def crc16_x25(data: bytes) -> int:
    """Return the CRC-16/X-25 of `data`: polynomial 0x1021 reflected, initial and final value 0xFFFF."""
    crc = 0xFFFF
    for octet in data:
        crc ^= octet
        for _ in range(8):
            crc = crc >> 1 ^ (0x8408 if crc & 1 else 0)
    return crc ^ 0xFFFF


def aes_mmo(message: bytes) -> bytes:
    """Return the 16 octet Matyas-Meyer-Oseas hash of `message`, of any length below 2^32 bits (B.6)."""
    bits = 8 * len(message)
    short = bits < _SHORT_LENGTH_LIMIT
    tail = bits.to_bytes(2, "big") if short else bits.to_bytes(4, "big") + bytes(2)
    padding = bytes(-(len(message) + 1 + len(tail)) % _BLOCK)
    padded = message + b"\x80" + padding + tail
    digest = bytes(_BLOCK)
    for start in range(0, len(padded), _BLOCK):
        block = padded[start : start + _BLOCK]
        encrypted = Cipher(AES(digest), ECB()).encryptor().update(block)  # noqa: S305  # the hash's own construction
        digest = bytes(a ^ b for a, b in zip(encrypted, block, strict=True))
    return digest


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
