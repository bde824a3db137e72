"""ECQV implicit certificates of suite 1 (48 octets) and suite 2 (74 octets), and the keys they stand for.

Sources: SEC 4 v1.0, 2.4 and 2.5 (reconstruction); SEP 07-5356-21, C.4.2 (layouts).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from hanota.errors import RemoteProtocolError
from hanota.eui64 import Eui64
from hanota.zse.cbke.group import Arithmetic, arithmetic, decode_point
from hanota.zse.cbke.status import KeyEstablishmentError, KeyEstablishmentStatus
from hanota.zse.cbke.suites import Suite
from hanota.zse.mmo import aes_mmo

if TYPE_CHECKING:
    from typing import Self

    from hanota.zse.cbke.curves import Curve, Point

ISSUER_OCTETS: Final = 8
SERIAL_NUMBER_OCTETS: Final = 8
ATTRIBUTES_OCTETS: Final = 10
CERTIFICATE_TYPE: Final = 0x00
"""Suite 2: an implicit certificate without extensions."""
CURVE_SECT283K1: Final = 0x0D
HASH_AES_MMO: Final = 0x08
NO_EXPIRY: Final = 0xFFFFFFFF
"""ValidTo of a suite 2 certificate that never ends."""
_AUTHORITIES_KEPT: Final = 8
"""CA public keys kept decoded: a site has one a suite, and each is looked at in every exchange."""


class KeyUsage(IntFlag):
    """KeyUsage of a suite 2 certificate."""

    KEY_AGREEMENT = 0x08
    DIGITAL_SIGNATURE = 0x80


@dataclass(frozen=True, slots=True)
class ImplicitCertificate:
    """An implicit certificate, decoded. A field the suite does not have is None."""

    suite: Suite
    subject: Eui64
    issuer: bytes
    point: bytes
    """The reconstruction point, compressed."""
    octets: bytes
    """The certificate as on the wire."""
    attributes: bytes | None = None
    """Suite 1: ProfileAttributeData, 10 octets."""
    serial_number: bytes | None = None
    valid_from: int | None = None
    """Unix seconds."""
    lifetime: int | None = None
    """Seconds from `valid_from` on; NO_EXPIRY."""
    key_usage: KeyUsage | None = None

    @classmethod
    def decode(cls, suite: Suite, octets: bytes, *, issuer: bytes | None = None) -> Self:
        """Read a certificate that came for key agreement.

        Raises KeyEstablishmentError, checked in this order: BAD_MESSAGE (length), UNKNOWN_ISSUER (when
        `issuer` is given and another one issued it), INVALID_CERTIFICATE (type, curve, hash, key usage).
        """
        certificate = cls._parse(suite, octets)
        if issuer is not None and certificate.issuer != issuer:
            raise KeyEstablishmentError(
                f"the certificate's issuer is {certificate.issuer.hex()}, ours is {issuer.hex()}",
                KeyEstablishmentStatus.UNKNOWN_ISSUER,
            )
        if suite is Suite.TWO:
            _require("type", octets[0], CERTIFICATE_TYPE)
            _require("curve", octets[9], CURVE_SECT283K1)
            _require("hash", octets[10], HASH_AES_MMO)
            if not octets[36] & KeyUsage.KEY_AGREEMENT:
                raise KeyEstablishmentError(
                    "the certificate's key usage is not key agreement",
                    KeyEstablishmentStatus.INVALID_CERTIFICATE,
                )
        return certificate

    @property
    def expires(self) -> int | None:
        """Unix seconds at which the certificate ends, or None if it never does."""
        if self.valid_from is None or self.lifetime is None or self.lifetime == NO_EXPIRY:
            return None
        return self.valid_from + self.lifetime

    @classmethod
    def _parse(cls, suite: Suite, octets: bytes) -> Self:
        if len(octets) != suite.parameters.certificate_octets:
            raise KeyEstablishmentError(
                f"a suite {suite.value} certificate has {suite.parameters.certificate_octets} octets, "
                f"got {len(octets)}",
                KeyEstablishmentStatus.BAD_MESSAGE,
            )
        if suite is Suite.ONE:
            return cls(
                suite,
                point=octets[:22],
                subject=Eui64(octets[22:30]),
                issuer=octets[30:38],
                attributes=octets[38:],
                octets=octets,
            )
        return cls(
            suite,
            serial_number=octets[1:9],
            issuer=octets[11:19],
            valid_from=int.from_bytes(octets[19:24], "big"),
            lifetime=int.from_bytes(octets[24:28], "big"),
            subject=Eui64(octets[28:36]),
            key_usage=KeyUsage(octets[36]),
            point=octets[37:],
            octets=octets,
        )


def certificate_hash(octets: bytes) -> int:
    """Return e of SEC 4: the hash of the certificate as a number.

    128 bits are fewer than either curve's order has, so nothing of the hash is cut off.
    """
    return int.from_bytes(aes_mmo(octets), "big")


def public_key(
    certificate: ImplicitCertificate, ca_public_key: bytes, group: Arithmetic | None = None
) -> Point:
    """Return the subject's public key, MMO(certificate) * point + CA's public key (SEC 4, 2.5).

    Raises KeyEstablishmentError INVALID_CERTIFICATE if the reconstruction point or what comes of it is no
    public key, RemoteProtocolError if the CA's public key is none.
    """
    group = group or arithmetic()
    curve = certificate.suite.parameters.curve
    authority = _authority_key(curve, ca_public_key, group)
    try:
        point = decode_point(curve, certificate.point, group)
    except RemoteProtocolError as error:
        raise KeyEstablishmentError(
            f"the certificate's point: {error}", KeyEstablishmentStatus.INVALID_CERTIFICATE
        ) from None
    key = curve.add(group.multiply(curve, certificate_hash(certificate.octets), point), authority)
    if key is None:
        raise KeyEstablishmentError(
            "the certificate stands for the point at infinity", KeyEstablishmentStatus.INVALID_CERTIFICATE
        )
    return key


@lru_cache(maxsize=_AUTHORITIES_KEPT)
def _authority_key(curve: Curve, octets: bytes, group: Arithmetic) -> Point:
    return decode_point(curve, octets, group)


def _require(name: str, value: int, expected: int) -> None:
    if value != expected:
        raise KeyEstablishmentError(
            f"the certificate's {name} is 0x{value:02X}, a suite 2 certificate has 0x{expected:02X}",
            KeyEstablishmentStatus.INVALID_CERTIFICATE,
        )
