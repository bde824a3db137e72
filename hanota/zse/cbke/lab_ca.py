"""A certificate authority for the bench: implicit certificates for devices and hubs of one's own.

Source: SEC 4 v1.0, 2.3. The authority makes the subject's key pair too, as those who provision devices do.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, assert_never

from hanota.errors import ConfigError
from hanota.zse.cbke.certificate import (
    ATTRIBUTES_OCTETS,
    CERTIFICATE_TYPE,
    CURVE_SECT283K1,
    HASH_AES_MMO,
    ISSUER_OCTETS,
    NO_EXPIRY,
    SERIAL_NUMBER_OCTETS,
    KeyUsage,
    certificate_hash,
)
from hanota.zse.cbke.credentials import CbkeCredentials, SiteCredentials
from hanota.zse.cbke.group import arithmetic, encoded_public_key
from hanota.zse.cbke.handshake import random_scalar
from hanota.zse.cbke.suites import Suite

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Self

    from hanota.eui64 import Eui64

LAB_ISSUER: Final = b"LABTESTC"
"""The issuer a lab CA names unless told otherwise; it is nobody's EUI-64."""


@dataclass(frozen=True, slots=True)
class LabCertificateAuthority:
    """A CA for one suite."""

    suite: Suite
    issuer: bytes
    private_key: bytes = field(repr=False)

    def __post_init__(self) -> None:
        """Raise ConfigError if the issuer or the private key cannot be one."""
        if len(self.issuer) != ISSUER_OCTETS:
            raise ConfigError(f"an issuer has {ISSUER_OCTETS} octets, got {len(self.issuer)}")
        in_range = 0 < int.from_bytes(self.private_key, "big") < self.suite.parameters.curve.order
        if len(self.private_key) != self.suite.parameters.private_key_octets or not in_range:
            raise ConfigError(f"not a suite {self.suite.value} private key of a CA")

    @classmethod
    def create(cls, suite: Suite, entropy: Callable[[int], bytes], *, issuer: bytes = LAB_ISSUER) -> Self:
        """Return a new authority; `entropy` returns as many random octets as it is asked for."""
        parameters = suite.parameters
        scalar = random_scalar(parameters.curve, entropy)
        return cls(suite, issuer, scalar.to_bytes(parameters.private_key_octets, "big"))

    @property
    def public_key(self) -> bytes:
        """The authority's public key, compressed."""
        return self._public(int.from_bytes(self.private_key, "big"))

    def issue(
        self,
        subject: Eui64,
        *,
        now: float,
        entropy: Callable[[int], bytes],
        key_usage: KeyUsage = KeyUsage.KEY_AGREEMENT | KeyUsage.DIGITAL_SIGNATURE,
        lifetime: int = NO_EXPIRY,
        attributes: bytes = bytes(ATTRIBUTES_OCTETS),
    ) -> CbkeCredentials:
        """Return credentials for `subject`.

        Suite 2 has `key_usage` and is valid from `now` for `lifetime` seconds; suite 1 has `attributes`.
        """
        curve = self.suite.parameters.curve
        scalar = random_scalar(curve, entropy)
        point = self._public(scalar)
        match self.suite:
            case Suite.ONE:
                certificate = point + subject + self.issuer + attributes
            case Suite.TWO:
                certificate = b"".join(
                    (
                        bytes([CERTIFICATE_TYPE]),
                        entropy(SERIAL_NUMBER_OCTETS),
                        bytes([CURVE_SECT283K1, HASH_AES_MMO]),
                        self.issuer,
                        int(now).to_bytes(5, "big"),
                        lifetime.to_bytes(4, "big"),
                        subject,
                        bytes([key_usage]),
                        point,
                    )
                )
            case _:
                assert_never(self.suite)
        private = certificate_hash(certificate) * scalar + int.from_bytes(self.private_key, "big")
        private_key = (private % curve.order).to_bytes(self.suite.parameters.private_key_octets, "big")
        return CbkeCredentials(self.suite, certificate, private_key, self.public_key)

    def _public(self, scalar: int) -> bytes:
        return encoded_public_key(self.suite.parameters.curve, scalar, arithmetic())


def lab_authorities(
    entropy: Callable[[int], bytes], suites: Iterable[Suite] = Suite, *, issuer: bytes = LAB_ISSUER
) -> tuple[LabCertificateAuthority, ...]:
    """Return a new authority for each suite."""
    return tuple(LabCertificateAuthority.create(suite, entropy, issuer=issuer) for suite in suites)


def lab_credentials(
    authorities: Sequence[LabCertificateAuthority],
    subject: Eui64,
    *,
    now: float,
    entropy: Callable[[int], bytes],
) -> SiteCredentials:
    """Return a site's credentials, one issued by each authority."""
    issued = (authority.issue(subject, now=now, entropy=entropy) for authority in authorities)
    return SiteCredentials.of(*issued)
