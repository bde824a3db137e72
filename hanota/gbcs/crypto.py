"""Signature, shared secret, key derivation and MAC of GBCS messages.

GBCS 4.3.3 (key agreement and initialisation vector), 6.2.3 (MAC), 6.3.3 (signature), 18.4 (test vectors).
Every key is on the curve NIST P-256; the MAC's key comes of a static-static agreement.
"""

from __future__ import annotations

import hmac
from dataclasses import replace
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.concatkdf import ConcatKDFHash

from hanota.errors import LocalProtocolError, VerificationError
from hanota.gbcs.message import MAC_LENGTH, SIGNATURE_LENGTH, Message

PrivateKey = ec.EllipticCurvePrivateKey
PublicKey = ec.EllipticCurvePublicKey

_AES_GCM_128: Final = bytes.fromhex("60857406080300")
"""DLMS AlgorithmID of AES-GCM-128, 2.16.756.5.8.3.0."""
_KEY_LENGTH: Final = 16
_INVOCATION_COUNTER: Final = bytes(4)
_ADDITIONAL_DATA_HEAD: Final = b"\x11" + bytes(5)
"""Security control and the five empty fields of the MAC Header; key-info and counter are not covered."""


def sign_octets(octets: bytes, private_key: PrivateKey) -> bytes:
    """Return the signature r ‖ s (64 octets) of `octets`; the same octets and key give the same signature."""
    der = private_key.sign(octets, ec.ECDSA(SHA256(), deterministic_signing=True))
    r, s = decode_dss_signature(der)
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def verify_octets(octets: bytes, signature: bytes, public_key: PublicKey) -> None:
    """Raise VerificationError unless `signature` (r ‖ s) is that of `octets` by the owner of `public_key`."""
    if len(signature) != SIGNATURE_LENGTH:
        raise VerificationError(f"a signature has {SIGNATURE_LENGTH} octets, not {len(signature)}")
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    try:
        public_key.verify(encode_dss_signature(r, s), octets, ec.ECDSA(SHA256()))
    except InvalidSignature:
        raise VerificationError("the signature does not verify") from None


def sign(message: Message, private_key: PrivateKey) -> Message:
    """Return `message` with the signature of its originator."""
    if message.mac is not None:
        raise LocalProtocolError("a message is signed before its MAC is made: the MAC covers the signature")
    return replace(message, signature=sign_octets(message.to_be_signed(), private_key))


def verify_signature(message: Message, public_key: PublicKey) -> None:
    """Raise VerificationError unless the originator, owner of `public_key`, signed the message."""
    if not message.signature:
        raise VerificationError("the message is not signed")
    verify_octets(message.to_be_signed(), message.signature, public_key)


def shared_secret(private_key: PrivateKey, peer_public_key: PublicKey) -> bytes:
    """Return Z (32 octets), the same for both ends' keys (GBCS 4.3.3.3)."""
    return private_key.exchange(ec.ECDH(), peer_public_key)


def derive_key(message: Message, secret: bytes) -> bytes:
    """Return the AES key (16 octets) of one message: Z and the parties and counter of its Grouping Header."""
    other_info = _AES_GCM_128 + message.originator + message.transaction_id + message.recipient
    return ConcatKDFHash(SHA256(), _KEY_LENGTH, other_info).derive(secret)


def mac(message: Message, secret: bytes) -> bytes:
    """Return the MAC (12 octets) over the message's general-signing APDU (GBCS 6.2.3)."""
    return AESGCM(derive_key(message, secret)).encrypt(
        message.originator + _INVOCATION_COUNTER, b"", _ADDITIONAL_DATA_HEAD + message.general_signing()
    )[:MAC_LENGTH]


def protect(message: Message, private_key: PrivateKey, peer_public_key: PublicKey) -> Message:
    """Return `message` with MAC Header and MAC; one that is not signed gets the signature length 00.

    For a command `private_key` is the access control broker's, whoever the originator is.
    """
    unprotected = replace(message, signature=message.signature or b"")
    return replace(unprotected, mac=mac(unprotected, shared_secret(private_key, peer_public_key)))


def verify_mac(message: Message, private_key: PrivateKey, peer_public_key: PublicKey) -> None:
    """Raise VerificationError unless the MAC was made with the other halves of the two key pairs."""
    if message.mac is None:
        raise VerificationError("the message has no MAC")
    if not hmac.compare_digest(message.mac, mac(message, shared_secret(private_key, peer_public_key))):
        raise VerificationError("the MAC does not verify")
