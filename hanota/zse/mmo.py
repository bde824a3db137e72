"""The Matyas-Meyer-Oseas hash over AES-128 and its HMAC (ZigBee specification 05-3474-21, B.6 and B.1.4)."""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

from hanota.errors import LocalProtocolError

_BLOCK: Final = 16
_SHORT_LENGTH_LIMIT: Final = 1 << 16
"""Message bits from which B.6 gives the length 32 bits instead of 16."""
_LENGTH_LIMIT: Final = 1 << 32
"""Message bits for which B.6 has no length field any more."""
_INNER_PAD: Final = bytes([0x36]) * _BLOCK
_OUTER_PAD: Final = bytes([0x5C]) * _BLOCK


def aes_mmo(message: bytes) -> bytes:
    """Return the 16 octet hash of `message`; raise LocalProtocolError from 2^32 bits on."""
    bits = 8 * len(message)
    if bits >= _LENGTH_LIMIT:
        raise LocalProtocolError("AES-MMO is defined for messages below 2^32 bits")
    tail = bits.to_bytes(2, "big") if bits < _SHORT_LENGTH_LIMIT else bits.to_bytes(4, "big") + bytes(2)
    padding = bytes(-(len(message) + 1 + len(tail)) % _BLOCK)
    padded = message + b"\x80" + padding + tail
    digest = bytes(_BLOCK)
    for start in range(0, len(padded), _BLOCK):
        block = padded[start : start + _BLOCK]
        encrypted = Cipher(AES(digest), ECB()).encryptor().update(block)  # noqa: S305  # the hash's own construction
        digest = _xor(encrypted, block)
    return digest


def hmac_mmo(key: bytes, message: bytes) -> bytes:
    """Return the 16 octet HMAC (FIPS 198) of `message`, AES-MMO the hash and 16 octets its block."""
    padded = (aes_mmo(key) if len(key) > _BLOCK else key).ljust(_BLOCK, b"\0")
    return aes_mmo(_xor(padded, _OUTER_PAD) + aes_mmo(_xor(padded, _INNER_PAD) + message))


def _xor(left: bytes, right: bytes) -> bytes:
    return (int.from_bytes(left, "big") ^ int.from_bytes(right, "big")).to_bytes(_BLOCK, "big")
