"""ECMQV key agreement, key derivation and key confirmation: one pure function for both roles.

Sources: SEC 1 v2, 3.4 and 6.2 (ECMQV); SEP 07-5356-21, C.4.2 (AES-MMO as hash, key derivation, the two MACs).
Suite 2 differs from suite 1 by curve and certificate alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from hanota.errors import RemoteProtocolError
from hanota.zse.cbke.certificate import ImplicitCertificate, public_key
from hanota.zse.cbke.group import Arithmetic, arithmetic, decode_point, encoded_public_key
from hanota.zse.cbke.status import KeyEstablishmentError, KeyEstablishmentStatus
from hanota.zse.mmo import aes_mmo, hmac_mmo

if TYPE_CHECKING:
    from collections.abc import Callable

    from hanota.zse.cbke.credentials import CbkeCredentials
    from hanota.zse.cbke.curves import Curve, Point
    from hanota.zse.cbke.suites import Suite

_SURPLUS_OCTETS: Final = 8
"""Random octets beyond the order's length, so that the remainder is near uniform (FIPS 186-5, A.2.1)."""
_MACKEY_COUNTER: Final = bytes.fromhex("00000001")
_KEYDATA_COUNTER: Final = bytes.fromhex("00000002")
_MACU_TAG: Final = b"\x02"
_MACV_TAG: Final = b"\x03"


class Role(Enum):
    """Whose part of the exchange is ours: U is the initiator (a device), V the responder (the hub)."""

    INITIATOR = auto()
    RESPONDER = auto()


@dataclass(frozen=True, slots=True)
class EphemeralKey:
    """A key pair for one exchange."""

    private: bytes = field(repr=False)
    public: bytes
    """Compressed, as Ephemeral Data carries it."""


@dataclass(frozen=True, slots=True)
class SessionKeys:
    """What both sides hold after the exchange, 16 octets each.

    Compare a MAC that arrives with `hmac.compare_digest`.
    """

    mac_key: bytes = field(repr=False)
    key_data: bytes = field(repr=False)
    """The new APS link key."""
    mac_u: bytes = field(repr=False)
    """Confirm Key of the initiator."""
    mac_v: bytes = field(repr=False)
    """Confirm Key of the responder."""


def random_scalar(curve: Curve, entropy: Callable[[int], bytes]) -> int:
    """Return a private key from 1 to order - 1; `entropy` gives as many random octets as it is asked for."""
    octets = entropy(curve.field.octets + _SURPLUS_OCTETS)
    return int.from_bytes(octets, "big") % (curve.order - 1) + 1


def ephemeral_key(
    suite: Suite, entropy: Callable[[int], bytes], *, accelerated: bool | None = None
) -> EphemeralKey:
    """Return a fresh ephemeral key pair."""
    parameters = suite.parameters
    curve = parameters.curve
    scalar = random_scalar(curve, entropy)
    public = encoded_public_key(curve, scalar, arithmetic(accelerated=accelerated))
    return EphemeralKey(scalar.to_bytes(parameters.private_key_octets, "big"), public)


def establish(
    credentials: CbkeCredentials,
    role: Role,
    own: EphemeralKey,
    peer_certificate: bytes,
    peer_ephemeral: bytes,
    *,
    accelerated: bool | None = None,
) -> SessionKeys:
    """Compute the keys of one exchange; takes and returns what can be pickled, for an executor.

    Raises KeyEstablishmentError: what ImplicitCertificate.decode and public_key refuse; INVALID_CERTIFICATE
    if the peer shows our own subject; BAD_MESSAGE if its ephemeral key is ours or its negative, or no key.
    `accelerated` chooses the arithmetic as arithmetic() does.
    """
    group = arithmetic(accelerated=accelerated)
    certificate = ImplicitCertificate.decode(credentials.suite, peer_certificate, issuer=credentials.issuer)
    if certificate.subject == credentials.subject:
        raise KeyEstablishmentError(
            "the certificate's subject is our own", KeyEstablishmentStatus.INVALID_CERTIFICATE
        )
    if peer_ephemeral[1:] == own.public[1:]:
        raise KeyEstablishmentError("our own ephemeral key came back", KeyEstablishmentStatus.BAD_MESSAGE)
    ephemeral = _peer_ephemeral(credentials.suite.parameters.curve, peer_ephemeral, group)
    static = public_key(certificate, credentials.ca_public_key, group)
    shared = shared_secret(credentials, own, static, ephemeral, group)
    return _derive(shared, credentials, role, certificate, own.public, peer_ephemeral)


def _peer_ephemeral(curve: Curve, octets: bytes, group: Arithmetic) -> Point:
    try:
        return decode_point(curve, octets, group)
    except RemoteProtocolError as error:
        raise KeyEstablishmentError(
            f"the ephemeral key: {error}", KeyEstablishmentStatus.BAD_MESSAGE
        ) from None


def shared_secret(
    credentials: CbkeCredentials, own: EphemeralKey, static: Point, ephemeral: Point, group: Arithmetic
) -> bytes:
    """Return Z, the x of cofactor * s * (R + avf(R) * Q) in as many octets as the field's elements have."""
    curve = credentials.suite.parameters.curve
    own_x = int.from_bytes(own.public[1:], "big")
    private, ephemeral_private = (
        int.from_bytes(octets, "big") for octets in (credentials.private_key, own.private)
    )
    implicit_signature = (ephemeral_private + _associate_value(curve, own_x) * private) % curve.order
    peer = curve.add(ephemeral, group.multiply(curve, _associate_value(curve, ephemeral.x), static))
    scalar = curve.cofactor * implicit_signature % curve.order
    shared = peer and group.multiply(curve, scalar, peer)
    if shared is None:
        raise KeyEstablishmentError(
            "the shared secret is the point at infinity", KeyEstablishmentStatus.BAD_MESSAGE
        )
    return shared.x.to_bytes(curve.field.octets, "big")


def _associate_value(curve: Curve, x: int) -> int:
    """Return avf of a point by its x: its low half with one bit above set (SEC 1, 3.4)."""
    top = 1 << curve.associate_bits
    return x % top + top


def _derive(
    shared: bytes,
    credentials: CbkeCredentials,
    role: Role,
    peer: ImplicitCertificate,
    own_ephemeral: bytes,
    peer_ephemeral: bytes,
) -> SessionKeys:
    u, v = (credentials.subject, own_ephemeral), (peer.subject, peer_ephemeral)
    if role is Role.RESPONDER:
        u, v = v, u
    mac_key = aes_mmo(shared + _MACKEY_COUNTER)
    return SessionKeys(
        mac_key,
        key_data=aes_mmo(shared + _KEYDATA_COUNTER),
        mac_u=hmac_mmo(mac_key, _MACU_TAG + u[0] + v[0] + u[1] + v[1]),
        mac_v=hmac_mmo(mac_key, _MACV_TAG + v[0] + u[0] + v[1] + u[1]),
    )
