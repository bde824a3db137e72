"""The supplier's (Authorising Remote Party's) signature over a Manufacturer Image.

ECDSA on P-256 with SHA-256, 64 octets r and s, over the Manufacturer Image alone: neither the OTA Header nor
the force-replace octet is signed (GBCS 11.2.4; the published ESME sample verifies so).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from hanota.errors import LocalProtocolError, VerificationError
from hanota.ota.image import SIGNATURE_LENGTH, ImageShape
from hanota.zcl import Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from hanota.ota.image import OtaFile

_ALGORITHM: Final = ec.ECDSA(hashes.SHA256())
_DETERMINISTIC: Final = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
"""RFC 6979: the same image and key give the same file."""
_INTEGER: Final = SIGNATURE_LENGTH // 2


def supplier_signer(private_key: ec.EllipticCurvePrivateKey) -> Callable[[bytes], bytes]:
    """Return the `sign` argument of `build_signed_image`; raise LocalProtocolError unless on P-256."""
    _require_p256(private_key.curve)

    def sign(manufacturer_image: bytes) -> bytes:
        r, s = decode_dss_signature(private_key.sign(manufacturer_image, _DETERMINISTIC))
        return r.to_bytes(_INTEGER, "big") + s.to_bytes(_INTEGER, "big")

    return sign


def verify_supplier_signature(file: OtaFile, public_key: ec.EllipticCurvePublicKey) -> None:
    """Verify the signature of a SIGNED file; raise VerificationError (INVALID_IMAGE) if it is not this key's.

    A file of another shape carries no signature, which is a VerificationError too.
    """
    _require_p256(public_key.curve)
    signature = file.supplier_signature
    if signature is None:
        raise VerificationError(
            f"a {file.shape.value} image carries no supplier signature",
            status=Status.INVALID_IMAGE,
            hint=f"only the {ImageShape.SIGNED.value} shape (ESME, HCALCS) is signed by a supplier",
        )
    r = int.from_bytes(signature[:_INTEGER], "big")
    s = int.from_bytes(signature[_INTEGER:], "big")
    try:
        public_key.verify(encode_dss_signature(r, s), file.manufacturer_image, _ALGORITHM)
    except InvalidSignature:
        raise VerificationError(
            "the supplier signature does not verify: another key signed, or the image was altered",
            status=Status.INVALID_IMAGE,
        ) from None


def _require_p256(curve: ec.EllipticCurve) -> None:
    if not isinstance(curve, ec.SECP256R1):
        raise LocalProtocolError(f"a supplier signs with a key on P-256, got one on {curve.name}")
